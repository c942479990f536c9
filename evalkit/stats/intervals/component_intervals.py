"""Intervals for var_instance and var_interaction, and for means over phrasing pairs (consistency,
pss).

Each of these is a mean over cells of a term that the cell contributes, so the crossed Student
interval of `evalkit.stats.intervals.crossed` serves them all, normal scores or not.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import stdtrit

from evalkit.stats.intervals.crossed import crossed_variance, student, unvaried
from evalkit.stats.intervals.noise import zero_one
from evalkit.stats.intervals.resample import OVER, Interval, Question, undefined
from evalkit.stats.point.agreement import consistency, equal_partners
from evalkit.stats.point.instances import pss
from evalkit.stats.point.missing import scored
from evalkit.stats.point.variance import components

__all__ = [
    "LEAST_INSTANCE",
    "LEAST_PAIRED",
    "consistency_interval",
    "consistency_terms",
    "pss_interval",
    "pss_terms",
    "var_instance_interval",
    "var_interaction_interval",
]

Scores = Float[np.ndarray, "phrasing instance"]

LEAST_PAIRED = 30
"""Fewest phrasings for an interval of consistency, pss or var_interaction over new phrasings."""
LEAST_INSTANCE = 30
"""Fewest phrasings for an interval of var_instance over new phrasings: with 10, that of 0/1 scores
covered 92% to 99%."""


def _centred(scores: Scores) -> Scores:
    """Scores less their phrasing's mean."""
    return np.asarray(scores - np.nanmean(scores, axis=1, keepdims=True))


def _cube_root(
    value: float,
    terms: Scores,
    *,
    degree: int,
    question: Question,
    level: float,
    wider: float = 1.0,
) -> Interval:
    """Student interval of a variance on the cube-root scale (Wilson and Hilferty),
    where it is less skewed; cut at 0.
    """
    variance, df = crossed_variance(terms, degree=degree, question=question)
    plain = student(
        value, variance=variance, df=df, level=level, over=OVER[question], method="t-cube-root"
    )
    if not value > 0 or np.isnan(variance):
        return replace(plain, low=max(plain.low, 0.0), high=max(plain.high, 0.0))
    root = np.cbrt(value)
    half = float(stdtrit(df, (1 + level) / 2)) * float(np.sqrt(variance)) * wider / (3 * root**2)
    # subtle: a variance of 0 cannot be approached on the root scale, so 0 is in when the plain
    # interval has it
    low = 0.0 if plain.low <= 0 else float(max(root - half, 0.0) ** 3)
    return replace(plain, low=low, high=float((root + half) ** 3))


def _few(n: int) -> float:
    """Return the factor on a deviation by which few terms say too little about the tails of what
    they are drawn from (Bonett 2006).
    """
    return n / (n - 1.96) if n > 3 else 1.0


def _arcsine(value: float, *, variance: float, df: float, bound: float, level: float) -> Interval:
    """Student interval of a value in [0, bound] on the scale asin sqrt(value / bound),
    as concave in the chances behind it as near 0.
    """
    inner = min(value, bound * (1 - 1e-9))
    if not inner > 0 or np.isnan(variance):
        return student(
            value, variance=variance, df=df, level=level, over=OVER["random"], method="t-arcsine"
        )
    angle = float(np.arcsin(np.sqrt(inner / bound)))
    half = (
        float(stdtrit(df, (1 + level) / 2))
        * float(np.sqrt(variance / (inner * (bound - inner))))
        / 2
    )
    low, high = max(angle - half, 0.0), min(angle + half, np.pi / 2)
    return Interval(
        value,
        min(bound * float(np.sin(low)) ** 2, value),
        max(bound * float(np.sin(high)) ** 2, value),
        level,
        "t-arcsine",
        OVER["random"],
    )


def var_instance_interval(
    scores: Scores, *, question: Question = "random", level: float = 0.95
) -> Interval:
    """Return var_instance with its interval.

    Notes
    -----
    var_instance is the mean over instances and phrasing pairs of c[p, i] c[q, i], c = y - a; the
    term of a cell is the mean over its partners q. On the cube-root scale, cut at 0, N / (N - 1.96)
    times as wide as Student's.
    """
    scores = scored(scores)
    value = components(scores).instance
    if min(scores.shape) < 2 or (question == "random" and scores.shape[0] < LEAST_INSTANCE):
        return undefined(
            value,
            f"fewer than {LEAST_INSTANCE if question == 'random' else 2} phrasings",
            level=level,
        )
    c = _centred(scores)
    partners = (~np.isnan(c)).sum(axis=0) - 1
    others = np.nansum(c, axis=0) - c
    terms = np.where(partners > 0, c * others / np.maximum(partners, 1), np.nan)
    n = scores.shape[1]
    terms = scored(terms * n / (n - 1))
    return _cube_root(value, terms, degree=2, question=question, level=level, wider=_few(n))


