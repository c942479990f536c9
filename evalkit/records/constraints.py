"""Rules that a text can be held to by a program: which there are, what they take, what is wrong
with one.

A rule is a mapping ``{rule: NAME, ...}``. Counts take ``at_least``, ``at_most`` or ``exactly``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from evalkit.records.extraction import compiled

__all__ = ["RULES", "Constraint", "constraint_problem"]

Constraint: TypeAlias = Mapping[str, Any]
COUNT = ("at_least", "at_most", "exactly")

RULES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "words": ((), COUNT),
    "sentences": ((), COUNT),
    "paragraphs": ((), (*COUNT, "between")),
    "bullets": ((), COUNT),
    "highlights": ((), COUNT),
    "placeholders": ((), COUNT),
    "capital_words": ((), COUNT),
    "sections": (("text",), COUNT),
    "contains": (("text",), (*COUNT, "cased")),
    "letter": (("text",), COUNT),
    "excludes": (("text",), ("cased",)),
    "starts": (("text",), ()),
    "ends": (("text",), ()),
    "one_of": (("texts",), ()),
    "first_word": (("text",), ("paragraph", "paragraphs")),
    "postscript": (("text",), ()),
    "title": ((), ()),
    "upper": ((), ()),
    "lower": ((), ()),
    "quoted": ((), ()),
    "json": ((), ()),
    "json_schema": (("schema",), ()),
    "two_answers": ((), ()),
    "language": (("code",), ()),
    "regex": (("pattern",), ("whole",)),
    "automaton": (("start", "accept", "moves"), ()),
}
"""Rule -> what it needs, and what it may have besides."""
KINDS: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys((*COUNT, "paragraph", "paragraphs"), int),
    **dict.fromkeys(("text", "code", "pattern", "start", "between"), str),
    **dict.fromkeys(("texts", "accept"), (list, tuple)),
    **dict.fromkeys(("cased", "whole"), bool),
    **dict.fromkeys(("schema", "moves"), Mapping),
}


def constraint_problem(rule: Constraint) -> str | None:
    """Return what is wrong with a rule, or None.

    >>> constraint_problem({"rule": "words", "at_most": "5"})
    "rule 'words': at_most is '5'; accepted: a whole number."
    >>> constraint_problem({"rule": "regex", "pattern": "a+"}) is None
    True
    """
    name = rule.get("rule")
    if not isinstance(name, str) or name not in RULES:
        return f"rule {name!r} is not known; accepted: {', '.join(RULES)}."
    needed, further = RULES[name]
    given = set(rule) - {"rule"}
    if lacking := [key for key in needed if key not in given]:
        return f"rule {name!r} lacks {', '.join(lacking)}."
    if strange := sorted(given - {*needed, *further}):
        return (
            f"rule {name!r} takes no {strange[0]!r}; accepted: "
            f"{', '.join((*needed, *further)) or 'nothing more'}."
        )
    for key in given:
        kind = KINDS[key]
        if not isinstance(rule[key], kind) or (kind is int and isinstance(rule[key], bool)):
            wanted: dict[Any, str] = {
                int: "a whole number",
                str: "text",
                bool: "true or false",
                Mapping: "a mapping",
            }
            accepted = wanted.get(kind, "a list of texts")
            return f"rule {name!r}: {key} is {rule[key]!r}; accepted: {accepted}."
    if set(COUNT) <= set(further) and name != "contains" and not set(COUNT) & given:
        return f"rule {name!r} needs one of {', '.join(COUNT)}."
    if name == "regex":
        try:
            compiled(rule["pattern"])
        except ValueError as error:
            return f"rule 'regex': the pattern {rule['pattern']!r} {error}. Correct it."
    return _schema_problem(rule["schema"]) if name == "json_schema" else None


def _schema_problem(schema: Mapping[str, Any]) -> str | None:
    """What is wrong with a JSON Schema; nothing is looked at where the library is not there."""
    try:
        from jsonschema import SchemaError
        from jsonschema.validators import validator_for
    except ImportError:
        return None
    if "$ref" in str(schema):
        return "rule 'json_schema': a schema with $ref is not accepted; write it out."
    try:
        validator_for(dict(schema)).check_schema(dict(schema))
    except SchemaError as error:
        return f"rule 'json_schema': the schema is not valid: {error.message}. Correct it."
    return None
