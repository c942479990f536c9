"""Shares of variance: what a score depends on, a bar per task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import LIGHT, POINTS, axes_for, house_style, label_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["VarianceRow", "plot_variance"]


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


PARTS = (
    ("phrasing", "#8a63b0", "phrasing"),
    ("instance", "#2f8f83", "instance"),
    ("interaction", LIGHT, "phrasing × instance and rest"),
)


def plot_variance(rows: Sequence[VarianceRow], *, ax: Axes | None = None) -> Axes:
    """Draw one stacked bar per row: phrasing, instance, interaction.

    Parameters
    ----------
    rows
        Top to bottom.
    ax
        Axes to draw on; a new figure's when None.
    """
    with house_style():
        ax = axes_for(ax, height=0.75 + 0.2 * len(rows))
        starts = [0.0] * len(rows)
        for name, colour, label in PARTS:
            widths = [getattr(row, name) * POINTS for row in rows]
            ax.barh(range(len(rows)), widths, left=starts, height=0.7, color=colour, label=label)
            starts = [start + width for start, width in zip(starts, widths, strict=True)]
        label_rows(ax, [row.label for row in rows])
        ax.set_xlim(0, 100)
        ax.set_xlabel("share of the variance of cells, per cent")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
    return ax
