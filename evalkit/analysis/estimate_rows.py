"""One value with its interval -> one row of ``estimates.csv``."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from evalkit.records import Estimate
from evalkit.records.questions import question_of
from evalkit.records.statistics import statistic
from evalkit.stats.intervals.resample import Interval

__all__ = ["bounded", "row_of"]


def row_of(
    where: tuple[str, str, str],
    metric: str,
    found: Interval,
    *,
    counts: tuple[int, int, int, int],
    ids: str,
    group: str,
) -> Estimate:
    """Return the row of one metric at (model, benchmark, task)."""
    return Estimate(
        model=where[0],
        benchmark=where[1],
        task=where[2],
        metric=metric,
        value=found.value,
        low=math.nan if found.reason else found.low,
        high=math.nan if found.reason else found.high,
        level=found.level,
        interval=found.name,
        n_tasks=counts[0],
        n_phrasings=counts[1],
        n_instances=counts[2],
        n_groups=counts[3],
        instances_digest=ids,
        group=group,
        note=found.reason,
        question=question_of(found.over),
        method=found.method,
        reason=found.reason,
    )


def bounded(row: Estimate) -> Estimate:
    """Return the row with the ends of its interval cut where the metric ends."""
    entry = statistic(row.metric)
    return replace(
        row,
        low=float(np.clip(row.low, entry.low, entry.high)),
        high=float(np.clip(row.high, entry.low, entry.high)),
    )
