"""Precision bought by a budget: half-width of the interval against cells asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import COLOURS, POINTS, axes_for, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BudgetPoint", "plot_budget"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPoint:
    """One design."""

    line: str
    """Line it belongs to, such as ``instances of all phrasings``."""
    cells: float
    """Cells asked."""
    half_width: float
    """Half-width of the interval of the mean, a fraction."""


def plot_budget(points: Sequence[BudgetPoint], *, ax: Axes | None = None) -> Axes:
    """Draw half-width against cells, the latter on a logarithmic axis, a line per design.

    Parameters
    ----------
    points
        Lines keep the order in which they first occur; points of a line are joined in theirs.
    ax
        Axes to draw on; a new figure's when None.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    with house_style():
        ax = axes_for(ax, height=2.6)
        styles = [(COLOURS["seen"], "o"), (COLOURS["unseen"], "D"), (COLOURS["unknown"], "s")]
        for number, line in enumerate(dict.fromkeys(point.line for point in points)):
            mine = [point for point in points if point.line == line]
            colour, marker = styles[number % len(styles)]
            ax.plot(
                [point.cells for point in mine],
                [point.half_width * POINTS for point in mine],
                color=colour,
                marker=marker,
                linestyle=["-", "--", ":"][number // len(styles) % 3],
                label=line,
            )
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_ylim(bottom=0)
        ax.grid(True)
        ax.set_xlabel("cells asked")
        ax.set_ylabel("half-width, percentage points")
        ax.legend()
    return ax
