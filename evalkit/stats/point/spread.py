"""How much scores vary over phrasings: std, std0, spread, sensitivity, saturation, cps.

All are functions of a[p], the mean of each phrasing over instances, so they mix what phrasings
really do with the noise of having N instances only; `evalkit.stats.std_excess` takes that noise
out.
"""

import numpy as np
from jaxtyping import Float

from evalkit.stats.point.location import phrasing_scores
from evalkit.stats.point.phrasing_means import FROM_MEANS, spread_of

__all__ = ["cps", "saturation", "sensitivity", "spread", "std", "std0"]

Scores = Float[np.ndarray, "phrasing instance"]


def _of(name: str, scores: Scores) -> float:
    return float(FROM_MEANS[name](phrasing_scores(scores)))


def std(scores: Scores) -> float:
    """Return the sample standard deviation (ddof 1) over phrasings of a[p].

    Notes
    -----
    std = sqrt(sum_p (a[p] - mean)^2 / (P - 1)). Its square estimates var_phrasing + var_interaction
    / N: phrasing effects and the noise of N instances together. P < 2: NaN.

    References
    ----------
    Sun et al. 2023, "Evaluating the Zero-shot Robustness of Instruction-tuned Language Models"
    (arXiv 2306.11270): the number after the +- of its tables.

    Examples
    --------
    >>> round(std(np.array([[0.6], [0.4]])), 4)
    0.1414
    """
    return _of("std", scores)


def std0(scores: Scores) -> float:
    """Return the population standard deviation (ddof 0) over phrasings of a[p]; 0 for one phrasing.

    Notes
    -----
    std0 = sqrt(sum_p (a[p] - mean)^2 / P) = std sqrt((P - 1) / P). NaN without any score.

    References
    ----------
    Xu et al. 2023, "MultiInstruct" (arXiv 2212.10773), inside its sensitivity.

    Examples
    --------
    >>> round(std0(np.array([[0.6], [0.4]])), 4)
    0.1
    """
    return _of("std0", scores)


def spread(scores: Scores, *, at: int | None = None) -> float:
    """Return max - min over phrasings of a[p], or what it would be on average with `at` phrasings.

    Parameters
    ----------
    scores
        Scores in [0, 1], NaN where missing.
    at
        Number of phrasings to compare at. The value is the mean of the spread over all subsets of
        that size, computed exactly from order statistics (no draws): the r-th smallest of P is the
        minimum of a random subset of m with chance C(P - r, m - 1) / C(P, m), and likewise for the
        maximum.

    Notes
    -----
    Spread grows with P, so it is reported with P and compared only at the same P. One phrasing: 0.
    NaN without any score, or when `at` exceeds the number of phrasings with scores.

    References
    ----------
    Sclar et al. 2024, "Quantifying Language Models' Sensitivity to Spurious Features in Prompt
    Design" (FormatSpread, arXiv 2310.11324).

    Examples
    --------
    >>> spread(np.array([[0.5], [0.25], [1.0]]))
    0.75
    >>> round(spread(np.array([[0.5], [0.25], [1.0]]), at=2), 4)  # (0.25 + 0.5 + 0.75) / 3
    0.5
    """
    if at is not None and at < 1:
        raise ValueError(
            f"spread: at is {at}; 1 or more phrasings are accepted. Leave it out for all of them."
        )
    return float(spread_of(phrasing_scores(scores), at=at))


def sensitivity(scores: Scores) -> float:
    """Return std0 / mean over phrasings of a[p], the MultiInstruct sensitivity of one task.

    Notes
    -----
    0 means wording does not matter. A mean of 0 gives NaN: the task is then left out of the suite's
    mean and counted.

    References
    ----------
    Xu et al. 2023, "MultiInstruct" (arXiv 2212.10773), section 4.2.

    Examples
    --------
    >>> round(sensitivity(np.array([[0.6], [0.4]])), 4)
    0.2
    """
    return _of("sensitivity", scores)


def saturation(scores: Scores) -> float:
    """Return 1 - (max - mean) over phrasings of a[p].

    1 when the best phrasing is no better than the mean one.

    Notes
    -----
    In [0, 1] for scores in [0, 1]. P = 1: 1. NaN without any score.

    References
    ----------
    Mizrahi et al. 2024, "State of What Art? A Call for Multi-Prompt LLM Evaluation" (arXiv
    2401.00595), section 5.

    Examples
    --------
    >>> round(saturation(np.array([[0.6], [0.4]])), 4)
    0.9
    """
    return _of("saturation", scores)


def cps(scores: Scores) -> float:
    """Return the combined performance score, saturation x max; never above max.

    Notes
    -----
    cps = (1 - (max - mean)) max. P = 1: the score itself. NaN without any score.

    References
    ----------
    Mizrahi et al. 2024 (arXiv 2401.00595), section 5.

    Examples
    --------
    >>> round(cps(np.array([[0.6], [0.4]])), 4)
    0.54
    """
    return _of("cps", scores)
