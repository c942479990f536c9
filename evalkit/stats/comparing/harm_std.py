"""Has the standard deviation over phrasings risen? On the scale of variances,
where the noise of instances can be taken off.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from evalkit.stats.comparing.harm import Harm, exceeds
from evalkit.stats.comparing.harm_convex import swapped_p
from evalkit.stats.intervals.noise import influence, mean_noise

__all__ = ["std_harm", "std_without_noise"]

Scores = Float[np.ndarray, "phrasing instance"]
Units = Float[np.ndarray, " instance"]


def _variance(scores: Scores) -> tuple[float, Units]:
    """Variance of phrasing scores without the noise of the instances,
    and what each instance adds to it.
    """
    a = np.nanmean(scores, axis=1)
    units = 2 / (a.size - 1) * (a - a.mean()) @ influence(scores)
    return float(a.var(ddof=1)) - mean_noise(scores).contrast, units


def std_without_noise(matrices: Sequence[Scores]) -> float:
    """Return the standard deviation over phrasings with endless instances, root mean square over
    tasks; at least 0.

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
    from scipy import stats as distributions

    parts = [[_variance(scores) for scores in pair] for pair in pairs]
    before, after = (float(np.mean([part[side][0] for part in parts])) for side in (0, 1))
    n = len(pairs) ** 2 / sum(1 / old.shape[1] for old, _ in pairs)
    own = float(np.sqrt(sum(_square(part[0][1]) for part in parts))) / len(pairs)
    rise = _Rise(
        units=[(part[0][1], part[1][1]) for part in parts],
        change=after - before,
        s=float(np.sqrt(max(0.0, before - own))),
        n=n,
    )
    df = max(1.0, n - 1)
    quantile = float(distributions.t.ppf(level, df))
    value = float(np.sqrt(max(0.0, after)) - np.sqrt(max(0.0, before)))
    error = rise.error(margin)
    scaled = error / (margin + 2 * rise.s)
    swapped = swapped_p(pairs, lambda a: np.nanvar(a, axis=-1, ddof=1), rng=rng)
    noise = float(np.mean([mean_noise(new).contrast for _, new in pairs]))
    return Harm(
        value,
        error=scaled,
        df=df,
        p_none=max(rise.p_none(df), swapped),
        p_margin=float(distributions.t.sf(rise.room(margin) / error, df)),
        low=value - quantile * scaled,
        high=max(rise.highest(quantile), value),
        rate=0.5 + 0.5 * noise / (noise + max(after, 0.0)) if noise > 0 else 0.5,
        root=(rise.s, error),
    )


@dataclass(frozen=True, slots=True)
class _Rise:
    """How far a rise of the standard deviation is from the change of the variances."""

    units: Sequence[tuple[Units, Units]]
    """Per task: what each instance adds to the old and to the new variance."""
    change: float
    """New variance minus old one, mean over tasks."""
    s: float
    """Old standard deviation, taken one standard error low."""
    n: float
    """Instances in a mean over tasks."""

    def room(self, at: float) -> float:
        """Return what the variances would have to rise beyond what they did for a rise of `at`."""
        return at**2 + 2 * at * self.s - self.change

    def error(self, at: float) -> float:
        """Return the error of `room`."""
        factor = 1 + at / self.s if self.s > at else 1.0
        sampled = sum(_square(new - factor * old) for old, new in self.units) ** 0.5
        least = (at + 2 * self.s) * float(np.sqrt(at * (1 - at) / self.n))
        return max(float(sampled) / len(self.units), least)

    def highest(self, quantile: float) -> float:
        """Return the largest rise that is not excluded."""
        from scipy.optimize import brentq

        def above(at: float) -> float:
            return self.room(at) - quantile * self.error(at)

        low, high = 1e-9, 1 - 1e-9
        if above(low) >= 0:
            return low
        return float(brentq(above, low, high, xtol=1e-7)) if above(high) > 0 else 1.0

    def p_none(self, df: float) -> float:
        """Return the p of no rise of the variances."""
        plain = self.error(0.0)
        return exceeds(self.change / plain, df) if plain > 0 else float(self.change <= 0)


def _square(units: Units) -> float:
    """Squared error of a sum over instances of what each adds."""
    n = units.size
    return float((units**2).sum()) * n / (n - 1)
