"""Rules -> one measured harm per rule and scope, paired on phrasings and instances, instances as the independent units.

Values over several tasks are unweighted means over tasks, as in ``estimates.csv``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.errors import EvalkitError
from evalkit.records import digest
from evalkit.records.policy import Policy, Rule
from evalkit.scoring import STATUSES, Block
from evalkit.stats.comparing.harm import Harm, convex_harm, linear_harm, ratio_harm
from evalkit.stats.comparing.harm_std import std_harm, std_without_noise
from evalkit.stats.intervals.noise import influence

__all__ = ["Measured", "Pair", "measure"]

Floats: TypeAlias = npt.NDArray[np.float64]
Pair: TypeAlias = tuple[Block, Block]
"""Baseline and candidate block of one task."""

RIGHT = 0.5
"""Score from which a cell counts as right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One rule on one scope."""

    rule: Rule
    """The rule."""
    scope: str
    """``suite``, a benchmark, or a task id."""
    old: float = math.nan
    """Value of the baseline."""
    new: float = math.nan
    """Value of the candidate; for ``collateral_damage`` the damage itself."""
    harm: Harm | None = None
    """Harm and its tests; None when it could not be measured."""
    absent: str = ""
    """Why it could not be measured."""
    n_tasks: int = 0
    """Tasks that entered."""
    n_phrasings: int = 0
    """Phrasings that entered, over all tasks."""
    n_instances: int = 0
    """Instances that entered, over all tasks."""
    phrasing_share: float = math.nan
    """Share of the squared error that more phrasings would take away; NaN where that is not
    known."""


@dataclass(frozen=True, slots=True)
class _Units:
    """A linear statistic of one task."""

    harm: Floats
    """Harm of each instance."""
    old: float
    new: float
    within: float = math.nan
    """Variance of `harm` that comes from the finite number of phrasings."""
    used: npt.NDArray[np.bool_] | None = None
    """(N,) the instances of `harm`; None for all."""


class _Absent(EvalkitError):
    """A metric that a task does not have; the message says why."""


def measure(pairs: Sequence[Pair], policy: Policy) -> list[Measured]:
    """Return every rule on every scope it names, in the order of the policy.

    Parameters
    ----------
    pairs
        Baseline and candidate blocks of every task, cell for cell the same.
    policy
        The rules.
    """
    return [
        _measured(rule, scope, group, policy=policy)
        for rule in policy.rules
        for scope, group in _scopes(rule, pairs)
    ]


def _scopes(rule: Rule, pairs: Sequence[Pair]) -> list[tuple[str, list[Pair]]]:
    chosen = [
        pair
        for pair in pairs
        if not rule.tasks or any(fnmatchcase(pair[0].task, pattern) for pattern in rule.tasks)
    ]
    if rule.scope == "task":
        return [(pair[0].task, [pair]) for pair in chosen] or [(", ".join(rule.tasks), [])]
    if rule.scope == "benchmark":
        names = sorted({pair[0].benchmark for pair in chosen})
        return [
            (name, [pair for pair in chosen if pair[0].benchmark == name]) for name in names
        ] or [(", ".join(rule.tasks), [])]
    return [(", ".join(rule.tasks) or "suite", chosen)]


def _measured(rule: Rule, scope: str, pairs: Sequence[Pair], *, policy: Policy) -> Measured:
    if not pairs:
        return Measured(rule=rule, scope=scope, absent="no task of the suite has such a name")
    rng = np.random.default_rng(
        int(digest([rule.metric, rule.margin, scope, "gate"], length=16), 16)
    )
    measured = (
        _convex
        if rule.metric in CONVEX
        else _ratio
        if rule.metric == "collateral_damage"
        else _linear
    )
    return measured(rule, scope, pairs, policy=policy, rng=rng)


def _kept(
    pairs: Sequence[Pair], function: Callable[[Block, Block], _Units]
) -> tuple[list[Pair], list[_Units], str]:
    kept, units, reason = [], [], ""
    for pair in pairs:
        try:
            found = function(*pair)
        except _Absent as absent:
            reason = reason or str(absent)
            continue
        if found.harm.size:
            kept.append(pair)
            units.append(replace(found, harm=_of_groups(pair[0], found.harm, found.used)))
        else:
            reason = reason or "no cell has a score in both runs"
    return kept, units, reason


def _of_groups(block: Block, units: Floats, used: npt.NDArray[np.bool_] | None) -> Floats:
    """Numbers per instance -> numbers per group with the same mean, where instances are grouped."""
    codes = stats.group_codes(block.groups) if block.groups else None
    if codes is None:
        return units
    _, mine = np.unique(codes if used is None else codes[used], return_inverse=True)
    return np.asarray(stats.by_group(units[None, :], mine.astype(np.int64))[0])


def _linear(
    rule: Rule, scope: str, pairs: Sequence[Pair], *, policy: Policy, rng: np.random.Generator
) -> Measured:
    kept, units, reason = _kept(pairs, LINEAR[rule.metric])
    if not kept:
        return Measured(rule=rule, scope=scope, absent=reason)
    weights = _weights([one.harm.size for one in units])
    edge = 2.0 if rule.metric == "gap" else 1.0
    harms = np.concatenate([one.harm for one in units])
    found = linear_harm(harms, weights, margin=rule.margin, edge=edge, level=policy.level, rng=rng)
    within = sum(one.within / one.harm.size for one in units) / len(units) ** 2
    share = (
        float(np.minimum(1.0, within / found.error**2)) if found.error > 0 else math.nan
    )  # NaN stays NaN
    return _with_counts(rule, scope, kept, units=units, found=found, share=share)


def _ratio(
    rule: Rule, scope: str, pairs: Sequence[Pair], *, policy: Policy, rng: np.random.Generator
) -> Measured:
    lost: list[Floats] = []
    right: list[Floats] = []
    for old, new in pairs:
        there = ~(np.isnan(old.values) | np.isnan(new.values))
        used = np.asarray(there.any(axis=0))
        before = (old.values >= RIGHT) & there
        count = there.sum(axis=0)[used]
        parts = ((before & (new.values < RIGHT)).sum(axis=0), before.sum(axis=0))
        for kept_of, part in zip((lost, right), parts, strict=True):
            kept_of.append(_of_groups(old, part[used] / count, used))
    units = [_Units(one, math.nan, math.nan) for one in lost]
    if not any(one.size for one in lost) or not np.concatenate(right).any():
        return Measured(rule=rule, scope=scope, absent="the baseline had nothing right")
    kept = [n for n, one in enumerate(lost) if one.size]
    weights = _weights([lost[n].size for n in kept])
    top, bottom = (np.concatenate([rows[n] for n in kept]) for rows in (lost, right))
    found = ratio_harm(top, bottom, weights, margin=rule.margin, level=policy.level)
    done = _with_counts(
        rule,
        scope,
        [pairs[n] for n in kept],
        units=[units[n] for n in kept],
        found=found,
        share=math.nan,
    )
    return replace(done, old=0.0, new=found.value)


def _convex(
    rule: Rule, scope: str, pairs: Sequence[Pair], *, policy: Policy, rng: np.random.Generator
) -> Measured:
    statistic, least = CONVEX[rule.metric]
    shared = [(pair, _shared_units(*pair)) for pair in pairs]
    used = [
        (pair, cells)
        for pair, cells in shared
        if cells[0].shape[0] >= least and cells[0].shape[1] > 1
    ]
    if not used:
        return Measured(
            rule=rule, scope=scope, absent=f"no task with {least} phrasings and two instances"
        )
    cells_of = [cells for _, cells in used]
    if rule.metric == "std":
        found = std_harm(cells_of, margin=rule.margin, level=policy.level, rng=rng)
        values = np.array(
            [std_without_noise([cells[side] for cells in cells_of]) for side in (0, 1)]
        )
    else:
        found = convex_harm(cells_of, statistic, margin=rule.margin, level=policy.level, rng=rng)
        values = np.array(
            [
                [float(statistic(np.nanmean(scores, axis=1))) for scores in cells]
                for cells in cells_of
            ]
        ).mean(axis=0)
    sign = -1.0 if rule.metric == "worst_phrasing" else 1.0
    units = [_Units(np.zeros(cells[0].shape[1]), math.nan, math.nan) for _, cells in used]
    done = _with_counts(
        rule, scope, [pair for pair, _ in used], units=units, found=found, share=math.nan
    )
    return replace(done, old=sign * float(values[0]), new=sign * float(values[1]))


def _shared_units(old: Block, new: Block) -> tuple[Floats, Floats]:
    """Scores of the cells both runs have, a column per independent unit."""
    before, after = stats.on_shared_cells(old.values, new.values)
    codes = stats.group_codes(old.groups) if old.groups else None
    if codes is None:
        return before, after
    used = np.asarray(~(np.isnan(old.values) | np.isnan(new.values)).all(axis=0))
    _, mine = np.unique(codes[used], return_inverse=True)
    return stats.by_group(before, mine), stats.by_group(after, mine)


def _with_counts(
    rule: Rule,
    scope: str,
    pairs: Sequence[Pair],
    *,
    units: Sequence[_Units],
    found: Harm,
    share: float,
) -> Measured:
    undefined = math.isnan(found.p_margin)
    return Measured(
        rule=rule,
        scope=scope,
        old=float(np.mean([one.old for one in units])),
        new=float(np.mean([one.new for one in units])),
        harm=None if undefined else found,
        absent="fewer than two instances" if undefined else "",
        n_tasks=len(pairs),
        n_phrasings=sum(len(old.phrasing_ids) for old, _ in pairs),
        n_instances=sum(one.harm.size for one in units),
        phrasing_share=share,
    )


def _weights(sizes: Sequence[int]) -> Floats:
    return np.concatenate([np.full(size, 1 / (len(sizes) * size)) for size in sizes])


def _per_instance(change: Floats) -> Floats:
    """Numbers per instance with a cell.

    Their mean is the mean over phrasings of the phrasing means.
    """
    rows, columns = (~np.isnan(change)).any(axis=1), (~np.isnan(change)).any(axis=0)
    kept = change[rows][:, columns]
    if not kept.size:
        raise _Absent("no cell has a score in both runs")
    units: Floats = float(np.nanmean(kept, axis=1).mean()) + kept.shape[1] * influence(kept).mean(
        axis=0
    )
    return units


def _of_rows(old: Block, new: Block, rows: npt.NDArray[np.bool_]) -> _Units:
    before, after = stats.on_shared_cells(old.values[rows], new.values[rows])
    harm = _per_instance(before - after)
    return _Units(
        harm,
        float(np.nanmean(before, axis=1).mean()),
        float(np.nanmean(after, axis=1).mean()),
        _within(before - after),
        np.asarray(~(np.isnan(old.values[rows]) | np.isnan(new.values[rows])).all(axis=0)),
    )


def _within(change: Floats) -> float:
    """Variance of an instance's mean over phrasings that comes from the number of phrasings."""
    if change.shape[0] < 2 or np.isnan(change).any():
        return math.nan
    return float(np.var(change, axis=0, ddof=1).mean() / change.shape[0])


