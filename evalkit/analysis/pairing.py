"""``tests.csv``: pairs of models, attacked phrasings against their reference,
and seen against unseen phrasings.

Pairs are tested on the cells that both sides have. Instances are the units, or their groups: all
phrasings of an instance change sides together, so ten phrasings of a question do not count as ten
questions. Everything is for these phrasings on new instances, but for the Wilcoxon test over tasks,
which asks about tasks like these.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis.drops import drop_pairs
from evalkit.analysis.estimating import headline_phrasings
from evalkit.analysis.independent import codes_of
from evalkit.records import digest
from evalkit.records.questions import WORDS
from evalkit.scoring import Block, ScoreTable
from evalkit.stats.intervals.crossed import mean_difference_interval
from evalkit.stats.intervals.fixed_intervals import change_of_instances
from evalkit.stats.intervals.noise import influence
from evalkit.store.atomic import write_atomic
from evalkit.store.csv_file import csv_of

__all__ = ["SCHEMA", "PairedTest", "gap_tests", "paired_tests", "write_tests"]

Floats: TypeAlias = npt.NDArray[np.float64]
LEAST_TASKS = 6
"""Fewest tasks for a Wilcoxon test that could find something at the level 0.05."""
SCHEMA = "evalkit.tests/3"
"""Schema version, in the last column of every row; 3 added ``question``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """One comparison of one task; new minus old."""

    kind: str
    """``models``: old and new are models. ``phrasings``: old is the reference phrasing of `model`,
    new the attacked one. ``gap``: old is ``unseen`` and new ``seen`` phrasings of `model`."""
    model: str
    """Model of two phrasings; empty for two models."""
    task: str
    """Task, or ``all`` for the gap over all tasks."""
    old: str
    """First model, or reference phrasing."""
    new: str
    """Second model, or attacked phrasing."""
    score_old: float
    """Mean of old on the shared cells."""
    score_new: float
    """Mean of new on the shared cells."""
    difference: float
    """Mean of new minus old."""
    low: float
    """Lower end of its interval."""
    high: float
    """Upper end of its interval."""
    drop: float
    """1 - score_new / score_old; NaN when old scores 0."""
    lost: int
    """Cells right in old and wrong in new; a score from one half on is right."""
    gained: int
    """Cells wrong in old and right in new."""
    n_phrasings: int
    """Shared phrasings."""
    n_instances: int
    """Shared instances."""
    p: float
    """Two-sided exact p, clustered by instance; for one phrasing the exact McNemar test."""
    method: str
    """``mcnemar/instances`` for scores of 0 and 1, else ``sign flip/instances``, ``sign
    flip/groups`` for instances in groups, ``wilcoxon/tasks`` for the order of the tasks' gaps."""
    p_mid: float
    """Mid-p McNemar, one phrasing of 0/1 scores only."""
    p_chi2: float
    """McNemar's chi-square with continuity correction, one phrasing of 0/1 scores only."""
    p_holm_task: float = math.nan
    """Holm over the comparisons of this kind, task and, for phrasings, model."""
    p_bh_task: float = math.nan
    """Benjamini-Hochberg over the same."""
    p_holm: float = math.nan
    """Holm over all comparisons of this kind in the table."""
    p_bh: float = math.nan
    """Benjamini-Hochberg over the same."""

    @property
    def question(self) -> str:
        """Return the words of what interval and p answer."""
        return WORDS["tasks" if self.method.endswith("/tasks") else "these"]


