"""What a judge said -> how good the answers are by it, and how far it is to be believed.

A judge is a measuring instrument with errors of its own, so nothing of it enters a score. Beside
its rate stand: whether it keeps its verdict when options or answers change places and when it is
asked in other words, whether it favours length, how it agrees with the metric, and its rate
corrected by labels that people gave.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.scoring.verdicts import JudgedCell, JudgeVerdict
from evalkit.stats.intervals.fixed_intervals import mean_of_instances
from evalkit.stats.point.association import spearman

__all__ = ["JudgedTask", "Judgement", "judgement"]

Floats: TypeAlias = npt.NDArray[np.float64]
Labels: TypeAlias = Mapping[tuple[str, str, str], float]
HALF = 0.5
"""Score, or mean verdict, from which an answer counts as right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedTask:
    """One task, or all; fractions, NaN where undefined."""

    task: str
    """Task id, or ``all``: means over tasks."""
    n: int
    """Answers, or pairs, with a verdict."""
    metric: stats.Interval
    """Mean score by the metric over the same answers; of pairs: how often it prefers this run, ties
    by half."""
    judged: stats.Interval
    """Mean verdict: how often right, or how often this run's answer is better, ties by half."""
    agreement: float
    """Share of answers that judge and metric both call right or both wrong (score from a half)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one pass of a judge came to; fractions, NaN where undefined."""

    pairs: bool
    """Whether answers were compared in pairs."""
    tasks: tuple[JudgedTask, ...]
    """Tasks, and one row over all where there are several."""
    n_questions: int
    """Questions that the judge answered at all."""
    unread: int
    """Of these, answers that are no verdict: counted, and left out of every rate."""
    swap_consistency: stats.Interval
    """Share of (answer, wording) with the same verdict in both orders."""
    first: stats.Interval
    """Share of verdicts for what was named or shown first, ties left out; a judge without a
    preference for places has the same share for both orders, and one half over both of them."""
    by_wording: Mapping[str, float]
    """Wording of the judge -> mean verdict."""
    wordings_agree: stats.Interval
    """Share of (answer, pair of wordings) that come out on the same side."""
    length_slope: stats.Interval
    """Change in the mean verdict for twice the words at the same score, by least squares; not of
    pairs."""
    longer: stats.Interval
    """How often the longer of two answers with one score is preferred, ties by half; of pairs."""
    kappa: float
    """Cohen's kappa of judge and metric, both split at a half."""
    spearman: float
    """Rank correlation of mean verdict and score over answers."""
    corrected: stats.Interval
    """Mean verdict corrected by the labels, over answers; see `evalkit.stats.corrected_mean`."""
    n_labels: int
    """Labelled answers that have a verdict."""
    label_agreement: float
    """Share of them on the same side as the judge."""
    level: float
    """Level of the intervals."""

    @property
    def whole(self) -> JudgedTask:
        """Return the row over all tasks."""
        return self.tasks[-1]

    @property
    def wording_spread(self) -> float:
        """Return the best minus the worst mean verdict over wordings of the judge; NaN with one."""
        values = [value for value in self.by_wording.values() if not math.isnan(value)]
        return max(values) - min(values) if len(values) > 1 else math.nan


def judgement(
    cells: Sequence[JudgedCell], labels: Labels | None = None, *, level: float = 0.95
) -> Judgement:
    """Return what a pass of a judge came to.

    Parameters
    ----------
    cells
        Answers or pairs, at least one, not mixed.
    labels
        (task, phrasing, instance) -> what a person said, in [0, 1].
    level
        Level of intervals, which are over instances.
    """
    pairs = cells[0].other_words is not None
    value = np.array([math.nan if one.value is None else one.value for one in cells])
    score = np.array([_score(one) for one in cells])
    units = _units(cells)
    told = _labels(cells, labels or {})
    given = [verdict for one in cells for verdict in one.verdicts]
    both = ~(np.isnan(value) | np.isnan(told))
    return Judgement(
        pairs=pairs,
        tasks=_by_task(cells, value, score, level),
        n_questions=len(given),
        unread=sum(one.value is None for one in given),
        swap_consistency=_per_unit(cells, units, _same_in_both_orders, level),
        first=_per_unit(cells, units, _firsts, level),
        by_wording=_by_wording(given),
        wordings_agree=_per_unit(cells, units, _wordings_agree, level),
        length_slope=_slope(cells, value, score, units, level),
        longer=_longer(cells, units, level),
        kappa=_kappa(value, _decided(score, pairs)),
        spearman=spearman(value, score),
        corrected=_share(stats.corrected_mean(value, told, units, level=level)),
        n_labels=int(both.sum()),
        label_agreement=_same_side(value[both], told[both]),
        level=level,
    )