def _mean(old: Block, new: Block) -> _Units:
    return _of_rows(old, new, np.ones(len(old.phrasing_ids), dtype=bool))


def _arms(old: Block, new: Block, *names: str) -> list[npt.NDArray[np.bool_]]:
    if old.seen != new.seen:
        raise _Absent("the two models have not seen the same phrasings")
    arms = [np.array(old.seen) == name for name in names]
    for name, arm in zip(names, arms, strict=True):
        if not arm.any():
            raise _Absent(f"no {name} phrasing")
    return arms


def _seen_mean(old: Block, new: Block) -> _Units:
    return _of_rows(old, new, *_arms(old, new, "seen"))


def _unseen_mean(old: Block, new: Block) -> _Units:
    return _of_rows(old, new, *_arms(old, new, "unseen"))


def _gap(old: Block, new: Block) -> _Units:
    arms = _arms(old, new, "seen", "unseen")
    change = new.values - old.values
    both = np.all([(~np.isnan(change[arm])).any(axis=0) for arm in arms], axis=0)
    if not both.any():
        raise _Absent("no instance has a score under seen and unseen phrasings in both runs")
    seen, unseen = (_per_instance(change[arm][:, both]) for arm in arms)
    gone = np.isnan(change)
    values = []
    for block in (old, new):
        a = np.where(gone, np.nan, block.values)[:, both]
        means = [float(np.nanmean(_not_empty(a[arm]), axis=1).mean()) for arm in arms]
        values.append(means[0] - means[1])
    return _Units(seen - unseen, values[0], values[1], used=both)


