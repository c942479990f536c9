"""Student intervals for means and gaps when phrasings and instances are crossed random effects."""

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import ndtr, ndtri, stdtrit

from evalkit.stats.intervals.noise import beyond_noise, influence, mean_noise
from evalkit.stats.intervals.resample import OVER, Interval, Question, undefined
from evalkit.stats.point.contrast import gap, on_shared_instances
from evalkit.stats.point.location import mean, phrasing_scores
from evalkit.stats.point.missing import scored
from evalkit.stats.point.rates import rate_interval

__all__ = [
    "LEAST_IN_ARM",
    "crossed_error",
    "crossed_variance",
    "gap_interval",
    "mean_difference_interval",
    "mean_interval",
    "new_phrasing_interval",
    "probit",
    "student",
]

Scores = Float[np.ndarray, "phrasing instance"]
Mask = Bool[np.ndarray, " phrasing"]

LEAST_IN_ARM = 3
"""Fewest phrasings in an arm for a gap under new phrasings. With two, Welch's interval holds 88 %
where the arms differ in spread, and pooling both variances 60 %."""


def student(
    value: float,
    *,
    variance: float,
    df: float | int,
    level: float,
    over: str,
    method: str = "t",
) -> Interval:
    """Return value -+ t(df) sqrt(variance).

    Examples
    --------
    >>> found = student(0.5, variance=0.01, df=10, level=0.95, over="instances")
    >>> round(found.low, 4), round(found.high, 4)
    (0.2772, 0.7228)
    """
    half = float(stdtrit(df, (1 + level) / 2)) * float(np.sqrt(variance))
    return Interval(value, value - half, value + half, level, method, over)


def unvaried(value: float, n: int, *, level: float, ends: tuple[float, float]) -> Interval:
    """Return the interval of a mean of n units that are all alike;
    a width of 0 would claim certainty.

    At most a share u of other units is unlike them, by Wilson's upper end for 0 of n, and those
    reach no further than the `ends` of the scale.

    Examples
    --------
    >>> found = unvaried(0.0, 50, level=0.95, ends=(-1.0, 1.0))
    >>> round(found.low, 3), round(found.high, 3)
    (-0.071, 0.071)
    """
    unlike = rate_interval(0, n, level=level).high
    low, high = (value + unlike * (end - value) for end in ends)
    return Interval(value, low, high, level, "wilson", OVER["fixed"])


def crossed_variance(terms: Scores, *, degree: int = 1, question: Question) -> tuple[float, float]:
    """Return the variance of the mean of `terms` over phrasings and instances,
    and its degrees of freedom.

    Parameters
    ----------
    terms
        What each cell adds, NaN where missing, no empty row or column: scores for the mean; for a
        mean over pairs of phrasings, the mean of the pairs the cell is in.
    degree
        Number of phrasings in one term: 1 for means, 2 for pairs.
    question
        ``fixed``: instances random. ``random``: phrasings too.

    Notes
    -----
    Vi = variance of the mean of terms under new instances. ``random``, pairs: V = Vi + 4 ((P - 1) /
    (P - 2))^2 v / P, v the variance of the phrasing means of terms less what instances put into it
    (0 if negative): the delete-one variance of a U statistic. ``random``, means: see
    `mean_interval`. Degrees of freedom by Satterthwaite over P - 1, N - 1 and (P - 1)(N - 1). NaN
    below two instances or, ``random``, two phrasings.

    References
    ----------
    Hoeffding 1948, "A class of statistics with asymptotically normal distribution", for U
    statistics.
    """
    n_phrasings, n_instances = terms.shape
    if n_instances < 2 or n_phrasings < (2 if question == "random" else 1):
        return float("nan"), float("nan")
    noise = mean_noise(terms, squares=False)
    if question == "fixed":
        return noise.common, float(n_instances - 1)
    # subtle: (P - 1) / (P - 2) makes the pair case the delete-one variance, which few phrasings
    # need
    factor = (
        (degree * (n_phrasings - 1) / (n_phrasings - degree)) ** 2
        if n_phrasings > degree > 1
        else degree**2
    )
    raw = factor * float(np.var(phrasing_scores(terms), ddof=1)) / n_phrasings
    contrast = factor * noise.contrast / n_phrasings
    # subtle: for means the instances' own part is cut, so V never falls below what phrasings show
    # by themselves
    beyond = beyond_noise(noise.common, contrast, n_instances)
    total = raw + beyond if degree == 1 else noise.common + max(0.0, raw - contrast)
    if total == 0:  # phrasings with one and the same mean by accident do not make it certain
        return noise.common, float(n_instances - 1)
    if degree == 1 and beyond == 0:
        return total, float(n_phrasings - 1)
    first = raw if degree == 1 else max(raw, contrast)
    spent = (
        first**2 / (n_phrasings - 1)
        + noise.common**2 / (n_instances - 1)
        + contrast**2 / ((n_phrasings - 1) * (n_instances - 1))
    )
    return total, total**2 / spent if spent > 0 else float(n_instances - 1)


