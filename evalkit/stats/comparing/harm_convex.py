"""Harm of convex statistics of phrasing scores: worst phrasing, spread.

Noise pushes them up, so errors are resampled and the bound is guarded against that bias.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from evalkit.stats.comparing.harm import Harm, exceeds, no_harm_known
from evalkit.stats.intervals.resample import resampled_means

__all__ = ["above_lowest", "convex_harm", "minus_lowest", "swapped_p"]

Scores = Float[np.ndarray, "phrasing instance"]
Means = Float[np.ndarray, "... phrasing"]
Values = Float[np.ndarray, "..."]
ENOUGH = 40
"""Draws as extreme as what was observed after which no more are needed."""


def minus_lowest(by: Means, of: Means) -> Values:
    """Return minus the mean `of` that phrasing which is lowest in `by`.

    >>> float(minus_lowest(np.array([0.4, 0.3, np.nan]), np.array([0.5, 0.6, 0.7])))
    -0.6
    """
    return -_picked(by, of)


def above_lowest(by: Means, of: Means) -> Values:
    """Return how far, in `of`, the phrasing that is highest in `by` is above the lowest in `by`.

    >>> round(float(above_lowest(np.array([0.4, 0.3, np.nan]), np.array([0.5, 0.6, 0.7]))), 1)
    -0.1
    """
    return np.asarray(_picked(-by, of) - _picked(by, of))


def _picked(by: Means, of: Means) -> Values:
    place = np.where(np.isnan(by), np.inf, by).argmin(axis=-1)[..., None]
    return np.asarray(np.take_along_axis(np.broadcast_to(of, by.shape), place, axis=-1)[..., 0])


def convex_harm(
    pairs: Sequence[tuple[Scores, Scores]],
    statistic: Callable[[Means, Means], Values],
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
        `minus_lowest` or `above_lowest`: what the phrasings chosen by the first scores have in the
        second ones.
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
    error over instances, never below that of losing an instance with probability `margin`.

    Noise of the instances raises a convex statistic. Of the old run, where that would hide harm,
    the bound takes what the phrasings chosen by mean + z have in mean - z, z the noise of a
    resample: both are independent, so this expects the true score of the phrasings that were
    chosen, which is no more extreme than the true extreme, tied or not. Of the new run half of the
    bias that the bootstrap shows is taken off: a fifth of the true one where two phrasings are
    tied, more than it where they are 1 to 3 errors of their difference apart, by 0.013 of that
    error at most.

    References
    ----------
    Oliveira, Lei and Tibshirani 2021, "Unbiased risk estimation in the normal means problem via
    coupled bootstrap techniques", arXiv 2111.09447, for mean + z and mean - z.

    Examples
    --------
    >>> y = np.tile([[1.0, 0.0], [1.0, 1.0]], (1, 100))
    >>> convex_harm([(y, y)], minus_lowest, margin=0.05, rng=np.random.default_rng(0)).value
    0.0
    """
    from scipy import stats as distributions

    kept = [pair for pair in pairs if pair[0].shape[1] > 1]
    if not kept or len(kept) < len(pairs):
        return no_harm_known()
    now, drawn, apart = _resampled(kept, statistic, rng=rng, n_resamples=n_resamples)
    value = float(now[1] - now[0])
    p_none = swapped_p(kept, lambda a: statistic(a, a), rng=rng, n_resamples=4 * n_resamples)
    bias = max(float(np.nanmean(drawn[1])) - float(now[1]), 0.0)
    guarded = float(now[1]) - bias / 2 - apart
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


def _resampled(
    pairs: Sequence[tuple[Scores, Scores]],
    statistic: Callable[[Means, Means], Values],
    *,
    rng: np.random.Generator,
    n_resamples: int,
) -> tuple[Float[np.ndarray, " side"], Float[np.ndarray, "side draw"], float]:
    """Return the statistic now and in every resample, of old and new, and what the old phrasings
    that mean + z chooses have in mean - z; means over tasks.
    """
    now, drawn, apart = np.zeros(2), np.zeros((2, n_resamples)), 0.0
    for pair in pairs:
        resampled = resampled_means(np.vstack(pair), rng=rng, n_resamples=n_resamples)
        for side, draws in enumerate(np.split(resampled, 2, axis=1)):
            means = np.nanmean(pair[side], axis=1)
            now[side] += float(statistic(means, means))
            drawn[side] += statistic(draws, draws)
            if side == 0:
                apart += float(np.nanmean(statistic(draws, 2 * means - draws)))
    return now / len(pairs), drawn / len(pairs), apart / len(pairs)


def swapped_p(
    pairs: Sequence[tuple[Scores, Scores]],
    statistic: Callable[[Means], Values],
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
