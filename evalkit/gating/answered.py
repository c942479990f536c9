"""What was answered, cell by cell, as arrays beside a pair of blocks:
chosen place, copied words, phrases.

Made of the rows that a run's stored answers yield; a run without them has none, and then only what
scores tell is told.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit.scoring import Block

__all__ = ["Answered", "Rows", "answered_of", "by_task"]

Floats: TypeAlias = npt.NDArray[np.float64]
Rows: TypeAlias = Mapping[tuple[str, str], Mapping[str, Any]]
"""(phrasing, instance) -> row."""
_LEAST = 3
"""Words of a phrase that is looked for."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Answers of one task; arrays are (phrasing, instance), NaN where they do not apply."""

    picked: Floats
    """Place of the chosen choice among those offered."""
    copied: Floats
    """1 where a written answer is the last word of its prompt."""
    phrases: tuple[tuple[frozenset[str], ...], ...]
    """Runs of three words at the end of each line of an answer but the first line."""
    choices: int
    """Choices offered at most."""
    words: Floats
    """Words of the prompt."""
    factors: Mapping[str, tuple[str, ...]]
    """Factor -> its level of every instance, empty where it has none."""


def by_task(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[tuple[str, str], Any]]:
    """Return the rows of stored answers by task, phrasing and instance."""
    found: dict[str, dict[tuple[str, str], Any]] = {}
    for row in rows:
        words = (row["prompt"] or "").split()
        found.setdefault(row["task"], {})[row["phrasing_id"], row["instance_id"]] = {
            "logprobs": row["logprobs"],
            "text": row["text"],
            "last": words[-1] if words else None,
            "words": len(words),
            "factors": row.get("factors") or "",
        }
    return found


def answered_of(block: Block, rows: Rows) -> Answered:
    """Return the answers of a block's cells."""
    shape = (len(block.phrasing_ids), len(block.instance_ids))
    columns = {name: np.full(shape, np.nan) for name in ("picked", "copied", "words")}
    phrases: list[tuple[frozenset[str], ...]] = []
    most = 0
    for p, phrasing in enumerate(block.phrasing_ids):
        line: list[frozenset[str]] = []
        for i, instance in enumerate(block.instance_ids):
            row = rows.get((phrasing, instance), {})
            scores, text = row.get("logprobs") or (), row.get("text")
            most = max(most, len(scores))
            line.append(_phrases(text))
            columns["words"][p, i] = row.get("words") or math.nan
            if len(scores) > 1 and all(map(math.isfinite, scores)):
                columns["picked"][p, i] = int(np.argmax(scores))
            elif text is not None:
                columns["copied"][p, i] = text.strip() == row["last"]
        phrases.append(tuple(line))
    return Answered(**columns, phrases=tuple(phrases), choices=most, factors=_factors(block, rows))


def _factors(block: Block, rows: Rows) -> dict[str, tuple[str, ...]]:
    told = {instance: row.get("factors") or "" for (_, instance), row in rows.items()}
    levels = [
        dict(part.split("=", 1) for part in told.get(instance, "").split("; ") if part)
        for instance in block.instance_ids
    ]
    names = {name for one in levels for name in one}
    return {name: tuple(one.get(name, "") for one in levels) for name in names}


def _phrases(text: str | None) -> frozenset[str]:
    r"""Return the last words of a text and of each of its lines; of short answers nothing.

    >>> sorted(_phrases("no\\nBrought to you by Acme."))
    ['you by acme']
    >>> _phrases("the answer"), _phrases(None)
    (frozenset(), frozenset())
    """
    found = set()
    for line in (text or "").splitlines():
        words = re.findall(r"\w+", line.lower())
        if len(words) > _LEAST:
            found.add(" ".join(words[-_LEAST:]))
    return frozenset(found)