def crossed_error(scores: Scores, *, question: Question) -> tuple[float, float, float]:
    """Return the mean over phrasings of `scores`, its variance and degrees of freedom.

    NaN where there are none.
    """
    scores = scored(scores)
    return (mean(scores), *crossed_variance(scores, question=question))


def mean_interval(
    scores: Scores, *, question: Question = "random", level: float = 0.95
) -> Interval:
    """Return the mean over phrasings with its Student interval.

    Notes
    -----
    ``fixed``: variance of the per-instance influence, N - 1 degrees of freedom.
    ``random``: V = A + (Vi - B), A = var(a) / P, Vi = variance of the mean under new instances, B =
    e / P with e the noise of N instances in the contrasts of a[p]; with complete data V = (MSp +
    MSi - MSe) / (P N). Where Vi does not exceed B by more than its sampling error, B sqrt(2 / (N -
    1)), V = A = MSp / (P N) with P - 1 degrees of freedom. Else these are Satterthwaite's: V^2 /
    (A^2 / (P - 1) + Vi^2 / (N - 1) + B^2 / ((P - 1)(N - 1))). Scores in [0, 1] get the interval on
    the probit scale, where the mean of few and unequal phrasings is less skewed. All instances
    alike: Wilson's interval for that many (`unvaried`), since a width of 0 would claim certainty.
    Ten phrasings of one question are not ten questions: the instances enter once, whatever P is.
    Offered from 2 instances on, ``random`` from 2 phrasings on; see the coverage table for small P.

    References
    ----------
    Satterthwaite 1946, Biometrics Bulletin 2. Brennan 2001, section 6.1.

    Examples
    --------
    >>> y = np.array([[1.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0]])
    >>> round(mean_interval(y, question="fixed").high, 4)
    0.99
    """
    scores = scored(scores)
    value = mean(scores)
    if scores.shape[1] < 2:
        return undefined(value, "fewer than two instances", level=level)
    if question == "random" and scores.shape[0] < 2:
        return undefined(value, "fewer than two phrasings", level=level)
    variance, df = crossed_variance(scores, question=question)
    values = scores[~np.isnan(scores)]
    if values.min() < 0 or values.max() > 1:
        return student(value, variance=variance, df=df, level=level, over=OVER[question])
    if variance == 0:
        return unvaried(value, scores.shape[1], level=level, ends=(0.0, 1.0))
    return probit(
        value,
        variance=variance,
        df=df,
        level=level,
        over=OVER[question],
    )


def mean_difference_interval(
    changes: Scores, *, question: Question = "random", level: float = 0.95
) -> Interval:
    """Return the mean of cell differences of two runs with its Student interval.

    Like `mean_interval`, without bounds.

    Examples
    --------
    >>> found = mean_difference_interval(np.array([[0.0, 0.1], [0.1, 0.0]]))
    >>> found.value
    0.05
    """
    changes = scored(changes)
    value = mean(changes)
    variance, df = crossed_variance(changes, question=question)
    if np.isnan(variance):
        return undefined(value, "fewer than two phrasings or instances", level=level)
    return student(value, variance=variance, df=df, level=level, over=OVER[question])


def probit(value: float, *, variance: float, df: float | int, level: float, over: str) -> Interval:
    """Return the Student interval on the probit scale (delta method),
    for a mean that lies in [0, 1].
    """
    if variance == 0 or not 0 < value < 1:
        return Interval(value, value, value, level, "t-probit", over)
    h = float(ndtri(value))
    half = (
        float(stdtrit(df, (1 + level) / 2))
        * float(np.sqrt(2 * np.pi * variance))
        * float(np.exp(h**2 / 2))
    )
    return Interval(value, float(ndtr(h - half)), float(ndtr(h + half)), level, "t-probit", over)


