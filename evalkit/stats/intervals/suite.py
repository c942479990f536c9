"""Estimates over the tasks of a suite: unweighted mean over tasks, with intervals.

Tasks have their own instances, so noise of instances is independent between tasks. Phrasings are
often the same for all tasks (57 subjects, one set of instructions); then a phrasing that is bad is
bad everywhere, and treating the tasks as independent under question ``random`` would be too sure.
`suite_mean_interval` and `suite_gap_interval` take that into account; `over_tasks` serves every
other statistic and tasks with phrasings of their own.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from evalkit.stats.intervals.crossed import student
from evalkit.stats.intervals.noise import influence, mean_noise
from evalkit.stats.intervals.resample import (
    OVER,
    Interval,
    Question,
    percentile,
    resampled_means,
    undefined,
)
from evalkit.stats.point.contrast import gap, on_shared_instances
from evalkit.stats.point.location import phrasing_scores
from evalkit.stats.point.missing import mean_over
from evalkit.stats.point.phrasing_means import FROM_MEANS

__all__ = ["over_tasks", "suite_bootstrap", "suite_gap_interval", "suite_mean_interval"]

Scores = Float[np.ndarray, "phrasing _"]
Mask = Bool[np.ndarray, " phrasing"]


def over_tasks(
    found: Sequence[Interval], *, tasks: Literal["fixed", "random"] = "fixed", level: float = 0.95
) -> Interval:
    """Return the mean over tasks of an estimate, with an interval from those of the tasks.

    Parameters
    ----------
    found
        One interval per task; a task with an undefined value is left out.
    tasks
        ``fixed``: these tasks. ``random``: tasks like these.
    level
        Nominal level, the same as that of `found`.

    Notes
    -----
    ``fixed``: the distances to the ends add in squares, each side by itself: low = mean - sqrt(sum
    (value_t - low_t)^2) / T. Needs an interval for every task and independent tasks. ``random``:
    Student over tasks, T - 1 degrees of freedom, which needs no interval of a task.

    References
    ----------
    Zou and Donner 2008, "Construction of confidence limits about effect measures: a general
    approach", Statistics in Medicine 27 (MOVER).

    Examples
    --------
    >>> one = Interval(0.5, 0.4, 0.7, 0.95, "t", "instances")
    >>> both = over_tasks([one, one])
    >>> round(both.low, 4), round(both.high, 4)
    (0.4293, 0.6414)
    """
    defined = [one for one in found if not np.isnan(one.value)]
    value = (
        float(mean_over(np.array([one.value for one in defined], dtype=np.float64)))
        if defined
        else float("nan")
    )
    if not defined:
        return undefined(value, "no task with an estimate", level=level)
    if tasks == "random":
        values = np.array([one.value for one in defined])
        if values.size < 2:
            return undefined(value, "fewer than two tasks", level=level)
        return student(
            value,
            variance=float(values.var(ddof=1)) / values.size,
            df=values.size - 1,
            level=level,
            over="tasks",
        )
    without = [one for one in defined if np.isnan(one.low)]
    if without:
        return undefined(
            value,
            f"{len(without)} of {len(defined)} tasks without an interval ({without[0].reason})",
            level=level,
        )
    below = float(np.sqrt(sum((one.value - one.low) ** 2 for one in defined))) / len(defined)
    above = float(np.sqrt(sum((one.high - one.value) ** 2 for one in defined))) / len(defined)
    return Interval(value, value - below, value + above, level, "mover", defined[0].over)


def suite_mean_interval(
    matrices: Sequence[Scores], *, question: Question = "random", level: float = 0.95
) -> Interval:
    """Return the mean over tasks of the mean over phrasings, for tasks that share their phrasings.

    Parameters
    ----------
    matrices
        One matrix per task; row p is the same phrasing in all of them.
    question
        ``fixed``: these phrasings, new instances. ``random``: new phrasings too. The tasks are
        these.
    level
        Nominal level.

    Notes
    -----
    As `mean_interval`, with a[p] the mean over tasks of the phrasing's score, and the noise of the
    tasks' instances added over tasks, divided by T^2. Phrasings without scores in some task are
    left out of all.
    """
    means = np.array([phrasing_scores(matrix) for matrix in matrices])  # (task, phrasing)
    kept = ~np.isnan(means).any(axis=0)
    value = float(means[:, kept].mean()) if kept.any() else float("nan")
    n_tasks, n_phrasings = len(matrices), int(kept.sum())
    noises = [mean_noise(matrix[kept], squares=False) for matrix in matrices]
    if n_phrasings < (2 if question == "random" else 1) or any(
        noise.n_instances < 2 for noise in noises
    ):
        return undefined(
            value,
            "fewer than two phrasings in all tasks, or a task with fewer than two instances",
            level=level,
        )
    common = sum(noise.common for noise in noises) / n_tasks**2
    spent = sum((noise.common / n_tasks**2) ** 2 / (noise.n_instances - 1) for noise in noises)
    if question == "fixed":
        return student(
            value,
            variance=common,
            df=common**2 / spent if spent > 0 else 1.0,
            level=level,
            over=OVER["fixed"],
        )
    raw = float(means[:, kept].mean(axis=0).var(ddof=1)) / n_phrasings
    contrast = sum(noise.contrast for noise in noises) / n_tasks**2 / n_phrasings
    total = raw + max(0.0, common - contrast)
    spent += raw**2 / (n_phrasings - 1)
    return student(
        value,
        variance=total,
        df=total**2 / spent if spent > 0 else 1.0,
        level=level,
        over=OVER["random"],
    )


def suite_gap_interval(
    matrices: Sequence[Scores],
    *,
    seen: Mask,
    unseen: Mask,
    question: Question = "random",
    level: float = 0.95,
) -> Interval:
    """Return the mean over tasks of the gap, for tasks that share their phrasings and what is seen of them.

    Notes
    -----
    As `gap_interval`, with a[p] the mean over tasks; the two arms' variances are taken by Welch
    from four phrasings per arm on and pooled below.
    """
    paired = [on_shared_instances(matrix, seen, unseen) for matrix in matrices]
    value = (
        float(np.mean([gap(matrix, seen=seen, unseen=unseen) for matrix in matrices]))
        if matrices
        else float("nan")
    )
    means = np.array([phrasing_scores(matrix) for matrix in paired])
    kept = ~np.isnan(means).any(axis=0)
    arms = [kept & seen, kept & unseen]
    sizes = [int(arm.sum()) for arm in arms]
    if min(sizes) < (2 if question == "random" else 1) or any(
        matrix.shape[1] < 2 for matrix in paired
    ):
        return undefined(
            value,
            "an arm with too few phrasings in all tasks, or a task with fewer than two instances",
            level=level,
        )
    scale = 1 / len(paired) ** 2
    shared = [_gap_noise(matrix, arms) * scale for matrix in paired]
    spent = sum(
        part**2 / (matrix.shape[1] - 1) for part, matrix in zip(shared, paired, strict=True)
    )
    if question == "fixed":
        total = sum(shared)
        return student(
            value,
            variance=total,
            df=total**2 / spent if spent > 0 else 1.0,
            level=level,
            over=OVER["fixed"],
        )
    over = means.mean(axis=0)
    raw = [float(over[arm].var(ddof=1)) for arm in arms]
    private = sum(
        mean_noise(matrix[arm], squares=False).contrast * scale / size
        for matrix in paired
        for arm, size in zip(arms, sizes, strict=True)
    )
    if min(sizes) < 4:
        pooled = sum(v * (size - 1) for v, size in zip(raw, sizes, strict=True)) / (sum(sizes) - 2)
        parts = [(pooled * sum(1 / size for size in sizes), sum(sizes) - 2)]
    else:
        parts = [(v / size, size - 1) for v, size in zip(raw, sizes, strict=True)]
    total = sum(part for part, _ in parts) + max(0.0, sum(shared) - private)
    spent += sum(part**2 / df for part, df in parts)
    return student(
        value,
        variance=total,
        df=total**2 / spent if spent > 0 else 1.0,
        level=level,
        over=OVER["random"],
    )


def _gap_noise(matrix: Scores, arms: Sequence[Mask]) -> float:
    """Variance of the difference between the arms' means under new instances."""
    n = matrix.shape[1]
    difference = influence(matrix[arms[0]]).mean(axis=0) - influence(matrix[arms[1]]).mean(axis=0)
    return float(n / (n - 1) * (difference**2).sum())


