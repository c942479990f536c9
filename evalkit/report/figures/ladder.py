"""Score under growing perturbation: a line per kind of perturbation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import COLOURS, INK, POINTS, axes_for, house_style, label_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LadderLine", "plot_ladder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderLine:
    """One rung: a perturbation and the score under it."""

    label: str
    """The perturbation as it was asked for; ``none`` for the clean phrasings."""
    score: float
    """Mean score under it, a fraction."""
    low: float
    """Lower end of its interval; NaN when there is none."""
    high: float
    """Upper end of its interval."""
    clean: float
    """Mean score of the same phrasings unperturbed."""


def plot_ladder(rungs: Sequence[LadderLine], *, ax: Axes | None = None) -> Axes:
    """Draw every perturbation's score with its interval, joined to the score of the same phrasings
    unperturbed.

    Parameters
    ----------
    rungs
        Top to bottom.
    ax
        Axes to draw on; a new figure's when None.
    """
    with house_style():
        ax = axes_for(ax, height=0.75 + 0.22 * len(rungs))
        for place, rung in enumerate(rungs):
            ax.plot(
                [rung.clean * POINTS, rung.score * POINTS],
                [place, place],
                color=COLOURS["unknown"],
                linewidth=0.8,
                linestyle=(0, (1, 1)),
            )
            if rung.low == rung.low:
                ax.plot(
                    [rung.low * POINTS, rung.high * POINTS],
                    [place, place],
                    color=INK,
                    linewidth=2.0,
                    gid=f"interval-{place}",
                )
        places = range(len(rungs))
        ax.plot(
            [rung.clean * POINTS for rung in rungs],
            places,
            linestyle="none",
            marker="|",
            markersize=8,
            color=COLOURS["unknown"],
            label="clean",
        )
        ax.plot(
            [rung.score * POINTS for rung in rungs],
            places,
            linestyle="none",
            marker="o",
            color=INK,
            label="perturbed",
        )
        label_rows(ax, [rung.label for rung in rungs])
        ax.set_xlim(-2, 102)
        ax.xaxis.grid(True)
        ax.set_xlabel("score, percentage points")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return ax
