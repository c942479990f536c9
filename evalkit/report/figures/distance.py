"""Distance of a phrasing from the seen ones against how much it loses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import COLOURS, INK, MARKERS, POINTS, axes_for, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DistancePoint", "plot_distance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DistancePoint:
    """One phrasing of one task."""

    distance: float
    """Distance of its representation to those of the seen phrasings, in the units it was measured
    in."""
    change: float
    """Its score minus the mean score of the seen phrasings of the same task, a fraction."""
    seen: str
    """seen, unseen or unknown."""


def plot_distance(points: Sequence[DistancePoint], *, ax: Axes | None = None) -> Axes:
    """Draw the change of score against distance.

    Below the line a phrasing is worse than the seen ones.

    Parameters
    ----------
    points
        Phrasings of one task: tasks are never pooled.
    ax
        Axes to draw on; a new figure's when None.
    """
    with house_style():
        ax = axes_for(ax, height=2.8)
        ax.axhline(0, color=INK, linewidth=0.8)
        for arm in ("unknown", "seen", "unseen"):
            mine = [point for point in points if point.seen == arm]
            if mine:
                ax.plot(
                    [point.distance for point in mine],
                    [point.change * POINTS for point in mine],
                    linestyle="none",
                    marker=MARKERS[arm],
                    markeredgecolor=COLOURS[arm],
                    markerfacecolor="none" if arm == "unseen" else COLOURS[arm],
                    label=arm,
                )
        ax.grid(True)
        ax.set_xlabel("distance to the seen phrasings")
        ax.set_ylabel("score minus seen mean, percentage points")
        if points:
            ax.legend()
    return ax
