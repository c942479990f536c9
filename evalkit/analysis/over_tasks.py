"""Unweighted means over tasks of the statistics of each task, with intervals that take tasks as random.

mean, seen_mean, unseen_mean and gap are means over the cells of a (phrasing, task) layout of
phrasing scores, so where tasks share phrasings they get the crossed interval of that layout:
phrasings and tasks random, instances inside. Every other statistic gets the Student interval over
tasks: other tasks of this kind, the phrasings as they are where tasks share them. Two tasks say
nothing about others: the ends of their intervals are averaged, which holds for these two. One task:
its own interval.

Sparse runs, whose tasks have posterior estimates, get the interval for these tasks: what is not
known is the cells not asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit.records.statistics import NEVER, NO_INTERVAL, statistic
from evalkit.stats.intervals.crossed import (
    gap_interval,
    mean_difference_interval,
    mean_interval,
    student,
)
from evalkit.stats.intervals.resample import Interval, undefined

__all__ = ["OneTask", "over_tasks"]

Floats: TypeAlias = npt.NDArray[np.float64]
CROSSED = {"instances": "tasks", "phrasings+instances": "phrasings+tasks"}
"""What is random in an interval of the (phrasing, task) layout, where tasks stand for instances."""
LEAST_TASKS = 3
"""Fewest tasks for an interval that takes tasks as random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTask:
    """What one task brings to the mean over tasks."""

    task: str
    """Task id."""
    benchmark: str
    """Its benchmark."""
    found: dict[str, Interval]
    """Metric -> value with interval."""
    phrasing_ids: tuple[str, ...]
    """Ids of the headline phrasings."""
    seen: tuple[str, ...]
    """Their relation to the model's tuning data."""
    a: Floats
    """Their scores, mean over instances."""
    n_instances: int
    """Instances of the task."""
    digest: str
    """Digest of its ordered instance ids."""
    values: Floats | None = None
    """(P, N) scores of the headline phrasings; None without instances."""
    drops: tuple[float, ...] = ()
    """Drop rate of every pair of an attacked phrasing and its reference."""


def over_tasks(
    tasks: Sequence[OneTask], *, level: float, differences: bool = False
) -> dict[str, tuple[Interval, int]]:
    """Return metric -> (mean over tasks with interval, number of tasks that have the metric).

    Parameters
    ----------
    tasks
        Tasks of one model, in any order; at least one.
    level
        Level of intervals.
    differences
        Whether the values are differences of two runs, which know no bounds.

    Notes
    -----
    A task where the metric is undefined is left out and the count says so; the note of the interval
    names how many.
    """
    metrics = list(dict.fromkeys(name for task in tasks for name in task.found))
    layout, seen = _layout(tasks)
    crossed = (
        {}
        if layout is None or len(tasks) < LEAST_TASKS
        else _crossed(layout, seen, level, differences=differences)
    )
    return {metric: _one(metric, tasks, crossed.get(metric), level=level) for metric in metrics}


def _one(
    metric: str, tasks: Sequence[OneTask], crossed: Interval | None, *, level: float
) -> tuple[Interval, int]:
    found = [task.found[metric] for task in tasks if metric in task.found]
    defined = [interval for interval in found if not math.isnan(interval.value)]
    values = np.array([interval.value for interval in defined])
    if len(tasks) == 1:
        return found[0], len(defined)
    pooled = statistic(metric).pooled
    if pooled == NEVER:
        return undefined(math.nan, "never pooled over tasks", level=level), 0
    if not defined:
        return undefined(
            math.nan,
            f"undefined in every task ({found[0].reason or found[0].name})",
            level=level,
        ), 0
    value = float(values.mean())
    if pooled == NO_INTERVAL:
        return undefined(value, "end of a prediction interval", level=level), len(defined)
    if any(interval.method == "posterior" for interval in defined):
        return _of_these_tasks(defined, level), len(defined)
    if crossed is not None and len(defined) == len(tasks) and not math.isnan(crossed.low):
        shift = value - crossed.value  # subtle: zero but for tasks that lack some phrasings
        return replace(
            crossed,
            value=value,
            low=crossed.low + shift,
            high=crossed.high + shift,
            over=CROSSED[crossed.over],
        ), len(defined)
    if len(defined) < LEAST_TASKS:
        return _averaged(defined, level), len(defined)
    return student(
        value,
        variance=float(values.var(ddof=1)) / values.size,
        df=values.size - 1,
        level=level,
        over="tasks",
    ), len(defined)


def _averaged(found: Sequence[Interval], level: float) -> Interval:
    """Mean of one or two tasks with the means of their ends.

    These tasks, at least the level whatever the tasks share.
    """
    value, low, high = (
        float(np.mean([getattr(one, name) for one in found])) for name in ("value", "low", "high")
    )
    if math.isnan(low):
        return undefined(
            value, f"fewer than {LEAST_TASKS} tasks, and one without an interval", level=level
        )
    return Interval(
        value, low, high, level, "average", "+".join(sorted({one.over for one in found}))
    )


def _of_these_tasks(found: Sequence[Interval], level: float) -> Interval:
    """Mean of posterior estimates that know nothing of each other.

    Deviations add as squares, below and above for themselves.
    """
    value = float(np.mean([one.value for one in found]))
    below, above = (
        float(np.sqrt(sum(end * end for end in ends))) / len(found) for ends in _reaches(found)
    )
    if math.isnan(below + above):
        return undefined(value, "one task has no interval", level=level)
    return Interval(value, value - below, value + above, level, "posterior", "cells of these tasks")


def _reaches(found: Sequence[Interval]) -> tuple[list[float], list[float]]:
    return [one.value - one.low for one in found], [one.high - one.value for one in found]


def _layout(tasks: Sequence[OneTask]) -> tuple[Floats | None, npt.NDArray[np.str_]]:
    """(phrasing, task) scores where at least half of the phrasings occur in two tasks or more.

    None otherwise.
    """
    ids = sorted({name for task in tasks for name in task.phrasing_ids})
    row = {name: number for number, name in enumerate(ids)}
    layout = np.full((len(ids), len(tasks)), np.nan)
    seen = np.full(len(ids), "unknown", dtype="<U8")
    for column, task in enumerate(tasks):
        rows = [row[name] for name in task.phrasing_ids]
        layout[rows, column] = task.a
        seen[rows] = task.seen
    shared = ((~np.isnan(layout)).sum(axis=1) > 1).mean() if layout.size else 0.0
    return (layout if shared >= 0.5 else None), seen


def _crossed(
    layout: Floats, seen: npt.NDArray[np.str_], level: float, *, differences: bool
) -> dict[str, Interval]:
    """Intervals of the metrics that are means over the cells of the layout.

    Phrasings and tasks random.
    """
    mean = mean_difference_interval if differences else mean_interval
    arms = {name: seen == name for name in ("seen", "unseen")}
    found = {"mean": mean(layout, level=level)}
    found |= {
        f"{name}_mean": mean(layout[arm], level=level) for name, arm in arms.items() if arm.any()
    }
    if all(arm.any() for arm in arms.values()):
        found["gap"] = gap_interval(layout, seen=arms["seen"], unseen=arms["unseen"], level=level)
    return found
