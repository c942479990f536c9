"""Rank correlation, and whether distance from seen wording goes with lower scores."""

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["distance_rho", "distance_to_seen", "spearman"]


def spearman(first: Float[np.ndarray, " item"], second: Float[np.ndarray, " item"]) -> float:
    """Return Spearman's rank correlation over what both know, ties by average rank.

    NaN below three items, or where either has no spread.

    Examples
    --------
    >>> round(spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0])), 4)
    0.5
    """
    from scipy.stats import spearmanr

    known = ~(np.isnan(first) | np.isnan(second))
    one, two = first[known], second[known]
    if known.sum() < 3 or np.ptp(one) == 0 or np.ptp(two) == 0:
        return float("nan")
    return float(spearmanr(one, two).statistic)


def distance_to_seen(
    vectors: Float[np.ndarray, "phrasing width"], seen: Bool[np.ndarray, " phrasing"]
) -> Float[np.ndarray, " phrasing"]:
    """Return the mean Euclidean distance of each phrasing's representation to those of the seen
    phrasings, itself left out.

    Parameters
    ----------
    vectors
        One representation per phrasing; a row with NaN has none.
    seen
        Which phrasings are seen.

    Notes
    -----
    NaN for a phrasing without a representation, and where no other phrasing is seen.

    Examples
    --------
    >>> distance_to_seen(
    ...     np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]), np.array([True, True, False])
    ... ).tolist()
    [5.0, 5.0, 7.5]
    """
    known = seen & ~np.isnan(vectors).any(axis=1)
    found = np.full(seen.size, np.nan)
    for row in range(seen.size):
        others = known.copy()
        others[row] = False
        if others.any():
            found[row] = np.linalg.norm(vectors[others] - vectors[row], axis=1).mean()
    return found


def distance_rho(
    distance: Float[np.ndarray, " phrasing"],
    difference: Float[np.ndarray, " phrasing"],
    *,
    rng: np.random.Generator,
    n_resamples: int = 9999,
) -> tuple[float, float]:
    """Return Spearman's rho of distance and score difference, and its two-sided permutation p.

    Parameters
    ----------
    distance
        Representation distance of each phrasing of one task to the seen ones.
    difference
        a[p] minus the mean over seen phrasings, of the same task. Tasks are never pooled: a task
        that is both far and hard would make a correlation by itself.
    rng
        Source of the permutations.
    n_resamples
        Number of random permutations; p = (1 + number at least as extreme) / (1 + n_resamples).

    Notes
    -----
    Pairs with a NaN are left out. Fewer than three pairs, or one side constant: NaN, NaN.

    References
    ----------
    Sun et al. 2023 (arXiv 2306.11270), figure on distance and degradation. Phipson and Smyth 2010
    for the + 1.

    Examples
    --------
    >>> rho, p = distance_rho(
    ...     np.arange(6.0), -np.arange(6.0), rng=np.random.default_rng(0), n_resamples=999
    ... )
    >>> rho, p < 0.02
    (-1.0, True)
    """
    from scipy.stats import rankdata

    kept = ~(np.isnan(distance) | np.isnan(difference))
    if kept.sum() < 3:
        return float("nan"), float("nan")
    x, y = np.asarray(rankdata(distance[kept])), np.asarray(rankdata(difference[kept]))
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
    if scale == 0:
        return float("nan"), float("nan")
    observed = float(x @ y / scale)
    extreme = 0
    for start in range(0, n_resamples, 1000):
        size = min(1000, n_resamples - start)
        shuffled = rng.permuted(np.broadcast_to(y, (size, y.size)), axis=1)
        extreme += int((np.abs(shuffled @ x / scale) >= abs(observed) - 1e-12).sum())
    return round(observed, 15), (1 + extreme) / (1 + n_resamples)
