"""Risk and coverage: how often answers are wrong when only those that the model is surest of are
kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import COLOURS, POINTS, axes_for, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_risk"]


def plot_risk(arms: Mapping[str, Sequence[tuple[float, float]]], *, ax: Axes | None = None) -> Axes:
    """Draw the share of wrong answers among those kept against the share kept, a line per relation.

    Parameters
    ----------
    arms
        Relation to the model -> (coverage, risk), coverage rising, at least one point each.
    ax
        Axes to draw on; a new figure's when None.

    References
    ----------
    El-Yaniv and Wiener 2010, "On the Foundations of Noise-free Selective Classification", JMLR 11.
    """
    with house_style():
        ax = axes_for(ax, height=3.4)
        for name, points in arms.items():
            kept, wrong = ([one[axis] * POINTS for one in points] for axis in (0, 1))
            style = "--" if name == "unseen" else "-"
            ax.plot(kept, wrong, color=COLOURS[name], linestyle=style, linewidth=1.5, label=name)
            # answers that are equally sure cannot be told apart: the end stands for all of them
            ax.plot([kept[-1]], [wrong[-1]], color=COLOURS[name], marker="o", markersize=4)
        ax.set_xlim(0, POINTS + 3)
        ax.set_ylim(0, POINTS + 2)
        ax.grid(True)
        ax.set_xlabel("answers kept, surest first (%)")
        ax.set_ylabel("of them wrong (%)")
        ax.legend(loc="upper left", frameon=False)
    return ax
