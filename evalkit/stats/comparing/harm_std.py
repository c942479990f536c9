"""Has the standard deviation over phrasings risen? On the scale of variances, where the noise of instances can be taken off."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy import stats as distributions
from scipy.optimize import brentq

from evalkit.stats.comparing.harm import Harm, swapped_p
from evalkit.stats.intervals.noise import influence, mean_noise

__all__ = ["std_harm", "std_without_noise"]

Scores = Float[np.ndarray, "phrasing instance"]
Units = Float[np.ndarray, " instance"]


def _variance(scores: Scores) -> tuple[float, Units]:
    """Variance of phrasing scores without the noise of the instances, and what each instance adds to it."""
    a = np.nanmean(scores, axis=1)
    units = 2 / (a.size - 1) * (a - a.mean()) @ influence(scores)
    return float(a.var(ddof=1)) - mean_noise(scores).contrast, units


def std_without_noise(matrices: Sequence[Scores]) -> float:
    """Return the standard deviation over phrasings with endless instances, root mean square over tasks; at least 0.

    Parameters
    ----------
    matrices
        Scores per task, at least two phrasings and two instances each.

    Examples
    --------
    >>> round(std_without_noise([np.tile([[0.5], [0.7]], (1, 4))]), 4)
    0.1414
    """
    return float(np.sqrt(max(0.0, float(np.mean([_variance(scores)[0] for scores in matrices])))))


def std_harm(
    pairs: Sequence[tuple[Scores, Scores]],
    *,
    margin: float,
    level: float = 0.95,
    rng: np.random.Generator,
) -> Harm:
    """Return new - old of `std_without_noise` with its tests.

    Parameters
    ----------
    pairs
        Old and new scores per task, missing in the same cells, at least two phrasings and two
        instances each.
    margin
        Rise that must be excluded.
    level
        One-sided level.
    rng
        Source of the random swaps.

    Notes
    -----
    With V the mean over tasks of the variance of phrasing scores less its noise (an unbiased
    estimate, which the standard deviation is not), the rise is d or more when V new >= V old + 2 d
    s + d^2, s the old standard deviation. That is linear in V: its error comes from what each
    instance adds to V new - (1 + d / s) V old. s is taken one standard error low, so that a small s
    is not read as a large one. The error is never below that of an instance moving with probability
    d. No harm: the larger of the p of V new - V old and that of swapping instances between old and
    new, as in `swapped_p`. Where noise is most of V, its error falls with N instead of the root of
    N; `rate` lies between.

    References
    ----------
    Cornfield and Tukey 1956, "Average values of mean squares in factorials", for the variance
    without noise.

    Examples
    --------
    >>> y = np.tile([[1.0, 0.0], [1.0, 1.0]], (1, 100))
    >>> found = std_harm([(y, y)], margin=0.05, rng=np.random.default_rng(0))
    >>> found.value, found.p_none
    (0.0, 1.0)
    """
    count = len(pairs)
    parts = [[_variance(scores) for scores in pair] for pair in pairs]
    before, after = (float(np.mean([part[side][0] for part in parts])) for side in (0, 1))
    n = count**2 / sum(1 / old.shape[1] for old, _ in pairs)
    df = max(1.0, n - 1)
    quantile = float(distributions.t.ppf(level, df))
    own = float(np.sqrt(sum(_square(part[0][1]) for part in parts))) / count
    s = float(np.sqrt(max(0.0, before - own)))

    def error(at: float) -> float:
        factor = 1 + at / s if s > at else 1.0
        sampled = (
            float(np.sqrt(sum(_square(part[1][1] - factor * part[0][1]) for part in parts))) / count
        )
        return max(sampled, (at + 2 * s) * float(np.sqrt(at * (1 - at) / n)))

    def room(at: float) -> float:
        return at**2 + 2 * at * s - (after - before)

    value = float(np.sqrt(max(0.0, after)) - np.sqrt(max(0.0, before)))
    p_margin = float(distributions.t.sf(room(margin) / error(margin), df))

    def above(at: float) -> float:
        return room(at) - quantile * error(at)

    ends = (1e-9, 1 - 1e-9)
    high = (
        ends[0]
        if above(ends[0]) >= 0
        else float(brentq(above, *ends, xtol=1e-7))
        if above(ends[1]) > 0
        else 1.0
    )
    scaled = error(margin) / (margin + 2 * s)
    plain = error(0.0)
    shown = (
        float(distributions.t.sf((after - before) / plain, df))
        if plain > 0
        else float(after <= before)
    )
    p_none = max(shown, swapped_p(pairs, lambda a: np.nanvar(a, axis=-1, ddof=1), rng=rng))
    noise = float(np.mean([mean_noise(new).contrast for _, new in pairs]))
    rate = 0.5 + 0.5 * noise / (noise + max(after, 0.0)) if noise > 0 else 0.5
    return Harm(
        value,
        scaled,
        df,
        p_none,
        p_margin,
        value - quantile * scaled,
        max(high, value),
        0.0,
        rate,
        (s, error(margin)),
    )


def _square(units: Units) -> float:
    """Squared error of a sum over instances of what each adds."""
    n = units.size
    return float((units**2).sum()) * n / (n - 1)
