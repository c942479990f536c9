"""The door of the room: every estimate of one (model, task) matrix with the interval that was shown
to cover.

Question ``fixed``: these phrasings, new instances. Question ``random``: new phrasings, new
instances. An estimate for which no method covers under the question asked comes back with NaN ends
and the reason.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from evalkit.stats.intervals.component_intervals import (
    consistency_interval,
    pss_interval,
    var_instance_interval,
    var_interaction_interval,
)
from evalkit.stats.intervals.crossed import gap_interval, mean_interval, new_phrasing_interval
from evalkit.stats.intervals.fixed_intervals import (
    alpha_interval,
    best_instance_interval,
    entropy_interval,
    noncentral_interval,
    worst_instance_interval,
)
from evalkit.stats.intervals.pivot import (
    NONE_FOR_THESE,
    NOT_NORMAL,
    ROBUST,
    gap_pivots,
    pivots,
)
from evalkit.stats.intervals.resample import Interval, Question, undefined
from evalkit.stats.point.contrast import on_shared_instances
from evalkit.stats.point.instances import best_instance, worst_instance
from evalkit.stats.point.location import phrasing_scores
from evalkit.stats.point.phrasing_means import FROM_MEANS, GAPS_FROM_MEANS
from evalkit.stats.point.variance import g_coefficient

__all__ = ["gap_intervals", "label_intervals", "robust_only", "score_intervals"]

Scores = Float[np.ndarray, "phrasing instance"]
Mask = Bool[np.ndarray, " phrasing"]

FIXED_ONLY = "offered for these phrasings only"
RANDOM_ONLY = "offered for new phrasings with normal effects only (--question normal)"


def robust_only(found: dict[str, Interval], names: tuple[str, ...] = ROBUST) -> dict[str, Interval]:
    """Return pivotal intervals without those that need normal wording effects: their value and why.

    Examples
    --------
    >>> robust_only({"min": Interval(0.5, 0.4, 0.6, 0.95, "pivot", "phrasings+instances")})[
    ...     "min"
    ... ].high
    nan
    """
    return {
        name: one if name in names or one.reason else _reasoned(one, NOT_NORMAL)
        for name, one in found.items()
    }


def _reasoned(found: Interval, reason: str) -> Interval:
    return undefined(found.value, reason, level=found.level)


def score_intervals(
    scores: Scores,
    *,
    rng: np.random.Generator,
    question: Question = "random",
    level: float = 0.95,
    n_resamples: int = 4000,
) -> dict[str, Interval]:
    """Return every estimate that needs scores alone, by metric name.

    Parameters
    ----------
    scores
        Scores in [0, 1], NaN where missing.
    rng
        Source of the draws of the pivotal intervals.
    question
        ``fixed`` or ``random``.
    level
        Nominal level.
    n_resamples
        Draws of the pivotal intervals.

    Returns
    -------
    dict
        mean, median, min, max, q05, q25, q75, q95, std, std0, spread, worst_3, cvar10, sensitivity,
        saturation, cps, std_excess, var_phrasing, var_instance, var_interaction, g_coefficient,
        worst_instance, best_instance, pss, new_phrasing.

    Notes
    -----
    ==================================== ========================== ================================
    metric                               fixed                      random
    ==================================== ========================== ================================
    mean                                 Student, probit scale      Student, Satterthwaite, probit
    std, std0, std_excess, var_phrasing  non-central chi-square     none: need normal effects
    q75                                  none: order statistics     pivotal, normal, probit scale
    other quantiles, min, max, spread,   of noisy means are biased  none: need normal effects
    worst_3, cvar10, sensitivity,
    saturation, cps, g_coefficient
    var_instance                         Student, cube root         Student, cube root, P >= 10
    var_interaction                      Student                    Student, arcsine for 0/1, P >= 30
    pss, consistency, flip_rate          Student, cube root         Student, arcsine, labels or 0/1,
                                                                    P >= 30
    worst_instance, best_instance,       Student, Wilson for        none: they move with P
    alpha, entropy                       0/1; BCa
    new_phrasing                         none                       none: needs normal effects
    gap                                  Student, paired            Student, Welch and Satterthwaite
    gap_worst, gap_std                   none                       none: need normal effects
    ==================================== ========================== ================================
    """  # noqa: E501
    result: dict[str, Interval] = {}
    if question == "fixed":
        a = phrasing_scores(scores)
        result = {
            name: undefined(
                float(function(a)),
                RANDOM_ONLY if name in ROBUST else NONE_FOR_THESE,
                level=level,
            )
            for name, function in FROM_MEANS.items()
        }
    result["mean"] = mean_interval(scores, question=question, level=level)
    new = new_phrasing_interval(scores, level=level)
    result["new_phrasing"] = new if new.reason else _reasoned(new, NOT_NORMAL)
    if question == "random":  # every name of FROM_MEANS but mean
        result |= robust_only(pivots(scores, rng=rng, level=level, n_resamples=n_resamples))
        result["worst_instance"] = undefined(worst_instance(scores), FIXED_ONLY, level=level)
        result["best_instance"] = undefined(best_instance(scores), FIXED_ONLY, level=level)
    else:
        result["worst_instance"] = worst_instance_interval(scores, level=level)
        result["best_instance"] = best_instance_interval(scores, level=level)
        result |= noncentral_interval(scores, level=level)
        result["g_coefficient"] = undefined(g_coefficient(scores), NONE_FOR_THESE, level=level)
    result["var_instance"] = var_instance_interval(scores, question=question, level=level)
    result["var_interaction"] = var_interaction_interval(scores, question=question, level=level)
    result["pss"] = pss_interval(scores, question=question, level=level)
    return result


def gap_intervals(
    scores: Scores,
    *,
    seen: Mask,
    unseen: Mask,
    rng: np.random.Generator,
    question: Question = "random",
    level: float = 0.95,
    n_resamples: int = 4000,
) -> dict[str, Interval]:
    """Return gap, gap_worst and gap_std; the last two with an interval for new phrasings only."""
    if not (seen.any() and unseen.any()):
        reason = f"no {'seen' if unseen.any() else 'unseen'} phrasing"
        return {name: undefined(float("nan"), reason, level=level) for name in GAPS_FROM_MEANS}
    result = {
        "gap": gap_interval(
            scores, seen=seen, unseen=unseen, question=question, level=level, ends=(-1.0, 1.0)
        )
    }
    if question == "random":
        return result | robust_only(
            gap_pivots(
                scores, seen=seen, unseen=unseen, rng=rng, level=level, n_resamples=n_resamples
            )
        )
    a = phrasing_scores(on_shared_instances(scores, seen, unseen))
    values = {
        name: float(GAPS_FROM_MEANS[name](a[seen], a[unseen])) for name in ("gap_worst", "gap_std")
    }
    return result | {
        name: undefined(value, NOT_NORMAL, level=level) for name, value in values.items()
    }


def label_intervals(
    labels: Int[np.ndarray, "phrasing instance"],
    *,
    n_labels: int,
    rng: np.random.Generator,
    missing: Bool[np.ndarray, "phrasing instance"] | None = None,
    question: Question = "random",
    level: float = 0.95,
) -> dict[str, Interval]:
    """Return consistency, flip_rate, krippendorff_alpha and label_entropy.

    The last two for these phrasings only.
    """
    found = consistency_interval(labels, missing=missing, question=question, level=level)
    alpha = alpha_interval(labels, rng=rng, level=level)
    entropy = entropy_interval(labels, n_labels, level=level)
    if question == "random":
        alpha, entropy = _reasoned(alpha, FIXED_ONLY), _reasoned(entropy, FIXED_ONLY)
    flip = replace(found, value=1 - found.value, low=1 - found.high, high=1 - found.low)
    return {
        "consistency": found,
        "flip_rate": flip,
        "krippendorff_alpha": alpha,
        "label_entropy": entropy,
    }
