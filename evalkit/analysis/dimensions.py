"""What is varied beside the wording: one row per level of a factor,
and its change against the reference.

Two things vary within a run. Instances made from one origin differ in their *factors* (an attack, a
passage, the number of instructions); copies of a phrasing differ in their *perturbation* (a
wrapper, a defence, worked instances). Rows of both kinds carry their levels in the column
``group``, such as ``attack=naive`` or ``perturbation=wrapper:kind=alpaca & attack=naive``.

A factor's reference is its level ``none``, or ``given``. The change against it pairs cells of one
phrasing and one origin that agree in every factor both have. A copy is held against its phrasing.
All intervals take origins, not instances, as independent.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from evalkit import stats
from evalkit.analysis.dimension_cuts import cuts
from evalkit.analysis.estimate_rows import bounded, row_of
from evalkit.analysis.language_cuts import language_cuts
from evalkit.analysis.levels import level_rows
from evalkit.analysis.relation_cuts import relation_cuts
from evalkit.records import Estimate, instances_digest
from evalkit.records.questions import Within
from evalkit.records.statistics import statistic
from evalkit.scoring import AnswerBlock, Block
from evalkit.stats import Interval, Part
from evalkit.stats.intervals.several_tasks import Error

__all__ = ["dimension_rows"]


def dimension_rows(
    blocks: Sequence[Block],
    answers: Mapping[str, AnswerBlock],
    *,
    question: Within,
    level: float,
    levels: Mapping[str, str] | None = None,
    inputs: Mapping[str, str] | None = None,
) -> list[Estimate]:
    """Return the rows of every factor level, perturbation and measure of one model.

    Parameters
    ----------
    blocks
        Its tasks.
    answers
        Task id -> its answers, with measures and factors; a task without them varies phrasings
        only.
    question
        ``fixed``: these phrasings on new instances; ``random``: new phrasings too.
    level
        Level of intervals.
    levels
        Task id -> its level of generalisation, as in `evalkit.catalog.levels`.
    inputs
        Task id -> language of its input.

    Notes
    -----
    Rows of several tasks are means over the tasks that have the level. A sparse run has none.
    """
    found: dict[tuple[str, str], list[tuple[Block, Part, Part | None]]] = defaultdict(list)
    for block in blocks:
        if not block.asked.all():
            continue
        for group, cut in cuts(block, answers.get(block.task)):
            name, part, other = cut
            found[group, name].append((block, part, other))
    whole = [block for block in blocks if block.asked.all()]
    for block, group, (name, part, other) in (
        *language_cuts(whole, answers, inputs or {}),
        *relation_cuts(whole, answers),
    ):
        found[group, name].append((block, part, other))
    rows: list[Estimate] = []
    for (group, name), parts in found.items():
        rows += _rows(name, group, parts, question=question, level=level)
    rows += level_rows(blocks, levels or {}, question=question, level=level)
    return [bounded(row) for row in rows]


def _rows(
    name: str,
    group: str,
    parts: Sequence[tuple[Block, Part, Part | None]],
    *,
    question: Within,
    level: float,
) -> Iterator[Estimate]:
    """Yield the rows of one statistic of one group: every task, every benchmark, all tasks."""
    model = parts[0][0].model
    benchmarks = sorted({block.benchmark for block, _, _ in parts} - {""})
    digests = {block.task: block.instances_digest for block, _, _ in parts}
    wanted: dict[tuple[str, str], list[str]] = {
        (block.benchmark, block.task): [block.task] for block, _, _ in parts
    }
    for benchmark in [*benchmarks, "all"]:
        wanted[benchmark, "all"] = list(
            dict.fromkeys(one.task for one, _, _ in parts if benchmark in ("all", one.benchmark))
        )
    for (benchmark, task), tasks in wanted.items():
        chosen = [one for one in parts if one[0].task in tasks]
        ids = digests.get(task, instances_digest([f"{one}={digests[one]}" for one in tasks]))
        yield row_of(
            (model, benchmark, task),
            name,
            _interval(name, chosen, question=question, level=level),
            counts=(
                len(tasks),
                len({one for _, part, _ in chosen for one in part.names}),
                sum(part.scores.shape[1] for _, part, _ in chosen),
                0,
            ),
            ids=ids,
            group=group,
        )


def _interval(
    name: str,
    parts: Sequence[tuple[Block, Part, Part | None]],
    *,
    question: Within,
    level: float,
) -> Interval:
    """Return the mean over tasks of one statistic with its interval."""
    first = [part for _, part, _ in parts]
    if name in ("std", "var_draw"):
        values = [_of_rows(name, part) for part in first]
        value = float(np.mean(values)) if values else math.nan
        return stats.undefined(value, "not offered by group", level=level)
    for how in dict.fromkeys((question, "fixed")):
        if parts[0][2] is not None:
            others = [other for _, _, other in parts if other is not None]
            error = stats.error_of_gaps(first, others, question=how)
        else:
            error = stats.error_of_means(first, question=how)
        if not math.isnan(error.variance):
            break
    if name == "p_of_delta":
        return stats.undefined(_p_of(error), "a p-value has no interval", level=level)
    entry = statistic(name)
    return stats.interval_of(
        error,
        question=how,
        level=level,
        bounded=entry.low == 0.0 and entry.high == 1.0,
        ends=(entry.low, entry.high) if math.isfinite(entry.high - entry.low) else None,
        n_instances=[max(part.scores.shape[1], 1) for part in first],
    )


def _p_of(error: Error) -> float:
    """Return the two-sided p of a change by Student's test over origins;
    1 where nothing changes.
    """
    from scipy.stats import t as student_t

    if math.isnan(error.variance) or error.variance <= 0:
        return 1.0 if error.value == 0 else math.nan
    return float(2 * student_t.sf(abs(error.value) / math.sqrt(error.variance), error.df))


def _of_rows(name: str, part: Part) -> float:
    if name == "std":
        return stats.std(part.scores)
    return stats.var_phrasing(part.scores) if min(part.scores.shape) > 1 else math.nan
