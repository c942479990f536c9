"""Distribution of scores over phrasings: a row per task or model, a dot per phrasing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import (
    COLOURS,
    INK,
    MARKERS,
    POINTS,
    axes_for,
    house_style,
    label_rows,
    points_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Dot", "ScoreRow", "plot_scores"]


LONG = 12
"""Rows above which the scale stands on top as well, where reading begins."""
CROWD = 60
"""Phrasings in a row above which marks are smaller, fainter and in more lanes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One phrasing."""

    score: float
    """Mean over instances, a fraction."""
    seen: str
    """seen, unseen or unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One row: a task, a benchmark or a model."""

    label: str
    """Name of the row."""
    dots: Sequence[Dot]
    """Its phrasings."""
    mean: float
    """Mean over phrasings, a fraction."""
    low: float
    """Lower end of the interval of the mean."""
    high: float
    """Upper end of the interval of the mean."""
    new_low: float = math.nan
    """Lower end of the interval for the score under one new phrasing."""
    new_high: float = math.nan
    """Upper end of the interval for the score under one new phrasing."""
    chance: float = math.nan
    """Score of guessing."""


def plot_scores(rows: Sequence[ScoreRow], *, ax: Axes | None = None) -> Axes:
    """Draw a dot per phrasing, the interval of the mean thick, the interval for a new phrasing thin, the chance level dashed.

    Parameters
    ----------
    rows
        Top to bottom.
    ax
        Axes to draw on; a new figure's when None.

    Notes
    -----
    Dots lie in fixed lanes above the interval, by their order in the row, so that equal scores do
    not hide each other.
    """
    with house_style():
        ax = axes_for(ax, height=0.75 + 0.27 * len(rows))
        chances = {row.chance for row in rows if not math.isnan(row.chance)}
        points_axis(
            ax, "score, percentage points", chance=chances.pop() if len(chances) == 1 else None
        )
        crowded = max((len(row.dots) for row in rows), default=0) > CROWD
        lanes = 6 if crowded else 3
        for arm in ("unknown", "seen", "unseen"):
            dots = [
                (dot.score * POINTS, place + 0.06 - 0.44 * (number % lanes) / (lanes - 1))
                for place, row in enumerate(rows)
                for number, dot in enumerate(row.dots)
                if dot.seen == arm and not math.isnan(dot.score)
            ]
            if dots:
                ax.plot(
                    [x for x, _ in dots],
                    [y for _, y in dots],
                    linestyle="none",
                    marker=MARKERS[arm],
                    markersize=2.2 if crowded else 3.2,
                    markeredgewidth=0.7,
                    markeredgecolor=COLOURS[arm],
                    markerfacecolor="none" if arm == "unseen" else COLOURS[arm],
                    alpha=0.4 if crowded else 0.75,
                    label=arm,
                    zorder=3,
                )
        for place, row in enumerate(rows):
            _interval(ax, place, row)
            if len(chances) and not math.isnan(row.chance):
                ax.plot(
                    [row.chance * POINTS] * 2,
                    [place - 0.4, place + 0.4],
                    color=INK,
                    linewidth=0.8,
                    linestyle=(0, (2, 2)),
                )
        label_rows(ax, [row.label for row in rows])
        long = len(rows) > LONG
        ax.tick_params(axis="x", labeltop=long)
        ax.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=2.2 if long else 0.2
        )
    return ax


def _interval(ax: Axes, place: int, row: ScoreRow) -> None:
    """Thin: a new phrasing. Thick: the mean. Tick: the mean itself."""
    y = place + 0.27
    if not math.isnan(row.new_low) and not math.isnan(row.new_high):
        ends = [max(0.0, row.new_low) * POINTS, min(1.0, row.new_high) * POINTS]
        ax.plot(ends, [y, y], color=INK, linewidth=0.7, solid_capstyle="butt", gid=f"new-{place}")
    if not math.isnan(row.low) and not math.isnan(row.high):
        ax.plot(
            [row.low * POINTS, row.high * POINTS],
            [y, y],
            color=INK,
            linewidth=2.6,
            solid_capstyle="butt",
            gid=f"mean-{place}",
        )
    if not math.isnan(row.mean):
        ax.plot(
            [row.mean * POINTS],
            [y],
            marker="|",
            markersize=7,
            markeredgewidth=1.2,
            color=INK,
            linestyle="none",
            gid=f"value-{place}",
        )
