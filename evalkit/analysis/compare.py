"""Paired comparison of two score tables of the same suite.

Everything is new minus old, on the cells both have. Phrasings are crossed with instances, and an
instance is one unit however many phrasings asked it. Tables with different tasks, phrasings or
instances are refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis.compare_tests import (
    FlipCount,
    Settings,
    TaskTest,
    flips_by_instance,
    flips_by_phrasing,
    tests_of,
)
from evalkit.analysis.controls import reliance_of
from evalkit.analysis.estimating import headline_phrasings, rows_of_model
from evalkit.analysis.from_states import state_differences
from evalkit.analysis.independent import GROUPED, codes_of, independent_units
from evalkit.analysis.over_answers import over_answers
from evalkit.analysis.over_tasks import OneTask
from evalkit.analysis.per_task import best_of_both
from evalkit.analysis.suites import compare_suites, only_in_one, refuse
from evalkit.errors import ComparisonError
from evalkit.records import Estimate, digest
from evalkit.records.questions import WORDS, asked, of_differences, within
from evalkit.scoring import STATUSES, Block, ScoreTable
from evalkit.stats.intervals.crossed import mean_difference_interval

__all__ = [
    "Comparison",
    "FlipCount",
    "Settings",
    "TaskTest",
    "compare_suites",
    "compare_tables",
    "control_pairs",
    "paired_blocks",
    "whole_blocks",
]

Floats: TypeAlias = npt.NDArray[np.float64]
Found: TypeAlias = dict[str, stats.Interval]


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
    question: str
    """Words of what intervals and tests over all tasks were asked."""
    wilcoxon: float
    """Two-sided Wilcoxon signed-rank p over tasks, when tasks like these were asked about; else
    NaN, since it answers that question only."""
    by_phrasing: list[FlipCount]
    """Flips of every phrasing."""
    by_instance: list[FlipCount]
    """Instances with a flip, most first."""
    n_apart: int = 0
    """Cells with a score on one side only, which no difference counts."""

    @property
    def overall(self) -> list[Estimate]:
        """Return the differences over all tasks that are defined."""
        return [
            row
            for row in self.estimates
            if (row.benchmark, row.task) == ("all", "all") and row.value == row.value
        ]


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
        When a table holds several models, or tasks, phrasings or instances differ, naming what, or
        when no cell has a score in both.
    """
    settings = settings or Settings()
    question = of_differences(asked(settings.question))
    models = [_only_model(table, side) for table, side in ((old, "old"), (new, "new"))]
    pairs = _aligned(old, new, models)
    scored = [tuple(~np.isnan(block.values) for block in pair) for pair in pairs]
    if not any((first & second).any() for first, second in scored):
        raise ComparisonError(
            "compare: no cell has a score in both tables, so there is nothing to compare. "
            "Name tables in which the same cells are filled."
        )
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
    label = f"{models[1]} - {models[0]}"
    return Comparison(
        old=models[0],
        new=models[1],
        estimates=rows_of_model(
            label, rows, level=settings.level, group="", question=question, differences=True
        ),
        question=WORDS[question],
        tests=tests_of(pairs, rows, settings),
        wilcoxon=_wilcoxon(pairs) if question == "tasks" else math.nan,
        by_phrasing=flips_by_phrasing(pairs),
        by_instance=flips_by_instance(pairs),
        n_apart=sum(int((first ^ second).sum()) for first, second in scored),
    )


def _wilcoxon(pairs: Sequence[tuple[Block, Block]]) -> float:
    old, new = (
        np.array([np.nanmean(stats.phrasing_scores(pair[k].values)) for pair in pairs])
        for k in (0, 1)
    )
    return stats.wilcoxon_over_tasks(old, new)


def _only_model(table: ScoreTable, side: str) -> str:
    if len(table.models) != 1:
        raise ComparisonError(
            f"compare: the {side} table holds models {', '.join(table.models)}; "
            "one each is compared. Name it with --model-a and --model-b."
        )
    return table.models[0]


def paired_blocks(old: ScoreTable, new: ScoreTable) -> list[tuple[Block, Block]]:
    """Return the headline blocks of every task of two tables of one model each, cell for cell the
    same.

    Raises
    ------
    ComparisonError
        As `compare_tables`.
    """
    return _aligned(
        old, new, [_only_model(table, side) for table, side in ((old, "old"), (new, "new"))]
    )


def whole_blocks(old: ScoreTable, new: ScoreTable) -> list[tuple[Block, Block]]:
    """Return the blocks of every task of two tables that `paired_blocks` accepts,
    with the controls and perturbed phrasings that both have.
    """
    models = [_only_model(table, side) for table, side in ((old, "old"), (new, "new"))]
    found = []
    for task in old.tasks(models[0]):
        first, second = old.block(models[0], task), new.block(models[1], task)
        found.append(
            (
                first.limited(np.isin(first.phrasing_ids, second.phrasing_ids)),
                second.limited(np.isin(second.phrasing_ids, first.phrasing_ids)),
            )
        )
    return found


def control_pairs(
    old: ScoreTable, new: ScoreTable, kinds: Sequence[str]
) -> list[tuple[Block, Block]]:
    """Return the blocks of controls of some kinds, unperturbed, of every task where both tables
    have the same ones.

    Parameters
    ----------
    old, new
        Tables of one model each.
    kinds
        Kinds of control.
    """
    models = [_only_model(table, side) for table, side in ((old, "old"), (new, "new"))]
    pairs = []
    for task in sorted(set(old.tasks(models[0])) & set(new.tasks(models[1]))):
        blocks = [table.block(model, task) for table, model in zip((old, new), models, strict=True)]
        first, second = (block.limited(np.isin(np.array(block.kinds), kinds)) for block in blocks)
        same = first.phrasing_ids == second.phrasing_ids
        if first.phrasing_ids and same and first.instance_ids == second.instance_ids:
            pairs.append((first, second))
    return pairs


