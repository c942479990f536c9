"""A text -> the part that a task's ``extract`` rule takes as the answer, or none.

Bounded in time: a pattern gets `SECONDS`, and a text beyond `LONGEST` characters is looked at from
both of its ends.
"""

from __future__ import annotations

import json
from typing import Any

from evalkit.records.extraction import Extraction, compiled
from evalkit.scoring.reading.answer import read_answer
from evalkit.scoring.reading.numbers import read_number

__all__ = ["extracted"]

SECONDS = 0.5
"""Time that a pattern has for one text."""
LONGEST = 100_000
"""Characters of a text that are looked at."""
LETTERS = tuple("ABCDEFGHIJ")


def extracted(text: str, rule: Extraction) -> str | None:
    r"""Return what a rule takes as the answer; None where it finds nothing in time.

    Parameters
    ----------
    text
        What the model answered, without thoughts.
    rule
        As `evalkit.records.extraction` describes it.

    Examples
    --------
    >>> extracted("3 + 4 = 7\n#### 7", {"after": "####"}), extracted("So it is\n42", "last_line")
    ('7', '42')
    >>> extracted('{"answer": {"value": 5}}', {"json": "answer.value"})
    '5'
    >>> extracted("a=1, a=2", {"regex": "a=(\\d)", "select": "first"})
    '1'
    >>> extracted("It costs $1,200", {"regex": r"\$\S+", "drop": r"[$,]"})
    '1200'
    """
    found = _found(text, rule)
    if found is None or isinstance(rule, str) or "drop" not in rule:
        return found
    try:
        return compiled(rule["drop"]).sub("", found, timeout=SECONDS).strip() or None
    except TimeoutError:
        return None


def _found(text: str, rule: Extraction) -> str | None:
    """What a rule finds, before anything is dropped from it."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]}\n{text[-LONGEST // 2 :]}"
    if rule == "last_line":
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else None
    if rule == "number":
        number = read_number(text)
        return None if number is None else number.shown
    if rule == "letter":
        found = read_answer(text, LETTERS)
        return None if found is None else LETTERS[found.label]
    assert not isinstance(rule, str)  # checked when the file was read
    first = rule.get("select") == "first"
    if "after" in rule:
        mark = rule["after"]
        parts = text.partition(mark) if first else text.rpartition(mark)
        rest = parts[2].strip().split("\n", 1)[0].strip()
        return rest or None if parts[1] else None
    if "json" in rule:
        return _from_json(text, rule["json"], first=first)
    return _by_pattern(text, rule["regex"], first=first)


def _by_pattern(text: str, pattern: str, *, first: bool) -> str | None:
    found = None
    try:
        for match in compiled(pattern).finditer(text, timeout=SECONDS):
            found = match
            if first:
                break
    except TimeoutError:
        return None
    if found is None:
        return None
    taken = next((group for group in found.groups() if group is not None), found.group())
    return taken.strip() or None


def _from_json(text: str, path: str, *, first: bool) -> str | None:
    """Value at a path of the last (first) JSON value of a text that has it."""
    reader, place, taken = json.JSONDecoder(), 0, None
    tries = 0
    while place < len(text) and tries < 1000:
        starts = [at for at in (text.find("{", place), text.find("[", place)) if at >= 0]
        if not starts:
            break
        tries += 1
        try:
            value, place = reader.raw_decode(text, min(starts))
        except (ValueError, RecursionError):
            place = min(starts) + 1
            continue
        found = _at(value, path)
        if found is not None:
            taken = found
            if first:
                break
    return taken


def _at(value: Any, path: str) -> str | None:
    for part in path.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.lstrip("-").isdigit() and len(part) < 7:
            value = value[int(part)] if -len(value) <= int(part) < len(value) else None
        else:
            return None
    if value is None:
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