def _share(found: stats.Interval) -> stats.Interval:
    """A rate with its interval, kept within 0 and 1; NaN stays."""
    value, low, high = np.clip([found.value, found.low, found.high], 0.0, 1.0).tolist()
    return replace(found, value=value, low=low, high=high)


def _score(cell: JudgedCell) -> float:
    """Score of an answer; of a pair 1, 0.5 or 0 as the first is better, equal or worse."""
    if cell.score is None:
        return math.nan
    if cell.other_words is None:
        return cell.score
    if cell.other_score is None:
        return math.nan
    return 0.5 if cell.score == cell.other_score else float(cell.score > cell.other_score)


def _decided(score: Floats, pairs: bool) -> Floats:
    """Score of an answer as right (1) or wrong (0); of pairs as it is."""
    return score if pairs else np.where(np.isnan(score), math.nan, score >= HALF)


def _units(cells: Sequence[JudgedCell]) -> npt.NDArray[np.int64]:
    names: dict[tuple[str, str], int] = {}
    found = [names.setdefault((one.task, one.instance_id), len(names)) for one in cells]
    return np.array(found, dtype=np.int64)


def _labels(cells: Sequence[JudgedCell], labels: Labels) -> Floats:
    return np.array(
        [labels.get((one.task, one.phrasing_id, one.instance_id), math.nan) for one in cells]
    )


def _side(values: Floats) -> Floats:
    """-1, 0 or 1: below, at, above a half."""
    return np.sign(values - HALF)


def _same_side(one: Floats, other: Floats) -> float:
    there = ~(np.isnan(one) | np.isnan(other))
    return float((_side(one[there]) == _side(other[there])).mean()) if there.any() else math.nan


def _by_task(
    cells: Sequence[JudgedCell], value: Floats, score: Floats, level: float
) -> tuple[JudgedTask, ...]:
    pairs = cells[0].other_words is not None
    tasks = np.array([one.task for one in cells])
    names = np.array([one.instance_id for one in cells])
    rows = []
    for task in dict.fromkeys(tasks.tolist()):
        mine = tasks == task
        kept = mine & ~np.isnan(value) & ~np.isnan(score)
        _, codes = np.unique(names[mine], return_inverse=True)
        rows.append(
            JudgedTask(
                task=task,
                n=int((~np.isnan(value[mine])).sum()),
                metric=_mean(np.where(np.isnan(value), math.nan, score)[mine], codes, level),
                judged=_mean(value[mine], codes, level),
                agreement=_same_side(value[kept], _decided(score[kept], pairs)),
            )
        )
    if len(rows) == 1:
        return tuple(rows)
    of_tasks = [[row.metric for row in rows], [row.judged for row in rows]]
    metric, judged = (_over(found, level) for found in of_tasks)
    agreement = float(np.mean([row.agreement for row in rows]))
    n = sum(row.n for row in rows)
    whole = JudgedTask(task="all", n=n, metric=metric, judged=judged, agreement=agreement)
    return (*rows, whole)


def _mean(values: Floats, codes: npt.NDArray[np.int64], level: float) -> stats.Interval:
    """Mean over cells of a rate, with its interval over instances."""
    there = ~np.isnan(values)
    if not there.any():
        return stats.undefined(math.nan, "no verdict", level=level)
    n = np.bincount(codes[there])
    total = np.bincount(codes[there], weights=values[there])
    means = total[n > 0] / n[n > 0]
    found = mean_of_instances(means, value=float(values[there].mean()), level=level)
    low, high = (float(np.clip(end, 0.0, 1.0)) for end in (found.low, found.high))
    return replace(found, low=low, high=high)  # few answers leave no room outside of a rate


def _over(found: Sequence[stats.Interval], level: float) -> stats.Interval:
    """Mean over tasks; the half-widths add as errors do."""
    value = float(np.mean([one.value for one in found]))
    halves = np.array([(one.high - one.low) / 2 for one in found])
    if np.isnan(halves).any():
        return stats.undefined(value, "no interval for every task", level=level)
    half = float(np.sqrt((halves**2).sum())) / len(found)
    low, high = max(0.0, value - half), min(1.0, value + half)
    return stats.Interval(value, low, high, level, found[0].method, found[0].over)


