"""What one instance suffers from wording, and gains from asking again.

Worst and best case, drop to the worst case, score changes, pass@k.

`labels` elsewhere are integer codes with -1 for unparsed or missing; here only scores matter.
"""

import numpy as np
from jaxtyping import Float

from evalkit.stats.point.missing import mean_over

__all__ = [
    "best_instance",
    "pass_at_k",
    "pass_at_k_cells",
    "pss",
    "pss_per_instance",
    "reliable_at_k",
    "robust_drop",
    "worst_instance",
    "worst_per_instance",
]

Scores = Float[np.ndarray, "phrasing instance"]


def worst_per_instance(scores: Scores) -> Float[np.ndarray, " instance"]:
    """Return the lowest score of each instance over phrasings; NaN without scores."""
    lowest = np.where(np.isnan(scores), np.inf, scores).min(axis=0, initial=np.inf)
    return np.where(np.isinf(lowest), np.nan, lowest)


def reliable_at_k(scores: Scores, k: int) -> Float[np.ndarray, " instance"]:
    """Return of every instance the chance that it is right under all of `k` phrasings drawn.

    NaN with fewer than `k` scores. Right is a full score.

    Notes
    -----
    C(c, k) / C(n, k) for c of n phrasings right, without bias for every k up to n; at k = n it is
    `worst_instance` of scores that are right or wrong.

    Examples
    --------
    >>> reliable_at_k(np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), 2).round(4).tolist()
    [1.0, 0.3333]
    """
    there = ~np.isnan(scores)
    n, c = there.sum(axis=0), (there & (scores >= 1 - 1e-9)).sum(axis=0)
    found = np.full(n.shape, np.nan)
    enough = n >= k
    steps = np.arange(k)[:, None]
    found[enough] = np.prod(np.maximum(c[enough] - steps, 0) / (n[enough] - steps), axis=0)
    return found


def worst_instance(scores: Scores) -> float:
    """Return mean over instances of min over phrasings.

    How often the model is right whatever the wording.

    Notes
    -----
    For 0/1 scores the share of instances that are always right. Missing cells are left out, which
    can only raise it, and it falls as P grows. An instance without scores is left out; NaN when all
    are. worst_instance <= min a[p].

    References
    ----------
    Cao et al. 2024, "On the Worst Prompt Performance of Large Language Models" (arXiv 2406.10248).

    Examples
    --------
    >>> worst_instance(np.array([[1.0, 1.0], [1.0, 0.0]]))
    0.5
    """
    return float(mean_over(worst_per_instance(scores)))


def best_instance(scores: Scores) -> float:
    """Return mean over instances of max over phrasings: how often some wording gets it right.

    Notes
    -----
    mean_i max_p y[p, i] over instances with a score; for 0/1 scores the share of instances right at
    least once. Grows with P. NaN without any score.

    References
    ----------
    Cao et al. 2024 (arXiv 2406.10248), for the best and the worst prompt of an instance.

    Examples
    --------
    >>> best_instance(np.array([[1.0, 0.0], [1.0, 0.0]]))
    0.5
    """
    return float(mean_over(-worst_per_instance(-scores)))


def robust_drop(scores: Scores, *, reference: int) -> float:
    """Return (a[reference] - worst_instance) / a[reference], the relative drop to the worst case.

    Parameters
    ----------
    scores
        Scores in [0, 1], NaN where missing.
    reference
        Row of the clean phrasing. Both terms are taken on the instances where it has a score.

    Notes
    -----
    In [0, 1] when the reference is among the phrasings. a[reference] = 0: NaN.

    References
    ----------
    Wang et al. 2023, "ReCode: Robustness Evaluation of Code Generation Models" (arXiv 2212.10264),
    Robust Drop.

    Examples
    --------
    >>> robust_drop(np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]), reference=0)
    0.5
    """
    paired = scores[:, ~np.isnan(scores[reference])]
    clean = float(mean_over(paired[reference]))
    return (clean - worst_instance(paired)) / clean if clean > 0 else float("nan")


def pss_per_instance(scores: Scores) -> Float[np.ndarray, " instance"]:
    """Return per instance the mean over unordered phrasing pairs of abs(y[p] - y[q]).

    NaN below two scores.

    Notes
    -----
    From the sorted scores y(1) <= ... <= y(k): sum over pairs = sum_r (2 r - k - 1) y(r).
    """
    rows = np.sort(scores, axis=0)  # (phrasing, instance), NaN last
    count = (~np.isnan(scores)).sum(axis=0)
    factor = 2 * np.arange(1, scores.shape[0] + 1)[:, None] - count - 1
    total = np.where(np.isnan(rows), 0.0, factor * rows).sum(axis=0)
    pairs = count * (count - 1) / 2
    return np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan)


def pss(scores: Scores) -> float:
    """Return the ProSA sensitivity.

    Mean over instances of the mean over phrasing pairs of abs(y[p, i] - y[q, i]).

    Notes
    -----
    0: no phrasing changes any score. For 0/1 scores it is 1 - consistency of correctness. Instances
    with fewer than two scores are left out; P = 1: NaN.

    References
    ----------
    Zhuo et al. 2024, "ProSA" (arXiv 2410.12405), PromptSensiScore.

    Examples
    --------
    >>> pss(np.array([[1.0, 1.0], [1.0, 0.0]]))
    0.5
    """
    return float(mean_over(pss_per_instance(scores)))


def pass_at_k(n: int, c: int, k: int) -> float:
    """Return the unbiased estimate of the probability that one of `k` answers is right.

    NaN when there are fewer than `k` answers.

    Parameters
    ----------
    n, c
        Answers drawn, and how many of them are right.
    k
        Answers one would look at.

    Notes
    -----
    1 - C(n - c, k) / C(n, k), computed as a product so that no binomial overflows.

    References
    ----------
    Chen and others 2021, "Evaluating Large Language Models Trained on Code", equation 1.

    Examples
    --------
    >>> round(pass_at_k(10, 3, 1), 4), round(pass_at_k(10, 3, 5), 4)
    (0.3, 0.9167)
    """
    if not 0 <= c <= n or k < 1:
        raise ValueError(f"n {n}, c {c}, k {k}: 0 <= c <= n and k >= 1 are accepted")
    if k > n:
        return float("nan")
    if n - c < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


def pass_at_k_cells(
    scores: Float[np.ndarray, "phrasing instance repeat"], k: int
) -> Float[np.ndarray, "phrasing instance"]:
    """Return pass@k of every cell from its repeats.

    NaN where a cell has fewer than `k` answers, or a score between 0 and 1.

    Examples
    --------
    >>> pass_at_k_cells(np.array([[[1.0, 0.0, 0.0]]]), 2).round(4)
    array([[0.6667]])
    """
    there = np.isfinite(scores)
    graded = (there & (scores != 0) & (scores != 1)).any(axis=2)
    n, c = there.sum(axis=2), (scores == 1).sum(axis=2)
    values = [
        float("nan") if odd else pass_at_k(int(all_), int(right), k)
        for all_, right, odd in zip(n.flat, c.flat, graded.flat, strict=True)
    ]
    return np.array(values).reshape(n.shape)
