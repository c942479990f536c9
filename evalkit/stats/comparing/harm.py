"""Is a new run worse than an old one, and by less than a margin? One-sided tests that instances,
not cells, carry.

*Harm* is counted so that more is worse. Two hypotheses are tested, each from one side:

- no harm: the harm is 0 or less. Rejecting it shows a loss.
- harm of the margin or more. Rejecting it shows that the loss, if any, is smaller than the margin
  (non-inferiority).

Linear statistics are a weighted mean of one number per instance. Convex ones (worst phrasing,
spread, std over phrasings) are not: noise pushes them up, so they get resampled errors and a guard
against that bias.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from evalkit.stats.comparing.paired import sign_flip

__all__ = ["Harm", "exceeds", "linear_harm", "no_harm_known", "null_error", "ratio_harm"]

Units = Float[np.ndarray, " instance"]

MOST_FLIPPED = 2000
"""Instances up to which signs are flipped at random; beyond, Student's distribution is as good."""


@dataclass(frozen=True, slots=True)
class Harm:
    """Harm with its two one-sided tests."""

    value: float
    """Estimated harm; above 0 the new run is worse."""
    error: float
    """Standard error, as far as the margin is concerned."""
    df: float
    """Degrees of freedom of `error`."""
    p_none: float
    """p of the hypothesis that there is no harm."""
    p_margin: float
    """p of the hypothesis that the harm is the margin or more."""
    low: float
    """Lower one-sided bound of the harm."""
    high: float
    """Upper one-sided bound of the harm: below the margin exactly when `p_margin` is below 1 -
    level."""
    guard: float = 0.0
    """What `high` adds to the harm for bias, besides the error."""
    rate: float = 0.5
    """How fast the error falls: as instances to the power of minus this."""
    root: tuple[float, float] | None = None
    """For a harm that is tested as a square: old value and error of the square."""

    def noticed(self, z: float) -> float:
        """Return the true harm that puts the test of no harm `z` standard errors up on average.

        >>> Harm(0.0, 0.01, 99.0, 1.0, 0.01, 0.0, 0.0).noticed(2.0)
        0.02
        """
        if self.root is None:
            return z * self.error
        old, error = self.root
        return float(np.sqrt(old**2 + z * error) - old)


def no_harm_known(value: float = float("nan")) -> Harm:
    """Return a harm without tests: NaN for all that would need two instances."""
    nan = float("nan")
    return Harm(value, nan, nan, nan, nan, nan, nan)


def null_error(units: Units, weights: Units, *, at: float, edge: float) -> float:
    """Return the standard error of the weighted mean of `units` if its expectation were `at`.

    Parameters
    ----------
    units
        One number per instance.
    weights
        Weight of each, adding up to 1.
    at
        Expectation under the hypothesis; the observed mean lies on the other side of it than
        `edge`.
    edge
        Worst number an instance can have; it is given probability even when no instance shows it.
        Taken further out when missing cells let an instance stand for more than itself.

    Notes
    -----
    Probabilities w of the observed numbers and of `edge` maximise sum weights log w under sum w x =
    at. Then the error is sqrt(sum w (x - at)^2 / n), n = 1 / sum weights^2. With 0/1 losses and no
    gains this is the score test of a proportion: without a single loss among n instances a margin m
    is excluded only when n m / (1 - m) is large enough, while the sample variance, 0, would exclude
    any margin. With one phrasing and 0/1 scores it is Tango's test of paired proportions.

    References
    ----------
    Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design", Statistics in Medicine 17. Owen 2001, "Empirical Likelihood", section 2.

    Examples
    --------
    >>> round(null_error(np.zeros(100), np.full(100, 0.01), at=0.02, edge=1.0), 4)
    0.014
    """
    from scipy.optimize import brentq

    edge = max(edge, float(units.max())) if edge > at else min(edge, float(units.min()))
    scale = edge - at
    x = (units - at) / scale  # the edge is at 1, the hypothesis at 0; the mean lies below
    centre = float(weights @ x)
    n = 1 / float((weights**2).sum())
    if centre >= -1e-13:
        return float(abs(scale)) * float(np.sqrt(weights @ (x - centre) ** 2 / n))
    room = 1 - x  # 0 for an instance at the edge
    if (room > 1e-12).all() and float((weights / np.maximum(room, 1e-300)).sum()) <= 1:
        mass = weights / room
        square = float(mass @ x**2) + 1 - float(mass.sum())
    else:
        top = 1 - 1e-12
        slope = (
            float(brentq(lambda t: float((weights * x / (1 - t * x)).sum()), 0.0, top))
            if _turns(weights, x, top)
            else top
        )
        mass = weights / (1 - slope * x)
        square = float(mass @ x**2) / float(mass.sum())
    return float(abs(scale)) * float(np.sqrt(square / n))


def _turns(weights: Units, x: Units, top: float) -> bool:
    return float((weights * x / (1 - top * x)).sum()) > 0


def exceeds(statistic: float, df: float) -> float:
    """Return the one-sided p of a Student statistic."""
    from scipy import stats as distributions

    return float(distributions.t.sf(statistic, df))


def _one_sided(units: Units, *, rng: np.random.Generator) -> float:
    """One-sided p of a positive sum when each instance's sign is exchangeable.

    Exact for multiples of a common step.
    """
    total = float(units.sum())
    sizes = np.abs(units)
    sizes = sizes[
        sizes > 1e-9 * sizes.max(initial=0.0)
    ]  # subtle: what rounding left of 0 is no smallest step
    if not sizes.size:
        return 1.0
    whole = units / sizes.min()
    if np.abs(whole - np.round(whole)).max() < 1e-6 and np.abs(whole).sum() < 2e6:
        both = sign_flip(np.round(whole), rng=rng)
    elif units.size <= MOST_FLIPPED:
        both = sign_flip(units, rng=rng, n_resamples=4999)
    else:
        return 0.0
    return both / 2 if total > 0 else 1 - both / 2