def _not_empty(scores: Floats) -> Floats:
    return scores[(~np.isnan(scores)).any(axis=1)]


def _worst_instance(old: Block, new: Block) -> _Units:
    before, after = stats.on_shared_cells(old.values, new.values)
    if not before.size:
        raise _Absent("no cell has a score in both runs")
    worst = [np.nanmin(scores, axis=0) for scores in (before, after)]
    used = np.asarray(~(np.isnan(old.values) | np.isnan(new.values)).all(axis=0))
    return _Units(worst[0] - worst[1], float(worst[0].mean()), float(worst[1].mean()), used=used)


def _consistency(old: Block, new: Block) -> _Units:
    if len(old.phrasing_ids) < 2:
        raise _Absent("one phrasing has nothing to agree with")
    if (old.labels < 0).all() and (new.labels < 0).all():
        raise _Absent("no predictions are recorded")
    code = STATUSES.index("missing")
    missing = (old.status == code) | (new.status == code)
    shares = [
        stats.consistency_per_instance(block.labels.astype(np.int64), missing=missing)
        for block in (old, new)
    ]
    there = ~(np.isnan(shares[0]) | np.isnan(shares[1]))
    before, after = (share[there] for share in shares)
    if not before.size:
        raise _Absent("no instance has answers under two phrasings in both runs")
    return _Units(before - after, float(before.mean()), float(after.mean()), used=there)


