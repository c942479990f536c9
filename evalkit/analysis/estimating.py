"""Score table -> estimates: per task, per benchmark and over all tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from evalkit.analysis.between_models import between_models
from evalkit.analysis.dimensions import dimension_rows
from evalkit.analysis.drops import drops_of
from evalkit.analysis.estimate_rows import bounded, row_of
from evalkit.analysis.independent import codes_of, independent_units
from evalkit.analysis.over_tasks import OneTask, over_tasks
from evalkit.analysis.per_task import Options, task_statistics
from evalkit.analysis.pooled import pooled
from evalkit.analysis.sparse import phrasing_estimates
from evalkit.records import Estimate, digest, instances_digest
from evalkit.records.questions import Asked, Named, asked, of_differences, within
from evalkit.scoring import AnswerBlock, Block, ScoreTable

__all__ = ["Known", "estimate", "headline_phrasings", "rows_of_model"]

ARMS = ("seen", "unseen")
MOST_RANKED = 1000
"""Most resamples behind the ranks of models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a table beside its scores."""

    chance: Mapping[str, float] = field(default_factory=dict)
    """Task id -> score of guessing, for accuracy_norm."""
    guesses: Mapping[str, float] = field(default_factory=dict)
    """Task id -> the same as the items tell it, for accident."""
    answers: Mapping[str, AnswerBlock] = field(default_factory=dict)
    """Task id -> what the one model of the table answered, for posix, prompt_uncertainty,
    confidence, brier, refusal_rate and label_adherence."""
    said: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]] = field(default_factory=dict)
    """Task id -> the second pass over its generated answers, see `evalkit.runs.said_again`."""
    levels: Mapping[str, str] = field(default_factory=dict)
    """Task id -> its level of generalisation for the one model of the table, see
    `evalkit.catalog.levels`."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Task id -> language of its input, see `evalkit.analysis.language_cuts`."""
    distances: Mapping[str, Mapping[str, float]] | None = None
    """Task id -> phrasing id -> distance to the seen phrasings, for distance_rho; empty when none
    was asked for; None: not a run, so not spoken of."""


def estimate(
    table: ScoreTable,
    *,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
    question: Named = "phrasings",
    reference: str | Mapping[str, str] | None = None,
    known: Known | None = None,
    group: str = "",
) -> list[Estimate]:
    """Return every headline statistic per task, per benchmark and over all tasks of every model.

    Parameters
    ----------
    table
        Cells.
    level
        Level of intervals.
    n_resamples
        Draws of the intervals that need draws.
    seed
        Seed; every (model, task) draws from a stream of its own, so other tasks change nothing.
    question
        ``these`` (also ``fixed``), ``phrasings`` (also ``random``), ``normal`` or ``tasks``, as in
        `evalkit.records.questions`.
    reference
        Clean phrasing of drop rates, or attacked id -> reference id; None: perturbed phrasings
        against their origin.
    known
        What is known beside the scores.
    group
        Written into every row: the factor level the table was limited to.

    Notes
    -----
    Headline statistics are over correct, unperturbed phrasings whose meaning nobody doubts; where a
    task has none of these, over its correct ones, and where it has none, over all. Benchmark rows
    have task ``all``; suite rows benchmark and task ``all``. With several models their ranks and
    Kendall's W follow (see `evalkit.analysis.between_models`).
    """
    what, known = asked(question), known or Known()
    asking = Options(
        level=level,
        question=within(what),
        bounded=what == "phrasings",
        n_resamples=n_resamples,
        reference=reference,
    )
    rows: list[Estimate] = []
    by_model: dict[str, list[OneTask]] = {}
    for model in table.models:
        tasks = _tasks_of(table, model, asking, known, streams=(seed, group))
        rows += rows_of_model(model, tasks, level=level, group=group, question=what)
        if not group:
            blocks = [table.block(model, task) for task in table.tasks(model)]
            rows += dimension_rows(
                blocks,
                known.answers,
                question=within(what),
                level=level,
                levels=known.levels,
                inputs=known.inputs,
            )
        by_model[model] = tasks
    return rows + between_models(
        by_model,
        level=level,
        group=group,
        question=of_differences(what),
        rng=_stream(seed, group, "ranks"),
        n_resamples=min(n_resamples, MOST_RANKED),
    )


