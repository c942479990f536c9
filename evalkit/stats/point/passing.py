"""Pass@k: how often at least one of k answers to a problem is right."""

import numpy as np
from jaxtyping import Float

__all__ = ["pass_at_k", "pass_at_k_cells"]


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
