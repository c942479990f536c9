"""Change of weights by layer and module, and spectra of the changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.report.figures.canvas import (
    COLOURS,
    INK,
    axes_for,
    colour_rows,
    house_style,
    label_columns,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LayerMap", "plot_barrier", "plot_layer_map", "plot_spectra"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerMap:
    """One number per module and layer."""

    modules: Sequence[str]
    """Names of the rows."""
    layers: Sequence[int]
    """Numbers of the columns."""
    values: Sequence[Sequence[float]]
    """Per module a value per layer; NaN where there is none."""
    label: str
    """What the values are, with unit."""


def plot_layer_map(data: LayerMap, *, ax: Axes | None = None) -> Axes:
    """Draw a value per module and layer as colours from 0 on, with the scale beside.

    Parameters
    ----------
    data
        Rows of equal length.
    ax
        Axes to draw on; a new figure's when None.
    """
    import numpy as np

    with house_style():
        ax = axes_for(ax, height=0.9 + 0.19 * len(data.modules))
        values = np.array(data.values, dtype=float)
        colour_rows(ax, data.modules, values, label=data.label, vmin=0)
        label_columns(ax, [str(n) for n in data.layers], "layer")
    return ax


def plot_spectra(lines: Mapping[str, Sequence[float]], *, ax: Axes | None = None) -> Axes:
    """Draw falling singular values of the change, each line divided by its first, one line per
    module.

    Parameters
    ----------
    lines
        Name of a module -> values.
    ax
        Axes to draw on; a new figure's when None.
    """
    with house_style():
        ax = axes_for(ax, height=2.6)
        for place, (name, values) in enumerate(lines.items()):
            ax.plot(
                range(1, len(values) + 1),
                [value / values[0] for value in values],
                linewidth=1.0,
                linestyle=("-", "--", ":", "-.")[place // 7 % 4],
                label=short(name, length=22),
            )
        ax.set_yscale("log")
        ax.set_ylim(bottom=max(1e-4, ax.get_ylim()[0]))
        ax.set_xlabel("singular value of the change")
        ax.set_ylabel("size, first = 1")
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=6)
    return ax


def plot_barrier(
    alphas: Sequence[float], losses: Sequence[float], *, ax: Axes | None = None
) -> Axes:
    """Draw the loss on the straight path between two checkpoints and the line between its ends.

    Parameters
    ----------
    alphas
        Shares of the tuned checkpoint.
    losses
        Cross-entropy at each, nats per answer token.
    ax
        Axes to draw on; a new figure's when None.
    """
    with house_style():
        ax = axes_for(ax, height=2.2)
        ends = [alphas[0], alphas[-1]], [losses[0], losses[-1]]
        ax.plot(*ends, color=COLOURS["unknown"], linewidth=0.8, linestyle=(0, (2, 2)))
        ax.plot(alphas, losses, color=INK, marker="o", markersize=3, linewidth=1.2)
        ax.set_xlabel("share of the tuned checkpoint")
        ax.set_ylabel("nats per answer token")
    return ax
