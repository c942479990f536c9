"""How high a model scores over phrasings: means and order statistics of a[p].

``scores[p, i]`` is the score of phrasing p on instance i, NaN when missing, and a[p] the mean of
its scores over instances. An aggregated table, which holds a[p] only, is the matrix ``a[:, None]``.
`min` and `max` hide Python's own inside this module, as they do in NumPy.
"""

import numpy as np
from jaxtyping import Float

from evalkit.stats.point.missing import mean_over
from evalkit.stats.point.phrasing_means import FROM_MEANS, lowest_mean, quantile_of

__all__ = [
    "cvar10",
    "instance_scores",
    "max",
    "mean",
    "median",
    "min",
    "phrasing_scores",
    "quantile",
    "worst_k",
]

Scores = Float[np.ndarray, "phrasing instance"]


def phrasing_scores(scores: Scores) -> Float[np.ndarray, " phrasing"]:
    """Return a[p], the mean of each phrasing over the instances it was scored on.

    Notes
    -----
    a[p] = sum_i y[p, i] / n[p] over the n[p] scored instances. NaN for a phrasing without scores.
    With missing cells two phrasings may be averaged over different instances; statistics that
    compare phrasings stay unbiased when cells are missing at random and nothing else.

    Examples
    --------
    >>> phrasing_scores(np.array([[1.0, 0.0], [1.0, np.nan]])).tolist()
    [0.5, 1.0]
    """
    return np.asarray(mean_over(scores, axis=1))


def instance_scores(scores: Scores) -> Float[np.ndarray, " instance"]:
    """Return the mean score of each instance over the phrasings it was scored with.

    NaN without any.

    Examples
    --------
    >>> instance_scores(np.array([[1.0, 0.0], [1.0, np.nan]])).tolist()
    [1.0, 0.0]
    """
    return np.asarray(mean_over(scores, axis=0))


def _of(name: str, scores: Scores) -> float:
    return float(FROM_MEANS[name](phrasing_scores(scores)))


def mean(scores: Scores) -> float:
    """Return the mean over phrasings of a[p].

    Notes
    -----
    mean = sum_p a[p] / P. Every phrasing counts the same, however many of its cells are missing.
    Estimand with phrasings fixed: the expected score over new instances under these phrasings; with
    phrasings random: under a phrasing drawn from the population these were drawn from.
    NaN without any score. P = 1: the score itself.

    References
    ----------
    Mizrahi et al. 2024 (arXiv 2401.00595), average performance (AvgP).

    Examples
    --------
    >>> mean(np.array([[0.6], [0.4]]))
    0.5
    """
    return _of("mean", scores)


def median(scores: Scores) -> float:
    """Return the median over phrasings of a[p]; linear between the two middle ones.

    Notes
    -----
    Middle order statistic of a[p]. NaN without any score; P = 1: the score itself.

    References
    ----------
    Polo et al. 2024, "Efficient multi-prompt evaluation of LLMs" (arXiv 2405.17202), for order
    statistics over phrasings.

    Examples
    --------
    >>> median(np.array([[0.5], [0.25], [0.75], [1.0]]))
    0.625
    """
    return _of("median", scores)


def min(scores: Scores) -> float:
    """Return the score of the worst phrasing, min over p of a[p].

    Notes
    -----
    Falls as P grows: compare models at the same P. NaN without any score.

    References
    ----------
    Polo et al. 2024, "Efficient multi-prompt evaluation of LLMs" (arXiv 2405.17202), for order
    statistics over phrasings.

    Examples
    --------
    >>> min(np.array([[0.5], [0.25]]))
    0.25
    """
    return _of("min", scores)


def max(scores: Scores) -> float:
    """Return the score of the best phrasing, max over p of a[p]; grows with P.

    Notes
    -----
    Maximum performance (MaxP). Grows with P: compare models at the same P. NaN without any score; P
    = 1: the score itself.

    References
    ----------
    Mizrahi et al. 2024 (arXiv 2401.00595), maximum performance.

    Examples
    --------
    >>> max(np.array([[0.5], [0.25]]))
    0.5
    """
    return _of("max", scores)


def quantile(scores: Scores, q: float | int) -> float:
    """Return the `q` quantile over phrasings of a[p]; `q` is a fraction in [0, 1].

    Notes
    -----
    Linear between order statistics (type 7), NumPy's default. q05, q25, q75 and q95 are this at
    0.05 ... 0.95. NaN without any score; P = 1: the score itself.

    Raises
    ------
    ValueError
        When `q` lies outside [0, 1].

    References
    ----------
    Polo et al. 2024, "Efficient multi-prompt evaluation of LLMs" (arXiv 2405.17202), for quantiles
    over phrasings. Hyndman and Fan 1996, "Sample Quantiles in Statistical Packages", definition 7.

    Examples
    --------
    >>> quantile(np.array([[0.0], [0.5], [1.0]]), 0.25)
    0.25
    """
    if not 0 <= q <= 1:
        raise ValueError(
            f"quantile: q is {q}; a fraction from 0 to 1 is accepted. Divide a percentage by 100."
        )
    return float(quantile_of(phrasing_scores(scores), q))


def worst_k(scores: Scores, k: int) -> float:
    """Return the mean of the `k` lowest a[p]; NaN when fewer than `k` phrasings have scores.

    Notes
    -----
    sum of the k smallest a[p] / k. Falls as P grows. NaN below k phrasings with scores.

    References
    ----------
    Cao et al. 2024, "On the Worst Prompt Performance of Large Language Models" (arXiv 2406.10248),
    for the idea.

    Examples
    --------
    >>> worst_k(np.array([[0.75], [0.25], [0.5]]), 2)
    0.375
    """
    if k < 1:
        raise ValueError(
            f"worst_k: k is {k}; 1 or more is accepted. Ask for at least one phrasing."
        )
    return float(lowest_mean(phrasing_scores(scores), k))


def cvar10(scores: Scores) -> float:
    """Return the mean of the lowest tenth of a[p]: of the ceil(P / 10) lowest phrasings.

    Notes
    -----
    With a[(1)] <= ... <= a[(P)] and k = ceil(P / 10): (a[(1)] + ... + a[(k)]) / k; up to ten
    phrasings it is the minimum. NaN without any score.

    References
    ----------
    Rockafellar and Uryasev 2000, "Optimization of Conditional Value-at-Risk", for the mean of a
    tail.

    Examples
    --------
    >>> cvar10(np.linspace(0, 1, 11)[:, None])
    0.05
    """
    return _of("cvar10", scores)
