"""Intervals for new phrasings that hold whatever the effects of wording are: scores end at 0 and 1.

A sample can miss a wording that breaks, and no interval can know of it. These reach as far as what
was missed may go: of P phrasings that were drawn, a share 1 - 0.025^(1 / P) of all of them may
behave in any way (31 % for ten, 17 % for twenty, 6 % for sixty), and the mean may lie that much
nearer to 0 or 1. The median needs less: half of all phrasings are no rare ones.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.special import bdtr, ndtri, stdtrit

from evalkit.stats.intervals.noise import beyond_noise, mean_noise
from evalkit.stats.intervals.resample import Interval, undefined
from evalkit.stats.point.location import phrasing_scores
from evalkit.stats.point.missing import scored
from evalkit.stats.point.rates import rate_interval

__all__ = [
    "ANY",
    "ANY_PHRASINGS",
    "bounded_mean_interval",
    "bounded_mean_of_phrasings",
    "bounded_mean_of_tasks",
    "median_interval",
]

Scores = Float[np.ndarray, "phrasing instance"]
Means = Float[np.ndarray, " phrasing"]
ANY_PHRASINGS = "any phrasings"
"""What is random: new phrasings, their effects taken as nothing in particular."""
ANY = f"{ANY_PHRASINGS}+instances"
"""The same and new instances."""
DRAWS = 10_000
MOST_DRAWN = 200
"""Most phrasings whose spacings are drawn; of more the mean is nearly normal,
with a little skewness.
"""
FEW = "fewer than two phrasings"
FEW_INSTANCES = "fewer than two instances"
OUTSIDE = "scores outside 0 to 1 have no bounds that would hold an interval for new phrasings"


@lru_cache(maxsize=16)
def _spacings(n: int) -> Float[np.ndarray, "draw spacing"]:
    """Lengths of the n + 1 pieces that n uniform points cut [0, 1] into;
    the same on every machine.
    """
    lengths = np.random.default_rng(20260211).standard_exponential((DRAWS, n + 1))
    return np.asarray(lengths / lengths.sum(axis=1, keepdims=True))


def _ends(a: Means, level: float) -> tuple[float, float]:
    """Lower and upper end of the mean of whatever `a` was drawn from, all of it in [0, 1]."""
    tail, x = (1 - level) / 2, np.sort(a)
    if a.size > MOST_DRAWN:
        return _expanded(np.append(x, 0.0), tail), _expanded(np.append(x, 1.0), 1 - tail)
    weights = _spacings(a.size)
    return (
        float(np.quantile(weights[:, 1:] @ x, tail)),
        float(np.quantile(weights[:, :-1] @ x + weights[:, -1], 1 - tail)),
    )


def _expanded(x: Means, share: float) -> float:
    """Quantile of sum over i of D[i] x[i], D the spacings, by Cornish and Fisher from its three
    moments.
    """
    n, centred, z = x.size, x - x.mean(), float(ndtri(share))
    deviation = float(np.sqrt((centred**2).sum() / (n * (n + 1))))
    if deviation == 0:
        return float(x.mean())
    skew = 2 * float((centred**3).sum()) / (n * (n + 1) * (n + 2)) / deviation**3
    return float(x.mean()) + deviation * (z + skew / 6 * (z**2 - 1))


def bounded_mean_of_phrasings(a: Means, *, level: float = 0.95) -> Interval:
    """Return the mean of phrasing scores with an interval for new phrasings that needs no law.

    Parameters
    ----------
    a
        (P,) scores of phrasings, from 0 to 1; NaN scores are left out.
    level
        Level of the interval.

    Notes
    -----
    The lower end is the tail quantile of sum over i of D[i] a[i], D the spacings of P uniform
    points and the lowest of them given to the score 0; the upper end likewise with the score 1. It
    is never above the exact bounds that the empirical distribution gives, and has held in every
    distribution that was tried. Quantiles from 10,000 draws, always the same ones; above
    `MOST_DRAWN` phrasings by the three moments of that sum.

    References
    ----------
    Gaffke 2005, "Three test statistics for a nonparametric one-sided hypothesis on the mean of a
    nonnegative variable", Mathematical Methods of Statistics 14. Learned-Miller and Thomas 2020, "A
    new confidence interval for the mean of a bounded random variable", arXiv:1905.06208.

    Examples
    --------
    >>> found = bounded_mean_of_phrasings(np.full(10, 0.8))
    >>> round(found.low, 2), round(found.high, 2)
    (0.56, 0.86)
    """
    known = a[~np.isnan(a)]
    value = float(known.mean()) if known.size else float("nan")
    if known.size < 2:
        return undefined(value, FEW, level=level)
    if known.min() < 0 or known.max() > 1:
        return undefined(value, OUTSIDE, level=level)
    low, high = _ends(known, level)
    low, high = min(max(low, 0.0), value), max(min(high, 1.0), value)
    return Interval(value, low, high, level, "gaffke", ANY_PHRASINGS)


def bounded_mean_interval(scores: Scores, *, level: float = 0.95) -> Interval:
    """Return the mean over phrasings with an interval for new phrasings and instances that needs no
    law of wording.

    Parameters
    ----------
    scores
        Scores in [0, 1], NaN where missing.
    level
        Level of the interval.

    Notes
    -----
    `bounded_mean_of_phrasings` holds on these instances; what new instances add beyond the noise
    that the phrasing scores show by themselves is put to either side in squares.

    References
    ----------
    Zou and Donner 2008, "Construction of confidence limits about effect measures: a general
    approach", Statistics in Medicine 27.

    Examples
    --------
    >>> y = np.array([[1.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0]])
    >>> bounded_mean_interval(y).name
    'gaffke/any phrasings+instances'
    """
    return bounded_mean_of_tasks([scores], level=level)


def bounded_mean_of_tasks(tasks: Sequence[Scores], *, level: float = 0.95) -> Interval:
    """Return the same of the mean over tasks that have all their phrasings in common, in one order.

    Parameters
    ----------
    tasks
        Scores of each task: rows of one place are one phrasing.
    level
        Level of the interval.
    """
    a = np.mean([phrasing_scores(scores) for scores in tasks], axis=0)
    on_these = bounded_mean_of_phrasings(a, level=level)
    if on_these.reason:
        return on_these
    half = _beyond(tasks, level)
    if np.isnan(half):
        return undefined(on_these.value, FEW_INSTANCES, level=level)
    return _reaching(on_these, half)


def _beyond(parts: Sequence[Scores], level: float) -> float:
    """How far new instances may move the mean over tasks beyond what phrasings show by themselves.

    NaN where that is unknown.
    """
    kept = [scored(scores) for scores in parts]
    sizes = [scores.shape[1] for scores in kept]
    if min(sizes) < 2:
        return float("nan")
    noises = [mean_noise(scores, squares=False) for scores in kept]
    terms = np.array([noise.common for noise in noises]) / len(kept) ** 2
    if not terms.any() and all(np.ptp(scores) == 0 for scores in kept):
        n = int(len(kept) ** 2 / sum(1 / size for size in sizes))  # all right or all wrong
        return 1 - rate_interval(n, n, level=level).low
    private = sum(
        noise.contrast / scores.shape[0] for noise, scores in zip(noises, kept, strict=True)
    )
    beyond = beyond_noise(float(terms.sum()), private / len(kept) ** 2, sum(sizes))
    if beyond == 0:
        return 0.0
    df = terms.sum() ** 2 / (terms**2 / (np.array(sizes) - 1)).sum()
    return float(stdtrit(df, (1 + level) / 2) * np.sqrt(beyond))


def _reaching(found: Interval, half: float) -> Interval:
    """Return an interval on these instances with what new instances add."""
    below, above = (
        float(np.hypot(reach, half))
        for reach in (found.value - found.low, found.high - found.value)
    )
    low, high = max(0.0, found.value - below), min(1.0, found.value + above)
    return Interval(found.value, low, high, found.level, found.method, ANY)


def median_interval(scores: Scores, *, level: float = 0.95) -> Interval:
    """Return the median of phrasing scores with an interval for the median of all phrasings like
    these.

    Parameters
    ----------
    scores
        Scores in [0, 1], NaN where missing.
    level
        Level of the interval.

    Notes
    -----
    From the k-th lowest to the k-th highest score, k the largest with P(Binomial(P, 1/2) < k) at
    most (1 - level) / 2, whatever the effects of wording are; with what new instances add as in
    `bounded_mean_interval`, but to the mean of those phrasings: one that breaks answers other
    instances right, so with it the instances of a typical phrasing would seem to matter less than
    they do. Six phrasings are the fewest at 95 %.

    References
    ----------
    Thompson 1936, "On confidence ranges for the median", Annals of Mathematical Statistics 7.

    Examples
    --------
    >>> y = np.repeat(np.linspace(0.1, 0.8, 8)[:, None], 5, axis=1)
    >>> found = median_interval(y)
    >>> round(found.low, 2), round(found.high, 2)
    (0.1, 0.8)
    """
    kept = scored(scores)
    means = phrasing_scores(kept)
    order = np.argsort(means, kind="stable")
    a = means[order]
    value = float(np.median(a)) if a.size else float("nan")
    below = bdtr(np.arange(a.size + 1), a.size, 0.5)  # scipy.stats takes 0.5 s to load
    k = int(np.searchsorted(below, (1 - level) / 2)) if a.size else 0
    # subtle: the least k whose P(Binomial <= k) reaches the tail, so P(Binomial < k) does not
    if k < 1:
        fewest = int(np.ceil(np.log2(2 / (1 - level)) - 1e-9))
        return undefined(value, f"fewer than {fewest} phrasings", level=level)
    half = _beyond([kept[np.sort(order[k - 1 : a.size - k + 1])]], level)
    if np.isnan(half):
        return undefined(value, FEW_INSTANCES, level=level)
    low, high = float(a[k - 1]), float(a[a.size - k])
    return _reaching(Interval(value, low, high, level, "order", ANY), half)
