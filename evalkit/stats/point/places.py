"""What an order of models is worth: agreement of two orders, regret of a choice, who is beaten
on both counts.
"""

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["not_dominated", "pairwise_tau", "percent_of", "regret_at_k"]


def percent_of(value: float, reference: float, chance: float = 0.0) -> float:
    """Return (value - chance) / (reference - chance), a fraction;
    NaN for a reference no better than chance.

    Examples
    --------
    >>> percent_of(0.55, 0.75, 0.25)
    0.6000000000000001
    """
    base = reference - chance
    return (value - chance) / base if base > 0 else float("nan")


def pairwise_tau(scores: Float[np.ndarray, "phrasing model"]) -> Float[np.ndarray, " pair"]:
    """Return Kendall's tau-b between the orders of models under every two phrasings.

    NaN for a pair of which one ties all models, or with a missing score.

    Examples
    --------
    >>> pairwise_tau(np.array([[0.1, 0.5, 0.9], [0.2, 0.4, 0.6], [0.9, 0.5, 0.1]])).round(
    ...     2
    ... ).tolist()
    [1.0, -1.0, -1.0]
    """
    n = len(scores)
    pairs = [(p, q) for p in range(n) for q in range(p + 1, n)]
    return np.array([_tau(scores[p], scores[q]) for p, q in pairs])


def _tau(x: Float[np.ndarray, " model"], y: Float[np.ndarray, " model"]) -> float:
    from scipy.stats import kendalltau

    if np.isnan(x).any() or np.isnan(y).any() or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(kendalltau(x, y).statistic)


def regret_at_k(
    signal: Float[np.ndarray, " model"], truth: Float[np.ndarray, " model"], k: int = 1
) -> float:
    """Return what is lost by taking the best of the `k` models that a signal puts first.

    Ties of the signal are taken at their mean loss over which of them come first, for k = 1, and
    in the order given for larger k. NaN for a missing value or fewer than two models.

    Notes
    -----
    max(truth) - max of truth over the k models with the largest signal, in units of truth (a
    fraction of the score).

    References
    ----------
    Poth and others 2021, "What to Pre-Train on?", regret@k; theirs is divided by max(truth), ours
    is not, so that it is read in points.

    Examples
    --------
    >>> round(regret_at_k(np.array([0.9, 0.5, 0.4]), np.array([0.6, 0.8, 0.7]), 1), 2)
    0.2
    """
    if signal.size < 2 or np.isnan(signal).any() or np.isnan(truth).any():
        return float("nan")
    if k == 1:
        return float((truth.max() - truth[signal == signal.max()]).mean())
    first = np.argsort(-signal, kind="stable")[:k]
    return float(truth.max() - truth[first].max())


def not_dominated(
    mean: Float[np.ndarray, " model"], spread: Float[np.ndarray, " model"]
) -> Bool[np.ndarray, " model"]:
    """Return which models no other beats in mean without being worse in spread,
    or the other way about.

    A model with a missing value is not on the front.

    Examples
    --------
    >>> not_dominated(np.array([0.8, 0.7, 0.6]), np.array([0.2, 0.1, 0.3])).tolist()
    [True, True, False]
    """
    whole = ~(np.isnan(mean) | np.isnan(spread))
    found = np.zeros(mean.shape, dtype=bool)
    for k in np.flatnonzero(whole):
        as_good = whole & (mean >= mean[k]) & (spread <= spread[k])
        better = (mean > mean[k]) | (spread < spread[k])
        found[k] = not bool((as_good & better).any())
    return found
