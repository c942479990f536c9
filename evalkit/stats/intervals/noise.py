"""The noise that N instances leave in a[p].

Its covariance over phrasings, and influence of each instance.

``influence[p, i]`` is what instance i adds to a[p] - E a[p], so the sum over instances of its outer
product is the covariance of a under new instances, whatever cells are missing.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from evalkit.stats.point.missing import mean_over

__all__ = ["MeanNoise", "beyond_noise", "influence", "mean_noise", "noise_draws", "zero_one"]

Scores = Float[np.ndarray, "phrasing instance"]


def influence(scores: Scores) -> Float[np.ndarray, "phrasing instance"]:
    """Return (m[p, i] / n[p]) (y[p, i] - a[p]), with m = 1 where scored and 0 where missing.

    Examples
    --------
    >>> influence(np.array([[1.0, 0.0, np.nan]])).tolist()
    [[0.25, -0.25, 0.0]]
    """
    there = ~np.isnan(scores)
    count = np.maximum(there.sum(axis=1, keepdims=True), 1)
    a = np.where(there, scores, 0.0).sum(axis=1, keepdims=True) / count
    return np.where(there, (scores - a) / count, 0.0)


@dataclass(frozen=True, slots=True)
class MeanNoise:
    """How new instances would move a[p], split into what is common to all phrasings and what is
    not.
    """

    common: float
    """Variance of mean over p of a[p] under new instances."""
    contrast: float
    """Mean variance of a[p] around that mean, ddof 1: what var(a) contains besides phrasing
    effects."""
    df: float
    """Box's effective number of contrasts (at most P - 1)."""
    n_instances: int
    """Instances with a score."""
    square: float = 0.0
    """tr M^2, M the covariance of the contrasts."""
    along: float = 0.0
    """c'Mc, c the centred phrasing means: noise in the direction in which the phrasings differ."""


def mean_noise(scores: Scores, *, squares: bool = True) -> MeanNoise:
    """Return the noise of a[p] under new instances.

    Without `squares` only `common` and `contrast`, for a fraction of the work.

    Notes
    -----
    K = N / (N - 1) sum_i h_i h_i' with h_i the influence of instance i, C = I - 11'/P, M = C K C.
    common = 1'K1 / P^2, contrast = tr M / (P - 1), df = (tr M)^2 / tr M^2 with the upward bias of
    tr M^2, about (tr M)^2 / (N - 1), taken off.

    References
    ----------
    Box 1954, "Some theorems on quadratic forms applied in the study of analysis of variance
    problems, I", Annals of Mathematical Statistics 25, theorem 3.1.
    """
    h = influence(scores)
    h = h[:, ~np.isnan(scores).all(axis=0)]
    n_phrasings, n_instances = h.shape
    if n_instances < 2 or n_phrasings < 1:
        nan = float("nan")
        return MeanNoise(nan, nan, nan, n_instances)
    factor = n_instances / (n_instances - 1)
    common = factor * float((h.mean(axis=0) ** 2).sum())
    centred = h - h.mean(axis=0)
    # subtle: M and the smaller of its two Gram matrices have the same trace and sum of squares, so
    # 10^5 phrasings need no P x P
    trace = factor * float((centred**2).sum())
    if n_phrasings < 2 or trace <= 0:
        return MeanNoise(
            common, 0.0 if n_phrasings > 1 else float("nan"), float(n_phrasings - 1), n_instances
        )
    if not squares:
        return MeanNoise(common, trace / (n_phrasings - 1), float("nan"), n_instances)
    gram = centred @ centred.T if n_phrasings <= n_instances else centred.T @ centred
    square = max(
        factor**2 * float((gram**2).sum()) - trace**2 / (n_instances - 1),
        trace**2 / (n_phrasings - 1),
    )
    df = float(np.clip(trace**2 / square, 1.0, n_phrasings - 1))
    a = scores[:, ~np.isnan(scores).all(axis=0)]
    means = np.asarray(mean_over(a, axis=1))
    along = factor * float((((means - means.mean()) @ centred) ** 2).sum())
    return MeanNoise(common, trace / (n_phrasings - 1), df, n_instances, square=square, along=along)


def beyond_noise(shared: float, private: float, n_instances: int) -> float:
    """Return what instances add to the variance of a mean beyond what phrasings show by themselves.

    0 unless it exceeds its own sampling error: the mere positive part, with its own degrees of
    freedom, made few phrasings cover 98%.
    """
    found = shared - private
    return found if found > private * float(np.sqrt(2 / (n_instances - 1))) else 0.0


def noise_draws(
    noise: MeanNoise, *, n_resamples: int, rng: np.random.Generator
) -> Float[np.ndarray, " draw"]:
    """Return draws of what the noise in the contrasts may be over what it was estimated as.

    Chi-square.
    """
    df = max(noise.df * (noise.n_instances - 1), 1.0)
    return np.asarray(df / rng.chisquare(df, size=n_resamples))


def zero_one(scores: Scores) -> bool:
    """Return whether every score is 0 or 1.

    Examples
    --------
    >>> zero_one(np.array([[0.0, np.nan], [1.0, 1.0]])), zero_one(np.array([[0.5]]))
    (True, False)
    """
    return bool(np.isin(scores[~np.isnan(scores)], (0.0, 1.0)).all())
