"""Figures of a row per task, model or perturbation, first one on top."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalkit.report.figures.canvas import (
    COLOURS,
    INK,
    LIGHT,
    POINTS,
    axes,
    label_rows,
    legend_above,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "ArmsRow",
    "ChangeRow",
    "IntervalRow",
    "VarianceRow",
    "plot_arms",
    "plot_change",
    "plot_gap",
    "plot_ranks",
    "plot_variance",
]

PLACES = {"seen": -0.2, "unknown": 0.0, "unseen": 0.2}
"""Where the line of an arm lies within the row of a model."""
PARTS = (
    ("phrasing", "#8a63b0", "phrasing"),
    ("instance", "#2f8f83", "instance"),
    ("interaction", LIGHT, "phrasing × instance and rest"),
)
"""Part of the variance, its colour, its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRow:
    """One value with its interval."""

    label: str
    """Name of the row."""
    value: float
    """The value: a fraction, or a rank."""
    low: float
    """Lower end of its interval; NaN when there is none."""
    high: float
    """Upper end of its interval."""
    total: bool = False
    """Whether it is over all rows; drawn as a diamond."""


def plot_gap(rows: Sequence[IntervalRow], *, ax: Axes | None = None) -> Axes:
    """Draw seen minus unseen per row with its interval; right of 0, unseen wording is worse."""
    with axes(ax, height=0.75 + 0.2 * len(rows)) as ax:
        ax.axvline(0, color=INK, linewidth=0.8)
        for place, row in enumerate(rows):
            colour = (
                INK
                if row.total
                else COLOURS["unseen"]
                if row.low > 0
                else COLOURS["seen"]
                if row.high < 0
                else COLOURS["unknown"]
            )
            if not math.isnan(row.low):
                ax.plot(
                    [row.low * POINTS, row.high * POINTS],
                    [place, place],
                    color=colour,
                    linewidth=1.4,
                    gid=f"interval-{place}",
                )
            ax.plot(
                [row.value * POINTS],
                [place],
                marker="D" if row.total else "o",
                markersize=4.5,
                color=colour,
                linestyle="none",
                gid=f"value-{place}",
            )
        label_rows(ax, [row.label for row in rows])
        ends = [abs(end) for row in rows for end in (row.value, row.low, row.high)]
        widest = POINTS * max((end for end in ends if not math.isnan(end)), default=0.1)
        ax.set_xlim(-1.05 * max(widest, 1), 1.05 * max(widest, 1))
        ax.xaxis.grid(True)
        ax.set_xlabel("seen minus unseen, percentage points")
        return ax


