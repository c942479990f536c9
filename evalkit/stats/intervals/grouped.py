"""Instances in groups (a passage, a patient, a conversation): groups are the independent units.

Twenty questions about one passage are not twenty draws. `by_group` turns a (phrasing, instance)
matrix into a (phrasing, group) one with the same phrasing scores, whose columns vary as the groups
do; any interval whose estimate is a function of phrasing scores can be made from it.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from evalkit.stats.intervals.noise import influence, mean_noise
from evalkit.stats.point.location import phrasing_scores

__all__ = ["FEW_GROUPS", "by_group", "design_effect", "group_codes"]

FEW_GROUPS = 10
"""Fewest groups with which intervals were shown to hold their level; below, they are too sure."""

Scores = Float[np.ndarray, "phrasing instance"]
Codes = Int[np.ndarray, " instance"]


def group_codes(groups: Sequence[str]) -> Codes | None:
    """Return a number per instance for its group; None when every instance is a group of its own.

    Examples
    --------
    >>> group_codes(["a", "b", "a"]).tolist(), group_codes(["a", "b"])
    ([0, 1, 0], None)
    """
    names, codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    return None if names.size == len(groups) else codes.astype(np.int64)


def by_group(scores: Scores, codes: Codes) -> Float[np.ndarray, "phrasing group"]:
    """Return z[p, g] = a[p] + G sum over instances i of group g of influence[p, i].

    Parameters
    ----------
    scores
        NaN where missing.
    codes
        Group of each instance, 0 and up.

    Notes
    -----
    The mean over g is a[p], whatever the sizes of the groups, and the covariance of these means is
    G / (G - 1) sum over g of H_g H_g', H_g the influence of a group: the cluster-robust covariance
    with the factor G / (G - 1) (CR1 without covariates), to be used with G - 1 degrees of freedom.
    A group without a score is NaN, a phrasing without one too. Groups of one instance each: the
    scores themselves. Values may lie outside [0, 1] where groups are unequal.

    References
    ----------
    Liang and Zeger 1986, "Longitudinal data analysis using generalized linear models", Biometrika
    73. Cameron and Miller 2015, "A Practitioner's Guide to Cluster-Robust Inference", Journal of
    Human Resources 50, section II.

    Examples
    --------
    >>> by_group(np.array([[1.0, 0.0, 1.0, 1.0]]), np.array([0, 0, 1, 1])).tolist()
    [[0.5, 1.0]]
    """
    there = ~np.isnan(scores)
    member = np.zeros((codes.size, int(codes.max(initial=-1)) + 1))
    member[np.arange(codes.size), codes] = 1.0
    scored = (there.astype(np.float64) @ member) > 0  # (phrasing, group)
    alive = scored.any(axis=0)
    z = phrasing_scores(scores)[:, None] + int(alive.sum()) * (influence(scores) @ member)
    for end in (0.0, 1.0):  # subtle: what rounding put beyond an end would make scores unbounded
        z = np.where(np.abs(z - end) < 1e-12, end, z)
    return np.asarray(np.where(alive, z, np.nan))


def design_effect(scores: Scores, codes: Codes) -> float:
    """Return how much larger the variance of the mean is than if instances were independent;
    NaN where that is 0.

    References
    ----------
    Kish 1965, "Survey Sampling", section 5.4.

    Examples
    --------
    >>> y = np.repeat([[1.0, 0.0, 1.0, 0.0]], 5, axis=1)
    >>> round(design_effect(y, np.repeat([0, 1, 2, 3], 5)), 2)
    6.33
    """
    plain = mean_noise(scores, squares=False).common
    grouped = mean_noise(by_group(scores, codes), squares=False).common
    return float(grouped / plain) if plain > 0 else float("nan")
