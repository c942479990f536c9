"""Statistics over several tasks: the unweighted mean over tasks,
with the interval of the question asked.

*New phrasings, whatever their effects*: one bounded mean where tasks have the same phrasings.

*These tasks and phrasings* and *new phrasings with normal effects*: means, arms and gaps are linear
in the cells, so their error is worked out from all cells together; whatever tasks share of their
phrasings is kept. Any other statistic has the intervals of its tasks: they are put together as
independent ones, but for what they share of their phrasings.

*Tasks like these*: means, arms and gaps get the crossed interval of the (phrasing, task) layout,
phrasings and tasks random, where tasks share phrasings; every other statistic the Student interval
over tasks. Two tasks say nothing about others.

Sparse runs, whose tasks have posterior estimates, get the interval for these tasks: what is not
known is the cells not asked. One task: its own interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis.new_phrasings import of_phrasing_means, same_rows
from evalkit.records.questions import Asked, of_differences, within
from evalkit.records.statistic_entry import NEVER, NO_INTERVAL
from evalkit.records.statistics import statistic
from evalkit.stats.intervals.bounded import (
    ANY,
    bounded_mean_of_tasks,
)
from evalkit.stats.intervals.crossed import (
    crossed_error,
    gap_interval,
    mean_difference_interval,
    mean_interval,
    student,
)
from evalkit.stats.intervals.resample import Interval, undefined
from evalkit.stats.intervals.several_tasks import (
    Error,
    Part,
    error_of_gaps,
    error_of_means,
    independent,
    interval_of,
)
from evalkit.stats.point.instances import worst_per_instance

__all__ = ["OneTask", "linear_error", "mean_error", "over_tasks"]

Floats: TypeAlias = npt.NDArray[np.float64]
CROSSED = {"instances": "tasks", "phrasings+instances": "phrasings+tasks"}
"""What is random in an interval of the (phrasing, task) layout, where tasks stand for instances."""
LEAST_TASKS = 3
"""Fewest tasks for an interval that takes tasks as random."""
WITHHELD = {
    "std_excess": "not offered over several tasks: deviations cut at 0 add up to more than there is"
}
"""Why a statistic that tasks have an interval for has none over them; over 17 tasks that of
std_excess held 88%."""
AT_INSTANCES = ("worst_instance", "best_instance")
"""Statistics that are the mean of one number per instance."""
LINEAR = ("mean", "seen_mean", "unseen_mean", "gap")
"""Statistics that are linear in the cells."""


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
    """(P, N) scores of the headline phrasings, or differences of two runs; (P, G) for instances in
    groups, as `evalkit.stats.by_group` makes them; None without instances."""
    n_groups: int = 0
    """Groups of instances; 0 when instances are not grouped."""
    sure: tuple[Floats, Floats] | None = None
    """Probability of the given answer and score of every headline cell, for what is pooled over
    tasks; None where no probability is known."""
    drops: tuple[float, ...] = ()
    """Drop rate of every pair of an attacked phrasing and its reference."""


def over_tasks(
    tasks: Sequence[OneTask], *, level: float, question: Asked, differences: bool = False
) -> dict[str, tuple[Interval, int]]:
    """Return metric -> (mean over tasks with interval, number of tasks that have the metric).

    Parameters
    ----------
    tasks
        Tasks of one model, in any order; at least one.
    level
        Level of intervals.
    question
        What the intervals are asked; see the top of this file.
    differences
        Whether the values are differences of two runs, which know no bounds.

    Notes
    -----
    A task where the metric is undefined is left out and the count says so; the note of the interval
    names how many.
    """
    metrics = list(dict.fromkeys(name for task in tasks for name in task.found))
    linear: dict[str, Interval] = {}
    if question != "tasks" and len(tasks) > 1:
        linear = _linear(tasks, level, question, differences=differences)
    elif len(tasks) >= LEAST_TASKS:
        linear = _crossed(tasks, level, differences=differences)
    return {
        metric: _one(
            metric,
            tasks,
            linear.get(metric),
            level=level,
            question=question,
            differences=differences,
        )
        for metric in metrics
    }


def _one(
    metric: str,
    tasks: Sequence[OneTask],
    linear: Interval | None,
    *,
    level: float,
    question: Asked,
    differences: bool,
) -> tuple[Interval, int]:
    having = [task for task in tasks if metric in task.found]
    found = [task.found[metric] for task in having]
    defined = [interval for interval in found if not math.isnan(interval.value)]
    if len(tasks) == 1:
        return found[0], len(defined)
    pooled = statistic(metric).pooled
    if pooled == NEVER:
        return undefined(math.nan, "never pooled over tasks", level=level), 0
    if not defined:
        reason = f"undefined in every task ({found[0].reason or found[0].name})"
        return undefined(math.nan, reason, level=level), 0
    value = float(np.mean([interval.value for interval in defined]))
    if pooled == NO_INTERVAL:
        return undefined(
            value, WITHHELD.get(metric, "end of a prediction interval"), level=level
        ), len(defined)
    if any(interval.method == "posterior" for interval in defined):
        these = independent(defined, level=level)
        over = "cells of these tasks"
        return (these if these.reason else replace(these, method="posterior", over=over)), len(
            defined
        )
    if metric in AT_INSTANCES and question == "these" and not differences:
        linear = _at_instances(metric, having, level)
    if linear is not None and len(defined) == len(tasks) and not math.isnan(linear.low):
        shift = value - linear.value  # subtle: zero but for tasks that lack some phrasings
        return replace(linear, value=value, low=linear.low + shift, high=linear.high + shift), len(
            defined
        )
    if question == "tasks":
        return _tasks_like_these(defined, level), len(defined)
    drawn = any("phrasings" in interval.over for interval in defined)
    shared = _shared([task for task in having if task.found[metric] in defined]) if drawn else None
    return independent(defined, level=level, shared=shared), len(defined)


def _at_instances(metric: str, tasks: Sequence[OneTask], level: float) -> Interval | None:
    """Interval from all instances of all tasks; None where one lacks cells or has instances in
    groups.

    Wilson's intervals of single tasks do not add up: a task without a failure says nothing of the
    other side, and the mean over 17 tasks then held 90%.
    """
    parts = []
    for task in tasks:
        if task.values is None or task.n_groups or task.values.shape[1] < 2:
            return None
        side = task.values if metric == "worst_instance" else -task.values
        each = abs(worst_per_instance(side))
        each = each[~np.isnan(each)]
        if each.size < 2:
            return None
        parts.append(Part(("",), each[None, :]))
    error = error_of_means(parts, question="fixed")
    sizes = [part.scores.shape[1] for part in parts]
    return interval_of(error, question="fixed", level=level, bounded=True, n_instances=sizes)


def _tasks_like_these(found: Sequence[Interval], level: float) -> Interval:
    values = np.array([interval.value for interval in found])
    value = float(values.mean())
    if values.size < LEAST_TASKS:
        return undefined(value, f"fewer than {LEAST_TASKS} tasks", level=level)
    variance = float(values.var(ddof=1)) / values.size
    return student(value, variance=variance, df=values.size - 1, level=level, over="tasks")


def _shared(tasks: Sequence[OneTask]) -> Floats:
    """(task, task): share of their phrasings that two tasks have in common."""
    ids = [set(task.phrasing_ids) for task in tasks]
    return np.array([
        [len(one & other) / math.sqrt(len(one) * len(other)) for other in ids] for one in ids
    ])  # fmt: skip


def linear_error(tasks: Sequence[OneTask], metric: str, question: Asked) -> Error | None:
    """Return value and error of a statistic in `LINEAR` over these tasks;
    None where a task lacks cells or an arm.

    Parameters
    ----------
    tasks
        One or more.
    metric
        One of `LINEAR`.
    question
        ``normal`` or ``tasks`` for new phrasings with normal effects, or anything else for these.
    """
    how = within(question)
    if metric == "gap":
        arms = [_arms(task) for task in tasks]
        if any(arm is None for arm in arms):
            return None
        known = [arm for arm in arms if arm is not None]
        return error_of_gaps([a for a, _ in known], [b for _, b in known], question=how)
    parts = []
    for task in tasks:
        if task.values is None:
            return None
        part = _part(task, _rows(task, metric), task.values)
        if np.isnan(part.scores).all():
            return None
        parts.append(part)
    return error_of_means(parts, question=how)


def mean_error(tasks: Sequence[OneTask], question: Asked) -> tuple[Error, Asked]:
    """Return the mean over tasks with its error, and the question that this answers.

    Every interval of a mean difference, every p and every tie of a leaderboard is made from it.

    Parameters
    ----------
    tasks
        One or more, with cells.
    question
        What is asked. A task with one phrasing has nothing to say of new ones, so ``these`` is
        answered, as for ``phrasings`` (see `evalkit.records.questions.of_differences`); one task
        has nothing to say of others.
    """
    if question == "tasks" and len(tasks) > 1:
        return _tasks_error(tasks), question
    for how in cast(
        tuple[Asked, ...],
        ("these",) if of_differences(question) == "these" else ("normal", "these"),
    ):
        error = linear_error(tasks, "mean", how)
        if error is not None and not math.isnan(error.variance):
            return error, how
    return Error(math.nan, math.nan, math.nan), "these"


def _tasks_error(tasks: Sequence[OneTask]) -> Error:
    """Mean over tasks when tasks are draws: crossed with the phrasings they share,
    else by themselves.
    """
    values = np.array([task.found["mean"].value for task in tasks])
    value = float(values.mean())
    if len(tasks) < LEAST_TASKS:
        return Error(value, math.nan, math.nan)
    layout, _ = _layout(tasks)
    if layout is not None:
        _, variance, df = crossed_error(layout, question="random")
        if not math.isnan(variance):
            return Error(value, variance, df)
    return Error(value, float(values.var(ddof=1)) / values.size, values.size - 1.0)


def _part(task: OneTask, rows: npt.NDArray[np.bool_], values: Floats) -> Part:
    names = tuple(name for name, kept in zip(task.phrasing_ids, rows, strict=True) if kept)
    return Part(names, values[rows])


def _arms(task: OneTask) -> tuple[Part, Part] | None:
    """Both arms of a task on the instances they share; None without one."""
    seen, unseen = (np.array(task.seen) == name for name in ("seen", "unseen"))
    if task.values is None or not (seen.any() and unseen.any()):
        return None
    paired = stats.on_shared_instances(task.values, seen, unseen)
    if paired.shape[1] == 0:
        return None
    return _part(task, seen, paired), _part(task, unseen, paired)


def _linear(
    tasks: Sequence[OneTask], level: float, question: Asked, *, differences: bool
) -> dict[str, Interval]:
    """Intervals of the statistics in `LINEAR` for these tasks."""
    if all(task.values is None for task in tasks):
        if len({(task.phrasing_ids, task.seen) for task in tasks}) > 1:
            return {}
        a, relation = np.mean([task.a for task in tasks], axis=0), np.array(tasks[0].seen)
        return of_phrasing_means(a, relation, level=level, bounded=question == "phrasings")
    found: dict[str, Interval] = {}
    for metric in LINEAR:
        if any(task.found.get(metric) is None for task in tasks):
            continue
        if all(task.found[metric].over == ANY for task in tasks):
            parts = [
                _part(task, _rows(task, metric), task.values)
                for task in tasks
                if task.values is not None
            ]
            rows = same_rows(parts)
            if rows is not None and len(rows) == len(tasks):
                found[metric] = bounded_mean_of_tasks(rows, level=level)
            continue
        for how in cast(tuple[Asked, ...], tuple(dict.fromkeys((question, "these")))):
            error = linear_error(tasks, metric, how)
            if error is not None and not math.isnan(error.variance):
                found[metric] = interval_of(
                    error,
                    question=within(how),
                    level=level,
                    bounded=not differences and metric != "gap",
                    ends=None if differences else (-1.0, 1.0),
                    n_instances=[max(task.n_instances, 1) for task in tasks],
                )
                break
    return found


def _rows(task: OneTask, metric: str) -> npt.NDArray[np.bool_]:
    """Phrasings that a mean is over."""
    if metric == "mean":
        return np.ones(len(task.seen), dtype=bool)
    return np.isin(task.seen, [metric.removesuffix("_mean")])


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


def _crossed(tasks: Sequence[OneTask], level: float, *, differences: bool) -> dict[str, Interval]:
    """Intervals of the statistics in `LINEAR` for tasks like these, where tasks share phrasings."""
    layout, seen = _layout(tasks)
    if layout is None:
        return {}
    mean = mean_difference_interval if differences else mean_interval
    arms = {name: seen == name for name in ("seen", "unseen")}
    found = {"mean": mean(layout, level=level)}
    found |= {
        f"{name}_mean": mean(layout[arm], level=level) for name, arm in arms.items() if arm.any()
    }
    if all(arm.any() for arm in arms.values()):
        found["gap"] = gap_interval(layout, seen=arms["seen"], unseen=arms["unseen"], level=level)
    return {
        name: one if one.reason else replace(one, over=CROSSED[one.over])
        for name, one in found.items()
    }
