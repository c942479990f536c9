"""Lines over the layers of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import axes_for, house_style, label_columns, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_layers"]


def plot_layers(
    layers: Sequence[str], lines: Mapping[str, Sequence[float]], *, ax: Axes | None = None
) -> Axes:
    """Draw cosines and recovered shares against the layer.

    Parameters
    ----------
    layers
        Names, in the order of computing.
    lines
        What a line is -> a value per layer; NaN where there is none.
    ax
        Axes to draw on; a new figure's when None.
    """
    with house_style():
        ax = axes_for(ax, height=2.6)
        for place, (name, values) in enumerate(lines.items()):
            style = ("-", "--", ":", "-.")[place % 4]
            ax.plot(
                range(len(layers)),
                values,
                linewidth=1.0,
                linestyle=style,
                label=short(name, length=44),
            )
        label_columns(ax, layers, "layer")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), fontsize=6)
    return ax
