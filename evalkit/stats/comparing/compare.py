"""Difference of every estimate between two runs on the same instances and phrasings, with interval.

Both runs are scored on the same cells (a cell missing in one is dropped from both), so what
instances and phrasings do to both cancels. Question ``fixed``: these phrasings. ``random``: new
phrasings.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from evalkit.stats.comparing.paired import paired_difference
from evalkit.stats.intervals.component_intervals import LEAST_PAIRED, consistency_terms, pss_terms
from evalkit.stats.intervals.crossed import crossed_variance, student
from evalkit.stats.intervals.fixed_intervals import change_of_instances
from evalkit.stats.intervals.intervals import RANDOM_ONLY, robust_only
from evalkit.stats.intervals.noise import MeanNoise, beyond_noise, mean_noise, noise_draws
from evalkit.stats.intervals.normal_scale import as_normal, noise_share
from evalkit.stats.intervals.pivot import (
    LEAST_WIDER,
    NONE_FOR_THESE,
    ORDER_NAMES,
    ROBUST_DIFFERENCES,
    order_draws,
)
from evalkit.stats.intervals.resample import OVER, Interval, Question, percentile, undefined
from evalkit.stats.point.agreement import consistency
from evalkit.stats.point.instances import best_instance, pss, worst_instance, worst_per_instance
from evalkit.stats.point.location import mean, phrasing_scores
from evalkit.stats.point.missing import scored
from evalkit.stats.point.phrasing_means import FROM_MEANS
from evalkit.stats.point.variance import components

__all__ = ["consistency_difference", "difference_intervals", "on_shared_cells", "pivot_differences"]

Scores = Float[np.ndarray, "phrasing instance"]
Kept = Float[np.ndarray, "kept_phrasing kept_instance"]
Draws = Float[np.ndarray, " draw"]
Labels = Int[np.ndarray, "phrasing instance"]
Missing = Bool[np.ndarray, "phrasing instance"] | None

DIFFERENCE_WIDER = 1.05
"""Factor on an order statistic's difference for 0/1 scores, as for the statistic itself: the normal
model alone covers 92% to 94%."""
MOST_SIMULATED = 400
"""Most degrees of freedom whose chi-square draws are built from normal ones; beyond, they are
normal themselves."""


def on_shared_cells(old: Scores, new: Scores) -> tuple[Kept, Kept]:
    """Return both matrices with every cell missing that is missing in either, empty phrasings
    and instances dropped.
    """
    gone = np.isnan(old) | np.isnan(new)
    rows, columns = ~gone.all(axis=1), ~gone.all(axis=0)
    kept = [np.where(gone, np.nan, scores)[rows][:, columns] for scores in (old, new)]
    return kept[0], kept[1]


def _deviations(
    x: Float[np.ndarray, " phrasing"],
    y: Float[np.ndarray, " phrasing"],
    correlation: float,
    *,
    n_resamples: int,
    rng: np.random.Generator,
) -> tuple[Draws, Draws]:
    """Draws of the standard deviations of two paired normal samples.

    Notes
    -----
    The ratio is exact whatever the correlation (Pitman and Morgan): log(sigma y / sigma x) = log(s
    y / s x) +- acosh(1 + 2 (1 - r^2) t^2 / (P - 2)) / 2, t of Student with P - 2 degrees of
    freedom. The geometric mean comes from two chi-square variables, dependent as the samples are.

    References
    ----------
    Pitman 1939, "A note on normal correlation", Biometrika 31. Morgan 1939, "A test for the
    significance of the difference between the two variances in a sample from a normal bivariate
    population", Biometrika 31.
    """
    df, rest = x.size - 1, 1 - correlation**2
    if df > MOST_SIMULATED:
        first, other = rng.standard_normal((2, n_resamples)) * np.sqrt(2 / df)
        scales = 1 + first, 1 + correlation**2 * first + np.sqrt(1 - correlation**4) * other
    else:
        z = rng.standard_normal((2, n_resamples, df))
        scales = (
            (z[0] ** 2).mean(axis=1),
            ((correlation * z[0] + np.sqrt(rest) * z[1]) ** 2).mean(axis=1),
        )
    t = rng.standard_t(df - 1, size=n_resamples)
    turn = np.exp(np.sign(t) * np.arccosh(1 + 2 * rest * t**2 / (df - 1)) / 4)
    both = 1 / np.sqrt(np.sqrt(np.maximum(scales[0] * scales[1], 1e-6)))
    # subtle: sqrt(sx sy) both sqrt(sx / sy) is sx both, which also holds where a side is constant
    return np.asarray(float(x.std(ddof=1)) * both / turn), np.asarray(
        float(y.std(ddof=1)) * both * turn
    )


def _excess(std: Draws, noise: MeanNoise, *, rng: np.random.Generator) -> Draws:
    """Draws of var_phrasing: the variance of a[p] less the noise of N instances in it,
    which is drawn too, cut at 0.
    """
    return np.asarray(
        np.maximum(std**2 - noise.contrast * noise_draws(noise, n_resamples=std.size, rng=rng), 0.0)
    )


def pivot_differences(
    old: Scores, new: Scores, *, rng: np.random.Generator, n_resamples: int, level: float
) -> dict[str, Interval]:
    """Return differences of the statistics of a[p] for new phrasings whose effects are normal,
    from dependent pivots of the two runs.
    """
    a = [phrasing_scores(scores) for scores in (old, new)]
    n_phrasings, n_instances = old.shape
    values = _changes(old, new)
    if n_phrasings < 3 or n_instances < 2:
        return {
            name: undefined(value, "fewer than three phrasings or two instances", level=level)
            for name, value in values.items()
        }
    noises = [mean_noise(scores) for scores in (old, new)]
    draws = _order_differences(old, new, noises, values, rng=rng, n_resamples=n_resamples)
    stds = _deviations(a[0], a[1], _correlation(a[0], a[1]), n_resamples=n_resamples, rng=rng)
    draws["std"] = stds[1] - stds[0]
    draws["std0"] = draws["std"] * np.sqrt((n_phrasings - 1) / n_phrasings)
    excess = [_excess(std, own, rng=rng) for std, own in zip(stds, noises, strict=True)]
    draws["var_phrasing"] = excess[1] - excess[0]
    draws["std_excess"] = np.sqrt(excess[1]) - np.sqrt(excess[0])
    return {
        name: Interval(value, *percentile(draws[name], level=level), level, "pivot", OVER["random"])
        for name, value in values.items()
    }


def _changes(old: Scores, new: Scores) -> dict[str, float]:
    """New - old of the statistics of a[p]."""
    a = [phrasing_scores(scores) for scores in (old, new)]
    names = (*ORDER_NAMES, "std", "std0")
    values = {name: float(FROM_MEANS[name](a[1])) - float(FROM_MEANS[name](a[0])) for name in names}
    found = [components(scores) for scores in (old, new)]
    values["var_phrasing"] = found[1].phrasing - found[0].phrasing
    values["std_excess"] = float(
        np.sqrt(found[1].clipped.phrasing) - np.sqrt(found[0].clipped.phrasing)
    )
    return values


def _order_differences(
    old: Scores,
    new: Scores,
    noises: Sequence[MeanNoise],
    values: Mapping[str, float],
    *,
    rng: np.random.Generator,
    n_resamples: int,
) -> dict[str, Draws]:
    """Draws of new - old of the order statistics; what instances do to both runs is drawn once."""
    n_phrasings, n_instances = old.shape
    arms = [as_normal(scores) for scores in (old, new)]
    noise = mean_noise(paired_difference(old, new), squares=False)
    extra = beyond_noise(noise.common, noise.contrast / n_phrasings, n_instances)
    common = (
        np.sqrt(extra * (n_instances - 1) / rng.chisquare(n_instances - 1, size=n_resamples))
        * rng.standard_normal(n_resamples)
        / 2
    )
    r = _correlation(arms[0].h, arms[1].h)
    deviations = _deviations(arms[0].h, arms[1].h, r, n_resamples=n_resamples, rng=rng)
    z = rng.standard_normal((2, n_resamples))
    centres = (z[0], r * z[0] + np.sqrt(1 - r**2) * z[1])
    both = []
    shares = [
        noise_share(scores, arm, own)
        for scores, arm, own in zip((old, new), arms, noises, strict=True)
    ]
    for arm, share, s, centre, sign in zip(arms, shares, deviations, centres, (-1, 1), strict=True):
        mu = (
            arm.h.mean()
            + centre * s / np.sqrt(n_phrasings)
            + sign * common * np.sqrt(arm.variance_factor())
        )
        both.append(order_draws(arm, mu, s, share=share))
    draws = {name: both[1][name] - both[0][name] for name in ORDER_NAMES}
    if n_phrasings >= LEAST_WIDER and all(shares):
        draws |= {
            name: values[name] + DIFFERENCE_WIDER * (draws[name] - values[name])
            for name in ORDER_NAMES
        }
    return draws


def _correlation(x: Float[np.ndarray, " phrasing"], y: Float[np.ndarray, " phrasing"]) -> float:
    """Pearson correlation; 0 when a side is constant."""
    if x.std() == 0 or y.std() == 0:
        return 0.0
    return float(np.clip(np.corrcoef(x, y)[0, 1], -1.0, 1.0))


def difference_intervals(
    old: Scores,
    new: Float[np.ndarray, "_ _"],
    *,
    rng: np.random.Generator,
    question: Question = "random",
    level: float = 0.95,
    n_resamples: int = 4000,
) -> dict[str, Interval]:
    """Return new - old for every estimate of scores, with its interval, by metric name.

    Parameters
    ----------
    old, new
        Scores of two runs; cell for cell the same phrasing and instance.
    rng
        Source of the pivotal draws.
    question
        ``fixed`` or ``random``.
    level
        Nominal level.
    n_resamples
        Draws of the pivotal intervals.

    Notes
    -----
    mean: Student on the cell differences, crossed. pss: the same on the differences of pair terms.
    worst_instance, best_instance (``fixed`` only): per-instance differences, see
    `change_of_instances`. Statistics
    of a[p]: ``random`` pivots of both runs, as dependent as they are (see `robust_only`); ``fixed``
    their values alone.

    Raises
    ------
    ValueError
        When the shapes differ.
    """
    if old.shape != new.shape:
        raise ValueError(
            f"difference_intervals: old has shape {old.shape}, new {new.shape}; "
            "equal ones are accepted. Align the cells first."
        )
    old, new = on_shared_cells(old, new)
    if old.shape[0] < 1 or old.shape[1] < 2:
        change = mean(new) - mean(old) if old.size else float("nan")
        return {"mean": undefined(change, "fewer than two shared instances", level=level)}
    cells = paired_difference(old, new)
    change = mean(new) - mean(old)
    result = {
        "mean": _terms(change, cells, degree=1, question=question, level=level),
        "pss": _pss_difference(old, new, question=question, level=level),
    }
    if question == "random":
        drawn = pivot_differences(old, new, rng=rng, n_resamples=n_resamples, level=level)
    else:
        drawn = {
            name: undefined(
                value, RANDOM_ONLY if name in ROBUST_DIFFERENCES else NONE_FOR_THESE, level=level
            )
            for name, value in _changes(old, new).items()
        }
    return (
        result
        | robust_only(drawn, ROBUST_DIFFERENCES)
        | _at_instances(old, new, question=question, level=level)
    )


def _pss_difference(old: Scores, new: Scores, *, question: Question, level: float) -> Interval:
    change, fewest = pss(new) - pss(old), LEAST_PAIRED if question == "random" else 2
    if old.shape[0] < fewest:
        return undefined(change, f"fewer than {fewest} phrasings", level=level)
    terms = pss_terms(new) - pss_terms(old)
    return _terms(change, terms, degree=2, question=question, level=level)


def _at_instances(
    old: Scores, new: Scores, *, question: Question, level: float
) -> dict[str, Interval]:
    """Return the differences of worst_instance and best_instance, for these phrasings only."""
    worst = change_of_instances(
        worst_per_instance(new) - worst_per_instance(old),
        value=worst_instance(new) - worst_instance(old),
        level=level,
    )
    best = change_of_instances(
        worst_per_instance(-old) - worst_per_instance(-new),
        value=best_instance(new) - best_instance(old),
        level=level,
    )
    if question == "random":
        worst, best = (
            undefined(found.value, "offered for these phrasings only", level=level)
            for found in (worst, best)
        )
    return {"worst_instance": worst, "best_instance": best}


def _terms(
    value: float, terms: Scores, *, degree: int, question: Question, level: float
) -> Interval:
    """Student interval of a difference that is the mean of `terms`."""
    variance, df = crossed_variance(terms, degree=degree, question=question)
    if np.isnan(variance):
        return undefined(value, "fewer than two phrasings or instances", level=level)
    return student(value, variance=variance, df=df, level=level, over=OVER[question])


def consistency_difference(
    old: Labels,
    new: Labels,
    *,
    missing: Missing = None,
    question: Question = "random",
    level: float = 0.95,
) -> Interval:
    """Return consistency of new minus consistency of old, with its interval.

    Parameters
    ----------
    old, new
        Answer codes, -1 for unparsed or missing.
    missing
        True for cells missing in either run; they are dropped from both.
    question
        ``fixed`` or ``random``.
    level
        Nominal level.
    """
    values = [consistency(labels, missing=missing) for labels in (old, new)]
    change, fewest = values[1] - values[0], LEAST_PAIRED if question == "random" else 2
    if np.isnan(change) or old.shape[0] < fewest:
        return undefined(change, f"fewer than {fewest} phrasings", level=level)
    terms = consistency_terms(new, missing) - consistency_terms(old, missing)
    return _terms(change, scored(terms), degree=2, question=question, level=level)
