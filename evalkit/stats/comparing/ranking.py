"""Order of models: agreement over phrasings, ranks with intervals, the chance of being first."""

import numpy as np
from jaxtyping import Float, Int

__all__ = ["competition_rank", "kendall_w", "p_best", "rank_intervals"]


def competition_rank(scores: Float[np.ndarray, " model"]) -> Int[np.ndarray, " model"]:
    """Return ranks with 1 for the highest score.

    Equal scores share the smallest rank ("1 2 2 4"); NaN ranks last.

    Notes
    -----
    1 + number of models with a higher score.

    References
    ----------
    `scipy.stats.rankdata` with method "min".

    Examples
    --------
    >>> competition_rank(np.array([0.5, 0.75, 0.5, 0.25])).tolist()
    [2, 1, 2, 4]
    """
    behind = -np.where(np.isnan(scores), -np.inf, scores)
    return np.asarray(np.searchsorted(np.sort(behind), behind) + 1).astype(np.int64)


def kendall_w(scores: Float[np.ndarray, "phrasing model"]) -> float:
    """Return Kendall's W: agreement of phrasings on the order of models, 0 for none, 1 for the same
    order always.

    Notes
    -----
    Each phrasing ranks the models, ties by average rank. W = 12 S / (P^2 (M^3 - M) - P sum_p T_p),
    S = sum of squared deviations of rank sums, T_p = sum over ties of t^3 - t. Phrasings with a
    missing model are left out. Fewer than two models or phrasings, or all phrasings tie all models:
    NaN.

    References
    ----------
    Kendall and Smith 1939, "The problem of m rankings". Siegel and Castellan 1988 for ties.

    Examples
    --------
    >>> kendall_w(np.array([[0.1, 0.2, 0.3], [0.3, 0.4, 0.5]]))
    1.0
    """
    from scipy.stats import rankdata

    complete = scores[~np.isnan(scores).any(axis=1)]
    n_phrasings, n_models = complete.shape
    if n_phrasings < 2 or n_models < 2:
        return float("nan")
    ranks = np.asarray(rankdata(complete, axis=1))
    sums = ranks.sum(axis=0)
    ties = 0.0
    for row in complete:
        sizes = np.unique(row, return_counts=True)[1].astype(np.float64)
        ties += float((sizes**3 - sizes).sum())
    most = n_phrasings**2 * (n_models**3 - n_models) - n_phrasings * ties
    return float(12 * ((sums - sums.mean()) ** 2).sum() / most) if most > 0 else float("nan")


def rank_intervals(
    draws: Float[np.ndarray, "draw model"], *, level: float = 0.95
) -> tuple[Int[np.ndarray, " model"], Int[np.ndarray, " model"]]:
    """Return rank_low and rank_high of each model.

    The central `level` of its competition rank over resamples.

    Parameters
    ----------
    draws
        Score of each model in each resample. Draw the same instances and phrasings for all models,
        so that what they share cancels.
    level
        Nominal level.

    Notes
    -----
    Ends are rounded outwards to whole ranks; a model that is NaN in a resample ranks last in it.

    References
    ----------
    Goldstein and Spiegelhalter 1996, "League Tables and Their Limitations", JRSS A 159.

    Examples
    --------
    >>> low, high = rank_intervals(np.array([[0.5, 0.25], [0.25, 0.5], [0.75, 0.5]]))
    >>> low.tolist(), high.tolist()
    ([1, 1], [2, 2])
    """
    from scipy.stats import rankdata

    ranks = np.asarray(rankdata(-np.where(np.isnan(draws), -np.inf, draws), method="min", axis=1))
    tails = np.quantile(ranks, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.floor(tails[0]).astype(np.int64), np.ceil(tails[1]).astype(np.int64)


def p_best(draws: Float[np.ndarray, "draw model"]) -> Float[np.ndarray, " model"]:
    """Return the share of resamples in which each model has the highest score.

    A tie is shared out equally.

    Notes
    -----
    mean over resamples of (1 if first) / number of models tied for first; adds up to 1 over models.
    NaN counts as lowest.

    References
    ----------
    Goldstein and Spiegelhalter 1996, JRSS A 159, for league tables with their uncertainty.

    Examples
    --------
    >>> p_best(np.array([[0.5, 0.25], [0.5, 0.5]])).tolist()
    [0.75, 0.25]
    """
    filled = np.where(np.isnan(draws), -np.inf, draws)
    best = filled == filled.max(axis=1, keepdims=True)
    return np.asarray((best / best.sum(axis=1, keepdims=True)).mean(axis=0))
