"""Intervals for these phrasings on new instances.

Spread without noise, worst and best case, drops, alpha, entropy.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from scipy.special import chdtr, chndtr, ndtri

from evalkit.stats.intervals.crossed import student
from evalkit.stats.intervals.noise import MeanNoise, influence, mean_noise
from evalkit.stats.intervals.resample import OVER, Interval, batches, bca, percentile, undefined
from evalkit.stats.point.agreement import (
    alpha_of,
    alpha_terms,
    entropy_per_instance,
    krippendorff_alpha,
    label_entropy,
)
from evalkit.stats.point.contrast import pdr
from evalkit.stats.point.instances import (
    best_instance,
    robust_drop,
    worst_instance,
    worst_per_instance,
)
from evalkit.stats.point.location import phrasing_scores
from evalkit.stats.point.missing import mean_over, scored
from evalkit.stats.point.rates import rare_rate_interval

__all__ = [
    "alpha_interval",
    "best_instance_interval",
    "change_of_instances",
    "entropy_interval",
    "mean_of_instances",
    "noncentral_interval",
    "pdr_interval",
    "robust_drop_interval",
    "worst_instance_interval",
]

Scores = Float[np.ndarray, "phrasing instance"]
FEW = "fewer than two instances"
FAR = 1e7
"""Chi-square beyond which SciPy's non-central distribution function is rounding."""


def mean_of_instances(
    values: Float[np.ndarray, " instance"], *, value: float | None = None, level: float = 0.95
) -> Interval:
    """Return the mean of one number per instance with its Student interval, Wilson's for 0 and 1;
    NaN are left out.

    Examples
    --------
    >>> found = mean_of_instances(np.array([0.0, 1.0, 1.0, 1.0]))
    >>> round(found.low, 4), round(found.high, 4)
    (0.3006, 0.9872)
    """
    kept = values[~np.isnan(values)]
    centre = float(mean_over(values)) if value is None else value
    if kept.size < 2:
        return undefined(centre, FEW, level=level)
    if ((kept == 0) | (kept == 1)).all():
        found = rare_rate_interval(int(kept.sum()), kept.size, level=level)
        return replace(found, value=centre)  # instances may have unequally many cells
    return student(
        centre,
        variance=float(kept.var(ddof=1)) / kept.size,
        df=kept.size - 1,
        level=level,
        over=OVER["fixed"],
    )


def change_of_instances(
    changes: Float[np.ndarray, " instance"], *, value: float, level: float = 0.95
) -> Interval:
    """Return the mean change of one number per instance,
    with the interval of paired shares where it is -1, 0 or 1.

    Notes
    -----
    Of n instances, l changed to 0 and g to 1: centre d = (g - l) / (n + 2), error sqrt((p + q - (p
    - q)^2) / (n + 2)) with p = (l + 1) / (n + 2), q = (g + 1) / (n + 2). Student's interval holds
    74 % where few of 50 instances change, since it takes what did not happen as impossible.
    Anything else gets Student's.

    References
    ----------
    Bonett and Price 2012, "Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data", Journal of Educational and Behavioral Statistics 37.

    Examples
    --------
    >>> found = change_of_instances(np.array([-1.0, 0.0, 0.0, 0.0]), value=-0.25)
    >>> round(found.low, 3), round(found.high, 3)
    (-0.717, 0.383)
    """
    kept = changes[~np.isnan(changes)]
    n = kept.size
    if n < 2 or not np.isin(kept, (-1.0, 0.0, 1.0)).all():
        return mean_of_instances(changes, value=value, level=level)
    lost, gained = ((int((kept == side).sum()) + 1) / (n + 2) for side in (-1.0, 1.0))
    centre = gained - lost
    half = float(ndtri((1 + level) / 2)) * float(np.sqrt((lost + gained - centre**2) / (n + 2)))
    low, high = max(centre - half, -1.0), min(centre + half, 1.0)
    return Interval(value, min(low, value), max(high, value), level, "bonett-price", OVER["fixed"])


def _unit(found: Interval) -> Interval:
    return (
        replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))
        if found.low == found.low
        else found
    )


def worst_instance_interval(scores: Scores, *, level: float = 0.95) -> Interval:
    """Return worst_instance of these phrasings with its interval over new instances."""
    return mean_of_instances(worst_per_instance(scores), value=worst_instance(scores), level=level)


