"""Normalised effect sizes of a change of wording."""

import numpy as np
from jaxtyping import Float

__all__ = ["cohen_h", "hedges_g"]


def cohen_h(first: float, second: float) -> float:
    """Return 2 (asin sqrt second - asin sqrt first) / pi.

    Cohen's h of two shares, scaled to [-1, 1].

    Notes
    -----
    0 for equal shares, 1 from 0 to 1. A share outside [0, 1] or NaN: NaN.

    References
    ----------
    Cohen 1988, "Statistical Power Analysis", section 6.2; the division by pi follows
    IBM/unitxt:src/unitxt/metrics.py.

    Examples
    --------
    >>> round(cohen_h(0.0, 1.0), 4)
    1.0
    """
    if not (0 <= first <= 1 and 0 <= second <= 1):
        return float("nan")
    return float(2 * (np.arcsin(np.sqrt(second)) - np.arcsin(np.sqrt(first))) / np.pi)


def hedges_g(first: Float[np.ndarray, " instance"], second: Float[np.ndarray, " other"]) -> float:
    """Return unitxt's normalised Hedges' g of two groups of scores, in [-1, 1].

    Notes
    -----
    g = C (mean second - mean first) / pooled standard deviation, divided by 5 and clipped to
    [-1, 1]. With n scores in all, C = (n - 3) / (n - 2.25) sqrt((n - 2) / n) for 3 < n < 50 and 1
    for any other n, as unitxt has it; Hedges' own factor has no square root and no end at 50, so
    this g is smaller than his below 50 scores (by 2 % at 49, by 18 % at 6). A group of one score
    has variance 0. NaN are left out. An empty group, or one score in each: NaN. Pooled standard
    deviation 0: 0 for equal means, else -1 or 1.

    References
    ----------
    IBM/unitxt:src/unitxt/metrics.py, which follows NIST, "Dataplot Reference Manual", Hedges g.
    Hedges 1981, "Distribution Theory for Glass's Estimator of Effect Size".

    Examples
    --------
    >>> round(hedges_g(np.array([0.0]), np.array([1.0, 0.0, 0.0, 0.0])), 4)
    0.0563
    """
    groups = [group[~np.isnan(group)] for group in (first, second)]
    n = sum(group.size for group in groups)
    if n < 3 or min(group.size for group in groups) == 0:
        return float("nan")
    if all(np.ptp(group) == 0 for group in groups):
        return float(np.sign(groups[1][0] - groups[0][0]))
    difference = float(groups[1].mean() - groups[0].mean())
    pooled = float(
        np.sqrt(sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / (n - 2))
    )
    factor = (n - 3) / (n - 2.25) * float(np.sqrt((n - 2) / n)) if 3 < n < 50 else 1.0
    return float(np.clip(factor * difference / pooled / 5, -1, 1))
