"""The scale on which phrasing scores are taken as normal, and draws of what they expect there."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import log_ndtr, ndtr, ndtri

from evalkit.stats.intervals.noise import (
    MeanNoise,
    beyond_noise,
    zero_one,
)
from evalkit.stats.intervals.normal_order import quadrature
from evalkit.stats.point.location import phrasing_scores

__all__ = [
    "Arm",
    "as_normal",
    "common_draws",
    "expected",
    "noise_share",
    "scale_draws",
    "with_binomial_noise",
]

Scores = Float[np.ndarray, "phrasing instance"]
Draws = Float[np.ndarray, " draw"]
MOST_PROBIT = 4.0
"""Farthest a mean is followed on the probit scale when its noise is worked out: 0.99997."""
MOST_SKEW = 0.3
"""Largest skewness put into a normal model; beyond, its quantiles would cross."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Phrasing means of one arm on the scale where they are taken as normal."""

    h: Float[np.ndarray, " phrasing"]
    """Phrasing means on the scale."""
    bounded: bool
    """Whether the scale is the probit of a score in [0, 1]; else the score itself."""

    def back(self, h: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Return scores for values on the scale."""
        return np.asarray(ndtr(h)) if self.bounded else h

    def variance_factor(self) -> float:
        """Return what a variance of scores is worth on the scale h, at the mean (delta method)."""
        return float(2 * np.pi * np.exp(self.h.mean() ** 2)) if self.bounded else 1.0


def as_normal(scores: Scores) -> Arm:
    """Return the phrasing means of a matrix on the scale where they are taken as normal."""
    a = phrasing_scores(scores)
    if np.nanmin(scores) < 0 or np.nanmax(scores) > 1:
        return Arm(a, bounded=False)
    floor = 0.5 / np.maximum((~np.isnan(scores)).sum(axis=1), 1)
    return Arm(np.asarray(ndtri(np.clip(a, floor, 1 - floor))), bounded=True)


def scale_draws(
    a: Float[np.ndarray, " phrasing"], *, n_resamples: int, rng: np.random.Generator
) -> Draws:
    """Return draws of the standard deviation of a[p], taken as normal: chi-square."""
    n, s = a.size, float(a.std(ddof=1))
    return np.asarray(s * np.sqrt((n - 1) / rng.chisquare(n - 1, size=n_resamples)))


def _points(
    arm: Arm, mu: Draws, s: Draws, z: Float[np.ndarray, " point"], skew: Draws
) -> Float[np.ndarray, "draw point"]:
    """Scores at the standard normal points `z` for each draw of (mu, s),
    with a little skewness (Cornish and Fisher).
    """
    return arm.back(mu[:, None] + s[:, None] * (z + skew[:, None] / 6 * (z**2 - 1)))


def expected(
    arm: Arm, names: tuple[str, ...], mu: Draws, s: Draws, *, n: int, skew: Draws
) -> dict[str, Draws]:
    """Expectation of each order statistic mean of `n` phrasings for each draw of (mu, s)."""
    wanted = {name: quadrature(name, n) for name in names}
    points = np.unique(np.concatenate([z for z, _ in wanted.values()]))
    values = _points(arm, mu, s, points, skew)  # (draw, point)
    found = {name: values[:, np.searchsorted(points, z)] @ w for name, (z, w) in wanted.items()}
    if "mean" in wanted:
        z, w = wanted["mean"]
        found["mean square"] = values[:, np.searchsorted(points, z)] ** 2 @ w
    return found


def common_draws(
    shared: float, private: float, n_instances: int, *, n_resamples: int, rng: np.random.Generator
) -> Draws:
    """Draws of the variance that instances add to all phrasings alike."""
    return np.asarray(
        beyond_noise(shared, private, n_instances)
        * (n_instances - 1)
        / rng.chisquare(n_instances - 1, size=n_resamples)
    )


def noise_share(scores: Scores, arm: Arm, noise: MeanNoise) -> float:
    """Return the part of var(a) that the noise of N instances makes up, from 0 to 1.

    0 unless all scores are 0 or 1.
    """
    if not arm.bounded or not zero_one(scores):
        return 0.0
    raw = float(arm.back(arm.h).var(ddof=1))
    return min(noise.contrast / raw, 1.0) if raw > 0 else 0.0


def with_binomial_noise(arm: Arm, mu: Draws, s: Draws, share: float) -> tuple[Draws, Draws]:
    """Return s at `mu`, and the skewness left on the probit scale, when a `share` of var(a) is the
    noise of 0/1 scores.

    Notes
    -----
    The noise in a[p] has variance p (1 - p) / N, on the probit scale in proportion to v(h) =
    ndtr(h) ndtr(-h) / density(h)^2: instances that happen to be easy make the mean higher and its
    noise other. Its third moment is (1 - 2p) p (1 - p) / N^2, that with wording effects (w the
    share of noise) (w^2 + 3 w (1 - w) + 3 pi / 4 (1 - w)^2) (1 - 2p) / (p (1 - p)) var(a)^2; a
    normal value on the probit scale has the same with w = 0, so the difference is left over.
    """
    if share == 0.0:
        return s, np.zeros_like(s)
    ends = np.clip(np.append(mu, arm.h.mean()), -MOST_PROBIT, MOST_PROBIT)
    log_noise = log_ndtr(ends) + log_ndtr(-ends) + ends**2
    s = s * np.sqrt(1 - share + share * np.exp(log_noise[:-1] - log_noise[-1]))
    p = ndtr(ends[:-1])
    probit = 3 * np.pi / 4
    surplus = share**2 + 3 * share * (1 - share) + probit * ((1 - share) ** 2 - 1)
    density = np.exp(-(ends[:-1] ** 2) / 2) / np.sqrt(2 * np.pi)
    return s, np.clip(surplus * (1 - 2 * p) / (p * (1 - p)) * s * density, -MOST_SKEW, MOST_SKEW)