def _aligned(old: ScoreTable, new: ScoreTable, models: Sequence[str]) -> list[tuple[Block, Block]]:
    """Headline blocks of every task, cell for cell the same; refuses otherwise."""
    tasks = [set(table.tasks(model)) for table, model in zip((old, new), models, strict=True)]
    problems = only_in_one("task", tasks[0], tasks[1])
    pairs = []
    for task in sorted(tasks[0] & tasks[1]):
        first, second = (
            _headline(table.block(model, task))
            for table, model in zip((old, new), models, strict=True)
        )
        problems += only_in_one(
            f"phrasing of {task}", set(first.phrasing_ids), set(second.phrasing_ids)
        )
        if first.instance_ids != second.instance_ids:
            lacking = only_in_one("instance", set(first.instance_ids), set(second.instance_ids))
            problems.append(
                f"instances of {task} ({len(first.instance_ids)} and {len(second.instance_ids)}; "
                f"{len(lacking)} in one only, such as {lacking[0]})"
            )
        pairs.append((first, second))
    if problems:
        refuse(problems)
    return pairs


def _headline(block: Block) -> Block:
    return block.limited(headline_phrasings(block))


def _differences(old: Block, new: Block, settings: Settings, *, reliance: Found) -> OneTask:
    """Difference of every headline estimate of one task, and of its reliance on the instruction."""
    rng = np.random.default_rng(
        int(digest([settings.seed, old.task, "differences"], length=16), 16)
    )
    gone = np.isnan(old.values) | np.isnan(new.values)
    sides = (
        [independent_units(old, np.where(gone, np.nan, block.values)) for block in (old, new)]
        if codes_of(old) is not None
        else [old.values, new.values]
    )
    intervals = partial(
        stats.difference_intervals,
        *sides,
        rng=rng,
        level=settings.level,
        n_resamples=settings.n_resamples,
    )
    found = best_of_both(intervals, within(asked(settings.question)))
    found |= _gap_differences(old, new, settings)
    found |= _label_differences(old, new, settings)
    found |= state_differences(old, new, level=settings.level)
    found |= reliance
    if codes_of(old) is not None:
        found |= {
            name: stats.undefined(found[name].value, GROUPED, level=settings.level)
            for name in ("pss", "worst_instance", "best_instance", "consistency")
            if name in found
        }
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
        values=independent_units(old, np.asarray(change)),
        n_groups=len(set(old.groups)) if codes_of(old) is not None else 0,
    )


def _gap_differences(old: Block, new: Block, settings: Settings) -> Found:
    """Differences of the means of seen and unseen phrasings and of their gap,
    where both models have seen the same.
    """
    names = ("gap", "seen_mean", "unseen_mean")
    if old.seen != new.seen:
        return {
            name: stats.undefined(
                math.nan, "the two models have not seen the same phrasings", level=settings.level
            )
            for name in names
        }
    change = independent_units(old, np.asarray(stats.paired_difference(old.values, new.values)))
    arms = {name: np.array(old.seen) == name for name in ("seen", "unseen")}
    found: Found = {}
    for name, arm in arms.items():
        none = stats.undefined(math.nan, f"no {name} phrasing", level=settings.level)
        mean = partial(_mean_difference, change[arm], level=settings.level)
        found[f"{name}_mean"] = (
            best_of_both(mean, within(asked(settings.question)))["mean"] if arm.any() else none
        )
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
        question=within(asked(settings.question)),
        level=settings.level,
    )
    return found | {"gap": gap}


def _mean_difference(change: Floats, *, question: stats.Question, level: float) -> Found:
    return {"mean": mean_difference_interval(change, question=question, level=level)}


def _reliance_differences(old: Block, new: Block, settings: Settings) -> Found:
    """Difference of the reliance on the instruction, on the phrasings and controls both have."""
    first, second = (
        one.limited(np.isin(one.phrasing_ids, other.phrasing_ids))
        for one, other in ((old, new), (new, old))
    )
    change = replace(first, values=stats.paired_difference(first.values, second.values))
    return reliance_of(change, question=within(asked(settings.question)), level=settings.level)


def _label_differences(old: Block, new: Block, settings: Settings) -> Found:
    if (old.labels < 0).all() or (new.labels < 0).all():
        return {
            "consistency": stats.undefined(
                math.nan, "no predictions in a table", level=settings.level
            )
        }
    gone, most = STATUSES.index("missing"), max(old.repeats, new.repeats)

    def of_answers(before: Block, after: Block) -> Found:
        missing = (before.status == gone) | (after.status == gone)
        labels = (before.labels.astype(np.int64), after.labels.astype(np.int64))

        def consistency(*, question: stats.Question) -> Found:
            return {
                "consistency": stats.consistency_difference(
                    *labels, missing=missing, question=question, level=settings.level
                )
            }

        return best_of_both(consistency, within(asked(settings.question)))

    each = zip(cycle(old.each), cycle(new.each), strict=False)  # of one answer beside several: it
    return over_answers([of_answers(*pair) for pair in islice(each, most)])
