"""Task map: how sure the model is of its own answers against how much they depend on the
wording.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import COLOURS, axes_for, house_style, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

__all__ = ["TaskPoint", "plot_task_map"]

SIZE = 6
"""Of a name, points."""
OFFSET = 3
"""Between a dot and its name, points."""
DOT = 5
"""Width of a dot, points."""


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
    Kung et al. 2023, "Active Instruction Tuning" (arXiv 2311.00288), figure 3: ambiguous (right),
    easy (upper left), difficult (lower left).
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
        ax.set_xlim(left=0)
        ax.set_ylim(0, 1.02)
        if len(points) <= 25:
            _write_names(points, ax)
        ax.grid(True)
        ax.set_xlabel("prompt uncertainty (probability)")
        ax.set_ylabel("confidence (probability)")
    return ax


def _write_names(points: Sequence[TaskPoint], ax: Axes) -> None:
    """Write each name on that side of its dot where it covers fewest dots and names.

    Boxes are in points of the page.
    """
    from matplotlib.transforms import Bbox

    scale = 72 / ax.figure.dpi
    dots = [
        ax.transData.transform((point.uncertainty, point.confidence)) * scale for point in points
    ]
    taken = [Bbox.from_bounds(x - DOT / 2, y - DOT / 2, DOT, DOT) for x, y in dots]
    for point, (x, y) in zip(points, dots, strict=True):
        text = short(point.label, length=22)
        width = SIZE * 0.58 * len(text)
        sides = [
            (
                Bbox.from_bounds(
                    x + OFFSET if right else x - OFFSET - width,
                    y + OFFSET if up else y - OFFSET - SIZE,
                    width,
                    SIZE,
                ),
                right,
                up,
            )
            for right in (True, False)
            for up in (True, False)
        ]
        box, right, up = min(sides, key=lambda side: _overlaps(side[0], taken))
        taken.append(box)
        ax.annotate(
            text,
            (point.uncertainty, point.confidence),
            xytext=(OFFSET if right else -OFFSET, OFFSET if up else -OFFSET),
            textcoords="offset points",
            ha="left" if right else "right",
            va="bottom" if up else "top",
            fontsize=SIZE,
        )


def _overlaps(box: Bbox, others: Sequence[Bbox]) -> int:
    """Return how many boxes one box touches.

    >>> from matplotlib.transforms import Bbox
    >>> _overlaps(
    ...     Bbox.from_bounds(0, 0, 2, 2),
    ...     [Bbox.from_bounds(1, 1, 2, 2), Bbox.from_bounds(5, 5, 1, 1)],
    ... )
    1
    """
    return sum(bool(box.overlaps(other)) for other in others)