def gap_interval(
    scores: Scores,
    *,
    seen: Mask,
    unseen: Mask,
    question: Question = "random",
    level: float = 0.95,
    ends: tuple[float, float] | None = None,
) -> Interval:
    """Return seen minus unseen with its Student interval, paired on instances.

    Notes
    -----
    D = mean over seen a - mean over unseen a. Vi = variance of D under new instances, from the
    influence of each instance on D, so whatever both arms share cancels. ``fixed``: Vi with N - 1
    degrees of freedom. ``random``: V = var(a seen) / Ps + var(a unseen) / Pu + (Vi - noise of N
    instances in the first two, where it exceeds its sampling error as in `mean_interval`), Welch:
    the two variances may differ and are never pooled. Degrees of freedom by Satterthwaite over the
    two arms and Vi. ``random`` needs `LEAST_IN_ARM` phrasings in each arm. Where no instance moves
    it, the interval is that of `unvaried` between the `ends` of a gap; a width of 0 without them.

    References
    ----------
    Welch 1947, Biometrika 34. Satterthwaite 1946.
    """
    value = gap(scores, seen=seen, unseen=unseen)
    paired = on_shared_instances(scores, seen, unseen)
    arms = [arm[(~np.isnan(arm)).any(axis=1)] for arm in (paired[seen], paired[unseen])]
    n_instances = paired.shape[1]
    if n_instances < 2 or min(arm.shape[0] for arm in arms) < 1:
        return undefined(
            value, "an arm without phrasings, or fewer than two instances", level=level
        )
    difference = influence(arms[0]).mean(axis=0) - influence(arms[1]).mean(axis=0)
    shared = n_instances / (n_instances - 1) * float((difference**2).sum())
    of_instances = (
        unvaried(value, n_instances, level=level, ends=ends)
        if ends is not None and shared == 0
        else student(value, variance=shared, df=n_instances - 1, level=level, over=OVER[question])
    )
    if question == "fixed":
        return of_instances
    if min(arm.shape[0] for arm in arms) < LEAST_IN_ARM:
        reason = "an arm with fewer than three phrasings"
        return undefined(value, reason, level=level)
    arm_terms = [
        (
            float(np.var(phrasing_scores(arm), ddof=1)),
            mean_noise(arm, squares=False).contrast,
            arm.shape[0],
        )
        for arm in arms
    ]
    private = sum(noise / size for _, noise, size in arm_terms)
    parts = [(raw / size, size - 1) for raw, _, size in arm_terms]
    beyond = beyond_noise(shared, private, n_instances)
    total = sum(part for part, _ in parts) + beyond
    spent = (shared**2 / (n_instances - 1) if beyond else 0.0) + sum(
        part**2 / df for part, df in parts
    )
    if total == 0:  # the phrasings of an arm have one and the same mean by accident
        return of_instances
    return student(value, variance=total, df=total**2 / spent, level=level, over=OVER["random"])


def new_phrasing_interval(scores: Scores, *, level: float = 0.95) -> Interval:
    """Return the prediction interval for the score of one new phrasing on these same instances.

    Notes
    -----
    mean -+ t(P - 1) std sqrt(1 + 1 / P): exact for normal phrasing effects, because the difficulty
    of the instances is common to old and new phrasings. P < 2: NaN. The metrics new_phrasing_low
    and new_phrasing_high are its ends.

    References
    ----------
    Hahn 1969, "Factors for Calculating Two-Sided Prediction Intervals for Samples from a Normal
    Distribution", JASA 64.

    Examples
    --------
    >>> found = new_phrasing_interval(np.array([[0.5], [0.6], [0.7]]))
    >>> round(found.low, 3), round(found.high, 3)
    (0.103, 1.097)
    """
    a = phrasing_scores(scored(scores))
    if a.size < 2:
        return undefined(
            float(a.mean()) if a.size else float("nan"), "fewer than two phrasings", level=level
        )
    variance = float(a.var(ddof=1)) * (1 + 1 / a.size)
    return student(
        float(a.mean()),
        variance=variance,
        df=a.size - 1,
        level=level,
        method="prediction",
        over="new phrasing",
    )
