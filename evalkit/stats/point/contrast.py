"""Seen against unseen, clean against changed (drop rates, effect sizes), correct against
wrong wording.

Seen is a relation of a phrasing to a model's tuning data. The arms are given as two masks over
phrasings; a phrasing in neither (unknown) is left out.
"""

import numpy as np
from jaxtyping import Bool, Float

from evalkit.stats.point.location import phrasing_scores
from evalkit.stats.point.missing import mean_over
from evalkit.stats.point.phrasing_means import GAPS_FROM_MEANS

__all__ = [
    "accuracy_norm",
    "cohen_h",
    "drop_rates",
    "gap",
    "gap_std",
    "gap_worst",
    "hedges_g",
    "on_shared_instances",
    "pdr",
    "pdr_std",
    "reliance",
]

Scores = Float[np.ndarray, "phrasing instance"]
Mask = Bool[np.ndarray, " phrasing"]


def on_shared_instances(
    scores: Scores, seen: Mask, unseen: Mask
) -> Float[np.ndarray, "phrasing shared"]:
    """Return the columns of `scores` where both arms have at least one score.

    The pairing of every gap.

    Examples
    --------
    >>> both = np.array([[1.0, np.nan], [0.0, 1.0]])
    >>> on_shared_instances(both, np.array([True, False]), np.array([False, True])).tolist()
    [[1.0], [0.0]]
    """
    there = ~np.isnan(scores)
    return scores[:, there[seen].any(axis=0) & there[unseen].any(axis=0)]


def _gap_of(name: str, scores: Scores, seen: Mask, unseen: Mask) -> float:
    if (seen & unseen).any():
        raise ValueError(
            f"{name}: {int((seen & unseen).sum())} phrasings are both seen and unseen; "
            "one arm each is accepted."
        )
    a = phrasing_scores(on_shared_instances(scores, seen, unseen))
    return float(GAPS_FROM_MEANS[name](a[seen], a[unseen]))


def gap(scores: Scores, *, seen: Mask, unseen: Mask) -> float:
    """Return the mean of a[p] over seen phrasings minus the mean over unseen ones.

    Notes
    -----
    Positive: unseen wording is worse. Instances scored under one arm only are left out, so both
    arms stand on the same instances. NaN when an arm is empty.

    References
    ----------
    Sun et al. 2023 (arXiv 2306.11270), with its sign turned.

    Examples
    --------
    >>> gap(
    ...     np.array([[1.0], [1.0], [0.0], [0.0]]),
    ...     seen=np.array([1, 1, 0, 0], bool),
    ...     unseen=np.array([0, 0, 1, 1], bool),
    ... )
    1.0
    """
    return _gap_of("gap", scores, seen, unseen)


def gap_worst(scores: Scores, *, seen: Mask, unseen: Mask) -> float:
    """Return the expected worst seen minus the expected worst unseen phrasing, at the same number
    of phrasings.

    Notes
    -----
    With m = min(P seen, P unseen), each arm's term is the exact mean of min a[p] over its subsets
    of m phrasings, because a minimum falls with P. NaN when an arm is empty.

    References
    ----------
    Sun et al. 2023 (arXiv 2306.11270), for the gap; the worst case at matched P is ours.

    Examples
    --------
    >>> a = np.array(
    ...     [[0.5], [0.25], [0.75]]
    ... )  # seen 0.5; unseen 0.25 and 0.75, on average 0.5 at m = 1
    >>> gap_worst(a, seen=np.array([True, False, False]), unseen=np.array([False, True, True]))
    0.0
    """
    return _gap_of("gap_worst", scores, seen, unseen)


def gap_std(scores: Scores, *, seen: Mask, unseen: Mask) -> float:
    """Return std (ddof 1) over seen phrasings minus std over unseen ones.

    NaN when an arm has fewer than two.

    Notes
    -----
    Negative: unseen wording makes scores less steady.

    References
    ----------
    Sun et al. 2023 (arXiv 2306.11270), for the two deviations.

    Examples
    --------
    >>> a = np.array([[0.5], [0.5], [0.5], [1.0]])
    >>> round(gap_std(a, seen=np.array([1, 1, 0, 0], bool), unseen=np.array([0, 0, 1, 1], bool)), 4)
    -0.3536
    """
    return _gap_of("gap_std", scores, seen, unseen)


