"""Figures of numbers as coloured cells: two things crossed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.report.figures.canvas import INK, POINTS, axes, label_columns, label_rows, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Grid", "plot_heatmap", "plot_layer_map", "plot_matrix", "plot_step_map"]

DARK = 55
"""Score in percentage points below which a cell is dark and its number white."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A number for every row and column."""

    rows: Sequence[str]
    """Names of the rows, first one on top."""
    columns: Sequence[str] = ()
    """Names of the columns; empty where they have none."""
    values: Sequence[Sequence[float]]
    """Per row a value per column; NaN where there is none."""
    row_label: str = ""
    """What a row is, where it must be said."""
    column_label: str
    """What a column is."""


def plot_heatmap(data: Grid, *, ax: Axes | None = None) -> Axes:
    """Draw scores of tasks under phrasings, fractions, as colours from 0 to 100 points."""
    with axes(ax, height=max(1.9, 0.8 + 0.17 * len(data.rows))) as ax:
        _cells(ax, data, scale=POINTS, label="score, percentage points", vmin=0, vmax=100)
        return ax


def plot_step_map(data: Grid, *, ax: Axes | None = None) -> Axes:
    """Draw what tasks lost at every step of a series, fractions, as colours around 0: lost in one
    colour, gained in the other.
    """
    with axes(ax, height=0.9 + 0.19 * len(data.rows)) as ax:
        sizes = np.abs(np.array(data.values, dtype=float)) * POINTS
        end = max(1.0, float(np.nanmax(sizes))) if np.isfinite(sizes).any() else 1.0
        style: Any = {"label": "lost, points", "vmin": -end, "vmax": end, "cmap": "PuOr_r"}
        _cells(ax, data, scale=POINTS, **style)
        return ax


def plot_layer_map(data: Grid, *, label: str, ax: Axes | None = None) -> Axes:
    """Draw a value per module and layer as colours from 0 on.

    Parameters
    ----------
    data
        Modules by layers.
    label
        What the values are, with unit.
    ax
        Axes to draw on; a new figure's when None.
    """
    with axes(ax, height=0.9 + 0.19 * len(data.rows)) as ax:
        _cells(ax, data, scale=1.0, label=label, vmin=0)
        return ax


def _cells(ax: Axes, data: Grid, *, scale: float, label: str, **colours: Any) -> None:
    """Draw coloured cells with the scale beside; about eight of the columns are named."""
    values = np.array(data.values, dtype=float) * scale
    image = ax.imshow(values, aspect="auto", interpolation="nearest", **colours)
    label_rows(ax, data.rows)
    ax.set_ylim(len(data.rows) - 0.5, -0.5)
    label_columns(ax, data.columns, data.column_label)
    bar: Any = ax.figure.colorbar(image, ax=ax, shrink=0.8, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(label)


def plot_matrix(data: Grid, *, ax: Axes | None = None) -> Axes:
    """Draw scores, fractions, as colours from 0 to 100 points with their numbers in the cells."""
    with axes(ax, height=max(1.9, 1.1 + 0.3 * len(data.rows))) as ax:
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
