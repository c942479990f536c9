"""Means over tasks of what every unit adds, and what chance says of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["mean_over_tasks", "p_of_none"]

Floats: TypeAlias = npt.NDArray[np.float64]


def mean_over_tasks(parts: Sequence[Floats]) -> tuple[float, float, float]:
    """Return the mean over tasks of means over units, its standard error,
    and Satterthwaite's degrees of freedom.

    Parameters
    ----------
    parts
        Per task one number per independent unit.
    """
    means = [float(part.mean()) for part in parts]
    shares = [
        float(part.var(ddof=1)) / len(part) / len(parts) ** 2 if len(part) > 1 else math.nan
        for part in parts
    ]
    total = sum(shares)
    if not total > 0:
        return float(np.mean(means)), total, math.nan if math.isnan(total) else math.inf
    below = sum(share**2 / (len(part) - 1) for share, part in zip(shares, parts, strict=True))
    return float(np.mean(means)), math.sqrt(total), total**2 / below


def p_of_none(parts: Sequence[Floats]) -> float:
    """Return the one-sided p of a mean over tasks of 0 or less, by Student's distribution;
    NaN where a task has one unit.
    """
    from scipy import stats as distributions

    value, error, df = mean_over_tasks(parts)
    if error == 0:
        return 0.5 if value == 0 else float(value < 0)
    return float(distributions.t.sf(value / error, df))
