"""Two-way resampling: phrasings x instances, or instances alone, through multiplicity weights.

A resample of instances is a vector w of counts that sum to N (multinomial). The resampled score of
phrasing p is sum_i w_i y[p, i] / sum_i w_i over scored cells, so a batch of resamples is one matrix
product (phrasing x instance) @ (instance x resample). Phrasings are then drawn as indices into the
resulting P values. Instances are resampled whole, with all their phrasings, never single cells.

Question ``fixed``: these phrasings on new instances; only instances are drawn.
Question ``random``: new phrasings too; both are drawn.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import ndtr, ndtri

from evalkit.stats.point.location import phrasing_scores
from evalkit.stats.point.phrasing_means import FROM_MEANS, GAPS_FROM_MEANS

__all__ = [
    "OVER",
    "Interval",
    "Question",
    "batches",
    "bca",
    "bootstrap",
    "percentile",
    "percentiles",
    "resampled_means",
    "undefined",
]

Question = Literal["fixed", "random"]
OVER: dict[Question, str] = {"fixed": "instances", "random": "phrasings+instances"}
"""What each question takes as random."""
Scores = Float[np.ndarray, "phrasing instance"]
Mask = Bool[np.ndarray, " phrasing"]

MOST_LEFT_OUT = 2000
"""Most phrasings for which BCa leaves each of them out in turn."""
BATCH_CELLS = 4_000_000
"""Most numbers in one batch of weights: 32 MB in double precision."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its interval; NaN ends and a reason when none is offered."""

    value: float
    """Point estimate."""
    low: float
    """Lower end; NaN when no interval is offered."""
    high: float
    """Upper end; NaN when no interval is offered."""
    level: float
    """Nominal level, such as 0.95."""
    method: str = ""
    """How it was made, such as ``t-probit``; empty when none is offered."""
    over: str = ""
    """What was taken as random, such as ``phrasings+instances``; empty when none is offered."""
    reason: str = ""
    """Why none is offered; empty when one is."""

    @property
    def name(self) -> str:
        """Method and what is random, such as ``t/phrasings+instances``;
        ``none`` without an interval.
        """
        return "none" if self.reason else f"{self.method}/{self.over}"


def undefined(value: float, reason: str, *, level: float = 0.95) -> Interval:
    """Return an interval with NaN ends that says why there is none.

    Examples
    --------
    >>> undefined(0.5, "one phrasing").reason
    'one phrasing'
    """
    return Interval(value, float("nan"), float("nan"), level, reason=reason)


