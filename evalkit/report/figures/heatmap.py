"""Heat map: tasks by phrasings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import POINTS, axes_for, house_style, label_rows

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
        ax = axes_for(ax, height=0.8 + 0.17 * len(data.tasks))
        image = ax.imshow(
            np.array(data.values, dtype=float) * POINTS,
            vmin=0,
            vmax=100,
            aspect="auto",
            interpolation="nearest",
        )
        label_rows(ax, data.tasks)
        ax.set_ylim(len(data.tasks) - 0.5, -0.5)
        ax.set_xticks([])
        ax.set_xlabel(data.columns)
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.8, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_label("score, percentage points")
    return ax
