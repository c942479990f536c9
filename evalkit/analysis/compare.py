"""Paired comparison of two score tables of the same suite.

Everything is new minus old, on the cells both have. Phrasings are crossed with instances, and an
instance is one unit however many phrasings asked it. Tables with different tasks, phrasings or
instances are refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis.estimate import headline_phrasings, rows_of_model
from evalkit.analysis.over_tasks import OneTask
from evalkit.analysis.per_task import best_of_both, reliance_of
from evalkit.errors import ComparisonError
from evalkit.records import Estimate, digest
from evalkit.scoring import STATUSES, Block, ScoreTable
from evalkit.stats.intervals.crossed import mean_difference_interval

__all__ = [
    "Comparison",
    "FlipCount",
    "Settings",
    "TaskTest",
    "compare_suites",
    "compare_tables",
    "paired_blocks",
]

Floats: TypeAlias = npt.NDArray[np.float64]
Found: TypeAlias = dict[str, stats.Interval]
NAMED = 5
"""Differences named in a refusal before the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How two tables are compared."""

    level: float = 0.95
    """Level of intervals."""
    n_resamples: int = 4000
    """Draws of intervals and permutations that need them."""
    seed: int = 0
    """Seed of the draws."""
    question: stats.Question = "random"
    """``random``: new phrasings too; ``fixed``: these phrasings."""
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
    """Two-sided p of no difference: signs of whole instances exchanged; exact McNemar when there is
    one phrasing of 0/1 scores."""
    method: str
    """``mcnemar/instances`` (exact) or ``sign flip/instances``."""
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
    """Exact McNemar p of a phrasing; NaN for an instance."""
    p_holm: float = math.nan
    """Adjusted over the phrasings of all tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything about new minus old."""

    old: str
    """Model of the old table."""
    new: str
    """Model of the new table."""
    estimates: list[Estimate]
    """Difference of every headline estimate; model is ``new - old``."""
    tests: list[TaskTest]
    """One per task, then ``all``."""
    wilcoxon: float
    """Two-sided Wilcoxon signed-rank p over tasks."""
    by_phrasing: list[FlipCount]
    """Flips of every phrasing."""
    by_instance: list[FlipCount]
    """Instances with a flip, most first."""

    @property
    def overall(self) -> list[Estimate]:
        """Return the differences over all tasks that are defined."""
        return [
            row
            for row in self.estimates
            if (row.benchmark, row.task) == ("all", "all") and row.value == row.value
        ]


def compare_suites(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
    """Refuse two runs whose suites differ.

    Parameters
    ----------
    old, new
        What their manifests say under ``suite``; None when there is no manifest, and then nothing
        is checked.

    Raises
    ------
    ComparisonError
        Naming tasks, wordings, instances and settings that differ.
    """
    for side, suite in (("old", old), ("new", new)):
        if (design := ((suite or {}).get("budget") or {}).get("design", "paired")) != "paired":
            _refuse(
                [
                    f"{side} is a sparse run (--budget, design {design}), whose phrasings were asked on different instances"
                ]
            )
    if old is None or new is None or (old.get("digest") and old.get("digest") == new.get("digest")):
        return
    settings = ("name", "version", "limit", "shots")
    problems = [
        f"{name} {old.get(name)!r} and {new.get(name)!r}"
        for name in settings
        if old.get(name) != new.get(name)
    ]
    tasks = [dict(suite.get("tasks") or {}) for suite in (old, new)]
    problems += _only_in_one("task", tasks[0], tasks[1])
    for task in sorted(set(tasks[0]) & set(tasks[1])):
        first, second = tasks[0][task], tasks[1][task]
        if first.get("instances_digest") != second.get("instances_digest"):
            problems.append(
                f"instances of {task} ({first.get('n_instances')} and {second.get('n_instances')})"
            )
        wordings = [dict(side.get("phrasings") or {}) for side in (first, second)]
        problems += _only_in_one(f"phrasing of {task}", wordings[0], wordings[1])
        problems += [
            f"text of phrasing {name} of {task}"
            for name in wordings[0]
            if name in wordings[1] and wordings[0][name] != wordings[1][name]
        ]
        if first.get("digest") != second.get("digest"):
            problems.append(f"content of {task}")
    if problems or old.get("digest") != new.get("digest"):
        _refuse(problems or [f"suite digest {old.get('digest')} and {new.get('digest')}"])


def _only_in_one(
    what: str, old: Mapping[str, Any] | set[str], new: Mapping[str, Any] | set[str]
) -> list[str]:
    return [f"{what} {name} only in old" for name in sorted(set(old) - set(new))] + [
        f"{what} {name} only in new" for name in sorted(set(new) - set(old))
    ]


def _refuse(problems: Sequence[str]) -> None:
    named = "; ".join(problems[:NAMED]) + (
        f"; and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
    )
    raise ComparisonError(
        f"compare: the two are not of the same cells: {named}. Only the same tasks, phrasings and instances are compared. Run both on one suite."
    )


def compare_tables(
    old: ScoreTable, new: ScoreTable, *, settings: Settings | None = None
) -> Comparison:
    """Return everything about new minus old.

    Parameters
    ----------
    old, new
        Tables of one model each, over the same tasks, phrasings and instances.
    settings
        Level, question, margin, seed.

    Raises
    ------
    ComparisonError
        When a table holds several models, or tasks, phrasings or instances differ, naming what.
    """
    settings = settings or Settings()
    models = [_only_model(table, side) for table, side in ((old, "old"), (new, "new"))]
    pairs = _aligned(old, new, models)
    rows = [
        _differences(
            a,
            b,
            settings,
            reliance=_reliance_differences(
                old.block(models[0], a.task), new.block(models[1], a.task), settings
            ),
        )
        for a, b in pairs
    ]
    tests = _tests(pairs, settings)
    label = f"{models[1]} - {models[0]}"
    return Comparison(
        old=models[0],
        new=models[1],
        estimates=rows_of_model(label, rows, level=settings.level, group="", differences=True),
        tests=tests,
        wilcoxon=stats.wilcoxon_over_tasks(
            *(
                np.array([np.nanmean(stats.phrasing_scores(pair[k].values)) for pair in pairs])
                for k in (0, 1)
            )
        ),
        by_phrasing=_by_phrasing(pairs),
        by_instance=_by_instance(pairs),
    )


def _only_model(table: ScoreTable, side: str) -> str:
    if len(table.models) != 1:
        raise ComparisonError(
            f"compare: the {side} table holds models {', '.join(table.models)}; one each is compared. Name it with --model-a and --model-b."
        )
    return table.models[0]


def paired_blocks(old: ScoreTable, new: ScoreTable) -> list[tuple[Block, Block]]:
    """Return the headline blocks of every task of two tables of one model each, cell for cell the same.

    Raises
    ------
    ComparisonError
        As `compare_tables`.
    """
    return _aligned(
        old, new, [_only_model(table, side) for table, side in ((old, "old"), (new, "new"))]
    )


def _aligned(old: ScoreTable, new: ScoreTable, models: Sequence[str]) -> list[tuple[Block, Block]]:
    """Headline blocks of every task, cell for cell the same; refuses otherwise."""
    tasks = [set(table.tasks(model)) for table, model in zip((old, new), models, strict=True)]
    problems = _only_in_one("task", tasks[0], tasks[1])
    pairs = []
    for task in sorted(tasks[0] & tasks[1]):
        first, second = (
            _headline(table.block(model, task))
            for table, model in zip((old, new), models, strict=True)
        )
        problems += _only_in_one(
            f"phrasing of {task}", set(first.phrasing_ids), set(second.phrasing_ids)
        )
        if first.instance_ids != second.instance_ids:
            lacking = _only_in_one("instance", set(first.instance_ids), set(second.instance_ids))
            problems.append(
                f"instances of {task} ({len(first.instance_ids)} and {len(second.instance_ids)}; {len(lacking)} in one only, such as {lacking[0]})"
            )
        pairs.append((first, second))
    if problems:
        _refuse(problems)
    return pairs


def _headline(block: Block) -> Block:
    return block.limited(headline_phrasings(block))


def _differences(old: Block, new: Block, settings: Settings, *, reliance: Found) -> OneTask:
    """Difference of every headline estimate of one task, and of its reliance on the instruction."""
    rng = np.random.default_rng(
        int(digest([settings.seed, old.task, "differences"], length=16), 16)
    )
    intervals = partial(
        stats.difference_intervals,
        old.values,
        new.values,
        rng=rng,
        level=settings.level,
        n_resamples=settings.n_resamples,
    )
    found = best_of_both(intervals, settings.question)
    found |= _gap_differences(old, new, settings)
    found |= _label_differences(old, new, settings)
    found |= reliance
    change = stats.paired_difference(old.values, new.values)
    return OneTask(
        task=old.task,
        benchmark=old.benchmark,
        found=found,
        phrasing_ids=old.phrasing_ids,
        seen=tuple(x if x == y else "unknown" for x, y in zip(old.seen, new.seen, strict=True)),
        a=np.asarray(stats.phrasing_scores(change)),
        n_instances=len(old.instance_ids),
        digest=old.instances_digest,
    )


def _gap_differences(old: Block, new: Block, settings: Settings) -> Found:
    """Differences of the means of seen and unseen phrasings and of their gap, where both models have seen the same."""
    names = ("gap", "seen_mean", "unseen_mean")
    if old.seen != new.seen:
        return {
            name: stats.undefined(
                math.nan, "the two models have not seen the same phrasings", level=settings.level
            )
            for name in names
        }
    change = stats.paired_difference(old.values, new.values)
    arms = {name: np.array(old.seen) == name for name in ("seen", "unseen")}
    found: Found = {}
    for name, arm in arms.items():
        none = stats.undefined(math.nan, f"no {name} phrasing", level=settings.level)
        mean = partial(_mean_difference, old.values[arm], new.values[arm], level=settings.level)
        found[f"{name}_mean"] = best_of_both(mean, settings.question)["mean"] if arm.any() else none
    if not (arms["seen"].any() and arms["unseen"].any()):
        return found | {
            "gap": stats.undefined(
                math.nan,
                f"no {'unseen' if arms['seen'].any() else 'seen'} phrasing",
                level=settings.level,
            )
        }
    gap = stats.gap_interval(
        change,
        seen=arms["seen"],
        unseen=arms["unseen"],
        question=settings.question,
        level=settings.level,
    )
    return found | {"gap": gap}


def _mean_difference(old: Floats, new: Floats, *, question: stats.Question, level: float) -> Found:
    return {
        "mean": mean_difference_interval(
            stats.paired_difference(old, new), question=question, level=level
        )
    }


def _reliance_differences(old: Block, new: Block, settings: Settings) -> Found:
    """Difference of the reliance on the instruction, on the phrasings and controls both have."""
    first, second = (
        one.limited(np.isin(one.phrasing_ids, other.phrasing_ids))
        for one, other in ((old, new), (new, old))
    )
    change = replace(first, values=stats.paired_difference(first.values, second.values))
    return reliance_of(change, question=settings.question, level=settings.level)


def _label_differences(old: Block, new: Block, settings: Settings) -> Found:
    if (old.labels < 0).all() or (new.labels < 0).all():
        return {
            "consistency": stats.undefined(
                math.nan, "no predictions in a table", level=settings.level
            )
        }
    gone = STATUSES.index("missing")
    missing = (old.status == gone) | (new.status == gone)
    labels = (old.labels.astype(np.int64), new.labels.astype(np.int64))

    def consistency(*, question: stats.Question) -> Found:
        return {
            "consistency": stats.consistency_difference(
                *labels, missing=missing, question=question, level=settings.level
            )
        }

    return best_of_both(consistency, settings.question)


def _tests(pairs: Sequence[tuple[Block, Block]], settings: Settings) -> list[TaskTest]:
    """Tests of every task with both corrections, then of all tasks together."""
    tests = [_test(old.task, old.values, new.values, settings=settings) for old, new in pairs]
    p = np.array([test.p for test in tests])
    tests = [
        replace(test, p_holm=float(holm), p_bh=float(bh))
        for test, holm, bh in zip(tests, stats.holm(p), stats.benjamini_hochberg(p), strict=True)
    ]
    if len(tests) == 1:
        return tests
    sums = [
        np.nansum(new.values - old.values, axis=0)
        / max(1, int((~np.isnan(new.values - old.values)).sum()))
        for old, new in pairs
    ]
    rng = np.random.default_rng(int(digest([settings.seed, "all", "test"], length=16), 16))
    whole = TaskTest(
        task="all",
        difference=float(np.nanmean([test.difference for test in tests])),
        lost=sum(test.lost for test in tests),
        gained=sum(test.gained for test in tests),
        n_cells=sum(test.n_cells for test in tests),
        p=stats.sign_flip(
            np.concatenate(sums), rng=rng, n_resamples=max(9999, settings.n_resamples)
        ),
        method="sign flip/instances",
    )
    by_task = np.array([test.difference for test in tests])[
        None, :
    ]  # subtle: tasks stand where instances do
    return [
        *tests,
        _with_margin(whole, np.zeros_like(by_task), by_task, question="fixed", settings=settings),
    ]


def _test(task: str, old: Floats, new: Floats, *, settings: Settings) -> TaskTest:
    change = stats.paired_difference(old, new)
    there = ~np.isnan(change)
    counts = stats.flips(old, new)
    if np.isin(old[there], (0.0, 1.0)).all() and np.isin(new[there], (0.0, 1.0)).all():
        single = old.shape[0] == 1  # the binomial form is exact to the last digit
        p = (
            stats.mcnemar(counts.lost, counts.gained)
            if single and counts.n
            else stats.mcnemar_clustered(old, new)
        )
        method = "mcnemar/instances"
    else:
        sums = np.where(there.any(axis=0), np.where(there, change, 0.0).sum(axis=0), np.nan)
        rng = np.random.default_rng(int(digest([settings.seed, task, "test"], length=16), 16))
        p, method = (
            stats.sign_flip(sums, rng=rng, n_resamples=max(9999, settings.n_resamples)),
            "sign flip/instances",
        )
    difference = stats.mean(change) if there.any() else math.nan
    test = TaskTest(
        task=task,
        difference=difference,
        lost=counts.lost,
        gained=counts.gained,
        n_cells=counts.n,
        p=p,
        method=method,
    )
    question = settings.question if old.shape[0] > 1 else "fixed"
    return _with_margin(test, old, new, question=question, settings=settings)


def _with_margin(
    test: TaskTest, old: Floats, new: Floats, *, question: stats.Question, settings: Settings
) -> TaskTest:
    if settings.margin is None:
        return test
    found = stats.non_inferiority(
        old, new, margin=settings.margin, question=question, level=settings.level
    )
    return replace(test, bound=found.bound, p_margin=found.p, not_worse=found.holds)


def _by_phrasing(pairs: Sequence[tuple[Block, Block]]) -> list[FlipCount]:
    rows = []
    for old, new in pairs:
        for number, phrasing in enumerate(old.phrasing_ids):
            counts = stats.flips(old.values[number], new.values[number])
            p = stats.mcnemar(counts.lost, counts.gained) if counts.n else math.nan
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


def _by_instance(pairs: Sequence[tuple[Block, Block]]) -> list[FlipCount]:
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