def suite_bootstrap(
    matrices: Sequence[Scores],
    *,
    rng: np.random.Generator,
    question: Question = "random",
    tasks: Literal["fixed", "random"] = "fixed",
    shared_phrasings: bool = True,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Return the percentile interval of every statistic of a[p], averaged over tasks, resampling on up to three levels.

    Parameters
    ----------
    matrices
        One matrix per task.
    rng
        Source of the draws.
    question
        ``fixed``: instances are drawn, within each task. ``random``: phrasings too.
    tasks
        ``random``: whole tasks are drawn on top.
    shared_phrasings
        Row p is the same phrasing in all tasks, so a resample draws the same rows everywhere.
    n_resamples
        Number of resamples.
    level
        Nominal level.

    Notes
    -----
    The raw engine, with the shortcomings of `evalkit.stats.bootstrap`. A task whose statistic is
    undefined is left out.

    Raises
    ------
    ValueError
        When `shared_phrasings` and the tasks have different numbers of phrasings.
    """
    sizes = {matrix.shape[0] for matrix in matrices}
    if shared_phrasings and len(sizes) > 1:
        raise ValueError(
            f"suite_bootstrap: tasks have {min(sizes)} to {max(sizes)} phrasings; equal numbers are accepted. Say shared_phrasings=False."
        )
    rows = rng.integers(0, max(sizes, default=1), size=(n_resamples, max(sizes, default=1)))
    draws: dict[str, list[Float[np.ndarray, " draw"]]] = {name: [] for name in FROM_MEANS}
    for matrix in matrices:
        drawn = resampled_means(matrix, rng=rng, n_resamples=n_resamples)
        if question == "random":
            if not shared_phrasings:
                rows = rng.integers(0, matrix.shape[0], size=(n_resamples, matrix.shape[0]))
            drawn = np.take_along_axis(drawn, rows, axis=1)
        for name, function in FROM_MEANS.items():
            draws[name].append(function(drawn))
    chosen = rng.integers(0, max(len(matrices), 1), size=(len(matrices), n_resamples))
    levels = (
        ["tasks"] * (tasks == "random") + ["phrasings"] * (question == "random") + ["instances"]
    )
    result = {}
    for name, function in FROM_MEANS.items():
        value = float(
            mean_over(
                np.array(
                    [float(function(phrasing_scores(matrix))) for matrix in matrices],
                    dtype=np.float64,
                )
            )
        )
        by_task = np.array(draws[name]).reshape(len(matrices), n_resamples)
        if tasks == "random" and len(matrices):
            by_task = np.take_along_axis(by_task, chosen, axis=0)
        result[name] = Interval(
            value,
            *percentile(np.asarray(mean_over(by_task, axis=0)), level=level),
            level,
            "percentile",
            "+".join(levels),
        )
    return result