def _unparsed_rate(old: Block, new: Block) -> _Units:
    missing, unparsed = STATUSES.index("missing"), STATUSES.index("unparsed")
    there = (old.status != missing) & (new.status != missing)
    used = np.asarray(there.any(axis=0))
    if not used.any():
        raise _Absent("no cell was answered in both runs")
    count = there.sum(axis=0)[used]
    before, after = (
        ((block.status == unparsed) & there).sum(axis=0)[used] / count for block in (old, new)
    )
    return _Units(after - before, float(before.mean()), float(after.mean()), used=used)


LINEAR: Mapping[str, Callable[[Block, Block], _Units]] = {
    "mean": _mean,
    "seen_mean": _seen_mean,
    "unseen_mean": _unseen_mean,
    "gap": _gap,
    "worst_instance": _worst_instance,
    "consistency": _consistency,
    "unparsed_rate": _unparsed_rate,
}
"""Metrics that are a mean of one number per instance."""
CONVEX: Mapping[str, tuple[Callable[[Floats], Floats], int]] = {
    "worst_phrasing": (lambda a: -np.nanmin(a, axis=-1), 1),
    "spread": (lambda a: np.nanmax(a, axis=-1) - np.nanmin(a, axis=-1), 2),
    "std": (lambda a: np.nanvar(a, axis=-1, ddof=1), 2),
}
"""Metrics of phrasing scores that noise pushes up, as harm, and the fewest phrasings they need."""