def batches(
    n_items: int, n_resamples: int, *, rng: np.random.Generator
) -> Iterator[Float[np.ndarray, "item draw"]]:
    """Yield multiplicities of `n_items` items in batches.

    The columns add up to `n_resamples` resamples.

    Notes
    -----
    The draws come one after another from `rng`, so the resamples do not depend on the batch size.
    """
    per_batch = max(1, min(n_resamples, BATCH_CELLS // max(n_items, 1)))
    for start in range(0, n_resamples, per_batch):
        size = min(per_batch, n_resamples - start)
        drawn = rng.integers(0, n_items, size=(size, n_items), dtype=np.int64)
        drawn += np.arange(size, dtype=np.int64)[:, None] * n_items
        counts = np.bincount(drawn.ravel(), minlength=size * n_items).reshape(size, n_items)
        yield counts.astype(np.float64).T


def resampled_means(
    scores: Scores, *, rng: np.random.Generator, n_resamples: int
) -> Float[np.ndarray, "draw phrasing"]:
    """Return a*[b, p], the mean of each phrasing in each resample of the instances.

    NaN where nothing was drawn.
    """
    there = ~np.isnan(scores)
    complete = bool(there.all())
    filled = np.where(there, scores, 0.0)
    seen_cells = there.astype(np.float64)
    parts = []
    for weights in batches(scores.shape[1], n_resamples, rng=rng):
        total = filled @ weights  # (phrasing, draw)
        if complete:
            parts.append((total / scores.shape[1]).T)
            continue
        count = seen_cells @ weights
        parts.append(np.where(count > 0, total / np.maximum(count, 1.0), np.nan).T)
    return np.concatenate(parts) if parts else np.empty((0, scores.shape[0]))


def percentile(draws: Float[np.ndarray, " draw"], *, level: float) -> tuple[float, float]:
    """Return the two equal-tailed quantiles of the draws.

    NaN when fewer than nine in ten are defined.
    """
    defined = draws[~np.isnan(draws)]
    if defined.size < 0.9 * draws.size or defined.size == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def percentiles(
    rows: Float[np.ndarray, "statistic draw"], *, level: float
) -> tuple[list[float], list[float]]:
    """Return the lower and the upper ends of `percentile` for every row."""
    if np.isnan(rows).any():
        ends = [percentile(row, level=level) for row in rows]
        return [low for low, _ in ends], [high for _, high in ends]
    low, high = np.quantile(rows, [(1 - level) / 2, (1 + level) / 2], axis=1)
    return low.tolist(), high.tolist()


def bca(
    draws: Float[np.ndarray, " draw"],
    *,
    value: float,
    influence: Float[np.ndarray, " unit"],
    level: float,
) -> tuple[float, float]:
    """Return the bias-corrected and accelerated interval.

    Parameters
    ----------
    draws
        Resampled values.
    value
        The estimate on the data.
    influence
        Delete-one values of every resampled unit (instances, and phrasings where they are drawn),
        each centred on its own mean and turned round: mean - value without the unit.
    level
        Nominal level.

    Notes
    -----
    z0 = normal quantile of the share of draws below the estimate (ties count half), a = sum d^3 /
    (6 (sum d^2)^1.5).

    References
    ----------
    Efron 1987, "Better Bootstrap Confidence Intervals", JASA 82. scipy.stats.bootstrap for one-way
    data.
    """
    defined = draws[~np.isnan(draws)]
    if defined.size < 0.9 * draws.size or defined.size == 0 or np.isnan(value):
        return float("nan"), float("nan")
    share = ((defined < value).sum() + 0.5 * (defined == value).sum()) / defined.size
    z0 = ndtri(np.clip(share, 0.5 / defined.size, 1 - 0.5 / defined.size))
    squares = np.nansum(influence**2)
    acceleration = np.nansum(influence**3) / (6 * squares**1.5) if squares > 0 else 0.0
    z = z0 + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(defined, ndtr(z0 + z / (1 - acceleration * z)))
    return float(low), float(high)


def _influence(values: Float[np.ndarray, " unit"]) -> Float[np.ndarray, " kept_unit"]:
    """Delete-one values, centred and turned round, on the scale n - 1 that makes two factors
    comparable.
    """
    n = values.size
    return (
        (np.nanmean(values) - values) * (n - 1) / n
        if n > 1 and not np.isnan(values).all()
        else np.zeros(0)
    )


def _without_instance(scores: Scores) -> Float[np.ndarray, "instance phrasing"]:
    """a[p] with one instance left out, for every instance."""
    there = ~np.isnan(scores)
    filled = np.where(there, scores, 0.0)
    count = there.sum(axis=1, keepdims=True) - there
    return np.where(
        count > 0, (filled.sum(axis=1, keepdims=True) - filled) / np.maximum(count, 1), np.nan
    ).T


def _without_phrasing(a: Float[np.ndarray, " phrasing"]) -> Float[np.ndarray, "row phrasing"]:
    """a[p] with one phrasing missing, for every phrasing.

    Nothing beyond `MOST_LEFT_OUT` phrasings, where one says little.
    """
    if not 1 < a.size <= MOST_LEFT_OUT:
        return np.empty((0, a.size))
    return np.where(np.eye(a.size, dtype=bool), np.nan, a)


def _statistics(
    seen: Mask | None, unseen: Mask | None
) -> dict[str, Callable[[Float[np.ndarray, "..."]], Float[np.ndarray, "..."]]]:
    """Every statistic as a function of a[..., p], the gaps only when both arms are there."""
    found: dict[str, Callable[[Float[np.ndarray, ...]], Float[np.ndarray, ...]]] = dict(FROM_MEANS)
    if seen is None or unseen is None or not (seen.any() and unseen.any()):
        return found
    for name, of_arms in GAPS_FROM_MEANS.items():
        found[name] = partial(_of_arms, of_arms=of_arms, seen=seen, unseen=unseen)
    return found


def _of_arms(
    a: Float[np.ndarray, "..."],
    *,
    of_arms: Callable[
        [Float[np.ndarray, "..."], Float[np.ndarray, "..."]], Float[np.ndarray, "..."]
    ],
    seen: Mask,
    unseen: Mask,
) -> Float[np.ndarray, "..."]:
    return of_arms(a[..., seen], a[..., unseen])


def _redrawn(
    drawn: Float[np.ndarray, "draw phrasing"], groups: list[Mask], rng: np.random.Generator
) -> Float[np.ndarray, "draw phrasing"]:
    """Draw phrasings with replacement within each group.

    A phrasing in no group stays where it is.
    """
    result = drawn.copy()
    for group in groups:
        members = np.flatnonzero(group)
        rows = members[rng.integers(0, members.size, size=(drawn.shape[0], members.size))]
        result[:, members] = np.take_along_axis(drawn, rows, axis=1)
    return result


def bootstrap(
    scores: Scores,
    *,
    rng: np.random.Generator,
    seen: Mask | None = None,
    unseen: Mask | None = None,
    question: Question = "random",
    method: Literal["percentile", "bca"] = "percentile",
    n_resamples: int = 1000,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Return the bootstrap interval of every statistic of a[p],
    and of every gap when the arms are given.

    Parameters
    ----------
    scores
        Scores in [0, 1], NaN where missing.
    rng
        Source of the draws; the same state gives the same intervals.
    seen, unseen
        Arms of the gaps; each arm is resampled within itself.
    question
        ``fixed``: these phrasings, new instances. ``random``: new phrasings and new instances.
    method
        ``percentile`` or ``bca``.
    n_resamples
        Number of resamples, all of them drawn.
    level
        Nominal level.

    Notes
    -----
    This is the raw engine: it hands out what was asked. A percentile interval of a statistic that
    grows with noise or with P (std, spread, min, max) does not cover, and with few phrasings that
    of the mean is too short; `evalkit.stats.intervals.intervals` offers per statistic what was
    shown to cover.

    References
    ----------
    Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1.
    """
    a = phrasing_scores(scores)
    if np.isnan(a).all():  # no phrasing, no instance, or nothing scored
        return {
            name: undefined(float("nan"), "no scores", level=level)
            for name in _statistics(seen, unseen)
        }
    drawn = resampled_means(scores, rng=rng, n_resamples=n_resamples)
    whole, by_arm = drawn, drawn
    if question == "random":
        whole = _redrawn(drawn, [np.ones(a.size, dtype=bool)], rng)
        arms = [arm for arm in (seen, unseen) if arm is not None and arm.any()]
        by_arm = _redrawn(drawn, arms, rng)
    left_out = [_without_instance(scores)] if method == "bca" else []
    if method == "bca" and question == "random":
        left_out.append(_without_phrasing(a))
    result = {}
    for name, function in _statistics(seen, unseen).items():
        value = float(function(a))
        values = function(by_arm if name in GAPS_FROM_MEANS else whole)
        if method == "percentile":
            low, high = percentile(values, level=level)
        else:
            units = [_influence(function(rows)) for rows in left_out if rows.shape[0]]
            low, high = bca(values, value=value, influence=np.concatenate(units), level=level)
        result[name] = Interval(value, low, high, level, method, OVER[question])
    return result
