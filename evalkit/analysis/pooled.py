"""Readings of "the deviation over all tasks" that published tables use, each under a name of its
own.

A mean over tasks hides what was averaged. Beside ``std`` over all tasks (the mean of the tasks'
deviations) there are: the deviation of one list of all phrasing scores, the root mean square of the
tasks' deviations, the same weighted by degrees of freedom, and the deviation of each phrasing's
mean over tasks. The drop rate over all pairs of all tasks is the same thing for `pdr`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis.over_tasks import OneTask
from evalkit.stats.intervals.resample import Interval, undefined

__all__ = ["POOLED", "pooled"]

Floats: TypeAlias = npt.NDArray[np.float64]

BY_BENCHMARK = ("mean", "std", "seen_mean", "seen_std", "unseen_mean", "unseen_std", "gap")
"""Statistics of which there is a mean over benchmarks."""
NOTE = "pooled over tasks; intervals are those of the tasks"


def _listed(scores: Sequence[Floats]) -> Floats:
    joined = np.concatenate(scores)
    return joined[~np.isnan(joined)]


def _deviation(values: Floats, ddof: int) -> float:
    return float(values.std(ddof=ddof)) if values.size > ddof else float("nan")


def _rms(scores: Sequence[Floats], ddof: int) -> float:
    variances = np.array([_deviation(a[~np.isnan(a)], ddof) ** 2 for a in scores])
    known = variances[~np.isnan(variances)]
    return float(np.sqrt(known.mean())) if known.size else float("nan")


def _within(scores: Sequence[Floats]) -> float:
    kept = [a[~np.isnan(a)] for a in scores]
    spare = sum(a.size - 1 for a in kept if a.size > 1)
    return (
        float(np.sqrt(sum(((a - a.mean()) ** 2).sum() for a in kept if a.size > 1) / spare))
        if spare
        else float("nan")
    )


POOLED: dict[str, Callable[[Sequence[Floats]], float]] = {
    "mean_pooled": lambda scores: (
        float(_listed(scores).mean()) if _listed(scores).size else float("nan")
    ),
    "std_pooled": lambda scores: _deviation(_listed(scores), 1),
    "std0_pooled": lambda scores: _deviation(_listed(scores), 0),
    "std_rms": lambda scores: _rms(scores, 1),
    "std0_rms": lambda scores: _rms(scores, 0),
    "std_within": _within,
}
"""Name -> function of the tasks' lists of phrasing scores: mean and deviation (sample, population)
of one list of all of them; root mean square of the tasks' deviations; the same weighted by the
tasks' degrees of freedom, the pooled deviation of analysis of variance."""


def pooled(tasks: Sequence[OneTask], *, level: float) -> dict[str, tuple[Interval, int]]:
    """Return metric -> (value, number of tasks) of every pooled reading, for two tasks or more.

    Parameters
    ----------
    tasks
        Tasks of one model.
    level
        Written into the intervals, which have no ends.

    Notes
    -----
    The names of `POOLED`, with ``seen_`` and ``unseen_`` in front for one arm; ``std_of_means`` and
    ``std0_of_means``, deviation over the phrasings that all tasks have of their mean over tasks;
    ``pdr_pooled`` and ``pdr_std_pooled``, mean and population deviation over all pairs of all
    tasks; ``mean_by_benchmark`` and the like, every benchmark counting once.
    """
    if len(tasks) < 2:
        return {}
    arms = {"": [task.a for task in tasks]}
    for name in ("seen", "unseen"):
        chosen = [task.a[np.array(task.seen) == name] for task in tasks]
        if all(a.size for a in chosen):
            arms[f"{name}_"] = chosen
    values = {
        f"{arm}{name}": function(scores)
        for arm, scores in arms.items()
        for name, function in POOLED.items()
    }
    values |= _of_means(tasks)
    drops = [np.array(task.drops) for task in tasks if task.drops]
    if drops:
        one_list = _listed(drops)
        values["pdr_pooled"] = float(one_list.mean()) if one_list.size else float("nan")
        values["pdr_std_pooled"] = _deviation(one_list, 0)
    values |= _by_benchmark(tasks)
    found = {
        name: (undefined(value, NOTE, level=level), len(tasks)) for name, value in values.items()
    }
    return found | _calibration(tasks, level=level)


def _by_benchmark(tasks: Sequence[OneTask]) -> dict[str, float]:
    """Means over benchmarks of the means over their tasks; nothing for a single benchmark."""
    benchmarks = sorted({task.benchmark for task in tasks})
    if len(benchmarks) < 2:
        return {}
    found = {}
    for metric in BY_BENCHMARK:
        means = []
        for benchmark in benchmarks:
            own = [
                task.found[metric].value
                for task in tasks
                if task.benchmark == benchmark and metric in task.found
            ]
            known = [value for value in own if value == value]
            means.append(float(np.mean(known)) if known else float("nan"))
        found[f"{metric}_by_benchmark"] = float(np.mean(means))
    return found


def _calibration(tasks: Sequence[OneTask], *, level: float) -> dict[str, tuple[Interval, int]]:
    """Calibration over one list of the cells of all tasks that know probabilities."""
    known = [task.sure for task in tasks if task.sure is not None]
    if not known:
        return {}
    confidence, scores = (np.concatenate([pair[side] for pair in known]) for side in (0, 1))
    values = {
        name: round(function(confidence, scores), 3) for name, function in CALIBRATION.items()
    }
    return {
        name: (undefined(value, NOTE, level=level), len(known)) for name, value in values.items()
    }


CALIBRATION: dict[str, Callable[[Floats, Floats], float]] = {
    "ece_pooled": stats.ece,
    "ece_mass_pooled": stats.ece_equal_mass,
    "brier_answer_pooled": lambda p, y: stats.brier_parts(p, y).score,
    "aurc_pooled": stats.aurc,
    "average_precision_pooled": stats.average_precision,
}
"""Name -> function of the confidences and scores of one list of all cells."""


def _of_means(tasks: Sequence[OneTask]) -> dict[str, float]:
    """Deviation of the phrasings' means over tasks,
    for phrasings that all tasks have and the arms among them.
    """
    scores = [dict(zip(task.phrasing_ids, task.a.tolist(), strict=True)) for task in tasks]
    seen = [dict(zip(task.phrasing_ids, task.seen, strict=True)) for task in tasks]
    ids = [name for name in scores[0] if all(name in one for one in scores)]
    if len(ids) < 2:
        return {}
    means = np.mean([[one[name] for name in ids] for one in scores], axis=0)
    found: dict[str, float] = {}
    for arm in ("", "seen", "unseen"):
        kept = means[[not arm or all(one[name] == arm for one in seen) for name in ids]]
        kept = kept[~np.isnan(kept)]
        if kept.size:
            prefix = f"{arm}_" if arm else ""
            found |= {
                f"{prefix}std_of_means": _deviation(kept, 1),
                f"{prefix}std0_of_means": _deviation(kept, 0),
            }
    return found
