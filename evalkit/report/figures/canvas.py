"""Axes in house style, the colours of the figures, and figures as bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "COLOURS",
    "INK",
    "LIGHT",
    "MARKERS",
    "POINTS",
    "WIDTH",
    "axes_for",
    "colour_rows",
    "figure_bytes",
    "house_style",
    "label_columns",
    "label_rows",
    "points_axis",
    "short",
]

COLOURS = {"seen": "#2878b5", "unseen": "#cf6410", "unknown": "#7d858c"}
"""Colour of each relation; at least 3 to 1 against white and against the dark page, apart for
colour-blind readers."""
MARKERS = {"seen": "o", "unseen": "D", "unknown": "s"}
"""Shape of each relation, which repeats the colour."""
INK = "#222222"
"""Text and lines; the page replaces it by its own text colour."""
LIGHT = "#b9bec3"
"""What stays in the background: chance lines, second parts of bars."""
POINTS = 100.0
"""Percentage points per unit of score."""
WIDTH = 4.6
"""Width of a figure in inches."""


@contextmanager
def house_style() -> Iterator[None]:
    """Apply the style file, whatever the user's own settings are, and nothing after."""
    import matplotlib

    with matplotlib.rc_context(), as_file(files("evalkit.report") / "evalkit.mplstyle") as path:
        matplotlib.rc_file(str(path))
        yield


def axes_for(ax: Axes | None, *, height: float, width: float = WIDTH) -> Axes:
    """Return `ax`, or a new one on a figure of its own; height and width in inches."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(width, height))
    new: Axes = figure.add_subplot()
    return new


def figure_bytes(ax: Axes, *, form: Literal["svg", "png", "pdf", "text-svg"] = "svg") -> bytes:
    """Return the figure of an Axes as a file; the same data give the same bytes.

    Parameters
    ----------
    ax
        Any Axes of the figure.
    form
        ``svg`` with text as outlines, which looks the same everywhere; ``text-svg`` with text as
        text, for the page; ``png`` at 300 dpi; ``pdf`` with its fonts inside.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    out = io.BytesIO()
    figure: Any = ax.figure
    with (
        house_style(),
        matplotlib.rc_context({"svg.fonttype": "none" if form == "text-svg" else "path"}),
    ):
        if form == "png":
            FigureCanvasAgg(figure)
            figure.savefig(
                out, format="png", metadata={"Software": None}, facecolor="white", transparent=False
            )
        elif form == "pdf":
            FigureCanvasPdf(figure)
            undated = {"CreationDate": None, "Creator": None, "Producer": None}
            figure.savefig(out, format="pdf", metadata=undated, facecolor="white")
        else:
            FigureCanvasSVG(figure)
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def points_axis(ax: Axes, label: str, *, chance: float | None = None) -> None:
    """Give an Axes the x axis of scores.

    0 to 100 percentage points, with the chance level where there is one for all rows.
    """
    ax.set_xlim(-2, 102)
    ax.set_xticks([0, 20, 40, 60, 80, 100])
    ax.set_xlabel(label)
    ax.xaxis.grid(True)
    if chance is not None and chance == chance:
        ax.axvline(
            chance * POINTS,
            color=INK,
            linewidth=0.8,
            linestyle=(0, (2, 2)),
            label="chance",
            zorder=1,
        )


def label_rows(ax: Axes, labels: Sequence[str]) -> None:
    """Name the rows of a horizontal figure, first one on top."""
    ax.set_yticks(range(len(labels)), [short(label) for label in labels])
    ax.set_ylim(len(labels) - 0.4, -0.6)


def colour_rows(ax: Axes, names: Sequence[str], values: Any, *, label: str, **scale: Any) -> None:
    """Draw a row of coloured cells per name, first one on top, with the scale beside.

    Parameters
    ----------
    ax
        Axes to draw on.
    names, values
        Names of the rows, and numbers of shape (row, column).
    label
        What the numbers are, with unit.
    **scale
        Ends and colours, as ``imshow`` takes them.
    """
    image = ax.imshow(values, aspect="auto", interpolation="nearest", **scale)
    label_rows(ax, names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(label)


def label_columns(ax: Axes, labels: Sequence[str], what: str) -> None:
    """Name about eight of the columns, evenly apart, and say below what they are."""
    step = max(1, len(labels) // 8)
    ax.set_xticks(range(0, len(labels), step), list(labels[::step]))
    ax.set_xlabel(what)


def short(label: str, *, length: int = 30) -> str:
    """Return a label that fits beside an axis, its middle left out when it is long.

    Dollar signs stay dollar signs.

    >>> short("tracking_shuffled_objects_five_objects", length=20)
    'tracking_s…e_objects'
    """
    if len(label) > length:
        half = length // 2
        label = f"{label[:half]}…{label[-(length - half - 1) :]}"
    return label.replace("$", r"\$")
