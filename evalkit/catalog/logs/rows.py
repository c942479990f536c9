"""One answer of a foreign log, and what readers share:
names of wordings, fields by path, scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import TableError
from evalkit.records import digest

__all__ = ["ONLY", "Asked", "LogRow", "field_at", "number", "one_text", "wording_id"]

ONLY = "asked"
"""Id of the phrasing of a log that has one wording and does not say which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a user says of a log beyond its path."""

    phrasing: str | None = None
    """Field whose value is the phrasing, such as ``metadata.prompt``; ``task``: the task's name is;
    None: what the format offers."""
    metric: str | None = None
    """Name of the score that is read; None: the first of those that the format knows."""

    def wording(self, known: str, record: Any, *, where: str) -> str:
        """Return the field of a record that was named as the phrasing, or what is known of it."""
        if self.phrasing in (None, "task"):
            return known
        return field_at(record, str(self.phrasing), where=where)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One answer."""

    model: str
    """Model."""
    task: str
    """Task."""
    phrasing_id: str
    """What plays the part of a phrasing."""
    instance_id: str
    """Item of the task."""
    score: float | None
    """Score as the harness gave it; None where it has none."""
    prediction: str | None = None
    """What was taken as the answer; None when it is not said."""
    target: str = ""
    """Correct answer."""
    perturbation: str = ""
    """Perturbation of the wording; empty for none."""
    repeat: str = ""
    """Which repeat of the same cell it is; empty for the only one."""


def wording_id(*parts: Any) -> str:
    """Return a short id of a wording's text; `ONLY` where nothing is known of it.

    >>> wording_id("", None), wording_id("Q: {{q}}") == wording_id("Q: {{q}}")
    ('asked', True)
    """
    known = [part for part in parts if part not in (None, "", {}, [])]
    return f"wording-{digest(known, length=8)}" if known else ONLY


def field_at(record: Any, path: str, *, where: str) -> str:
    """Return the text of a field by its path, keys joined by dots.

    Raises
    ------
    TableError
        When there is no such field, naming those there are.
    """
    found = record
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            there = ", ".join(map(str, found)) if isinstance(found, Mapping) else "nothing"
            raise TableError(
                f"{where}: --phrasing {path}: has no field {part!r}; there is {there}. "
                "Name a field of the log, or 'task'."
            )
        found = found[part]
    return found if isinstance(found, str) else str(found)


def number(value: Any, *, where: str) -> float | None:
    """Return a score as a fraction; None where there is none.

    >>> number(True, where=""), number("0.5", where=""), number(None, where="")
    (1.0, 0.5, None)
    """
    if value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise TableError(
            f"{where}: score {value!r} is no number. Name another score with --metric."
        ) from None
    return None if math.isnan(found) else found


def one_text(value: Any) -> str:
    """Return a target or an answer as one text: the first of several.

    >>> one_text(["A", "B"]), one_text(3), one_text(None)
    ('A', '3', '')
    """
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        value = value[0] if value else ""
    return "" if value is None else str(value)


def picked(
    there: Mapping[str, Any], asked: Asked, known: Sequence[str], *, where: Path | str
) -> str:
    """Return the name of the score that is read: the one asked for, else the first known one,
    else the first.

    Raises
    ------
    TableError
        When the one asked for is not there, or there is none.
    """
    if asked.metric is not None:
        if asked.metric not in there:
            raise TableError(
                f"{where}: --metric {asked.metric}: there is {', '.join(there) or 'none'}. "
                "Name one of them."
            )
        return asked.metric
    found = next((name for name in known if name in there), next(iter(there), None))
    if found is None:
        raise TableError(f"{where}: holds no score. Run the harness with its scorer.")
    return found