def best_instance_interval(scores: Scores, *, level: float = 0.95) -> Interval:
    """Return best_instance of these phrasings with its interval over new instances."""
    return mean_of_instances(-worst_per_instance(-scores), value=best_instance(scores), level=level)


def entropy_interval(
    labels: Int[np.ndarray, "phrasing instance"], n_labels: int, *, level: float = 0.95
) -> Interval:
    """Return label_entropy of these phrasings with its interval over new instances."""
    value = label_entropy(labels, n_labels)
    if np.isnan(value):
        return undefined(value, "the estimate is undefined", level=level)
    return _unit(
        mean_of_instances(entropy_per_instance(labels) / np.log(n_labels), value=value, level=level)
    )


def robust_drop_interval(scores: Scores, *, reference: int, level: float = 0.95) -> Interval:
    """Return robust_drop with its interval over new instances, by linearising the ratio (delta
    method).

    Notes
    -----
    With w the worst and c the clean score of an instance, W and C their means: variance of -(w - W)
    / C + W (c - C) / C^2.
    """
    value = robust_drop(scores, reference=reference)
    paired = scores[:, ~np.isnan(scores[reference])]
    if np.isnan(value) or paired.shape[1] < 2:
        return undefined(value, FEW if value == value else "the reference scores 0", level=level)
    worst, clean = worst_per_instance(paired), paired[reference]
    linear = (
        -(worst - worst.mean()) / clean.mean()
        + worst.mean() * (clean - clean.mean()) / clean.mean() ** 2
    )
    return mean_of_instances(linear, value=value, level=level)


def pdr_interval(
    scores: Scores, *, pairs: Int[np.ndarray, "pair 2"], level: float = 0.95
) -> Interval:
    """Return pdr over (attacked row, reference row) pairs with its interval over new instances
    (delta method).

    Examples
    --------
    >>> y = np.array([[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0]])
    >>> round(pdr_interval(y, pairs=np.array([[0, 1]])).value, 4)
    0.3333
    """
    a, h = phrasing_scores(scores), influence(scores)
    attacked, reference = pairs[:, 0], pairs[:, 1]
    value = pdr(a[attacked], a[reference])
    usable = (a[reference] > 0) & ~np.isnan(a[attacked])
    if np.isnan(value):
        zero = (a[reference] == 0).any()
        return undefined(
            value, "every reference scores 0" if zero else "no pair of scores", level=level
        )
    if scores.shape[1] < 2:
        return undefined(value, FEW, level=level)
    top, bottom = a[attacked][usable, None], a[reference][usable, None]
    linear = (-h[attacked[usable]] / bottom + top * h[reference[usable]] / bottom**2).mean(axis=0)
    n = linear.size
    return student(
        value,
        variance=n / (n - 1) * float((linear**2).sum()),
        df=n - 1,
        level=level,
        over=OVER["fixed"],
    )


def noncentral_interval(scores: Scores, *, level: float = 0.95) -> dict[str, Interval]:
    """Return std, std0, std_excess and var_phrasing of these phrasings with intervals over new
    instances.

    Notes
    -----
    Q = sum_p (a[p] - mean)^2 is about g times a non-central chi-square with f degrees of freedom
    and non-centrality S / g, S = sum_p (true a[p] - true mean)^2. With M the covariance of the
    centred a, Q expects tr M + S and has variance 2 tr M^2 + 4 d'Md, d the true deviations; g and f
    give the chi-square both (Box for S = 0). The non-centralities that leave Q at the two tails
    give the interval for std_excess, the std of these phrasings with endless instances; adding the
    noise of N instances back gives the one for std. A bootstrap of the instances counts that noise
    twice. Below two phrasings or instances: NaN.

    References
    ----------
    Steiger and Fouladi 1997, "Noncentrality interval estimation and the evaluation of statistical
    models". Box 1954.

    Examples
    --------
    >>> y = np.tile([[1.0, 0.0], [0.0, 1.0]], (1, 20))
    >>> y[0, 1] = 1.0
    >>> noncentral_interval(y)["std_excess"].low
    0.0
    """
    scores = scored(scores)
    a, n_phrasings = phrasing_scores(scores), scores.shape[0]
    noise = mean_noise(scores)
    names = ("std", "std0", "var_phrasing", "std_excess")
    if n_phrasings < 2 or scores.shape[1] < 2:
        known = {"std0": float(a.std())} if a.size else {}
        return {
            name: undefined(
                known.get(name, float("nan")), "fewer than two phrasings or instances", level=level
            )
            for name in names
        }
    raw = float(a.var(ddof=1))
    excess = raw - noise.contrast
    spare = n_phrasings - 1
    values = {
        "std": float(np.sqrt(raw)),
        "std0": float(a.std()),
        "var_phrasing": excess,
        "std_excess": float(np.sqrt(max(excess, 0.0))),
    }
    if raw == 0:
        return {
            name: undefined(values[name], "phrasing scores do not vary", level=level)
            for name in names
        }
    low, high = _without_noise(noise, raw=raw, spare=spare, level=level)
    share = spare / n_phrasings
    at_n = [
        min(low + noise.contrast, raw),
        max(high + noise.contrast, raw),
    ]  # a raw variance below that of noise alone stays inside
    ends = {
        "std": np.sqrt(at_n),
        "std0": np.sqrt(share * np.array(at_n)),
        "var_phrasing": (low, high),
        "std_excess": np.sqrt((low, high)),
    }
    return {
        name: Interval(
            value, float(ends[name][0]), float(ends[name][1]), level, "noncentral", OVER["fixed"]
        )
        for name, value in values.items()
    }


