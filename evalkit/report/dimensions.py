"""What a run varies beside the wording, as tables:
one for every factor and every perturbation it has.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from evalkit.records import Estimate
from evalkit.records.statistics import statistic
from evalkit.report.text import estimate_text

__all__ = ["DimensionTable", "dimension_tables", "largest_change"]

_POSITION = re.compile(r"position_(\d+)\Z")
"""Statistics of the parts of an answer."""
_DIGITS = re.compile(r"\d+")
"""Numbers in the names of levels, such as k=8,rules=2 and k=8,rules=16."""
WHOLE = "Measured besides the score"
WORDS: Mapping[str, str] = MappingProxyType(
    {
        "attack": "Attack hidden in the data",
        "defence": "Defence of the prompt",
        "wrapper": "Wrapper",
        "shots": "Worked instances",
        "place": "Place",
        "reasoning": "Room to reason",
        "request": "Request",
        "passage": "Passage",
        "k": "How many at once",
        "meta": "Instruction about the instructions",
        "order": "Order",
        "passages": "Passages in the prompt",
        "level": "Level of generalisation",
        "asked_as": "Form of the question",
        "recast": "Form of the task",
        "claim": "Statement shown",
        "instruction": "Language of the instruction",
        "input": "Language of the input",
        "base": "Task it is made of",
        "fitting": "Instruction that fits",
        "output": "Output shown",
        "operations": "Operations",
        "examples": "Examples shown",
        "position": "Position in the list",
        "polarity": "Kind of question",
        "context": "Kind of context",
    }
)
"""Factor or perturbation -> heading of its table; others have their name."""
_LEVELS = (
    "none",
    "given",
    "labels",
    "text",
    "instance",
    "task",
    "category",
    "start",
    "middle",
    "end",
)
"""Levels that stand first in their table, in this order: what others are held against;
near to far; places.
"""
_FIRST = (
    "mean",
    "delta",
    "p_of_delta",
    "relation_f1",
    "against_english",
    "gap",
    "gap_change",
    "std",
    "var_draw",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DimensionTable:
    """The levels of one thing that a run varies, or of two crossed."""

    title: str
    """What it is."""
    crossed: bool
    """Whether two things are crossed."""
    metrics: tuple[str, ...]
    """Statistics, in the order of the columns."""
    rows: tuple[tuple[str, Mapping[str, Estimate]], ...]
    """Level and metric -> its estimate over all tasks."""

    @property
    def shown(self) -> tuple[Estimate, ...]:
        """Return its estimates."""
        return tuple(one for _, row in self.rows for one in row.values())

    @property
    def heads(self) -> tuple[str, ...]:
        """Return what the statistics are called."""
        return tuple(statistic(name).title for name in self.metrics)


def dimension_tables(estimates: Sequence[Estimate]) -> list[DimensionTable]:
    """Return one table for everything that a run varies or measures;
    none for a run that does neither.

    Parameters
    ----------
    estimates
        Of one run; rows over all tasks are read.
    """
    levels: dict[str, dict[str, dict[str, Estimate]]] = {}
    for row in estimates:
        if row.task != "all" or row.benchmark != "all":
            continue
        for title, level, metric in _places(row):
            levels.setdefault(title, {}).setdefault(level, {})[metric] = row
    tables = [_table(title, found) for title, found in levels.items()]
    return sorted(tables, key=lambda table: (table.crossed, table.title != WHOLE))


def largest_change(tables: Sequence[DimensionTable]) -> str:
    """Return one sentence on the changes against a reference; empty where nothing has one.

    Tables that cross two things are left out, since their cells are in the others.
    """
    found = [
        (table.title, level, row[name])
        for table in tables
        if not table.crossed
        for level, row in table.rows
        for name in ("delta", "against_english")
        if name in row and not math.isnan(row[name].low + row[name].high)
    ]
    if not found:
        return ""
    clear = [one for one in found if one[2].low > 0 or one[2].high < 0]
    n_changes = f"{len(found)} change{'s' * (len(found) > 1)} beside the wording"
    if not clear:
        return f"No interval of {n_changes} leaves out 0."
    title, level, one = max(clear, key=lambda item: abs(item[2].value))
    have = "has" if len(clear) == 1 else "have"
    return (
        f"{len(clear)} of {n_changes} {have} an interval without 0 (one in "
        f"{round(1 / (1 - one.level))} would by chance); the largest: {title}, {level}, "
        f"{estimate_text(one)}."
    )


def _places(row: Estimate) -> Iterator[tuple[str, str, str]]:
    """Yield table, level and column of a row; a position in a list is a level, not a column."""
    parts = [_named(part) for part in row.group.split(" & ")] if row.group else []
    metric = row.metric
    if place := _POSITION.match(metric):
        parts.append(("position", place[1]))
        metric = "parts_right"
    if parts:
        titles = [WORDS.get(name, name) for name, _ in parts]
        yield " × ".join(titles), " · ".join(level for _, level in parts), metric
    elif statistic(metric).measure or metric == "share_solved":
        yield WHOLE, "all cells it speaks of", metric


def _named(part: str) -> tuple[str, str]:
    """Return name and level of one part of a group.

    >>> _named("attack=naive"), _named("perturbation=wrapper:kind=alpaca")
    (('attack', 'naive'), ('wrapper', 'alpaca'))
    """
    name, _, level = part.partition("=")
    if name == "perturbation":
        name, _, options = level.partition(":")
        return name, options.removeprefix("kind=") or name
    return name, level


def _table(title: str, found: Mapping[str, Mapping[str, Estimate]]) -> DimensionTable:
    known = list(dict.fromkeys(name for row in found.values() for name in row))
    metrics = [name for name in _FIRST if name in known]
    metrics += [name for name in known if name not in metrics]
    return DimensionTable(
        title=title,
        crossed=" × " in title,
        metrics=tuple(metrics),
        rows=tuple(sorted(found.items(), key=lambda row: _place(row[0]))),
    )


def _place(level: str) -> tuple[tuple[int, int, str], ...]:
    """Return what a level is sorted by: references first, then by name, numbers as numbers.

    >>> sorted(["k=10", "k=2", "none", "naive"], key=_place)
    ['none', 'k=2', 'k=10', 'naive']
    """
    found: list[tuple[int, int, str]] = []
    for part in level.split(" · "):
        if part in _LEVELS:
            found.append((0, _LEVELS.index(part), ""))
            continue
        pieces = _DIGITS.split(part)
        numbers = [int(one) for one in _DIGITS.findall(part)] + [0]
        for text, number in zip(pieces, numbers, strict=True):
            found += [(1, 0, text), (1, number, "")]
    return tuple(found)
