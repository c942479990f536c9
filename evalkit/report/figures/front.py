"""How good against how dependent on the wording, a dot per model,
with the front that none is better than in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import COLOURS, INK, LIGHT, POINTS, axes_for, house_style, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FrontPoint", "plot_front"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontPoint:
    """One model."""

    label: str
    """Model."""
    mean: float
    """Mean score."""
    spread: float
    """Best minus worst wording, mean over tasks."""
    front: bool
    """Whether no model is better in both."""


def plot_front(points: Sequence[FrontPoint], *, ax: Axes | None = None) -> Axes:
    """Draw models by mean and spread; steadier is lower, better is further right, the front is
    joined.

    Parameters
    ----------
    points
        Models.
    ax
        Axes to draw on; a new figure's when None.
    """
    with house_style():
        ax = axes_for(ax, height=3.4)
        front = sorted((one for one in points if one.front), key=lambda one: one.mean)
        ax.plot(
            [one.mean * POINTS for one in front],
            [one.spread * POINTS for one in front],
            color=LIGHT,
            linewidth=1.2,
        )
        for one in points:
            ax.plot(
                [one.mean * POINTS],
                [one.spread * POINTS],
                marker="o",
                linestyle="none",
                color=COLOURS["seen"],
                markerfacecolor=COLOURS["seen"] if one.front else "none",
            )
            ax.annotate(
                short(one.label, length=28),
                (one.mean * POINTS, one.spread * POINTS),
                xytext=(5, 4),
                textcoords="offset points",
                color=INK,
                fontsize=7,
            )
        ax.margins(x=0.2, y=0.15)
        ax.set_ylim(bottom=0)
        ax.grid(True)
        ax.set_xlabel("mean score (points)")
        ax.set_ylabel("spread: best minus worst wording (points)")
    return ax