def _per_unit(
    cells: Sequence[JudgedCell],
    units: npt.NDArray[np.int64],
    count: Callable[[Sequence[JudgeVerdict]], Sequence[float]],
    level: float,
) -> stats.Interval:
    """Mean of what is counted in the verdicts of every answer, its interval over instances."""
    found = [
        (unit, one) for unit, cell in zip(units, cells, strict=True) for one in count(cell.verdicts)
    ]
    if not found:
        return stats.undefined(math.nan, "nothing to compare", level=level)
    codes, values = zip(*found, strict=True)
    return _mean(np.array(values), np.array(codes, dtype=np.int64), level)


def _by_order(verdicts: Sequence[JudgeVerdict]) -> dict[str, dict[bool, float]]:
    """Wording -> order -> verdict, of what was read."""
    found: dict[str, dict[bool, float]] = {}
    for one in verdicts:
        if one.value is not None:
            found.setdefault(one.wording, {})[one.swapped] = one.value
    return found


def _same_in_both_orders(verdicts: Sequence[JudgeVerdict]) -> list[float]:
    return [
        float(orders[False] == orders[True])
        for orders in _by_order(verdicts).values()
        if len(orders) == 2
    ]


def _firsts(verdicts: Sequence[JudgeVerdict]) -> list[float]:
    """1 for a verdict for what stood first, only where both orders were read,
    so that the better option stands first as often as second.
    """
    return [
        float((value == 1.0) != swapped)
        for orders in _by_order(verdicts).values()
        if len(orders) == 2
        for swapped, value in orders.items()
        if value != HALF
    ]


def _wordings_agree(verdicts: Sequence[JudgeVerdict]) -> list[float]:
    means = [float(np.mean(list(orders.values()))) for orders in _by_order(verdicts).values()]
    return [
        float(np.sign(one - HALF) == np.sign(other - HALF))
        for place, one in enumerate(means)
        for other in means[place + 1 :]
    ]


def _by_wording(verdicts: Sequence[JudgeVerdict]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for one in verdicts:
        values = found.setdefault(one.wording, [])
        if one.value is not None:
            values.append(one.value)
    return {name: float(np.mean(values)) if values else math.nan for name, values in found.items()}


def _slope(
    cells: Sequence[JudgedCell],
    value: Floats,
    score: Floats,
    units: npt.NDArray[np.int64],
    level: float,
) -> stats.Interval:
    """Slope of the mean verdict on log2 words with the score held, its error over instances."""
    from evalkit.stats.intervals.crossed import student
    from evalkit.stats.intervals.resample import OVER

    size = np.log2(np.maximum([one.words for one in cells], 1))
    there = ~(np.isnan(value) | np.isnan(score))
    if there.sum() < 3 or cells[0].other_words is not None:
        return stats.undefined(math.nan, "needs three answers judged alone", level=level)
    x = np.column_stack([np.ones(there.sum()), score[there]])
    rest = size[there] - x @ np.linalg.lstsq(x, size[there], rcond=None)[0]
    if not (rest**2).sum() > 1e-9 * there.sum():
        return stats.undefined(math.nan, "answers of one score have one length", level=level)
    slope = float(rest @ value[there] / (rest @ rest))
    y = value[there] - x @ np.linalg.lstsq(x, value[there], rcond=None)[0]
    _, codes = np.unique(units[there], return_inverse=True)
    of_units = np.bincount(codes, weights=rest * (y - slope * rest))
    n = len(of_units)
    if n < 4:
        return stats.undefined(slope, "fewer than four instances", level=level)
    variance = float((of_units**2).sum()) / float(rest @ rest) ** 2 * n / (n - 3)
    return student(slope, variance=variance, df=n - 3, level=level, over=OVER["fixed"])


def _longer(
    cells: Sequence[JudgedCell], units: npt.NDArray[np.int64], level: float
) -> stats.Interval:
    """How often the longer of two answers with the same score is preferred."""
    kept, values = [], []
    for unit, one in zip(units, cells, strict=True):
        if one.other_words in {None, one.words} or one.score != one.other_score:
            continue
        if one.value is not None and one.other_words is not None:
            kept.append(unit)
            values.append(one.value if one.words > one.other_words else 1 - one.value)
    if not kept:
        reason = "no two answers with one score and other lengths"
        return stats.undefined(math.nan, reason, level=level)
    return _mean(np.array(values), np.array(kept, dtype=np.int64), level)


def _kappa(value: Floats, score: Floats) -> float:
    there = ~(np.isnan(value) | np.isnan(score))
    one, other = _side(value[there]), _side(score[there])
    if not there.any():
        return math.nan
    by_chance = sum(
        float((one == side).mean() * (other == side).mean()) for side in (-1.0, 0.0, 1.0)
    )
    same = float((one == other).mean())
    return (same - by_chance) / (1 - by_chance) if by_chance < 1 else math.nan
