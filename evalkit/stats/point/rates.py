"""How often something happened: unparsed, truncated, missing, refused, answered with a label."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import gammaincinv, ndtri

from evalkit.stats.intervals.resample import Interval, undefined

__all__ = ["rare_rate_interval", "rate", "rate_interval", "rate_per_phrasing"]

Flags = Bool[np.ndarray, "phrasing instance"]


def rate(flags: Flags, *, of: Flags | None = None) -> float:
    """Return the share of cells where `flags` is true, among the cells `of` (default: all).

    NaN for no cells.

    Notes
    -----
    unparsed_rate, truncated_rate, refusal_rate and label_adherence are rates among cells that are
    not missing; missing_rate is among all cells.

    References
    ----------
    Wilson 1927, JASA 22, for the interval of a share that `rate_interval` gives.

    Examples
    --------
    >>> rate(np.array([[True, False], [False, False]]))
    0.25
    """
    within = np.ones(flags.shape, dtype=bool) if of is None else of
    return float((flags & within).sum() / within.sum()) if within.any() else float("nan")


def rate_per_phrasing(flags: Flags, *, of: Flags | None = None) -> Float[np.ndarray, " phrasing"]:
    """Return the same share for each phrasing.

    Notes
    -----
    share[p] = sum_i flags[p, i] / number of cells of p in `of`; NaN for a phrasing without cells.

    References
    ----------
    As `rate`.

    Examples
    --------
    >>> rate_per_phrasing(np.array([[True, False], [False, False]])).tolist()
    [0.5, 0.0]
    """
    within = np.ones(flags.shape, dtype=bool) if of is None else of
    count = within.sum(axis=1)
    return np.where(count > 0, (flags & within).sum(axis=1) / np.maximum(count, 1), np.nan)


def rate_interval(hits: int, n: int, *, level: float = 0.95) -> Interval:
    """Return hits / n with Wilson's interval, for one phrasing on independent instances.

    References
    ----------
    Wilson 1927, JASA 22. Brown, Cai and DasGupta 2001, "Interval Estimation for a Binomial
    Proportion".

    Examples
    --------
    >>> found = rate_interval(8, 10)
    >>> round(found.low, 3), round(found.high, 3)
    (0.49, 0.943)
    """
    if n < 1:
        return undefined(float("nan"), "no cells", level=level)
    z = float(ndtri((1 + level) / 2))
    centre, half = (
        (hits + z**2 / 2) / (n + z**2),
        z / (n + z**2) * float(np.sqrt(hits * (n - hits) / n + z**2 / 4)),
    )
    low, high = (
        0.0 if hits == 0 else max(centre - half, 0.0),
        1.0 if hits == n else min(centre + half, 1.0),
    )
    return Interval(hits / n, low, high, level, "wilson", "instances")


def rare_rate_interval(hits: int, n: int, *, level: float = 0.95) -> Interval:
    """Return hits / n with Wilson's interval, its far end mended where hits or misses are 1 to 3.

    Notes
    -----
    Near 0 Wilson's lower end is too high: with a rate of 0.1 / n one hit in n already excludes it.
    For 1 or 2 hits (up to 3 above 50 cells) the lower end is lambda / n with P(Poisson(lambda) >=
    hits) = 1 - level; misses are treated alike.

    References
    ----------
    Brown, Cai and DasGupta 2001, "Interval Estimation for a Binomial Proportion", section 4.1.1,
    modified Wilson interval.

    Examples
    --------
    >>> found = rare_rate_interval(49, 50)
    >>> round(found.low, 3), round(found.high, 4)
    (0.895, 0.999)
    """
    found = rate_interval(hits, n, level=level)
    few = 2 if n <= 50 else 3
    low, high = found.low, found.high
    if 1 <= hits <= few:
        low = min(low, float(gammaincinv(hits, 1 - level)) / n)
    if 1 <= n - hits <= few:
        high = max(high, 1 - float(gammaincinv(n - hits, 1 - level)) / n)
    same = (low, high) == (found.low, found.high)
    return found if same else replace(found, low=low, high=high, method="wilson-modified")
