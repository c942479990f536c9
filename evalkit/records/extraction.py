"""How a task file says where the answer stands in a text: the rule, and what is wrong with it.

``last_line``, ``number``, ``letter``, or a mapping with one of ``after`` (a mark), ``json`` (a path
such as ``answer.value``) and ``regex`` (its first group, else the whole match). Where a mark or
pattern stands several times, the last one counts; ``select: first`` takes the first. ``drop`` is a
pattern whose matches are taken out of what was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias

__all__ = ["NAMED", "Extraction", "compiled", "extraction_problem"]

Extraction: TypeAlias = str | Mapping[str, str]
NAMED = ("last_line", "number", "letter")
"""Rules that need nothing further."""
KEYED = ("after", "json", "regex")
"""Rules that are a mapping."""
LONGEST = 1000
"""Characters of a pattern."""
ACCEPTED = 'last_line, number, letter, {after: "####"}, {json: path} or {regex: pattern}'


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """Return a compiled pattern of the ``regex`` library, whose searches can be ended by a clock.

    Raises
    ------
    ValueError
        When it cannot be compiled; says where.
    """
    import regex

    if len(pattern) > LONGEST:
        raise ValueError(f"has {len(pattern)} characters, at most {LONGEST} are accepted")
    try:
        return regex.compile(pattern, regex.VERSION0)
    except (regex.error, OverflowError, RecursionError, ValueError) as error:
        raise ValueError(f"cannot be compiled: {error}") from None


def extraction_problem(rule: Extraction) -> str | None:
    """Return what is wrong with a rule, or None.

    >>> extraction_problem({"regex": "(["})
    "extract: the pattern '([' cannot be compiled: unterminated character set at position 2. Correct it."
    >>> extraction_problem({"after": "####"}) is None
    True
    """  # noqa: E501
    if isinstance(rule, str):
        return None if rule in NAMED else f"extract is {rule!r}; accepted: {ACCEPTED}."
    keys = set(rule) - {"select", "drop"}
    if len(keys) != 1 or not keys <= set(KEYED):
        return f"extract has {', '.join(sorted(rule)) or 'no key'}; accepted: {ACCEPTED}."
    if rule.get("select", "last") not in {"first", "last"}:
        return f"extract: select is {rule['select']!r}; accepted: first or last."
    key = keys.pop()
    if not rule[key].strip():
        return f"extract: {key} is empty; accepted: {ACCEPTED}."
    for pattern in (rule["regex"] if key == "regex" else None, rule.get("drop")):
        try:
            compiled(pattern or "")
        except ValueError as error:
            return f"extract: the pattern {pattern!r} {error}. Correct it."
    return None