def _without_noise(
    noise: MeanNoise, *, raw: float, spare: int, level: float
) -> tuple[float, float]:
    """Ends of the interval of the variance of these phrasings with endless instances;
    `raw` is the observed one.
    """
    if not noise.contrast > 0:
        return raw, raw
    scale, df = _matched_chi_square(noise, raw=raw, spare=spare)
    q = raw * spare / scale
    low, high = (
        _noncentrality(q, df=df, tail=tail) * scale / spare
        for tail in ((1 + level) / 2, (1 - level) / 2)
    )
    return low, high


def _matched_chi_square(noise: MeanNoise, *, raw: float, spare: int) -> tuple[float, float]:
    """Scale g and degrees of freedom f of the non-central chi-square that has the mean and
    variance of Q.
    """
    trace = noise.contrast * spare
    signal = max(raw * spare - trace, 0.0)
    variance = 2 * noise.square + 4 * max(noise.along - noise.square, 0.0)
    scale = variance / (2 * trace + 4 * signal)
    return scale, trace / scale


def _noncentrality(q: float, *, df: float, tail: float) -> float:
    """Non-centrality at which a chi-square with `df` lies below `q` with chance `tail`.

    0 when even 0 is too much. Beyond `FAR` the distribution function ends in rounding: there the
    square root of the chi-square is normal around that of ``non-centrality + df - 1`` with
    deviation 1, which agrees to 1e-8 of q.
    """
    from scipy.optimize import brentq

    if chdtr(df, q) <= tail:
        return 0.0
    if q > FAR:
        return float(max((np.sqrt(q) - ndtri(tail)) ** 2 - (df - 1), 0.0))
    top = 2 * q + 60 + 12 * float(np.sqrt(2 * q + 60))
    return (
        float(brentq(lambda x: chndtr(q, df, x) - tail, 0.0, top, xtol=1e-6 * max(q, 1.0)))
        if q > 0
        else 0.0
    )


def alpha_interval(
    labels: Int[np.ndarray, "phrasing instance"],
    *,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Return krippendorff_alpha of these phrasings with its BCa interval.

    Instances are resampled, never single labels.

    References
    ----------
    Zapf et al. 2016, "Measuring inter-rater reliability for nominal data - which coefficients and
    confidence intervals are appropriate?", BMC Medical Research Methodology 16.
    """
    value = krippendorff_alpha(labels)
    observed, counts = alpha_terms(labels)
    used = counts.any(axis=1)
    observed, counts = observed[used], counts[used]
    n = observed.size
    if np.isnan(value) or n < 2:
        return undefined(value, "one label only, or fewer than two instances", level=level)
    draws = np.concatenate(
        [
            alpha_of(weights.T @ observed, weights.T @ counts)
            for weights in batches(n, n_resamples, rng=rng)
        ]
    )
    left_out = alpha_of(observed.sum() - observed, counts.sum(axis=0) - counts)
    low = high = np.nan
    if not np.isnan(left_out).all():
        low, high = bca(draws, value=value, influence=np.nanmean(left_out) - left_out, level=level)
    if np.isnan(low):
        low, high = percentile(draws, level=level)
    return (
        Interval(value, low, high, level, "bca", OVER["fixed"])
        if low == low
        else undefined(value, "resamples without disagreement", level=level)
    )
