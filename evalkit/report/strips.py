"""The main figure of the page: a strip per task with a mark per wording, as wide as the page is.

Places along the scale are shares of the width, so that one drawing serves a screen, a phone and
paper. Files for papers are drawn by `evalkit.report.figures.scores`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.records import Estimate
from evalkit.report.drawing import names_of, value_at
from evalkit.report.evidence import Evidence, PhrasingView, TaskView
from evalkit.report.figures.lanes import mirrored
from evalkit.report.text import bracket, points

__all__ = ["MOST_STRIPS", "Band", "Mark", "Strip", "strips"]

MOST_STRIPS = 24
"""Most tasks shown."""
APART = 0.028
"""Width of a mark as a share of the scale where that is 280 pixels wide, on a phone."""
PITCH = 9.0
"""Pixels between lanes, where there are few."""
TALLEST = 8
"""Lanes from which on they move closer together."""
OUTLYING = 0.2
"""Loss against the mean of the task from which a wording is named."""
NAMED = 2
"""Most wordings named below a strip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One wording."""

    x: str
    """Place along the scale, per cent."""
    y: str
    """Place across, pixels from the top."""
    seen: str
    """seen, unseen or unknown."""
    phrasing_id: str
    """Phrasing id."""
    words: str
    """Score, interval, instances, relation and wording."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """An interval along the scale."""

    x: str
    """Where it begins, per cent."""
    width: str
    """How wide it is, per cent."""
    end: str
    """Where it ends, per cent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """One task."""

    task: str
    """Task id."""
    name: str
    """What it is called."""
    spread: float
    """Best minus worst wording, a fraction."""
    mean: float
    """Mean over wordings, a fraction."""
    height: int
    """Pixels."""
    middle: str
    """Pixels from the top to the line between the two sides."""
    marks: tuple[Mark, ...]
    """One per wording."""
    tick: str
    """Place of the mean, per cent; empty without one."""
    chance: str
    """Place of guessing, per cent; empty without one."""
    interval: Band | None
    """Interval of the mean."""
    new: Band | None
    """Where the score under one new wording would lie."""
    outlying: tuple[PhrasingView, ...]
    """Wordings that lose most, lowest first."""


def strips(
    evidence: Evidence, values: Mapping[str, Mapping[str, Estimate]]
) -> tuple[list[Strip], int]:
    """Return the tasks with the largest spread, largest first, and how many tasks there are.

    Parameters
    ----------
    evidence
        Of the run.
    values
        Task -> metric -> estimate.
    """
    names = names_of(evidence.tasks)
    found = sorted(evidence.tasks, key=lambda view: (-_or_less(_spread(view)), view.task.id))
    return [_strip(view, names[view.task.id], values) for view in found[:MOST_STRIPS]], len(found)


def _or_less(value: float) -> float:
    return -1.0 if math.isnan(value) else value


def _headline(view: TaskView) -> list[PhrasingView]:
    return [row for row in view.phrasings if row.headline and not math.isnan(row.score)]


def _spread(view: TaskView) -> float:
    scores = [row.score for row in _headline(view)]
    return max(scores) - min(scores) if scores else math.nan


def _strip(view: TaskView, name: str, values: Mapping[str, Mapping[str, Estimate]]) -> Strip:
    rows, task = _headline(view), view.task.id
    lanes = mirrored([row.score for row in rows], [row.seen for row in rows], apart=APART)
    above, below = max([0, *lanes]), -min([0, *lanes])
    pitch = PITCH if max(above, below) <= TALLEST else PITCH * TALLEST / max(above, below)
    middle = 8 + above * pitch
    low = [row for row in rows if row.deviation <= -OUTLYING]
    return Strip(
        task=task,
        name=name,
        spread=_spread(view),
        mean=value_at(values, task, "mean"),
        height=math.ceil(middle + below * pitch + 8),
        middle=f"{middle:.1f}",
        marks=tuple(
            Mark(
                x=_share(row.score),
                y=f"{middle - math.copysign(abs(lane) * pitch, lane):.1f}",
                seen=row.seen,
                phrasing_id=row.phrasing_id,
                words=mark_words(row),
            )
            for row, lane in zip(rows, lanes, strict=True)
        ),
        tick=_share(value_at(values, task, "mean")),
        chance=_share(view.chance),
        interval=_band(
            value_at(values, task, "mean", "low"), value_at(values, task, "mean", "high")
        ),
        new=_band(
            value_at(values, task, "new_phrasing_low"), value_at(values, task, "new_phrasing_high")
        ),
        outlying=tuple(sorted(low, key=lambda row: (row.score, row.phrasing_id))[:NAMED]),
    )


def mark_words(row: PhrasingView) -> str:
    """Return what a mark says of itself: score, interval, instances, relation, wording."""
    text = " ".join((row.text or row.phrasing_id).split())
    cut = text if len(text) <= 160 else f"{text[:160]}…"
    parts = [points(row.score), bracket(row.low, row.high), f"on {row.n:,} instances,", row.seen]
    return f"{' '.join(part for part in parts if part)}: {cut}"


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.2f}%"


def _band(low: float, high: float) -> Band | None:
    if math.isnan(low) or math.isnan(high):
        return None
    start, end = max(0.0, low), min(1.0, high)
    return Band(x=_share(start), width=_share(max(0.0, end - start)), end=_share(end))
