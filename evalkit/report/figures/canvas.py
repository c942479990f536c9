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
    "axes",
    "figure_bytes",
    "house_style",
    "label_columns",
    "label_rows",
    "legend_above",
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


@contextmanager
def axes(ax: Axes | None, *, height: float) -> Iterator[Axes]:
    """Give `ax`, or a new one on a figure of its own, to draw on in house style.

    Parameters
    ----------
    ax
        Axes of the caller; None for new ones.
    height
        Of a new figure, inches.
    """
    from matplotlib.figure import Figure

    with house_style():
        yield Figure(figsize=(WIDTH, height)).add_subplot() if ax is None else ax


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


def label_rows(ax: Axes, labels: Sequence[str]) -> None:
    """Name the rows of a horizontal figure, first one on top."""
    ax.set_yticks(range(len(labels)), [short(label) for label in labels])
    ax.set_ylim(len(labels) - 0.4, -0.6)


def legend_above(ax: Axes) -> None:
    """Set the legend in one line on top of a figure."""
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2)


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
