"""Harm of convex statistics of phrasing scores: worst phrasing, spread.

Noise pushes them up, so errors are resampled and the bound is guarded against that bias.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from evalkit.stats.comparing.harm import Harm, exceeds, no_harm_known
from evalkit.stats.intervals.resample import resampled_means

__all__ = ["convex_harm", "swapped_p"]

Scores = Float[np.ndarray, "phrasing instance"]
Convex = Callable[[Float[np.ndarray, "... phrasing"]], Float[np.ndarray, "..."]]
TIED = 1 / (np.sqrt(2) - 1)
"""Bias of the highest of tied means over the bias its bootstrap shows: noise grows by sqrt(2) in
the resample."""
ENOUGH = 40
"""Draws as extreme as what was observed after which no more are needed."""


def convex_harm(
    pairs: Sequence[tuple[Scores, Scores]],
    statistic: Convex,
    *,
    margin: float,
    level: float = 0.95,
    rng: np.random.Generator,
    n_resamples: int = 500,
) -> Harm:
    """Return new - old of a convex statistic of the phrasing scores, averaged over tasks.

    Parameters
    ----------
    pairs
        Old and new scores per task, missing in the same cells.
    statistic
        Phrasing scores (last axis) -> harm: minus the minimum, maximum minus minimum, standard
        deviation.
    margin
        Harm that must be excluded.
    level
        One-sided level.
    rng
        Source of the draws.
    n_resamples
        Resamples; there are four times as many swaps at most.

    Notes
    -----
    No harm: old and new are swapped at random per instance, all phrasings together; p = (1 + at
    least as much) / (1 + draws), exact when nothing changed. Margin: Student with the bootstrap
    error over instances. Noise of N instances raises a convex statistic by a bias b; the bootstrap
    raises it once more, by b'. Tied phrasings have b = `TIED` b', clearly separated ones b = b' =
    0. The bound takes the case that hides most harm: `TIED` b' for the old run, b' for the new one.
    The error is never below that of losing an instance with probability `margin`.

    Examples
    --------
    >>> y = np.tile([[1.0, 0.0], [1.0, 1.0]], (1, 100))
    >>> convex_harm(
    ...     [(y, y)], lambda a: -a.min(axis=-1), margin=0.05, rng=np.random.default_rng(0)
    ... ).value
    0.0
    """
    from scipy import stats as distributions

    kept = [pair for pair in pairs if pair[0].shape[1] > 1]
    if not kept or len(kept) < len(pairs):
        return no_harm_known()
    now, drawn = np.zeros(2), np.zeros((2, n_resamples))
    for old, new in kept:
        now += [float(statistic(np.nanmean(scores, axis=1))) for scores in (old, new)]
        resampled = resampled_means(np.vstack([old, new]), rng=rng, n_resamples=n_resamples)
        drawn += [statistic(resampled[:, : old.shape[0]]), statistic(resampled[:, old.shape[0] :])]
    now, drawn = now / len(kept), drawn / len(kept)
    value = float(now[1] - now[0])
    p_none = swapped_p(kept, statistic, rng=rng, n_resamples=4 * n_resamples)
    bias = np.maximum(np.nanmean(drawn, axis=1) - now, 0.0)
    guarded = value - float(bias[1]) + float(TIED * bias[0])
    n = len(kept) ** 2 / sum(1 / old.shape[1] for old, _ in kept)
    error = max(
        float(np.nanstd(drawn[1] - drawn[0], ddof=1)), float(np.sqrt(margin * (1 - margin) / n))
    )
    df = max(1.0, n - 1)
    reach = float(distributions.t.ppf(level, df)) * error
    return Harm(
        value,
        error,
        df,
        p_none,
        exceeds((margin - guarded) / error, df),
        value - reach,
        guarded + reach,
        guarded - value,
    )


def swapped_p(
    pairs: Sequence[tuple[Scores, Scores]],
    statistic: Convex,
    *,
    rng: np.random.Generator,
    n_resamples: int = 2000,
) -> float:
    """Return the one-sided p of "old and new are exchangeable",
    for new - old of a statistic of phrasing scores.

    Notes
    -----
    Instances are swapped between old and new at random, all phrasings together, all tasks at once;
    p = (1 + draws with at least the observed difference) / (1 + draws). The statistic is averaged
    over tasks. Drawing ends early once `ENOUGH` draws reached the observed difference, since p is
    then clearly not small.

    References
    ----------
    Phipson and Smyth 2010, "Permutation P-values should never be zero", Statistical Applications in
    Genetics 9. Besag and Clifford 1991, "Sequential Monte Carlo p-values", Biometrika 78.

    Examples
    --------
    >>> y = np.eye(4)
    >>> swapped_p([(y, y)], lambda a: -a.min(axis=-1), rng=np.random.default_rng(0), n_resamples=99)
    1.0
    """
    a = [[np.nanmean(scores, axis=1) for scores in pair] for pair in pairs]
    observed = sum(float(statistic(after)) - float(statistic(before)) for before, after in a)
    extreme = done = 0
    while done < n_resamples and extreme < ENOUGH:
        size = min(100, n_resamples - done)
        drawn = np.zeros(size)
        for (old, new), (before, after) in zip(pairs, a, strict=True):
            step = _swapped_steps(old, new, rng=rng, n_resamples=size)
            drawn += statistic(after - step) - statistic(before + step)
        extreme, done = extreme + int((drawn >= observed - 1e-9).sum()), done + size
    return (1 + extreme) / (1 + done)


def _swapped_steps(
    old: Scores, new: Scores, *, rng: np.random.Generator, n_resamples: int
) -> Float[np.ndarray, "draw phrasing"]:
    """What swapping a random half of the instances moves from new to old, per draw and phrasing
    score.
    """
    difference = new - old
    there = ~np.isnan(difference)
    count = np.maximum(there.sum(axis=1), 1)
    chosen = rng.integers(0, 2, size=(n_resamples, old.shape[1])).astype(np.float64)
    return np.asarray(chosen @ np.where(there, difference, 0.0).T / count)