def var_interaction_interval(
    scores: Scores, *, question: Question = "random", level: float = 0.95
) -> Interval:
    """Return var_interaction with its interval.

    Notes
    -----
    var_interaction is the mean of squared residuals of the additive fit, times P N / ((P - 1)(N -
    1)); those are the terms. Ends below 0 are cut at 0.
    """
    scores = scored(scores)
    value = components(scores).interaction
    n_phrasings, n_instances = scores.shape
    if min(n_phrasings, n_instances) < 2 or (question == "random" and n_phrasings < LEAST_PAIRED):
        return undefined(
            value,
            f"fewer than {LEAST_PAIRED if question == 'random' else 2} phrasings",
            level=level,
        )
    c = _centred(scores)
    residual = c - np.nanmean(c, axis=0)
    terms = residual**2 * n_phrasings * n_instances / ((n_phrasings - 1) * (n_instances - 1))
    variance, df = crossed_variance(terms, question=question)
    if question == "random" and zero_one(scores):
        return _arcsine(
            value,
            variance=variance * _few(n_phrasings),
            df=df,
            bound=0.25,
            level=level,
        )
    found = student(value, variance=variance, df=df, level=level, over=OVER[question])
    return replace(found, low=max(found.low, 0.0), high=max(found.high, 0.0))


def _pairs(
    value: float, terms: Scores, *, bound: float | None, question: Question, level: float
) -> Interval:
    """Interval of a mean over phrasing pairs of how far they differ.

    NaN for new phrasings when there are fewer than `LEAST_PAIRED`.

    ``fixed``: cube-root scale. ``random``: arcsine scale for labels, whose disagreement has a
    `bound`; none without one, because that of graded scores fell to 91% where wording decides much
    (cube root, power 2/3, logarithm and reciprocal were tried).
    """
    n_phrasings = terms.shape[0]
    if question == "random" and n_phrasings < LEAST_PAIRED:
        return undefined(value, f"fewer than {LEAST_PAIRED} phrasings", level=level)
    if np.isnan(value) or terms.shape[1] < 2:
        return undefined(value, "fewer than two instances", level=level)
    variance, df = crossed_variance(terms, degree=2, question=question)
    if variance == 0 and 0 <= value <= 1:
        return unvaried(value, terms.shape[1], level=level, ends=(0.0, 1.0))
    if question == "fixed":
        found = _cube_root(value, terms, degree=2, question=question, level=level)
        return replace(found, high=min(found.high, 1.0))
    if bound is None:
        return undefined(value, "offered for scores of 0 and 1 only", level=level)
    return _arcsine(
        value,
        variance=variance,
        df=df,
        bound=bound,
        level=level,
    )


def pss_terms(scores: Scores) -> Scores:
    """Return for each cell its mean absolute difference to the other phrasings of its instance.

    NaN without any.
    """
    order = np.argsort(scores, axis=0)  # NaN last
    rows = np.take_along_axis(scores, order, axis=0)
    there = ~np.isnan(rows)
    filled = np.where(there, rows, 0.0)
    count = there.sum(axis=0)
    rank = np.arange(1, rows.shape[0] + 1)[:, None]
    below = np.cumsum(filled, axis=0)  # sum of the r lowest
    total = rows * (2 * rank - count) - 2 * below + below[-1]  # sum over q of abs(y[p] - y[q])
    terms = np.empty_like(rows)
    np.put_along_axis(
        terms,
        order,
        np.where(there & (count > 1), total / np.maximum(count - 1, 1), np.nan),
        axis=0,
    )
    return terms


def pss_interval(scores: Scores, *, question: Question = "random", level: float = 0.95) -> Interval:
    """Return pss with its interval.

    The term of a cell is its mean absolute difference to the other phrasings.
    """
    scores = scored(scores)
    if scores.shape[0] < 2 or scores.shape[1] < 2:
        return undefined(pss(scores), "fewer than two phrasings or instances", level=level)
    terms = scored(pss_terms(scores))
    value = float(np.nanmean(terms, axis=0).mean()) if terms.size else float("nan")
    return _pairs(
        value, terms, bound=0.5 if zero_one(scores) else None, question=question, level=level
    )


def consistency_terms(
    labels: Int[np.ndarray, "phrasing instance"],
    missing: Bool[np.ndarray, "phrasing instance"] | None,
) -> Scores:
    """Return for each cell the share of the other phrasings that agree with it.

    NaN where missing or alone.
    """
    there = np.ones(labels.shape, dtype=bool) if missing is None else ~missing
    partners = there.sum(axis=0) - 1
    return np.where(
        there & (partners > 0), equal_partners(labels) / np.maximum(partners, 1), np.nan
    )


def consistency_interval(
    labels: Int[np.ndarray, "phrasing instance"],
    *,
    missing: Bool[np.ndarray, "phrasing instance"] | None = None,
    question: Question = "random",
    level: float = 0.95,
) -> Interval:
    """Return consistency with its interval; that of flip_rate, turned round."""
    value = consistency(labels, missing=missing)
    if labels.shape[1] < 2 or np.isnan(value):
        return undefined(value, "fewer than two phrasings or instances", level=level)
    terms = 1 - consistency_terms(labels, missing)
    known = np.unique(labels if missing is None else labels[~missing])
    bound = (
        1.0 if known.size and known[0] < 0 else 1 - 1 / max(known.size, 2)
    )  # an unparsed answer agrees with nothing
    flips = _pairs(1 - value, scored(terms), bound=bound, question=question, level=level)
    return replace(flips, value=value, low=1 - flips.high, high=1 - flips.low)
