"""Heat map: tasks by phrasings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import POINTS, axes_for, colour_rows, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["HeatMap", "plot_heatmap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Scores by task and phrasing."""

    tasks: Sequence[str]
    """Names of the rows."""
    values: Sequence[Sequence[float]]
    """Per row a score per column, fractions; NaN where there is none."""
    columns: str
    """What a column is: the same phrasing in every row, or a place in each row's own order."""


def plot_heatmap(data: HeatMap, *, ax: Axes | None = None) -> Axes:
    """Draw scores as colours from 0 to 100 percentage points, with the scale beside.

    Parameters
    ----------
    data
        Rows of equal length.
    ax
        Axes to draw on; a new figure's when None.
    """
    import numpy as np

    with house_style():
        ax = axes_for(ax, height=max(1.9, 0.8 + 0.17 * len(data.tasks)))
        points = np.array(data.values, dtype=float) * POINTS
        colour_rows(ax, data.tasks, points, label="score, percentage points", vmin=0, vmax=100)
        ax.set_xticks([])
        ax.set_xlabel(data.columns)
    return ax
