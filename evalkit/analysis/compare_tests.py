"""Tests and flips of two score tables, cell for cell the same.

A p answers the question of the interval of the same difference. For these phrasings whole instances
change sides, exactly; for new phrasings, or tasks like these, p comes from the error that the
interval is made from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from evalkit import stats
from evalkit.analysis.independent import codes_of
from evalkit.analysis.over_tasks import OneTask, mean_error
from evalkit.records import digest
from evalkit.records.questions import WORDS, Named, asked
from evalkit.scoring import Block
from evalkit.stats.intervals.several_tasks import Error

__all__ = [
    "FlipCount",
    "Settings",
    "TaskTest",
    "flips_by_instance",
    "flips_by_phrasing",
    "tests_of",
]

Pair: TypeAlias = tuple[Block, Block]
LEAST_FLIPPED = 9999
"""Fewest random sign flips of a test."""
METHODS = {"normal": "t/phrasings+instances", "tasks": "t/tasks"}
"""Question -> how its p is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How two tables are compared."""

    level: float = 0.95
    """Level of intervals."""
    n_resamples: int = 4000
    """Draws of intervals and permutations that need them."""
    seed: int = 0
    """Seed of the draws."""
    question: Named = "phrasings"
    """A name in `evalkit.records.questions`."""
    margin: float | None = None
    """Largest loss that still counts as not worse, a fraction; None for no such test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTest:
    """Tests of one task, or of all tasks together (``all``)."""

    task: str
    """Task id or ``all``."""
    difference: float
    """Mean of new minus mean of old."""
    lost: int
    """Cells right in old and wrong in new."""
    gained: int
    """Cells wrong in old and right in new."""
    n_cells: int
    """Cells with a score in both."""
    p: float
    """Two-sided p of no difference, for the question of the interval beside it."""
    method: str
    """``mcnemar/instances`` (exact) or ``sign flip/instances`` for these phrasings: signs of whole
    instances exchanged. ``t/phrasings+instances`` or ``t/tasks`` for new phrasings or tasks like
    these: from the error that the interval is made from."""
    question: str
    """Words of the question that p answers."""
    p_holm: float = math.nan
    """p adjusted over tasks by Holm."""
    p_bh: float = math.nan
    """p adjusted over tasks by Benjamini and Hochberg."""
    bound: float = math.nan
    """Lower one-sided bound of the difference, when a margin is given."""
    p_margin: float = math.nan
    """One-sided p of being worse by the margin or more."""
    not_worse: bool | None = None
    """Whether the bound lies above minus the margin; None without a margin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipCount:
    """Flips of one phrasing over instances, or of one instance over phrasings."""

    task: str
    """Task id."""
    phrasing_id: str
    """Phrasing, or empty for an instance over all phrasings."""
    instance_id: str
    """Instance, or empty for a phrasing over all instances."""
    lost: int
    """Right in old, wrong in new."""
    gained: int
    """Wrong in old, right in new."""
    n: int
    """Cells with a score in both."""
    p: float = math.nan
    """Exact McNemar p of a phrasing; NaN for an instance, and where instances come in groups."""
    p_holm: float = math.nan
    """Adjusted over the phrasings of all tasks."""


def tests_of(
    pairs: Sequence[Pair], changes: Sequence[OneTask], settings: Settings
) -> list[TaskTest]:
    """Return the tests of every task with both corrections, then of all tasks together.

    Parameters
    ----------
    pairs
        Old and new block of every task.
    changes
        Their differences.
    settings
        Question, margin, level, seed.
    """
    tests = [_test([pair], [change], settings) for pair, change in zip(pairs, changes, strict=True)]
    p = np.array([test.p for test in tests])
    tests = [
        replace(test, p_holm=float(holm), p_bh=float(bh))
        for test, holm, bh in zip(tests, stats.holm(p), stats.benjamini_hochberg(p), strict=True)
    ]
    return tests if len(tests) == 1 else [*tests, _test(pairs, changes, settings)]


def _test(pairs: Sequence[Pair], changes: Sequence[OneTask], settings: Settings) -> TaskTest:
    """Test of one task, or of several together."""
    error, answered = mean_error(changes, asked(settings.question))
    counts = [stats.flips(old.values, new.values) for old, new in pairs]
    if answered == "these":
        p, method = _exchanged(pairs, settings)
    else:
        p, method = stats.two_sided(error.value, error.variance, error.df), METHODS[answered]
    values = [stats.mean(change.values) for change in changes if change.values is not None]
    test = TaskTest(
        task=pairs[0][0].task if len(pairs) == 1 else "all",
        difference=float(np.nanmean(values)) if not np.isnan(values).all() else math.nan,
        lost=sum(count.lost for count in counts),
        gained=sum(count.gained for count in counts),
        n_cells=sum(count.n for count in counts),
        p=p,
        method=method,
        question=WORDS[answered],
    )
    return _with_margin(test, error, settings)


def _exchanged(pairs: Sequence[Pair], settings: Settings) -> tuple[float, str]:
    """P of old and new being exchangeable, whole instances at a time, and how it was made."""
    if len(pairs) > 1 or codes_of(pairs[0][0]) is not None:
        name = "all" if len(pairs) > 1 else pairs[0][0].task
        return _flipped(pairs, name, settings)
    old, new = (block.values for block in pairs[0])
    there = ~np.isnan(new - old)
    if not all(np.isin(scores[there], (0.0, 1.0)).all() for scores in (old, new)):
        return _flipped(pairs, pairs[0][0].task, settings)
    counts = stats.flips(old, new)
    if old.shape[0] == 1 and counts.n:  # the binomial form is exact to the last digit
        return stats.mcnemar(counts.lost, counts.gained), "mcnemar/instances"
    return stats.mcnemar_clustered(old, new), "mcnemar/instances"


def _flipped(pairs: Sequence[Pair], name: str, settings: Settings) -> tuple[float, str]:
    """P of the sum of differences when each instance's sign is exchangeable;
    a task counts as one of all.
    """
    sums, grouped = [], False
    for old, new in pairs:
        change = new.values - old.values
        there = ~np.isnan(change)
        each = np.where(there.any(axis=0), np.where(there, change, 0.0).sum(axis=0), np.nan)
        codes = codes_of(old)
        if codes is not None:  # groups change sides whole
            each = np.bincount(codes, weights=np.nan_to_num(each))
            grouped = True
        sums.append(each / max(1, int(there.sum())) if len(pairs) > 1 else each)
    rng = np.random.default_rng(int(digest([settings.seed, name, "test"], length=16), 16))
    p = stats.sign_flip(
        np.concatenate(sums), rng=rng, n_resamples=max(LEAST_FLIPPED, settings.n_resamples)
    )
    return p, "sign flip/groups" if grouped else "sign flip/instances"


def _with_margin(test: TaskTest, error: Error, settings: Settings) -> TaskTest:
    if settings.margin is None:
        return test
    found = stats.not_worse(
        error.value, error.variance, error.df, margin=settings.margin, level=settings.level
    )
    return replace(test, bound=found.bound, p_margin=found.p, not_worse=found.holds)


def flips_by_phrasing(pairs: Sequence[Pair]) -> list[FlipCount]:
    """Return the flips of every phrasing over instances, with exact p, adjusted over all."""
    rows = []
    for old, new in pairs:
        for number, phrasing in enumerate(old.phrasing_ids):
            counts = stats.flips(old.values[number], new.values[number])
            grouped = codes_of(old) is not None  # single instances are then no coin tosses
            p = stats.mcnemar(counts.lost, counts.gained) if counts.n and not grouped else math.nan
            rows.append(
                FlipCount(
                    task=old.task,
                    phrasing_id=phrasing,
                    instance_id="",
                    lost=counts.lost,
                    gained=counts.gained,
                    n=counts.n,
                    p=p,
                )
            )
    adjusted = stats.holm(np.array([row.p for row in rows]))
    return [replace(row, p_holm=float(p)) for row, p in zip(rows, adjusted, strict=True)]


def flips_by_instance(pairs: Sequence[Pair]) -> list[FlipCount]:
    """Return the instances with a flip, most flips first."""
    rows = []
    for old, new in pairs:
        there = ~(np.isnan(old.values) | np.isnan(new.values))
        before, after = (old.values >= 0.5) & there, (new.values >= 0.5) & there
        lost, gained = (before & ~after).sum(axis=0), (~before & after & there).sum(axis=0)
        for number in np.flatnonzero(lost + gained):
            rows.append(
                FlipCount(
                    task=old.task,
                    phrasing_id="",
                    instance_id=old.instance_ids[number],
                    lost=int(lost[number]),
                    gained=int(gained[number]),
                    n=int(there[:, number].sum()),
                )
            )
    return sorted(rows, key=lambda row: (-(row.lost + row.gained), row.task, row.instance_id))