def paired_tests(
    table: ScoreTable,
    *,
    reference: str | Mapping[str, str] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> list[PairedTest]:
    """Return the tests of every pair of models per task, every attacked phrasing and every gap.

    Parameters
    ----------
    table
        Cells.
    reference
        Clean phrasing, or attacked id -> reference id; None: perturbed phrasings against their
        origin.
    level
        Level of intervals.
    seed
        Seed of the random sign flips that scores other than 0 and 1 need.

    Notes
    -----
    Models are compared over the headline phrasings and instances that both have. No correction
    crosses from one kind to another.
    """
    by_task: dict[str, dict[str, Block]] = {}
    for model in table.models:
        for task in table.tasks(model):
            by_task.setdefault(task, {})[model] = table.block(model, task)
    how = _How(level, seed)
    models = [
        _test("models", ("", task, first, second), _shared(blocks[first], blocks[second]), how)
        for task, blocks in sorted(by_task.items())
        for first, second in combinations(sorted(blocks), 2)
    ]
    phrasings = []
    for task, blocks in sorted(by_task.items()):
        for model, block in sorted(blocks.items()):
            row = {name: number for number, name in enumerate(block.phrasing_ids)}
            for attacked, clean in drop_pairs(block, reference).items():
                sides = _Sides(
                    block.values[[row[clean]]], block.values[[row[attacked]]], codes_of(block)
                )
                phrasings.append(_test("phrasings", (model, task, clean, attacked), sides, how))
    gaps = [
        test
        for model in table.models
        for test in gap_tests(
            model, [table.block(model, task) for task in table.tasks(model)], how.level, how.seed
        )
    ]
    return [*_adjusted(models), *_adjusted(phrasings), *_adjusted(gaps)]


@dataclass(frozen=True, slots=True)
class _How:
    level: float
    seed: int


@dataclass(frozen=True, slots=True)
class _Sides:
    """Scores (phrasing, instance) of both sides, cell for cell, and the group of each instance."""

    old: Floats
    new: Floats
    codes: npt.NDArray[np.int64] | None


def _shared(old: Block, new: Block) -> _Sides:
    """Scores of the headline phrasings and instances that both blocks have, in one order."""
    sides = []
    kept = [
        dict.fromkeys(np.array(block.phrasing_ids, dtype=object)[headline_phrasings(block)])
        for block in (old, new)
    ]
    phrasings = [name for name in kept[0] if name in kept[1]]
    there = set(new.instance_ids)
    instances = [name for name in old.instance_ids if name in there]
    columns = []
    for block in (old, new):
        row = {name: number for number, name in enumerate(block.phrasing_ids)}
        column = {name: number for number, name in enumerate(block.instance_ids)}
        rows, columns = [row[name] for name in phrasings], [column[name] for name in instances]
        if block is old and old.groups:
            groups = [old.groups[place] for place in columns]
        sides.append(block.values[np.ix_(rows, columns)])
    return _Sides(sides[0], sides[1], stats.group_codes(groups) if old.groups else None)


def _test(kind: str, names: tuple[str, str, str, str], sides: _Sides, how: _How) -> PairedTest:
    old, new = sides.old, sides.new
    change = stats.paired_difference(old, new)
    there = ~np.isnan(change)
    n_phrasings, n_instances = int(there.any(axis=1).sum()), int(there.any(axis=0).sum())
    counts = stats.flips(old, new)
    exact = sides.codes is None and all(
        bool(np.isin(side[there], (0.0, 1.0)).all()) for side in (old, new)
    )
    single = exact and n_phrasings == 1 and bool(there.any())
    if single:
        p = stats.mcnemar(counts.lost, counts.gained)
    elif exact and there.any():
        p = stats.mcnemar_clustered(old, new)
    else:
        sums = np.where(there.any(axis=0), np.where(there, change, 0.0).sum(axis=0), np.nan)
        p = _flipped([(sums, sides.codes)], names, how.seed)
    before, after = (float(side[there].mean()) if there.any() else math.nan for side in (old, new))
    found = _interval(change, sides.codes, single=single, level=how.level)
    units = "instances" if sides.codes is None else "groups"
    return PairedTest(
        kind=kind,
        model=names[0],
        task=names[1],
        old=names[2],
        new=names[3],
        score_old=before,
        score_new=after,
        difference=after - before,
        low=found.low,
        high=found.high,
        drop=1 - after / before if before > 0 else math.nan,
        lost=counts.lost,
        gained=counts.gained,
        n_phrasings=n_phrasings,
        n_instances=n_instances,
        p=p,
        method="mcnemar/instances" if exact else f"sign flip/{units}",
        p_mid=stats.mcnemar_mid(counts.lost, counts.gained) if single else math.nan,
        p_chi2=stats.mcnemar_chi2(counts.lost, counts.gained) if single else math.nan,
    )


def _interval(
    change: Floats, codes: npt.NDArray[np.int64] | None, *, single: bool, level: float
) -> stats.Interval:
    """Interval of the mean change: of paired shares for one phrasing of 0 and 1, else Student's."""
    if single:
        each = change[(~np.isnan(change)).any(axis=1)][0]
        return change_of_instances(each, value=float(np.nanmean(each)), level=level)
    units = change if codes is None else stats.by_group(change, codes)
    return mean_difference_interval(units, question="fixed", level=level)


def _flipped(
    parts: Sequence[tuple[Floats, npt.NDArray[np.int64] | None]],
    names: Sequence[str],
    seed: int,
) -> float:
    """P of sums per instance when the sign of every instance, or group of them, is exchangeable."""
    sums = [
        each if codes is None else np.bincount(codes, weights=np.nan_to_num(each))
        for each, codes in parts
    ]
    rng = np.random.default_rng(int(digest([seed, *names, "test"], length=16), 16))
    return stats.sign_flip(np.concatenate(sums), rng=rng)


def gap_tests(
    model: str, blocks: Sequence[Block], level: float = 0.95, seed: int = 0
) -> list[PairedTest]:
    """Return the test of seen against unseen phrasings of every task, and of several tasks as one.

    Parameters
    ----------
    model
        Model.
    blocks
        Its tasks; those without both arms are left out.
    level
        Level of intervals.
    seed
        Seed of the random sign flips.

    Notes
    -----
    What an instance adds to the gap changes its sign, clustered by group; over all tasks a task
    counts as one of all. The Wilcoxon test is over the tasks' gaps, from six tasks on: with fewer
    its p cannot fall below 0.05.
    """
    tests, parts, gaps, errors = [], [], [], []
    for block in blocks:
        own = _gap_parts(block.limited(headline_phrasings(block)))
        if own is None:
            continue
        arms, each, codes = own
        names = (model, block.task, "unseen", "seen")
        units = each[None, :] if codes is None else stats.by_group(each[None, :], codes)
        found = mean_difference_interval(units, question="fixed", level=level)
        p = _flipped([(each, codes)], names, seed)
        where = "instances" if codes is None else "groups"
        tests.append(_gap_test(names, arms, found, p, f"sign flip/{where}", arms[0].size))
        parts.append((each / each.size, codes))
        gaps.append(found.value)
        errors.append(found)
    if len(tests) < 2:
        return tests
    names = (model, "all", "unseen", "seen")
    whole = stats.independent(errors, level=level)
    n = sum(test.n_instances for test in tests)
    over = _gap_test(names, None, whole, _flipped(parts, names, seed), "sign flip/instances", n)
    tests.append(over)
    if len(gaps) >= LEAST_TASKS:
        like = stats.undefined(float(np.mean(gaps)), "order of tasks", level=level)
        p = stats.wilcoxon_over_tasks(np.zeros(len(gaps)), np.array(gaps))
        tests.append(_gap_test(names, None, like, p, "wilcoxon/tasks", n))
    return tests


def _gap_parts(
    block: Block,
) -> tuple[tuple[Floats, Floats], Floats, npt.NDArray[np.int64] | None] | None:
    """Mean scores per instance of both arms, what each adds to the gap, groups;
    None without an arm.
    """
    arms = [np.array(block.seen) == name for name in ("seen", "unseen")]
    if not all(arm.any() for arm in arms):
        return None
    both = np.all([(~np.isnan(block.values[arm])).any(axis=0) for arm in arms], axis=0)
    if both.sum() < 2:
        return None
    codes = codes_of(block)
    codes = None if codes is None else np.unique(codes[both], return_inverse=True)[1]
    sides = []
    for arm in arms:
        scores = block.values[arm][:, both]
        scores = scores[(~np.isnan(scores)).any(axis=1)]
        mean = float(np.nanmean(scores, axis=1).mean())
        sides.append(mean + scores.shape[1] * influence(scores).mean(axis=0))
    return (sides[0], sides[1]), sides[0] - sides[1], codes


def _gap_test(
    names: tuple[str, str, str, str],
    arms: tuple[Floats, Floats] | None,
    found: stats.Interval,
    p: float,
    method: str,
    n_instances: int,
) -> PairedTest:
    seen, unseen = (float(arm.mean()) for arm in arms) if arms else (math.nan, math.nan)
    return PairedTest(
        kind="gap",
        model=names[0],
        task=names[1],
        old=names[2],
        new=names[3],
        score_old=unseen,
        score_new=seen,
        difference=found.value,
        low=found.low,
        high=found.high,
        drop=math.nan,
        lost=0,
        gained=0,
        n_phrasings=0,
        n_instances=n_instances,
        p=p,
        method=method,
        p_mid=math.nan,
        p_chi2=math.nan,
    )


def _adjusted(tests: Sequence[PairedTest]) -> list[PairedTest]:
    """The same tests with both corrections, over their task and over all."""
    found = list(tests)
    families: dict[tuple[str, str], list[int]] = {}
    for place, test in enumerate(found):
        families.setdefault((test.model, test.task), []).append(place)
    for places in families.values():
        p = np.array([found[place].p for place in places])
        for place, holm, bh in zip(places, stats.holm(p), stats.benjamini_hochberg(p), strict=True):
            found[place] = replace(found[place], p_holm_task=float(holm), p_bh_task=float(bh))
    p = np.array([test.p for test in found])
    return [
        replace(test, p_holm=float(holm), p_bh=float(bh))
        for test, holm, bh in zip(found, stats.holm(p), stats.benjamini_hochberg(p), strict=True)
    ]


def write_tests(tests: Iterable[PairedTest], path: Path) -> None:
    """Write the tests at full precision; a number that does not exist is an empty cell.

    Parameters
    ----------
    tests
        As `paired_tests` returns them.
    path
        File that is replaced whole.
    """
    names = [field.name for field in fields(PairedTest)]
    rows = ([*(getattr(test, name) for name in names), test.question, SCHEMA] for test in tests)
    write_atomic(path, csv_of([*names, "question", "schema"], rows))
