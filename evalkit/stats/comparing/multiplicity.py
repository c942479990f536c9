"""Corrections for testing many hypotheses at once."""

import numpy as np
from jaxtyping import Float

__all__ = ["benjamini_hochberg", "holm"]


def holm(p: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Return Holm's adjusted p values, in the order given.

    NaN stays NaN and does not count as a test.

    Notes
    -----
    With p(1) <= ... <= p(m): adjusted p(j) = max over k <= j of min(1, (m - k + 1) p(k)). Controls
    the chance of any false rejection, whatever the dependence.

    References
    ----------
    Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
    Statistics 6.

    Examples
    --------
    >>> holm(np.array([0.0625, 0.25, 0.125])).tolist()
    [0.1875, 0.25, 0.25]
    """
    there = ~np.isnan(p)
    values = p[there]
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(np.minimum(values[order] * np.arange(values.size, 0, -1), 1.0))
    adjusted = np.empty_like(values)
    adjusted[order] = stepped
    result = np.full(p.shape, np.nan)
    result[there] = adjusted
    return result


def benjamini_hochberg(p: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Return Benjamini-Hochberg adjusted p values, in the order given.

    NaN stays NaN and does not count as a test.

    References
    ----------
    Benjamini and Hochberg 1995, JRSS B 57; `scipy.stats.false_discovery_control`.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.03125, 0.25, 0.125])).tolist()
    [0.09375, 0.25, 0.1875]
    """
    from scipy.stats import false_discovery_control

    there = ~np.isnan(p)
    result = np.full(p.shape, np.nan)
    if there.any():
        result[there] = false_discovery_control(p[there])
    return result
