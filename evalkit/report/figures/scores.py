"""Distribution of scores over phrasings: a row per task or model, a dot per phrasing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.report.figures.canvas import (
    COLOURS,
    INK,
    LIGHT,
    MARKERS,
    POINTS,
    axes,
    label_rows,
)
from evalkit.report.figures.lanes import mirrored

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Dot", "ScoreRow", "plot_scores"]


LONG = 12
"""Rows above which the scale stands on top as well, where reading begins."""
APART = 0.018
"""Width of a mark as a share of the scale."""
CROWD = 60
"""Phrasings in a row above which marks are smaller and fainter."""


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
    """Draw a dot per phrasing, the interval of the mean thick, the interval for a new phrasing
    thin, the chance level dashed.

    Parameters
    ----------
    rows
        Top to bottom.
    ax
        Axes to draw on; a new figure's when None.

    Notes
    -----
    Seen and unknown wordings lie above the interval, unseen ones below it, each in lanes, so that
    none hides another.
    """
    with axes(ax, height=0.75 + 0.34 * len(rows)) as ax:
        guessing: dict[str, Any] = {"color": INK, "linewidth": 0.8, "linestyle": (0, (2, 2))}
        chances = {row.chance for row in rows if not math.isnan(row.chance)}
        ax.set_xlim(-2, 102)
        ax.set_xticks([0, 20, 40, 60, 80, 100])
        ax.set_xlabel("score, percentage points")
        ax.xaxis.grid(True)
        if len(chances) == 1:
            ax.axvline(chances.pop() * POINTS, label="chance", zorder=1, **guessing)
        crowded = max((len(row.dots) for row in rows), default=0) > CROWD
        _marks(ax, rows, crowded=crowded)
        for place, row in enumerate(rows):
            _interval(ax, place, row)
            if len(chances) and not math.isnan(row.chance):
                ax.plot([row.chance * POINTS] * 2, [place - 0.4, place + 0.4], **guessing)
        label_rows(ax, [row.label for row in rows])
        long = len(rows) > LONG
        ax.tick_params(axis="x", labeltop=long)
        ax.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=2.2 if long else 0.2
        )
        return ax


def _marks(ax: Axes, rows: Sequence[ScoreRow], *, crowded: bool) -> None:
    """A mark per phrasing, in lanes on both sides of the interval."""
    lanes = [
        mirrored([dot.score for dot in row.dots], [dot.seen for dot in row.dots], apart=APART)
        for row in rows
    ]
    most = max((abs(lane) for found in lanes for lane in found), default=1)
    step = min(0.15, 0.42 / max(1, most))
    for arm in ("unknown", "seen", "unseen"):
        dots = [
            (dot.score * POINTS, place - math.copysign(0.04 + step * abs(lane), lane))
            for place, row in enumerate(rows)
            for dot, lane in zip(row.dots, lanes[place], strict=True)
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
                alpha=0.6 if crowded else 0.9,
                label=arm,
                zorder=3,
            )


def _interval(ax: Axes, place: int, row: ScoreRow) -> None:
    """Thin: a new phrasing. Thick: the mean. Tick: the mean itself."""
    y = place
    if not math.isnan(row.new_low) and not math.isnan(row.new_high):
        ends = [max(0.0, row.new_low) * POINTS, min(1.0, row.new_high) * POINTS]
        ax.plot(
            ends,
            [y, y],
            color=LIGHT,
            zorder=1.5,
            linewidth=0.7,
            solid_capstyle="butt",
            gid=f"new-{place}",
        )
    if not math.isnan(row.low) and not math.isnan(row.high):
        ax.plot(
            [row.low * POINTS, row.high * POINTS],
            [y, y],
            color=LIGHT,
            linewidth=2.6,
            solid_capstyle="butt",
            zorder=1.5,
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