def _tasks_of(
    table: ScoreTable, model: str, asking: Options, known: Known, *, streams: tuple[int, str]
) -> list[OneTask]:
    """Return what is said of every task of a model, each with draws of its own."""
    probabilities = bool(table.frame["probability"].notna().any())
    seed, group = streams
    tasks = []
    for task in table.tasks(model):
        confidence = table.block(model, task, value="probability").values if probabilities else None
        options = replace(
            _with_known(asking, known, task),
            confidence=confidence,
            repeats=table.repeats(model, task),
        )
        rng = _stream(seed, model, task, group, "intervals")
        tasks.append(_one_task(table.block(model, task), options, rng))
    return tasks


def _stream(seed: int, *names: str) -> np.random.Generator:
    """Return the source of draws of one thing, whatever else is drawn."""
    return np.random.default_rng(int(digest([seed, *names], length=16), 16))


def _with_known(options: Options, known: Known, task: str) -> Options:
    """Return options with what is known of a task."""
    return replace(
        options,
        chance=known.chance.get(task),
        guess=known.guesses.get(task, known.chance.get(task, math.nan)),
        answers=known.answers.get(task),
        said=known.said.get(task),
        distances=None if known.distances is None else known.distances.get(task, {}),
    )


def headline_phrasings(block: Block) -> npt.NDArray[np.bool_]:
    """Return which phrasings headline statistics are over, as `Block.headline`."""
    return block.headline


def _one_task(block: Block, options: Options, rng: np.random.Generator) -> OneTask:
    headline = headline_phrasings(block)
    return OneTask(
        task=block.task,
        benchmark=block.benchmark,
        found=task_statistics(block, headline=headline, options=options, rng=rng),
        phrasing_ids=tuple(
            name for name, kept in zip(block.phrasing_ids, headline, strict=True) if kept
        ),
        seen=tuple(name for name, kept in zip(block.seen, headline, strict=True) if kept),
        a=phrasing_estimates(block, headline),
        n_instances=len(block.instance_ids),
        digest=block.instances_digest,
        values=independent_units(block, block.values[headline]),
        n_groups=len(set(block.groups)) if codes_of(block) is not None else 0,
        drops=drops_of(block, options.reference),
        sure=None
        if np.isnan(block.confidence[headline]).all()
        else (block.confidence[headline].ravel(), block.values[headline].ravel()),
    )


def rows_of_model(
    model: str,
    tasks: Sequence[OneTask],
    *,
    level: float,
    group: str,
    question: Asked,
    differences: bool = False,
) -> list[Estimate]:
    """Return the rows of one model: every task, every benchmark, all tasks.

    Parameters
    ----------
    model
        Model.
    tasks
        Its tasks, at least one.
    level
        Level of intervals over tasks.
    group
        Factor level the rows were limited to.
    question
        What intervals over several tasks are asked.
    differences
        Whether the values are differences of two runs, whose intervals know no bounds.
    """
    rows: list[Estimate] = []
    for task in tasks:
        rows += [
            row_of(
                (model, task.benchmark, task.task),
                name,
                found,
                counts=(1, _entered(task, name), task.n_instances, task.n_groups),
                ids=task.digest,
                group=group,
            )
            for name, found in task.found.items()
        ]
    benchmarks = sorted({task.benchmark for task in tasks} - {""})
    for benchmark in [*benchmarks, "all"]:
        part = [task for task in tasks if benchmark in {"all", task.benchmark}]
        phrasings = len({name for task in part for name in task.phrasing_ids})
        instances = sum(task.n_instances for task in part)
        groups = (
            sum(task.n_groups or task.n_instances for task in part)
            if any(task.n_groups for task in part)
            else 0
        )
        ids = instances_digest([f"{task.task}={task.digest}" for task in part])
        rows += [
            row_of(
                (model, benchmark, "all"),
                name,
                found,
                counts=(used, phrasings, instances, groups),
                ids=ids,
                group=group,
            )
            for name, (found, used) in (
                over_tasks(part, level=level, question=question, differences=differences)
                | ({} if differences else pooled(part, level=level))
            ).items()
        ]
    return rows if differences else [bounded(row) for row in rows]


def _entered(task: OneTask, metric: str) -> int:
    """Phrasings behind a statistic: those of its arm, or all."""
    arm, _, kind = metric.rpartition("_")
    return task.seen.count(arm) if kind in {"mean", "std"} and arm in ARMS else len(task.seen)
