"""Models side by side: where the scores under seen and under unseen wordings lie, as quartiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalkit.report.figures.canvas import COLOURS, INK, POINTS, axes_for, house_style, label_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ArmsRow", "plot_arms"]

PLACES = {"seen": -0.2, "unknown": 0.0, "unseen": 0.2}
"""Where the line of an arm lies within its row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmsRow:
    """One model."""

    label: str
    """Model."""
    seen: Sequence[str]
    """Relation of each phrasing to the model."""
    scores: Sequence[float]
    """Score under each phrasing, a fraction; may leave [0, 1] where difficulty is taken out."""
    mean: float
    """Mean over tasks."""


def plot_arms(rows: Sequence[ArmsRow], *, ax: Axes | None = None) -> Axes:
    """Draw per model and arm the range of scores thin, their middle half thick, their median as a
    mark.

    Parameters
    ----------
    rows
        Top to bottom.
    ax
        Axes to draw on; a new figure's when None.
    """
    with house_style():
        ax = axes_for(ax, height=0.8 + 0.36 * len(rows))
        named: set[str] = set()
        for place, row in enumerate(rows):
            for arm in sorted(set(row.seen), key=lambda one: PLACES.get(one, 0.0)):
                mine = [s for s, one in zip(row.scores, row.seen, strict=True) if one == arm]
                colour = COLOURS.get(arm, COLOURS["unknown"])
                y = place + PLACES.get(arm, 0.0)
                low, q25, median, q75, high = np.quantile(mine, [0, 0.25, 0.5, 0.75, 1]) * POINTS
                ax.plot(
                    [low, high], [y, y], color=colour, linewidth=0.8, gid=f"range-{arm}-{place}"
                )
                ax.plot(
                    [q25, q75],
                    [y, y],
                    color=colour,
                    linewidth=4,
                    solid_capstyle="butt",
                    gid=f"half-{arm}-{place}",
                    label=None if arm in named else arm,
                )
                ax.plot(
                    [median], [y], marker="|", color=INK, markersize=6, gid=f"mid-{arm}-{place}"
                )
                named.add(arm)
            ax.plot(
                [row.mean * POINTS],
                [place],
                marker="x",
                color=INK,
                markersize=4,
                gid=f"mean-{place}",
            )
        label_rows(ax, [row.label for row in rows])
        ax.set_xlabel("score, percentage points")
        ax.xaxis.grid(True)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
    return ax