def linear_harm(
    units: Units,
    weights: Units,
    *,
    margin: float,
    edge: float = 1.0,
    level: float = 0.95,
    rng: np.random.Generator,
) -> Harm:
    """Return the harm that is a weighted mean of one number per instance.

    Parameters
    ----------
    units
        Harm of each instance: mean over phrasings of old - new for a score.
    weights
        Weight of each instance, adding up to 1.
    margin
        Harm that must be excluded, above 0 and below `edge`.
    edge
        Most harm an instance can show.
    level
        One-sided level.
    rng
        Source of random sign flips where they cannot be enumerated.

    Notes
    -----
    No harm: the larger of two p: signs of instances flipped (exact when old and new are
    exchangeable, all phrasings of an instance together) and Student's t. Margin: t = (margin -
    harm) / `null_error`, n - 1 degrees of freedom. Fewer than two instances: NaN.

    Examples
    --------
    >>> found = linear_harm(
    ...     np.zeros(100), np.full(100, 0.01), margin=0.05, rng=np.random.default_rng(0)
    ... )
    >>> round(found.p_margin, 4), round(found.high, 4)
    (0.0119, 0.0268)
    """
    from scipy import stats as distributions

    if units.size < 2:
        return no_harm_known(float(weights @ units) if units.size else float("nan"))
    value = float(weights @ units)
    df = max(1.0, 1 / float((weights**2).sum()) - 1)
    sample = _sample_error(units, weights, value)
    spread = exceeds(value / sample, df) if sample > 0 else float(value <= 0)
    p_none = max(spread, _one_sided(units * weights, rng=rng))
    error = null_error(units, weights, at=margin, edge=edge)
    p_margin = exceeds((margin - value) / error, df) if error > 0 else float(value >= margin)
    quantile = float(distributions.t.ppf(level, df))

    def above(at: float) -> float:
        return at - value - quantile * null_error(units, weights, at=at, edge=edge)

    high = _highest(above, value, edge)
    return Harm(value, error, df, p_none, p_margin, value - quantile * sample, high)


def _highest(above: Callable[[float], float], value: float, edge: float) -> float:
    """Root of `above` between a value and the edge, or the nearer end where there is none."""
    from scipy.optimize import brentq

    # subtle: with no sample variance the root at `value` itself is none
    start, top = value + 1e-9, edge - 1e-9
    if start >= top or above(top) <= 0:
        return edge
    return start if above(start) >= 0 else float(brentq(above, start, top, xtol=1e-7))


def _sample_error(units: Units, weights: Units, value: float) -> float:
    square = float((weights**2).sum())
    return (
        float(np.sqrt(weights @ (units - value) ** 2 / (1 - square) * square))
        if square < 1
        else float("nan")
    )


def ratio_harm(
    top: Units, bottom: Units, weights: Units, *, margin: float, level: float = 0.95
) -> Harm:
    """Return a ratio of two means, tested against a ceiling instead of against no change.

    Parameters
    ----------
    top, bottom
        Parts per instance, 0 <= top <= bottom <= 1: lost, and right before.
    weights
        Weight of each instance, adding up to 1.
    margin
        Ceiling.
    level
        One-sided level.

    Notes
    -----
    Fieller: the ratio exceeds m exactly when mean(top - m bottom) exceeds 0, which is a linear
    statistic. `p_none` is the p of a ratio of the margin or less, `p_margin` that of the margin or
    more. Bottom 0 everywhere: NaN.

    References
    ----------
    Fieller 1954, "Some problems in interval estimation", JRSS B 16.

    Examples
    --------
    >>> found = ratio_harm(
    ...     np.r_[np.ones(2), np.zeros(98)], np.ones(100), np.full(100, 0.01), margin=0.1
    ... )
    >>> round(found.value, 3), round(found.p_margin, 4), round(found.high, 3)
    (0.02, 0.0045, 0.059)
    """
    from scipy import stats as distributions
    from scipy.optimize import brentq

    if top.size < 2 or not bottom.any():
        return no_harm_known()
    value = float(weights @ top) / float(weights @ bottom)
    df = max(1.0, 1 / float((weights**2).sum()) - 1)
    quantile = float(distributions.t.ppf(level, df))

    def statistic(at: float, *, upper: bool) -> float:
        units = top - at * bottom
        error = null_error(units, weights, at=0.0, edge=1 - at if upper else -at)
        centre = float(weights @ units)
        return centre / error if error > 0 else float(np.sign(centre)) * np.inf

    def high_end(at: float) -> float:
        return statistic(at, upper=True) + quantile

    def low_end(at: float) -> float:
        return statistic(at, upper=False) - quantile

    low, high, start = value, 1.0, max(value, 1e-9)
    if high_end(1 - 1e-9) < 0 < high_end(start):
        high = float(brentq(high_end, start, 1 - 1e-9, xtol=1e-7))
    if value > 0:
        usable = low_end(1e-9) > 0 > low_end(value)
        low = float(brentq(low_end, 1e-9, value, xtol=1e-7)) if usable else 0.0
    error = null_error(top - margin * bottom, weights, at=0.0, edge=1 - margin)
    p_none = exceeds(statistic(margin, upper=False), df)
    p_margin = exceeds(-statistic(margin, upper=True), df)
    return Harm(value, error / float(weights @ bottom), df, p_none, p_margin, low, high)
