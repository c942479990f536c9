"""Intervals for statistics of a[p] from generalised pivotal quantities of the crossed normal model.

With phrasings drawn from a population, a[p] given the instances is taken as normal on a scale h
with mean mu and variance s2 = phrasing effects + noise of N instances; h is the probit for scores
in [0, 1], which a normal a[p] near the middle hardly feels and one near 0 or 1 needs, and nothing
otherwise. Draws of (mu, s) that a frequentist may treat as a distribution are s* = std sqrt((P - 1)
/ chi2(P - 1)), mu* = mean + z sqrt(s*^2 / P + v*), v* = variance that instances add in common.
Every quantile, spread or ratio of a[p] expects a function of (mu, s); its interval is the central
part of that function over the draws. Unlike a bootstrap this neither doubles the noise nor loses a
degree of freedom. The estimand is the expected statistic of P new phrasings on N new instances.
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import gammaln

from evalkit.stats.intervals.noise import (
    MeanNoise,
    influence,
    mean_noise,
    noise_draws,
    zero_one,
)
from evalkit.stats.intervals.normal_scale import (
    Arm,
    as_normal,
    common_draws,
    expected,
    noise_share,
    scale_draws,
    with_binomial_noise,
)
from evalkit.stats.intervals.resample import OVER, Interval, percentile, percentiles, undefined
from evalkit.stats.point.contrast import on_shared_instances
from evalkit.stats.point.location import phrasing_scores
from evalkit.stats.point.missing import scored
from evalkit.stats.point.phrasing_means import FROM_MEANS, GAPS_FROM_MEANS
from evalkit.stats.point.variance import Components, components

__all__ = [
    "LEAST_IN_ARM",
    "LEAST_WIDER",
    "NONE_FOR_THESE",
    "NOT_NORMAL",
    "ORDER_NAMES",
    "PIVOTAL_NAMES",
    "ROBUST",
    "ROBUST_DIFFERENCES",
    "SCALE_NAMES",
    "gap_pivots",
    "order_draws",
    "pivots",
]

Scores = Float[np.ndarray, "phrasing instance"]
Mask = Bool[np.ndarray, " phrasing"]
Draws = Float[np.ndarray, " draw"]

ORDER_NAMES = (
    "median",
    "min",
    "max",
    "q05",
    "q25",
    "q75",
    "q95",
    "worst_3",
    "cvar10",
    "spread",
    "sensitivity",
    "saturation",
    "cps",
)
"""Statistics whose interval needs the whole normal model."""
SCALE_NAMES = ("std", "std0", "var_phrasing", "std_excess", "g_coefficient")
"""Statistics whose interval needs the variance of a[p] only."""
PIVOTAL_NAMES = ORDER_NAMES + SCALE_NAMES
ROBUST = ("q75",)
"""Those that hold where wording effects are heavy-tailed or one in ten is broken
(docs/coverage.md);
with 20 and 30 phrasings the median fell to 81 to 89%, cps to 84%, spread and sensitivity to 15% and
35%, std to 42%, min to 58%."""
ROBUST_DIFFERENCES = ("median", "q75")
"""The same for what two runs differ by: what breaks both cancels, but not in cps (80%)."""
NOT_NORMAL = (
    "withdrawn for new phrasings: does not hold when wordings break or their effects are skewed "
    "or heavy-tailed"
)
NONE_FOR_THESE = f"none for these phrasings; {NOT_NORMAL}"
"""Why a statistic has no interval where these phrasings were asked about."""
LEAST_IN_ARM = 4
"""Fewest phrasings per arm for gap_worst and gap_std: below, the intervals cover far more than
asked."""
LEAST_WIDER = 8
ZERO_ONE_WIDER = 1.03
"""Factor on both sides of an order statistic's interval for 0/1 scores, from `LEAST_WIDER`
phrasings on: the normal model alone covers 93% to 94%."""
G_WIDER = 1.05
"""The same for g_coefficient of 0/1 scores, whatever the number of phrasings: its parts covered 91%
to 96% together."""


def order_draws(arm: Arm, mu: Draws, s: Draws, *, share: float = 0.0) -> dict[str, Draws]:
    """Return what every statistic in `ORDER_NAMES` expects, for each draw of (mu, s).

    `share` of var(a) is noise of 0/1 scores.
    """
    n = arm.h.size
    s, skew = with_binomial_noise(arm, mu, s, share)
    plain = tuple(name for name in ORDER_NAMES if name not in {"sensitivity", "saturation", "cps"})
    draws = expected(arm, (*plain, "mean"), mu, s, n=n, skew=skew)
    mean, square = draws.pop("mean"), draws.pop("mean square")
    shrunk = np.sqrt(2 / n) * np.exp(
        gammaln(n / 2) - gammaln((n - 1) / 2)
    )  # what std0 of n normal draws expects, over s
    std0 = shrunk * np.sqrt(np.maximum(square - mean**2, 0.0))
    draws["sensitivity"] = np.where(mean > 0, std0 / np.where(mean > 0, mean, 1.0), np.nan)
    draws["saturation"] = 1 - (draws["max"] - mean)
    draws["cps"] = draws["saturation"] * draws["max"]
    return draws


def _values(found: Components, a: Float[np.ndarray, " phrasing"]) -> dict[str, float]:
    held = found.clipped.instance + found.clipped.interaction
    total = held + found.clipped.phrasing
    values = {name: float(FROM_MEANS[name](a)) for name in PIVOTAL_NAMES if name in FROM_MEANS}
    values["var_phrasing"] = found.phrasing
    values["std_excess"] = float(np.sqrt(found.clipped.phrasing))
    values["g_coefficient"] = held / total if total > 0 else float("nan")
    return values


def _variance_draws(
    s: Draws, noise: MeanNoise, values: dict[str, float], held: Components, rng: np.random.Generator
) -> dict[str, Draws]:
    n = (
        float(np.sqrt(max(values["std0"], 0.0) ** 2 / values["std"] ** 2))
        if values["std"] > 0
        else 1.0
    )
    chance = noise_draws(noise, n_resamples=s.size, rng=rng)
    phrasing = np.maximum(s**2 - noise.contrast * chance, 0.0)
    other = (
        held.clipped.instance
        * (noise.n_instances - 1)
        / rng.chisquare(noise.n_instances - 1, size=s.size)
        + held.clipped.interaction * chance
    )
    share = (
        other / (other + phrasing)
        if held.clipped.instance + held.clipped.interaction > 0
        else np.full(s.size, np.nan)
    )
    return {
        "std": s,
        "std0": n * s,
        "var_phrasing": phrasing,
        "std_excess": np.sqrt(phrasing),
        "g_coefficient": share,
    }


def pivots(
    scores: Scores, *, rng: np.random.Generator, n_resamples: int = 4000, level: float = 0.95
) -> dict[str, Interval]:
    """Return the interval of every statistic named in `PIVOTAL_NAMES`, phrasings and instances
    random.

    Notes
    -----
    std, std0: chi-square. std_excess, var_phrasing: s*^2 less the noise of the contrasts, which is
    drawn too, cut at 0. g_coefficient: the other two components, chi-square, over themselves plus
    var_phrasing*. The rest: expectation of the order statistics at (mu*, s*), by quadrature. For
    0/1 scores these are wider by `ZERO_ONE_WIDER`. NaN with the reason below two phrasings or two
    instances. Phrasing scores are taken as normal, whatever they look like: a sample that happens
    to look normal is no evidence. Where they are not, only those in `ROBUST` hold, and
    `evalkit.stats.score_intervals` offers no other.

    References
    ----------
    Weerahandi 1993, "Generalized Confidence Intervals", JASA 88. Hannig, Iyer and Patterson 2006,
    "Fiducial Generalized Confidence Intervals", JASA 101, for their coverage.
    """
    scores = np.asfortranarray(scored(scores))  # subtle: sums round by the order in memory
    a = phrasing_scores(scores)
    n_phrasings, n_instances = scores.shape
    found = components(scores)
    values = _values(found, a)
    if n_phrasings < 2 or n_instances < 2:
        return {
            name: undefined(value, "fewer than two phrasings or instances", level=level)
            for name, value in values.items()
        }
    noise, arm = mean_noise(scores), as_normal(scores)
    private = noise.contrast / n_phrasings
    common = (
        common_draws(noise.common, private, n_instances, n_resamples=n_resamples, rng=rng)
        * arm.variance_factor()
    )
    s = scale_draws(arm.h, n_resamples=n_resamples, rng=rng)
    mu = arm.h.mean() + rng.standard_normal(n_resamples) * np.sqrt(s**2 / n_phrasings + common)
    draws = order_draws(arm, mu, s, share=noise_share(scores, arm, noise))
    s = scale_draws(a, n_resamples=n_resamples, rng=rng)
    draws |= _variance_draws(s, noise, values, found, rng)
    ends = zip(*percentiles(np.stack(list(draws.values())), level=level), strict=True)
    end_of = dict(zip(draws, ends, strict=True))
    wider: dict[str, float] = {}
    if zero_one(scores):
        wider = {"g_coefficient": G_WIDER} | (
            dict.fromkeys(ORDER_NAMES, ZERO_ONE_WIDER) if n_phrasings >= LEAST_WIDER else {}
        )
    return {
        name: _interval(value, draws[name], end_of[name], wider=wider.get(name, 1.0), level=level)
        for name, value in values.items()
    }


def _interval(
    value: float,
    draws: Draws,
    ends: tuple[float, float],
    *,
    wider: float,
    level: float,
) -> Interval:
    if np.isnan(value):
        return undefined(
            value, "fewer phrasings than the statistic needs, or a mean of 0", level=level
        )
    if draws.min() == draws.max():
        return undefined(value, "phrasing scores do not vary", level=level)
    low, high = ends
    # subtle: what cannot be below 0 or above 1 stays there, so an end within [0, 1] is moved within
    # it
    low = min(max(value - wider * (value - low), min(low, 0.0)), value)
    high = max(min(value + wider * (high - value), max(high, 1.0)), value)
    return Interval(value, low, high, level, "pivot", OVER["random"])


def gap_pivots(
    scores: Scores,
    *,
    seen: Mask,
    unseen: Mask,
    rng: np.random.Generator,
    n_resamples: int = 4000,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Return the intervals of gap_worst and gap_std with phrasings of both arms and instances
    random.

    Notes
    -----
    (mu, s) are drawn per arm; the two mu share the instances, so what instances add to their
    difference is drawn once. NaN with the reason when an arm has fewer than `LEAST_IN_ARM`
    phrasings. Phrasing scores are taken as normal in both.
    """
    paired = on_shared_instances(scores, seen, unseen)
    matrices = [
        matrix[(~np.isnan(matrix)).any(axis=1)] for matrix in (paired[seen], paired[unseen])
    ]
    a = [phrasing_scores(matrix) for matrix in matrices]
    values = {name: float(GAPS_FROM_MEANS[name](*a)) for name in ("gap_worst", "gap_std")}
    n_instances, least = paired.shape[1], min(x.size for x in a)
    if least < LEAST_IN_ARM or n_instances < 2:
        reason = (
            f"fewer than {LEAST_IN_ARM} phrasings in an arm"
            if n_instances > 1
            else "fewer than two instances"
        )
        return {name: undefined(value, reason, level=level) for name, value in values.items()}
    arms = [as_normal(matrix) for matrix in matrices]
    difference = influence(matrices[0]).mean(axis=0) - influence(matrices[1]).mean(axis=0)
    shared = n_instances / (n_instances - 1) * float((difference**2).sum())
    private = sum(
        mean_noise(matrix, squares=False).contrast / matrix.shape[0] for matrix in matrices
    )
    common = np.sqrt(
        common_draws(shared, private, n_instances, n_resamples=n_resamples, rng=rng)
    ) * rng.standard_normal(n_resamples)
    lowest, stds = [], []
    for arm, x, share in zip(arms, a, (common / 2, -common / 2), strict=True):
        s = scale_draws(arm.h, n_resamples=n_resamples, rng=rng)
        mu = (
            arm.h.mean()
            + rng.standard_normal(n_resamples) * s / np.sqrt(x.size)
            + share * np.sqrt(arm.variance_factor())
        )
        lowest.append(expected(arm, ("min",), mu, s, n=least, skew=np.zeros(n_resamples))["min"])
        stds.append(scale_draws(x, n_resamples=n_resamples, rng=rng))
    draws = {"gap_worst": lowest[0] - lowest[1], "gap_std": stds[0] - stds[1]}
    return {
        name: Interval(value, *percentile(draws[name], level=level), level, "pivot", OVER["random"])
        for name, value in values.items()
    }
