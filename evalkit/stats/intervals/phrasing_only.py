"""Intervals from phrasing scores alone, for published tables that do not show their instances.

Phrasings are random, their scores are taken as they are: whatever noise the instances left in them
is part of how they vary, and what all phrasings share (the draw of instances) is not covered.
"""

import numpy as np
from jaxtyping import Float

from evalkit.stats.intervals.crossed import LEAST_IN_ARM, student
from evalkit.stats.intervals.resample import Interval, undefined

__all__ = ["gap_of_phrasings", "mean_of_phrasings", "std_of_phrasings"]

Means = Float[np.ndarray, " phrasing"]
FEW = "fewer than two phrasings"


def mean_of_phrasings(a: Means, *, level: float = 0.95) -> Interval:
    """Return the mean of phrasing scores with its Student interval; NaN scores are left out.

    Examples
    --------
    >>> found = mean_of_phrasings(np.array([0.4, 0.6]))
    >>> round(found.value, 3), round(found.high, 3)
    (0.5, 1.771)
    """
    known = a[~np.isnan(a)]
    if known.size < 2:
        return undefined(float(known.mean()) if known.size else float("nan"), FEW, level=level)
    return student(
        float(known.mean()),
        variance=float(known.var(ddof=1)) / known.size,
        df=known.size - 1,
        level=level,
        over="phrasings",
    )


def std_of_phrasings(a: Means, *, level: float = 0.95) -> Interval:
    """Return the sample standard deviation of phrasing scores with the chi-square interval of
    normal scores.

    Notes
    -----
    s sqrt((P - 1) / q) at the quantiles q of chi-square with P - 1 degrees of freedom. For whoever
    has reason to take phrasing scores as normal; of published ones it held 84 to 87%, so
    `evalkit.analysis` does not offer it.

    Examples
    --------
    >>> found = std_of_phrasings(np.array([0.4, 0.5, 0.6]))
    >>> round(found.low, 4), round(found.high, 4)
    (0.0521, 0.6285)
    """
    from scipy import stats as distributions

    known = a[~np.isnan(a)]
    if known.size < 2:
        return undefined(float("nan"), FEW, level=level)
    s, df = float(known.std(ddof=1)), known.size - 1
    ends = s * np.sqrt(df / distributions.chi2.ppf([(1 + level) / 2, (1 - level) / 2], df))
    return Interval(s, float(ends[0]), float(ends[1]), level, "chi-square", "phrasings")


def gap_of_phrasings(seen: Means, unseen: Means, *, level: float = 0.95) -> Interval:
    """Return mean of seen minus mean of unseen with Welch's interval.

    References
    ----------
    Welch 1947, Biometrika 34; scipy.stats.ttest_ind(equal_var=False).confidence_interval().

    Examples
    --------
    >>> found = gap_of_phrasings(np.array([0.5, 0.6, 0.7]), np.array([0.4, 0.5, 0.6]))
    >>> round(found.value, 3), round(found.low, 3)
    (0.1, -0.127)
    """
    arms = [arm[~np.isnan(arm)] for arm in (seen, unseen)]
    if min(arm.size for arm in arms) < LEAST_IN_ARM:
        value = (
            float(arms[0].mean() - arms[1].mean())
            if all(arm.size for arm in arms)
            else float("nan")
        )
        reason = "an arm with fewer than three phrasings"
        return undefined(value, reason, level=level)
    value = float(arms[0].mean() - arms[1].mean())
    parts = [float(arm.var(ddof=1)) / arm.size for arm in arms]
    total = sum(parts)
    if total == 0:
        return Interval(value, value, value, level, "welch", "phrasings")
    df = total**2 / sum(part**2 / (arm.size - 1) for part, arm in zip(parts, arms, strict=True))
    return student(value, variance=total, df=df, level=level, over="phrasings", method="welch")
