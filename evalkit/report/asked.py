"""What the intervals of a table are for, in words beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from evalkit.records import Estimate
from evalkit.report.text import starred

__all__ = ["about", "most_asked"]


def most_asked(rows: Iterable[Estimate | None]) -> str:
    """Return the words of the question that most intervals answer, the first of equals;
    empty without intervals.

    Examples
    --------
    >>> of = {"model": "m", "benchmark": "b", "task": "t"}
    >>> row = Estimate(**of, metric="std", value=0.5, low=0.4, high=0.6, question="q")
    >>> most_asked([row, None]), most_asked([])
    ('q', '')
    """
    counts = Counter(row.question for row in _with_intervals(rows))
    return max(counts, key=lambda question: counts[question]) if counts else ""


def about(rows: Iterable[Estimate | None], question: str = "") -> str:
    """Return what the intervals of a table are for and what its stars mean;
    empty without intervals.

    Parameters
    ----------
    rows
        What the table shows.
    question
        The question whose intervals have no star; that of most of them when it is left out.

    Examples
    --------
    >>> of = {"model": "m", "benchmark": "b", "task": "t"}
    >>> mean = Estimate(**of, metric="mean", value=0.5, low=0.4, high=0.6, question="q")
    >>> std = Estimate(**of, metric="std", value=0.5, low=0.4, high=0.6, question="another")
    >>> about([mean, std, None])
    '95% intervals for q; * std: interval for another'
    """
    shown = list(_with_intervals(rows))
    if not shown:
        return ""
    asked = question or most_asked(shown)
    words = [f"{shown[0].level:.0%} intervals for {asked}"]
    if all(row.question != asked for row in shown):
        words = []
    return "; ".join([*words, *starred(shown, asked)])


def _with_intervals(rows: Iterable[Estimate | None]) -> Iterable[Estimate]:
    return (row for row in rows if row is not None and row.low == row.low and row.question)
