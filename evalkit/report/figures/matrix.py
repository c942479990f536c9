"""Matrix of two languages: of the input and of the instruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import INK, POINTS, axes_for, house_style, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Matrix", "plot_matrix"]

DARK = 55
"""Score in percentage points below which a cell is dark and its number white."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Scores of two things crossed."""

    rows: Sequence[str]
    """Names of the rows."""
    columns: Sequence[str]
    """Names of the columns."""
    values: Sequence[Sequence[float]]
    """Per row a score per column, fractions; NaN where there is none."""
    row_label: str
    """What a row is."""
    column_label: str
    """What a column is."""


def plot_matrix(data: Matrix, *, ax: Axes | None = None) -> Axes:
    """Draw scores as colours from 0 to 100 percentage points with their numbers in the cells.

    Parameters
    ----------
    data
        Rows of equal length.
    ax
        Axes to draw on; a new figure's when None.
    """
    import numpy as np

    with house_style():
        ax = axes_for(ax, height=max(1.9, 1.1 + 0.3 * len(data.rows)))
        points = np.array(data.values, dtype=float) * POINTS
        ax.imshow(points, vmin=0, vmax=100, aspect="auto", interpolation="nearest")
        ax.set_xticks(range(len(data.columns)), [short(name) for name in data.columns])
        ax.set_yticks(range(len(data.rows)), [short(name) for name in data.rows])
        ax.set_xlabel(data.column_label)
        ax.set_ylabel(data.row_label)
        for (row, column), value in np.ndenumerate(points):
            if value == value:
                ax.text(
                    column,
                    row,
                    f"{value:.0f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if value < DARK else INK,
                )
    return ax
