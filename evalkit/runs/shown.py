"""What a notebook shows of a result: as a frame of fractions, or as HTML in percentage points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.records import Estimate

__all__ = ["frame", "shown"]


def frame(rows: Iterable[Any]) -> pd.DataFrame:
    """Return one row per record."""
    import pandas as pd

    return pd.DataFrame([asdict(row) for row in rows])


def shown(title: str, lines: Sequence[str], rows: Iterable[tuple[str, Estimate]]) -> str:
    """Return what a notebook shows of a result: a title, lines, and estimates in percentage points.

    Parameters
    ----------
    title, lines
        Plain text, escaped here.
    rows
        Words and estimate.
    """
    cells = [
        f"<tr><td>{escape(words)}</td>"
        f"<td>{_points(row.value)}</td><td>{_points(row.low)}</td><td>{_points(row.high)}</td></tr>"
        for words, row in rows
    ]
    heads = "".join(f"<th>{name}</th>" for name in ("", "value", "low", "high"))
    table = f"<table><tr>{heads}</tr>{''.join(cells)}</table>" if cells else ""
    said = "".join(f"<br>{escape(line)}" for line in lines)
    return f"<div><b>{escape(title)}</b>{said}{table}</div>"


def _points(value: float) -> str:
    return "–" if value != value else f"{value * 100:.1f}"
