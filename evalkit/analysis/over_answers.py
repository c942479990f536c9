"""One statistic of the first answers, the second ones and so on,
where cells were answered several times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from evalkit import stats

__all__ = ["over_answers"]

Found = Mapping[str, stats.Interval]


def over_answers(each: Sequence[Found]) -> dict[str, stats.Interval]:
    """Return the means of statistics that were made of one answer per cell, one after the other.

    Parameters
    ----------
    each
        Metric -> interval, of the first answers, the second ones and so on.

    Notes
    -----
    Answers with the same number are held against one another, so that a statistic stays what it
    is with one answer per cell, and its mean over numbers estimates the same value. The ends of an
    interval are the means of the ends: the mean of several estimates varies no more than they do
    on average, so the interval is not too narrow. It has none where one of them has none.
    """
    if len(each) == 1:
        return dict(each[0])
    return {name: _mean([found[name] for found in each]) for name in each[0]}


def _mean(found: Sequence[stats.Interval]) -> stats.Interval:
    """Mean of the values that exist, with their ends."""
    there = [one for one in found if np.isfinite(one.value)] or list(found[:1])
    without = next((one for one in there if one.reason), None)
    value, low, high = (
        float(np.mean([getattr(one, end) for one in there])) for end in ("value", "low", "high")
    )
    return replace(without or there[0], value=value, low=low, high=high)
