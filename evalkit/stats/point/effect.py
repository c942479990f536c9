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
    """Return Hedges' g of two groups of scores, divided by 5 and clipped to [-1, 1].

    Notes
    -----
    g = J (mean second - mean first) / pooled standard deviation, J = 1 - 3 / (4 (n1 + n2 - 2) - 1).
    NaN are left out. Fewer than two scores in a group: NaN. Pooled standard deviation 0: 0 for
    equal means, else -1 or 1.

    References
    ----------
    Hedges 1981, "Distribution Theory for Glass's Estimator of Effect Size"; the normalisation by 5
    follows IBM/unitxt:src/unitxt/metrics.py.

    Examples
    --------
    >>> round(hedges_g(np.array([0.0, 1.0]), np.array([1.0, 2.0])), 4)  # (4 / 7) sqrt 2 / 5
    0.1616
    """
    groups = [group[~np.isnan(group)] for group in (first, second)]
    sizes = [group.size for group in groups]
    if min(sizes) < 2:
        return float("nan")
    difference = float(groups[1].mean() - groups[0].mean())
    df = sum(sizes) - 2
    pooled = float(
        np.sqrt(sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / df)
    )
    if pooled == 0:
        return float(np.sign(difference))
    return float(np.clip((1 - 3 / (4 * df - 1)) * difference / pooled / 5, -1, 1))
