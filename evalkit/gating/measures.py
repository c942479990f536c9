"""Rules -> one measured harm per rule and scope, paired on phrasings and instances, instances as
the independent units.

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

from evalkit.gating.units import (
    CONTROLS,
    LINEAR,
    RIGHT,
    WIDE,
    AbsentError,
    Units,
    of_groups,
    shared_units,
)
from evalkit.gating.varied import Sides, is_varied, rises, varied
from evalkit.records import digest
from evalkit.records.policy import Policy, Rule
from evalkit.scoring import Block
from evalkit.stats.comparing.harm import Harm, linear_harm, ratio_harm
from evalkit.stats.comparing.harm_convex import above_lowest, convex_harm, minus_lowest
from evalkit.stats.comparing.harm_std import std_harm, std_without_noise

__all__ = ["Measured", "Pair", "measure"]

Floats: TypeAlias = npt.NDArray[np.float64]
Pair: TypeAlias = tuple[Block, Block]
"""Baseline and candidate block of one task."""


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
    share: float = math.nan
    """Share of the baseline that the margin is; NaN for a margin in points."""
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


def measure(
    pairs: Sequence[Pair],
    policy: Policy,
    *,
    whole: Sequence[Pair] = (),
    sides: Sides | None = None,
) -> list[Measured]:
    """Return every rule on every scope it names, in the order of the policy.

    Parameters
    ----------
    pairs
        Baseline and candidate blocks of every task, cell for cell the same.
    policy
        The rules.
    whole
        The same with control and perturbed phrasings, for metrics that need controls.
    sides
        Stored answers, for rules on what a suite measures or varies; None: there are none.
    """
    found: list[Measured] = []
    for rule in policy.rules:
        mine = whole if rule.metric in CONTROLS and whole else pairs
        if is_varied(rule):
            chosen = [pair for _, group in _scopes(rule, pairs) for pair in group]
            try:
                mine = varied(rule, chosen, sides)
            except AbsentError as absent:
                scope = _limited(rule, ", ".join(rule.tasks) or "suite")
                found.append(Measured(rule=rule, scope=scope, absent=str(absent)))
                continue
        found += [
            _measured(rule, _limited(rule, scope), group, policy=policy)
            for scope, group in _scopes(rule, mine)
        ]
    return found


def _limited(rule: Rule, scope: str) -> str:
    """Return the name of a scope with the level that the rule is limited to."""
    return f"{scope}, {rule.group}" if rule.group else scope


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
    """Harm of a rule; a relative margin is first turned into points of what the baseline scored
    here.

    The baseline's score is taken as known: the same instances measure both, so its own error is in
    the paired harm already.
    """
    if not rule.relative:
        return _in_points(rule, scope, pairs, policy=policy)
    first = _in_points(rule, scope, pairs, policy=policy)
    margin = rule.margin * abs(first.old)
    if first.harm is None:
        return first
    if not margin > 0:
        return replace(first, harm=None, absent="no share of a baseline of 0 is a margin")
    found = _in_points(replace(rule, margin=margin), scope, pairs, policy=policy)
    return replace(found, share=rule.margin)


def _in_points(rule: Rule, scope: str, pairs: Sequence[Pair], *, policy: Policy) -> Measured:
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
    pairs: Sequence[Pair], function: Callable[[Block, Block], Units]
) -> tuple[list[Pair], list[Units], str]:
    kept, units, reason = [], [], ""
    for pair in pairs:
        try:
            found = function(*pair)
        except AbsentError as absent:
            reason = reason or str(absent)
            continue
        if found.harm.size:
            kept.append(pair)
            units.append(replace(found, harm=of_groups(pair[0], found.harm, found.used)))
        else:
            reason = reason or "no cell has a score in both runs"
    return kept, units, reason


def _linear(
    rule: Rule, scope: str, pairs: Sequence[Pair], *, policy: Policy, rng: np.random.Generator
) -> Measured:
    kept, units, reason = _kept(pairs, _linear_units(rule.metric))
    if not kept:
        return Measured(rule=rule, scope=scope, absent=reason)
    weights = _weights([one.harm.size for one in units])
    edge = 2.0 if rule.metric in WIDE else 1.0
    harms = np.concatenate([one.harm for one in units])
    found = linear_harm(harms, weights, margin=rule.margin, edge=edge, level=policy.level, rng=rng)
    within = sum(one.within / one.harm.size for one in units) / len(units) ** 2
    share = (
        float(np.minimum(1.0, within / found.error**2)) if found.error > 0 else math.nan
    )  # NaN stays NaN
    return _with_counts(rule, scope, kept, units=units, found=found, share=share)


def _linear_units(metric: str) -> Callable[[Block, Block], Units]:
    """Return what every instance adds to a harm:
    for a measure that of the mean, turned where rising is harm.
    """
    if metric in LINEAR:
        return LINEAR[metric]
    mean = LINEAR["mean"]
    if not rises(metric):
        return mean

    def turned(old: Block, new: Block) -> Units:
        found = mean(new, old)
        return replace(found, old=found.new, new=found.old)

    return turned


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
            kept_of.append(of_groups(old, part[used] / count, used))
    units = [Units(one, math.nan, math.nan) for one in lost]
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
    shared = [(pair, shared_units(*pair)) for pair in pairs]
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
    if statistic is None:
        found = std_harm(cells_of, margin=rule.margin, level=policy.level, rng=rng)
        values = np.array(
            [std_without_noise([cells[side] for cells in cells_of]) for side in (0, 1)]
        )
    else:
        found = convex_harm(cells_of, statistic, margin=rule.margin, level=policy.level, rng=rng)
        values = np.array(
            [
                [float(statistic(means, means)) for means in (np.nanmean(s, axis=1) for s in cells)]
                for cells in cells_of
            ]
        ).mean(axis=0)
    sign = -1.0 if rule.metric == "worst_phrasing" else 1.0
    units = [Units(np.zeros(cells[0].shape[1]), math.nan, math.nan) for _, cells in used]
    done = _with_counts(
        rule, scope, [pair for pair, _ in used], units=units, found=found, share=math.nan
    )
    return replace(done, old=sign * float(values[0]), new=sign * float(values[1]))


def _with_counts(
    rule: Rule,
    scope: str,
    pairs: Sequence[Pair],
    *,
    units: Sequence[Units],
    found: Harm,
    share: float,
) -> Measured:
    undefined = math.isnan(found.p_margin)
    # subtle: bounds are of the harm without the bias that noise gives the worst of few phrasings
    # and the spread; the estimate has it, and what is said of it must hold the estimate
    found = replace(found, low=min(found.low, found.value), high=max(found.high, found.value))
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


CONVEX: Mapping[str, tuple[Callable[[Floats, Floats], Floats] | None, int]] = {
    "worst_phrasing": (minus_lowest, 1),
    "spread": (above_lowest, 2),
    "std": (None, 2),
}
"""Metrics of phrasing scores that noise pushes up, as harm, and the fewest phrasings they need;
the standard deviation has its own test."""
