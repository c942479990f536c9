"""Forest of gaps: seen minus unseen wording, a row per task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import COLOURS, INK, POINTS, axes_for, house_style, label_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["IntervalRow", "plot_gap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRow:
    """One value with its interval."""

    label: str
    """Name of the row."""
    value: float
    """The value, a fraction."""
    low: float
    """Lower end of its interval."""
    high: float
    """Upper end of its interval."""
    total: bool = False
    """Whether it is over all rows; drawn as a diamond."""


def plot_gap(rows: Sequence[IntervalRow], *, ax: Axes | None = None) -> Axes:
    """Draw seen minus unseen per row with its interval; right of 0, unseen wording is worse.

    Parameters
    ----------
    rows
        Top to bottom.
    ax
        Axes to draw on; a new figure's when None.
    """
    with house_style():
        ax = axes_for(ax, height=0.75 + 0.2 * len(rows))
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
        widest = (
            max(
                (
                    abs(end)
                    for row in rows
                    for end in (row.value, row.low, row.high)
                    if not math.isnan(end)
                ),
                default=0.1,
            )
            * POINTS
        )
        ax.set_xlim(-1.05 * max(widest, 1), 1.05 * max(widest, 1))
        ax.xaxis.grid(True)
        ax.set_xlabel("seen minus unseen, percentage points")
    return ax
