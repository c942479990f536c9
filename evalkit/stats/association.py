"""Does distance from seen wording go with lower scores: rank correlation within a task, permutation test."""

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

__all__ = ["distance_rho"]


def distance_rho(
    distance: Float[np.ndarray, " phrasing"],
    difference: Float[np.ndarray, " phrasing"],
    *,
    rng: np.random.Generator,
    n_permutations: int = 9999,
) -> tuple[float, float]:
    """Return Spearman's rho of distance and score difference, and its two-sided permutation p.

    Parameters
    ----------
    distance
        Representation distance of each phrasing of one task to the seen ones.
    difference
        a[p] minus the mean over seen phrasings, of the same task. Tasks are never pooled: a task that is both far
        and hard would make a correlation by itself.
    rng
        Source of the permutations.
    n_permutations
        Number of random permutations; p = (1 + number at least as extreme) / (1 + n_permutations).

    Notes
    -----
    Pairs with a NaN are left out. Fewer than three pairs, or one side constant: NaN, NaN.

    References
    ----------
    Sun et al. 2023 (arXiv 2306.11270), figure on distance and degradation. Phipson and Smyth 2010 for the + 1.

    Examples
    --------
    >>> rho, p = distance_rho(np.arange(6.0), -np.arange(6.0), rng=np.random.default_rng(0), n_permutations=999)
    >>> rho, p < 0.02
    (-1.0, True)
    """
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
    for start in range(0, n_permutations, 1000):
        size = min(1000, n_permutations - start)
        shuffled = rng.permuted(np.broadcast_to(y, (size, y.size)), axis=1)
        extreme += int((np.abs(shuffled @ x / scale) >= abs(observed) - 1e-12).sum())
    return round(observed, 15), (1 + extreme) / (1 + n_permutations)
