"""Metrics and tasks over a series of checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import (
    COLOURS,
    INK,
    POINTS,
    axes_for,
    colour_rows,
    house_style,
    label_columns,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Band", "StepMap", "plot_bands", "plot_step_map"]

STYLES = ((COLOURS["seen"], "o"), (COLOURS["unseen"], "D"), (INK, "^"), (COLOURS["unknown"], "s"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One metric over the series, fractions."""

    label: str
    """Its name."""
    values: Sequence[float]
    """Per step; NaN where there is none."""
    low: Sequence[float]
    """Lower ends."""
    high: Sequence[float]
    """Upper ends."""


def plot_bands(
    xs: Sequence[float],
    bands: Sequence[Band],
    *,
    x_label: str,
    marked: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw metrics with their intervals against the place in the series.

    Parameters
    ----------
    xs
        Places.
    bands
        A line each, four at most told apart.
    x_label
        What the places are.
    marked
        Place of the first regression; None for none.
    ax
        Axes to draw on; a new figure's when None.
    """
    with house_style():
        ax = axes_for(ax, height=2.7)
        for place, band in enumerate(bands):
            colour, marker = STYLES[place % len(STYLES)]
            ax.fill_between(
                xs,
                [value * POINTS for value in band.low],
                [value * POINTS for value in band.high],
                color=colour,
                alpha=0.15,
                linewidth=0,
            )
            ax.plot(
                xs,
                [value * POINTS for value in band.values],
                color=colour,
                marker=marker,
                markersize=3,
                linewidth=1.2,
                label=band.label,
            )
        if marked is not None:
            ax.axvline(
                marked, color=INK, linewidth=0.8, linestyle=(0, (2, 2)), label="first regression"
            )
        ax.yaxis.grid(True)
        ax.set_xlabel(x_label)
        ax.set_ylabel("percentage points")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
    return ax


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMap:
    """What every task lost at every step, fractions."""

    tasks: Sequence[str]
    """Names of the rows."""
    xs: Sequence[str]
    """Names of the columns."""
    values: Sequence[Sequence[float]]
    """Best before minus now; NaN at the first."""
    x_label: str
    """What the columns are."""


def plot_step_map(data: StepMap, *, ax: Axes | None = None) -> Axes:
    """Draw losses as colours around 0: lost in one colour, gained in the other.

    Parameters
    ----------
    data
        Rows of equal length.
    ax
        Axes to draw on; a new figure's when None.
    """
    import numpy as np

    with house_style():
        ax = axes_for(ax, height=0.9 + 0.19 * len(data.tasks))
        values = np.array(data.values, dtype=float) * POINTS
        end = max(1.0, float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 1.0)
        colour_rows(
            ax, data.tasks, values, label="lost, points", vmin=-end, vmax=end, cmap="PuOr_r"
        )
        label_columns(ax, data.xs, data.x_label)
    return ax
