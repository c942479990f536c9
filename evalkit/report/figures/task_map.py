"""Task map: how sure the model is of its own answers against how much they depend on the wording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import COLOURS, axes_for, house_style, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["TaskPoint", "plot_task_map"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPoint:
    """One task."""

    label: str
    """Task."""
    uncertainty: float
    """Prompt uncertainty: mean absolute change of the probability of the model's own answer."""
    confidence: float
    """Mean probability of the model's own answer."""


def plot_task_map(points: Sequence[TaskPoint], *, ax: Axes | None = None) -> Axes:
    """Draw tasks by prompt uncertainty and confidence, with their names when there are at most 25.

    Parameters
    ----------
    points
        Tasks.
    ax
        Axes to draw on; a new figure's when None.

    References
    ----------
    Kung et al. 2023, "Active Instruction Tuning" (arXiv 2311.00288), figure 3: ambiguous (right), easy (upper left), difficult (lower left).
    """
    with house_style():
        ax = axes_for(ax, height=3.4)
        ax.plot(
            [point.uncertainty for point in points],
            [point.confidence for point in points],
            linestyle="none",
            marker="o",
            color=COLOURS["seen"],
        )
        if len(points) <= 25:
            for point in points:
                ax.annotate(
                    short(point.label, length=22),
                    (point.uncertainty, point.confidence),
                    xytext=(3, 3),
                    textcoords="offset points",
                    fontsize=6,
                )
        ax.set_xlim(left=0)
        ax.set_ylim(0, 1.02)
        ax.grid(True)
        ax.set_xlabel("prompt uncertainty (probability)")
        ax.set_ylabel("confidence (probability)")
    return ax
