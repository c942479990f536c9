"""A series of checkpoints: growth, plateau, forgetting, and the first step that regresses.

Every number is paired: the same phrasings and instances at every step, instances as the independent
units, tasks with equal weight.

References
----------
Forgetting: Chaudhry and others, "Riemannian Walk for Incremental Learning", arXiv 1801.10112: best
score before minus score now. Abilities that grow at their own pace: Song and others, "Dynamics of
Instruction Tuning", arXiv 2310.19651. Stopping where a rate levels off: Ma and others, "Instruction
Following Score", arXiv 2307.03692.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit.analysis.compare import paired_blocks
from evalkit.errors import ComparisonError
from evalkit.gating.task_means import mean_over_tasks, p_of_none
from evalkit.gating.units import LINEAR, AbsentError, of_groups
from evalkit.records import Estimate
from evalkit.records.statistics import STATISTICS
from evalkit.scoring import Block, ScoreTable

__all__ = ["Growth", "Plateau", "Point", "Series", "Step", "plateau", "series", "spending"]

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One checkpoint of a series."""

    x: float
    """Its place: step, tokens, share, day."""
    label: str
    """Its name."""
    table: ScoreTable
    """Its cells."""
    estimates: Sequence[Estimate]
    """Its estimates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """One task over the series, fractions; intervals are for new instances."""

    task: str
    scores: tuple[float, ...]
    """Mean over phrasings at every step, on the cells that all steps have."""
    slope: float
    """Least-squares slope per unit of x."""
    low: float
    high: float
    forgetting: tuple[float, ...]
    """Best score before minus score, per step; NaN at the first. Above 0 something was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau:
    """Where a metric stops improving."""

    metric: str
    x: float
    """First place from which nothing better by more than the tolerance follows; the last place when
    it never levels off."""
    value: float
    """Metric there."""
    best: float
    """Best value at it or later."""
    reached: bool
    """Whether it lies before the last step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step against all before it."""

    x: float
    label: str
    harm: float
    """Fall against the step before it that it fell from most significantly, a fraction; NaN at the
    first."""
    since: float
    """Place of that step."""
    p: float
    """p of no fall, times the number of steps before it."""
    allowed: float
    """Error rate that is spent here; a p below it,
    with a fall above the margin, is a regression.
    """
    regressed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What a series of checkpoints shows."""

    metric: str
    """What the steps are tested on."""
    xs: tuple[float, ...]
    labels: tuple[str, ...]
    bands: Mapping[str, tuple[tuple[float, float, float], ...]]
    """Metric -> value, low, high per step, over all tasks."""
    plateaus: tuple[Plateau, ...]
    growth: tuple[Growth, ...]
    steps: tuple[Step, ...]

    @property
    def first_regression(self) -> Step | None:
        """Return the first step that regressed."""
        return next((step for step in self.steps if step.regressed), None)


def spending(place: int, level: float) -> float:
    """Return the error rate that step `place` (from 1 on) may spend:
    all steps together at most 1 - level.

    alpha / (k (k + 1)) adds up to alpha over any number of steps, so the series may go on.

    >>> round(sum(spending(place, 0.95) for place in range(1, 1000)), 4)
    0.05
    """
    return (1 - level) / (place * (place + 1))


def series(
    points: Sequence[Point],
    *,
    metrics: Sequence[str],
    tested: str = "mean",
    margin: float = 0.02,
    tolerance: float = 0.01,
    level: float = 0.95,
) -> Series:
    """Return what a series of checkpoints shows.

    Parameters
    ----------
    points
        Two checkpoints or more, in the order of x.
    metrics
        Statistics drawn with their bands, names as in ``estimates.csv``.
    tested
        Metric of the sequential rule, one of `LINEAR`.
    margin
        Fall from which a step may regress, a fraction.
    tolerance
        Difference that counts as none for the plateau, a fraction.
    level
        Of intervals, and of the rule: an error rate of 1 - level over all steps.

    Raises
    ------
    ComparisonError
        When there are fewer than two points, or tasks, phrasings or instances differ.
    """
    if len(points) < 2:
        raise ComparisonError(f"series: {len(points)} runs; two or more are needed. Name more.")
    xs = tuple(point.x for point in points)
    bands = {metric: tuple(_band(point, metric) for point in points) for metric in metrics}
    levels = [
        plateau(metric, xs, [band[0] for band in bands[metric]], tolerance)
        for metric in metrics
        if STATISTICS[metric].harm in ("falls", "rises")
    ]
    return Series(
        metric=tested,
        xs=xs,
        labels=tuple(point.label for point in points),
        bands=bands,
        plateaus=tuple(one for one in levels if one is not None),
        growth=tuple(_growth(points, level)),
        steps=tuple(_steps(points, tested, margin=margin, level=level)),
    )


def _band(point: Point, metric: str) -> tuple[float, float, float]:
    """Return value and interval over all tasks;
    the one benchmark's where there is no row over all.
    """
    rows = [
        row
        for row in sorted(point.estimates, key=lambda row: row.benchmark != "all")
        if row.metric == metric and row.task == "all" and not row.group
    ]
    return (rows[0].value, rows[0].low, rows[0].high) if rows else (math.nan,) * 3


def plateau(
    metric: str, xs: Sequence[float], values: Sequence[float], tolerance: float
) -> Plateau | None:
    """Return where a metric stops improving; None where it has no value somewhere.

    >>> found = plateau("mean", [1, 2, 3, 4], [0.2, 0.595, 0.6, 0.59], 0.01)
    >>> found.x, found.reached
    (2, True)
    """
    if any(math.isnan(value) for value in values):
        return None
    sign = -1 if STATISTICS[metric].harm == "rises" else 1
    place = next(
        place
        for place in range(len(values))
        if max(sign * (later - values[place]) for later in values[place:]) <= tolerance
    )
    best = sign * max(sign * value for value in values[place:])
    return Plateau(
        metric=metric,
        x=xs[place],
        value=values[place],
        best=best,
        reached=place < len(xs) - 1,
    )


def _growth(points: Sequence[Point], level: float) -> list[Growth]:
    rows = [paired_blocks(points[0].table, point.table) for point in points]
    x = np.array([point.x for point in points])
    centred = x - x.mean()
    return [
        _of_task([pairs[place][1] for pairs in rows], centred, level)
        for place in range(len(rows[0]))
    ]


def _of_task(blocks: Sequence[Block], centred: Floats, level: float) -> Growth:
    from scipy import stats as distributions

    values = np.stack([block.values for block in blocks])
    values[:, np.isnan(values).any(axis=0)] = np.nan  # cells that all steps have
    there = ~np.isnan(values[0]).all(axis=0)
    if not there.any():
        raise ComparisonError(f"series: {blocks[0].task} has no cell that all runs answered.")
    scores = np.nanmean(values[:, :, there], axis=1)  # (step, instance)
    slopes = of_groups(blocks[0], centred @ scores / float(centred @ centred), there)
    value, error, df = mean_over_tasks([slopes])
    half = float(distributions.t.ppf(0.5 + level / 2, df)) * error if df > 0 else math.nan
    means = scores.mean(axis=1)
    best = np.maximum.accumulate(means)
    lost = (math.nan, *(float(best[k - 1] - means[k]) for k in range(1, len(means))))
    return Growth(
        task=blocks[0].task,
        scores=tuple(float(mean) for mean in means),
        slope=value,
        low=value - half,
        high=value + half,
        forgetting=lost,
    )


def _steps(points: Sequence[Point], metric: str, *, margin: float, level: float) -> list[Step]:
    found: list[Step] = []
    for k, point in enumerate(points):
        allowed = spending(k, level) if k else math.nan
        falls = [(*_fall(points[j].table, point.table, metric), points[j].x) for j in range(k)]
        p, harm, since = min(
            ((min(1.0, p * k), harm, x) for harm, p, x in falls if harm > margin),
            default=(math.nan, math.nan, math.nan),
        )
        if math.isnan(p) and falls:  # nothing fell by the margin: show the largest fall
            harm, p, since = max(falls)
            p = min(1.0, p * k)
        regressed = bool(harm > margin and p < allowed)
        found.append(
            Step(
                x=point.x,
                label=point.label,
                harm=harm,
                since=since,
                p=p,
                allowed=allowed,
                regressed=regressed,
            )
        )
    return found


def _fall(old: ScoreTable, new: ScoreTable, metric: str) -> tuple[float, float]:
    """Return harm and the one-sided p of none, over tasks with equal weight."""
    parts: list[Floats] = []
    for before, after in paired_blocks(old, new):
        try:
            units = LINEAR[metric](before, after)
        except AbsentError:
            continue
        if units.harm.size:
            parts.append(of_groups(before, units.harm, units.used))
    if not parts:
        return math.nan, math.nan
    return float(np.mean([part.mean() for part in parts])), p_of_none(parts)
