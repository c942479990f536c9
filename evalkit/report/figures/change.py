"""Before and after: a mitigation, or one model against another, a row per task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import COLOURS, LIGHT, POINTS, axes_for, house_style, label_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ChangeRow", "plot_change"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One task before and after."""

    label: str
    """Name of the row."""
    before: float
    """Value before, a fraction."""
    after: float
    """Value after."""


def plot_change(
    rows: Sequence[ChangeRow], *, label: str = "score, percentage points", ax: Axes | None = None
) -> Axes:
    """Draw the value before (open) and after (filled), joined.

    Parameters
    ----------
    rows
        Top to bottom.
    label
        What is measured, with its unit.
    ax
        Axes to draw on; a new figure's when None.
    """
    with house_style():
        ax = axes_for(ax, height=0.75 + 0.22 * len(rows))
        for place, row in enumerate(rows):
            ax.plot(
                [row.before * POINTS, row.after * POINTS],
                [place, place],
                color=LIGHT,
                linewidth=1.2,
                zorder=1,
            )
        places = range(len(rows))
        for name, face in (("before", "none"), ("after", COLOURS["seen"])):
            ax.plot(
                [getattr(row, name) * POINTS for row in rows],
                places,
                linestyle="none",
                marker="o",
                markeredgecolor=COLOURS["seen"],
                markerfacecolor=face,
                label=name,
            )
        label_rows(ax, [row.label for row in rows])
        ax.xaxis.grid(True)
        ax.set_xlabel(label)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return ax
