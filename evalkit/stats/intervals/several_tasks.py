"""Means over several tasks: these tasks, or tasks like these.

Tasks have their own instances, so noise of instances is independent between tasks. Phrasings are
often the same for all tasks (57 subjects, one set of instructions); then a phrasing that is bad is
bad everywhere, and more tasks do not make new phrasings look certain.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from evalkit.stats.intervals.crossed import LEAST_IN_ARM, probit, student, unvaried
from evalkit.stats.intervals.noise import influence, mean_noise
from evalkit.stats.intervals.resample import OVER, Interval, Question, undefined
from evalkit.stats.point.location import mean, phrasing_scores
from evalkit.stats.point.missing import scored

__all__ = ["Error", "Part", "error_of_gaps", "error_of_means", "independent", "interval_of"]

FEW = "fewer than two phrasings, or a task with fewer than two instances"
Scores = Float[np.ndarray, "phrasing instance"]


@dataclass(frozen=True, slots=True)
class Part:
    """Cells of one task."""

    names: tuple[str, ...]
    """Ids of its phrasings; those of one id are one phrasing, in whichever task."""
    scores: Scores
    """Its scores, NaN where missing."""


@dataclass(frozen=True, slots=True)
class Error:
    """A mean over tasks with the variance of its error; NaN variance when it cannot be told."""

    value: float
    """The mean."""
    variance: float
    """Variance of its error."""
    df: float
    """Degrees of freedom of the variance."""


@dataclass(frozen=True, slots=True)
class _Arm:
    """The phrasings of several tasks: how their choice moves the mean over tasks."""

    variance: float
    """Variance of the mean over tasks when phrasings are drawn."""
    df: float
    """Its degrees of freedom."""
    least: int
    """Fewest phrasings of a task."""
    noise: tuple[tuple[float, float], ...]
    """Per task: what the noise of its instances puts into `variance`,
    and the degrees of freedom.
    """


def _kept(part: Part) -> Part:
    rows = (~np.isnan(part.scores)).any(axis=1)
    names = tuple(name for name, kept in zip(part.names, rows, strict=True) if kept)
    return Part(names, scored(part.scores))


def _arm(parts: Sequence[Part]) -> _Arm:
    """Variance that new phrasings bring.

    What phrasing p adds to the mean over tasks is c[p] = sum over its tasks of sqrt(P / (P - 1))
    (a[p]
    - mean) / (P T), and the variance is the sum of c[p]^2: var(a) / P for one task, var of the
      means
    over tasks where all share their phrasings, the sum of the tasks' variances where none does.
    """
    moved: dict[str, float] = {}
    own, noise, sizes = [], [], []
    for part in parts:
        p, n = part.scores.shape
        a = phrasing_scores(part.scores)
        sizes.append(p)
        if p < 2:
            continue
        scale = float(np.sqrt(p / (p - 1))) / (p * len(parts))
        steps = scale * (a - a.mean())
        own.append((float((steps**2).sum()), p - 1))
        for name, step in zip(part.names, steps.tolist(), strict=True):
            moved[name] = moved.get(name, 0.0) + step
        contrast = mean_noise(part.scores, squares=False).contrast
        noise.append((contrast / p / len(parts) ** 2, float((p - 1) * (n - 1))))
    variance = float(sum(step**2 for step in moved.values()))
    apart = len(moved) == sum(sizes)
    spent = sum(part**2 / df for part, df in own)
    alone = float(sum(part for part, _ in own))
    df = alone**2 / spent if apart and spent > 0 else float(max(min(sizes) - 1, 1))
    return _Arm(variance, df, min(sizes), tuple(noise))


def _total(
    value: float,
    arms: Sequence[_Arm],
    shared: Sequence[tuple[float, int]],
    question: Question,
) -> Error:
    """Error from what instances bring, (variance, N) per task, and what phrasings bring, per arm.

    The variance is that of `mean_interval` and `gap_interval`, with the sums over tasks in place of
    one task's terms.
    """
    nothing = Error(value, float("nan"), float("nan"))
    if not shared or min(n for _, n in shared) < 2:
        return nothing
    common = float(sum(part for part, _ in shared))
    spent = float(sum(part**2 / (n - 1) for part, n in shared))
    fixed = Error(value, common, common**2 / spent if spent > 0 else float(shared[0][1] - 1))
    if question == "fixed":
        return fixed
    few = len(arms) > 1 and min(arm.df for arm in arms) < LEAST_IN_ARM - 1
    if few or min(arm.least for arm in arms) < 2:
        return nothing
    private = [sum(arm.noise[task][0] for arm in arms) for task in range(len(shared))]
    sampled = sum(part**2 * 2 / (n - 1) for part, (_, n) in zip(private, shared, strict=True))
    beyond = common - sum(private)
    beyond = beyond if beyond > float(np.sqrt(sampled)) else 0.0
    drawn = [(arm.variance, arm.df) for arm in arms]
    total = sum(part for part, _ in drawn) + beyond
    if total == 0:  # phrasings with one and the same mean by accident do not make it certain
        return fixed
    of_phrasings = sum(part**2 / df for part, df in drawn)
    if beyond == 0:
        return Error(value, total, total**2 / of_phrasings)
    if len(arms) == 1:
        spent += float(sum(part**2 / df for part, df in arms[0].noise))
    return Error(value, total, total**2 / (spent + of_phrasings))


def error_of_means(parts: Sequence[Part], *, question: Question) -> Error:
    """Return the mean over tasks of the mean over phrasings, with its error; these tasks.

    Parameters
    ----------
    parts
        One per task.
    question
        ``fixed``: these phrasings, new instances. ``random``: new phrasings too.

    Examples
    --------
    >>> y = np.array([[1.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0]])
    >>> both = [Part(("a", "b"), y), Part(("a", "b"), y)]
    >>> round(error_of_means(both, question="fixed").variance, 4)
    0.0286
    """
    kept = [_kept(part) for part in parts]
    scale = 1 / len(kept) ** 2 if kept else 1.0
    shared = [
        (mean_noise(part.scores, squares=False).common * scale, part.scores.shape[1])
        for part in kept
    ]
    value = float(np.mean([mean(part.scores) for part in kept])) if kept else float("nan")
    return _total(value, [_arm(kept)] if kept else [], shared, question)


def error_of_gaps(seen: Sequence[Part], unseen: Sequence[Part], *, question: Question) -> Error:
    """Return the mean over tasks of the gap, with its error; these tasks.

    Parameters
    ----------
    seen, unseen
        Both arms of every task, on the same instances.
    question
        As for `error_of_means`.
    """
    arms = [[_kept(part) for part in arm] for arm in (seen, unseen)]
    shared, gaps = [], []
    for raw_seen, raw_unseen in zip(seen, unseen, strict=True):
        n = raw_seen.scores.shape[1]
        h = [
            influence(raw.scores[(~np.isnan(raw.scores)).any(axis=1)]).mean(axis=0)
            for raw in (raw_seen, raw_unseen)
        ]
        moved = float(((h[0] - h[1]) ** 2).sum())
        shared.append((n / max(n - 1, 1) * moved / len(seen) ** 2, n))
        gaps.append(mean(raw_seen.scores) - mean(raw_unseen.scores))
    return _total(float(np.mean(gaps)), [_arm(arm) for arm in arms], shared, question)


def interval_of(
    error: Error,
    *,
    question: Question,
    level: float,
    bounded: bool,
    n_instances: Sequence[int],
    ends: tuple[float, float] | None = None,
) -> Interval:
    """Return the Student interval of a mean over tasks;
    on the probit scale where scores are `bounded`.

    All instances alike: the interval of `unvaried` between the `ends` of the scale (0 and 1 where
    `bounded`; a width of 0 where none are given), for as many instances as the tasks have together
    in a mean of unequal ones, T^2 / sum 1 / N.
    """
    if np.isnan(error.variance):
        return undefined(error.value, FEW, level=level)
    ends = (0.0, 1.0) if bounded else ends
    if error.variance == 0 and ends is not None:
        n = int(len(n_instances) ** 2 / sum(1 / count for count in n_instances))
        return unvaried(error.value, n, level=level, ends=ends)
    if not bounded:
        return student(
            error.value, variance=error.variance, df=error.df, level=level, over=OVER[question]
        )
    return probit(
        error.value, variance=error.variance, df=error.df, level=level, over=OVER[question]
    )


def independent(
    found: Sequence[Interval],
    *,
    level: float,
    shared: Float[np.ndarray, "task task"] | None = None,
) -> Interval:
    """Return the mean over tasks of an estimate from the intervals of tasks.

    Parameters
    ----------
    found
        Intervals of the tasks.
    level
        Written into the mean.
    shared
        Share of what is drawn that two tasks have in common, 1 on the diagonal; None: nothing.

    Notes
    -----
    The distances to the ends add in squares, each side by itself: low = mean - sqrt(sum over t, u
    of shared_tu (value_t - low_t) (value_u - low_u)) / T. What two tasks share is taken to move
    both alike, the most it can; where all share everything it is the mean of the ends. A task
    without an interval leaves the mean without one, with the reason.

    References
    ----------
    Zou and Donner 2008, "Construction of confidence limits about effect measures: a general
    approach", Statistics in Medicine 27 (MOVER).

    Examples
    --------
    >>> one = Interval(0.5, 0.4, 0.7, 0.95, "t", "instances")
    >>> both = independent([one, one], level=0.95)
    >>> round(both.low, 4), round(both.high, 4)
    (0.4293, 0.6414)
    """
    value = float(np.mean([one.value for one in found]))
    if lacking := [one for one in found if np.isnan(one.low) or np.isnan(one.high)]:
        reason = lacking[0].reason or lacking[0].name
        return undefined(
            value,
            f"{len(lacking)} of {len(found)} tasks without an interval ({reason})",
            level=level,
        )
    if len({one.over for one in found}) > 1:
        return undefined(value, "the tasks' intervals answer different questions", level=level)
    common = np.eye(len(found)) if shared is None else shared
    below, above = (
        float(np.sqrt(reach @ common @ reach)) / len(found)
        for reach in (
            np.array([one.value - one.low for one in found]),
            np.array([one.high - one.value for one in found]),
        )
    )
    method = "mover" if np.count_nonzero(common) == len(found) else "average"
    return Interval(value, value - below, value + above, level, method, found[0].over)
