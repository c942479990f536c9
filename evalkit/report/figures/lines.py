"""Figures of lines: a number that changes along an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.report.figures.canvas import (
    COLOURS,
    INK,
    LIGHT,
    MARKERS,
    POINTS,
    axes,
    label_columns,
    legend_above,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from evalkit.records.manifest import CurveStep

__all__ = [
    "Band",
    "plot_bands",
    "plot_barrier",
    "plot_budget",
    "plot_layers",
    "plot_reliability",
    "plot_risk",
    "plot_spectra",
]

STYLES = ((COLOURS["seen"], "o"), (COLOURS["unseen"], "D"), (INK, "^"), (COLOURS["unknown"], "s"))
"""Colour and mark of the first, second ... line."""
DASHES = ("-", "--", ":", "-.")
LARGEST = 11
"""Width in points of the dot of the bin with most cells."""
SMALLEST = 3
"""Width in points of any dot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One metric over the series, fractions."""

    label: str
    """Its name."""
    values: Sequence[float]
    """Per step; NaN where there is none."""
    low: Sequence[float]
    """Lower ends."""
    high: Sequence[float]
    """Upper ends."""


def plot_bands(
    xs: Sequence[float],
    bands: Sequence[Band],
    *,
    x_label: str,
    marked: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw metrics with their intervals against the place in the series.

    Parameters
    ----------
    xs
        Places.
    bands
        A line each, four at most told apart.
    x_label
        What the places are.
    marked
        Place of the first regression; None for none.
    ax
        Axes to draw on; a new figure's when None.
    """
    with axes(ax, height=2.7) as ax:
        for place, band in enumerate(bands):
            colour, marker = STYLES[place % len(STYLES)]
            ax.fill_between(
                xs,
                [value * POINTS for value in band.low],
                [value * POINTS for value in band.high],
                color=colour,
                alpha=0.15,
                linewidth=0,
            )
            ax.plot(
                xs,
                [value * POINTS for value in band.values],
                color=colour,
                marker=marker,
                markersize=3,
                linewidth=1.2,
                label=band.label,
            )
        if marked is not None:
            ax.axvline(
                marked, color=INK, linewidth=0.8, linestyle=(0, (2, 2)), label="first regression"
            )
        ax.yaxis.grid(True)
        ax.set_xlabel(x_label)
        ax.set_ylabel("percentage points")
        legend_above(ax)
        return ax


def plot_budget(points: Sequence[CurveStep], *, ax: Axes | None = None) -> Axes:
    """Draw half-width against cells, the latter on a logarithmic axis, a line per design.

    Lines keep the order in which they first occur; points of a line are joined in theirs.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    with axes(ax, height=2.6) as ax:
        styles = [(COLOURS["seen"], "o"), (COLOURS["unseen"], "D"), (COLOURS["unknown"], "s")]
        for number, line in enumerate(dict.fromkeys(point.line for point in points)):
            mine = [point for point in points if point.line == line]
            colour, marker = styles[number % len(styles)]
            ax.plot(
                [point.cells for point in mine],
                [point.half_width * POINTS for point in mine],
                color=colour,
                marker=marker,
                linestyle=DASHES[number // len(styles) % 3],
                label=line,
            )
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_ylim(bottom=0)
        ax.grid(True)
        ax.set_xlabel("cells asked")
        ax.set_ylabel("half-width, percentage points")
        ax.legend()
        return ax


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
    with axes(ax, height=3.4) as ax:
        ax.plot([0, POINTS], [0, POINTS], color=LIGHT, linestyle="--", linewidth=1)
        for name, bins in arms.items():
            mark: dict[str, Any] = {
                "color": COLOURS[name],
                "marker": MARKERS[name],
                "markerfacecolor": "none" if name == "unseen" else COLOURS[name],
            }
            x, y = ([one[axis] * POINTS for one in bins] for axis in (0, 1))
            ax.plot(x, y, color=COLOURS[name], linewidth=1)
            ax.plot([], [], linewidth=1, label=name, markersize=SMALLEST + 2, **mark)
            for across, up, (_, _, cells) in zip(x, y, bins, strict=True):
                size = SMALLEST + (LARGEST - SMALLEST) * (cells / most) ** 0.5
                ax.plot([across], [up], linestyle="none", markersize=size, **mark)
        ax.set_xlim(0, POINTS + 4)
        ax.set_ylim(-2, POINTS + 2)
        ax.grid(True)
        ax.set_xlabel("probability of the given answer (%)")
        ax.set_ylabel("score (%)")
        ax.legend(loc="upper left", frameon=False)
        return ax


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
    with axes(ax, height=3.4) as ax:
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
    with axes(ax, height=2.6) as ax:
        for place, (name, values) in enumerate(lines.items()):
            ax.plot(
                range(len(layers)),
                values,
                linewidth=1.0,
                linestyle=DASHES[place % 4],
                label=short(name, length=44),
            )
        label_columns(ax, layers, "layer")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), fontsize=6)
        return ax


def plot_spectra(lines: Mapping[str, Sequence[float]], *, ax: Axes | None = None) -> Axes:
    """Draw falling singular values of the change of each module, divided by the first of them."""
    with axes(ax, height=2.6) as ax:
        for place, (name, values) in enumerate(lines.items()):
            ax.plot(
                range(1, len(values) + 1),
                [value / values[0] for value in values],
                linewidth=1.0,
                linestyle=DASHES[place // 7 % 4],
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
    with axes(ax, height=2.2) as ax:
        ends = [alphas[0], alphas[-1]], [losses[0], losses[-1]]
        ax.plot(*ends, color=COLOURS["unknown"], linewidth=0.8, linestyle=(0, (2, 2)))
        ax.plot(alphas, losses, color=INK, marker="o", markersize=3, linewidth=1.2)
        ax.set_xlabel("share of the tuned checkpoint")
        ax.set_ylabel("nats per answer token")
        return ax