def drop_rates(
    attacked: Float[np.ndarray, " pair"], reference: Float[np.ndarray, " pair"]
) -> Float[np.ndarray, " pair"]:
    """Return the drop rate of each pair, 1 - a[attacked] / a[reference].

    NaN where the reference is 0 or NaN.

    Notes
    -----
    The terms of `pdr`; in (-inf, 1], negative when the change helped.

    References
    ----------
    Zhu et al. 2023, "PromptBench" (arXiv 2306.04528).

    Examples
    --------
    >>> drop_rates(np.array([0.5, 0.5]), np.array([1.0, 0.0])).tolist()
    [0.5, nan]
    """
    usable = reference > 0
    return np.where(usable, 1 - attacked / np.where(usable, reference, 1.0), np.nan)


def pdr(attacked: Float[np.ndarray, " pair"], reference: Float[np.ndarray, " pair"]) -> float:
    """Return the performance drop rate: mean over pairs of 1 - a[attacked] / a[reference].

    Notes
    -----
    In (-inf, 1]; negative when the change helped. A pair whose reference is 0 or NaN is undefined
    and left out; NaN when no pair is left.

    References
    ----------
    Zhu et al. 2023, "PromptBench" (arXiv 2306.04528), equation of PDR.

    Examples
    --------
    >>> round(pdr(np.array([0.6]), np.array([0.8])), 4)
    0.25
    """
    return float(mean_over(drop_rates(attacked, reference)))


def pdr_std(attacked: Float[np.ndarray, " pair"], reference: Float[np.ndarray, " pair"]) -> float:
    """Return the population standard deviation over pairs of the drop rate,
    as PromptBench prints it.

    Notes
    -----
    sqrt(mean over pairs of (drop - pdr)^2), drop = 1 - a[attacked] / a[reference]. Undefined pairs
    are left out; one pair: 0; NaN when none is left.

    References
    ----------
    Zhu et al. 2023, "PromptBench" (arXiv 2306.04528).

    Examples
    --------
    >>> round(pdr_std(np.array([0.6, 0.8]), np.array([0.8, 0.8])), 4)
    0.125
    """
    drops = drop_rates(attacked, reference)
    drops = drops[~np.isnan(drops)]
    return float(drops.std()) if drops.size else float("nan")


def reliance(scores: Scores, *, correct: Mask, wrong: Mask) -> float:
    """Return mean a[p] over correct phrasings minus mean a[p] over wrong ones, paired on instances.

    Notes
    -----
    Near 0: the model answers the instance whatever the instruction says. Call it once per kind of
    wrong phrasing for the value per kind. NaN when an arm is empty.

    References
    ----------
    Sun et al. 2023 (arXiv 2306.11270), section on incorrect instructions.

    Examples
    --------
    >>> reliance(
    ...     np.array([[0.75], [0.25]]),
    ...     correct=np.array([True, False]),
    ...     wrong=np.array([False, True]),
    ... )
    0.5
    """
    return _gap_of("gap", scores, correct, wrong)


def accuracy_norm(score: float, chance: float) -> float:
    """Return (score - chance) / (1 - chance): 0 for guessing, 1 for always right.

    NaN when chance is 1.

    Notes
    -----
    0 for guessing, 1 for all right, negative below chance. NaN for a NaN score.

    References
    ----------
    Srivastava et al. 2022, "Beyond the Imitation Game" (BIG-bench, arXiv 2206.04615), normalised
    preferred metric with chance at 0.

    Examples
    --------
    >>> accuracy_norm(0.625, 0.25)
    0.5
    """
    return (score - chance) / (1 - chance) if chance < 1 else float("nan")


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