def plot_ranks(rows: Sequence[IntervalRow], *, ax: Axes | None = None) -> Axes:
    """Draw each model's rank with its interval; 1 is best, and ties share one."""
    with axes(ax, height=0.75 + 0.27 * len(rows)) as ax:
        for place, row in enumerate(rows):
            ax.plot(
                [row.low, row.high],
                [place, place],
                color=INK,
                linewidth=2.2,
                solid_capstyle="butt",
                gid=f"interval-{place}",
            )
            ax.plot(
                [row.value],
                [place],
                marker="|",
                markersize=9,
                markeredgewidth=1.4,
                color=INK,
                linestyle="none",
                gid=f"value-{place}",
            )
        label_rows(ax, [row.label for row in rows])
        ax.set_xlim(0.5, len(rows) + 0.5)
        ax.set_xticks(range(1, len(rows) + 1))
        ax.set_xlabel("rank, 1 is best")
        return ax


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One task, or one perturbation, before and after."""

    label: str
    """Name of the row."""
    before: float
    """Score before, a fraction."""
    after: float
    """Score after."""


def plot_change(
    rows: Sequence[ChangeRow],
    *,
    names: tuple[str, str] = ("before", "after"),
    ax: Axes | None = None,
) -> Axes:
    """Draw the score before (open) and after (filled), joined.

    Parameters
    ----------
    rows
        Top to bottom.
    names
        What before and after are called.
    ax
        Axes to draw on; a new figure's when None.
    """
    with axes(ax, height=0.75 + 0.22 * len(rows)) as ax:
        ends = [[getattr(row, end) * POINTS for row in rows] for end in ("before", "after")]
        for place, joined in enumerate(zip(*ends, strict=True)):
            ax.plot(joined, [place, place], color=LIGHT, linewidth=1.2, zorder=1)
        for name, values, face in zip(names, ends, ("none", COLOURS["seen"]), strict=True):
            ax.plot(
                values,
                range(len(rows)),
                linestyle="none",
                marker="o",
                markeredgecolor=COLOURS["seen"],
                markerfacecolor=face,
                label=name,
            )
        label_rows(ax, [row.label for row in rows])
        ax.xaxis.grid(True)
        ax.set_xlabel("score, percentage points")
        legend_above(ax)
        return ax


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceRow:
    """Shares of one task; they add up to 1."""

    label: str
    """Name of the row."""
    phrasing: float
    """Share of the phrasings."""
    instance: float
    """Share of the instances."""
    interaction: float
    """Share of phrasing by instance, with what is left over."""


def plot_variance(rows: Sequence[VarianceRow], *, ax: Axes | None = None) -> Axes:
    """Draw one stacked bar per row: phrasing, instance, interaction."""
    with axes(ax, height=0.75 + 0.2 * len(rows)) as ax:
        starts = [0.0] * len(rows)
        for name, colour, label in PARTS:
            widths = [getattr(row, name) * POINTS for row in rows]
            ax.barh(range(len(rows)), widths, left=starts, height=0.7, color=colour, label=label)
            starts = [start + width for start, width in zip(starts, widths, strict=True)]
        label_rows(ax, [row.label for row in rows])
        ax.set_xlim(0, 100)
        ax.set_xlabel("share of the variance of cells, per cent")
        legend_above(ax)
        return ax


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmsRow:
    """One model."""

    label: str
    """Model."""
    seen: Sequence[str]
    """Relation of each phrasing to the model."""
    scores: Sequence[float]
    """Score under each phrasing, a fraction; may leave [0, 1] where difficulty is taken out."""
    mean: float
    """Mean over tasks."""


def plot_arms(rows: Sequence[ArmsRow], *, ax: Axes | None = None) -> Axes:
    """Draw per model and arm the range of scores thin, their middle half thick, their median as a
    mark.
    """
    with axes(ax, height=0.8 + 0.36 * len(rows)) as ax:
        named: set[str] = set()
        for place, row in enumerate(rows):
            for arm in sorted(set(row.seen), key=lambda one: PLACES.get(one, 0.0)):
                mine = [s for s, one in zip(row.scores, row.seen, strict=True) if one == arm]
                colour = COLOURS.get(arm, COLOURS["unknown"])
                y = place + PLACES.get(arm, 0.0)
                low, q25, median, q75, high = np.quantile(mine, [0, 0.25, 0.5, 0.75, 1]) * POINTS
                ax.plot(
                    [low, high], [y, y], color=colour, linewidth=0.8, gid=f"range-{arm}-{place}"
                )
                ax.plot(
                    [q25, q75],
                    [y, y],
                    color=colour,
                    linewidth=4,
                    solid_capstyle="butt",
                    gid=f"half-{arm}-{place}",
                    label=None if arm in named else arm,
                )
                ax.plot(
                    [median], [y], marker="|", color=INK, markersize=6, gid=f"mid-{arm}-{place}"
                )
                named.add(arm)
            ax.plot(
                [row.mean * POINTS],
                [place],
                marker="x",
                color=INK,
                markersize=4,
                gid=f"mean-{place}",
            )
        label_rows(ax, [row.label for row in rows])
        ax.set_xlabel("score, percentage points")
        ax.xaxis.grid(True)
        legend_above(ax)
        return ax
