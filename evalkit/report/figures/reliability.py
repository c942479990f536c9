"""Reliability: how often answers are right that the model is so sure of, under seen and unseen
wording.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalkit.report.figures.canvas import COLOURS, LIGHT, MARKERS, POINTS, axes_for, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_reliability"]

LARGEST = 11
"""Width in points of the dot of the bin with most cells."""
SMALLEST = 3
"""Width in points of any dot."""


def plot_reliability(
    arms: Mapping[str, Sequence[tuple[float, float, float]]], *, ax: Axes | None = None
) -> Axes:
    """Draw mean score against mean confidence of each bin, a line per relation;
    dots grow with the cells of a bin.

    Parameters
    ----------
    arms
        Relation to the model -> (mean confidence, mean score, cells) of every bin that holds any.
    ax
        Axes to draw on; a new figure's when None.

    References
    ----------
    Guo et al. 2017, "On Calibration of Modern Neural Networks", figure 1.
    """
    most = max(cells for bins in arms.values() for _, _, cells in bins)
    with house_style():
        ax = axes_for(ax, height=3.4)
        ax.plot([0, POINTS], [0, POINTS], color=LIGHT, linestyle="--", linewidth=1)
        for name, bins in arms.items():
            x, y = ([one[axis] * POINTS for one in bins] for axis in (0, 1))
            fill = "none" if name == "unseen" else COLOURS[name]
            ax.plot(x, y, color=COLOURS[name], linewidth=1)
            mark: dict[str, Any] = {
                "marker": MARKERS[name],
                "markerfacecolor": fill,
                "markersize": SMALLEST + 2,
            }
            ax.plot([], [], color=COLOURS[name], linewidth=1, label=name, **mark)
            for across, up, (_, _, cells) in zip(x, y, bins, strict=True):
                ax.plot(
                    [across],
                    [up],
                    marker=MARKERS[name],
                    color=COLOURS[name],
                    markerfacecolor=fill,
                    markersize=SMALLEST + (LARGEST - SMALLEST) * (cells / most) ** 0.5,
                    linestyle="none",
                )
        ax.set_xlim(0, POINTS + 4)
        ax.set_ylim(-2, POINTS + 2)
        ax.grid(True)
        ax.set_xlabel("probability of the given answer (%)")
        ax.set_ylabel("score (%)")
        ax.legend(loc="upper left", frameon=False)
    return ax
