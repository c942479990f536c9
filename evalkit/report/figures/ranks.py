"""Ranks of models with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import INK, axes_for, house_style, label_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RankRow", "plot_ranks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankRow:
    """One model."""

    label: str
    """Model."""
    rank: float
    """Rank, ties shared; 1 is best."""
    low: float
    """Best rank of its interval."""
    high: float
    """Worst rank of its interval."""


def plot_ranks(rows: Sequence[RankRow], *, ax: Axes | None = None) -> Axes:
    """Draw each model's rank with its interval.

    Parameters
    ----------
    rows
        Top to bottom, best first.
    ax
        Axes to draw on; a new figure's when None.
    """
    with house_style():
        ax = axes_for(ax, height=0.75 + 0.27 * len(rows))
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
                [row.rank],
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
