"""Figures of a dot per model, task or phrasing in a plane of two numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import COLOURS, INK, LIGHT, MARKERS, POINTS, axes, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

__all__ = [
    "DistancePoint",
    "FrontPoint",
    "TaskPoint",
    "plot_distance",
    "plot_front",
    "plot_task_map",
]

SIZE = 6
"""Of the name of a task, points."""
OFFSET = 3
"""Between a dot and its name, points."""
DOT = 5
"""Width of a dot, points."""


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
    """
    with axes(ax, height=3.4) as ax:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DistancePoint:
    """One phrasing of one task."""

    distance: float
    """Distance of its representation to those of the seen phrasings, in the units it was measured
    in."""
    change: float
    """Its score minus the mean score of the seen phrasings of the same task, a fraction."""
    seen: str
    """seen, unseen or unknown."""


def plot_distance(points: Sequence[DistancePoint], *, ax: Axes | None = None) -> Axes:
    """Draw the change of score against distance.

    Below the line a phrasing is worse than the seen ones. All are of one task: tasks are never
    pooled.
    """
    with axes(ax, height=2.8) as ax:
        ax.axhline(0, color=INK, linewidth=0.8)
        for arm in ("unknown", "seen", "unseen"):
            mine = [point for point in points if point.seen == arm]
            if mine:
                ax.plot(
                    [point.distance for point in mine],
                    [point.change * POINTS for point in mine],
                    linestyle="none",
                    marker=MARKERS[arm],
                    markeredgecolor=COLOURS[arm],
                    markerfacecolor="none" if arm == "unseen" else COLOURS[arm],
                    label=arm,
                )
        ax.grid(True)
        ax.set_xlabel("distance to the seen phrasings")
        ax.set_ylabel("score minus seen mean, percentage points")
        if points:
            ax.legend()
        return ax


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

    References
    ----------
    Kung et al. 2023, "Active Instruction Tuning" (arXiv 2311.00288), figure 3: ambiguous (right),
    easy (upper left), difficult (lower left).
    """
    with axes(ax, height=3.4) as ax:
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
