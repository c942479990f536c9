"""How several models of one table stand to each other.

Ranks with intervals, and whether phrasings agree on the order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from evalkit import stats
from evalkit.analysis.over_tasks import OneTask
from evalkit.records import Estimate
from evalkit.records.questions import WORDS, Asked, within

__all__ = ["between_models", "mean_of_draws", "resampled_scores"]

Floats: TypeAlias = npt.NDArray[np.float64]
RANKED_BY = {"rank": "mean", "rank_max": "max", "rank_cps": "cps"}
"""Metric of a rank (ties share the average of their places) -> what it orders by."""
ROW = Estimate(model="all", benchmark="all", task="all", metric="kendall_w", value=math.nan)
"""What the rows over all tasks begin as."""
ENDS = "the interval is rank_low to rank_high"
OTHERS = "the models were not scored on the same phrasings and instances"


def between_models(
    tasks: Mapping[str, Sequence[OneTask]],
    *,
    level: float,
    group: str,
    question: Asked,
    rng: np.random.Generator,
    n_resamples: int,
) -> list[Estimate]:
    """Return the ranks of models, with intervals, and ``kendall_w`` where two models or more have a
    task in common.

    Parameters
    ----------
    tasks
        Model -> its tasks.
    level
        Level of the rank intervals.
    group
        Factor level the table was limited to.
    question
        ``these``: instances are drawn; ``phrasings``: phrasings too, which is all that can be drawn
        without instances; ``tasks``: for the mean over tasks, tasks too.
    rng
        Source of the resamples.
    n_resamples
        Resamples behind ``rank_low``, ``rank_high`` and ``p_best``; all models get the same ones.

    Notes
    -----
    Rank 1 is the highest mean; ``rank`` gives ties the average of their places,
    ``competition_rank`` the best one; ``rank_max`` and ``rank_cps`` order by the best phrasing and
    by cps. Over all tasks it is the rank of the mean over tasks. ``rank_low`` and ``rank_high`` are
    the ends of the interval of the competition rank, ``p_best`` the share of resamples in which the
    model is first. ``kendall_w`` (model ``all``) is the agreement of phrasings on the order of
    models, over the phrasings that all models have; over all tasks the mean.
    """
    models = sorted(tasks)
    by_task = {model: {task.task: task for task in tasks[model]} for model in models}
    first = by_task[models[0]] if len(models) > 1 else {}
    shared = [name for name in first if all(name in by_task[model] for model in models)]
    if not shared:
        return []
    parts = {name: [by_task[model][name] for model in models] for name in shared}
    draws = _draws(parts, question=question, rng=rng, n_resamples=n_resamples)
    whole = replace(
        ROW,
        level=level,
        n_tasks=len(shared),
        n_instances=sum(found[0].n_instances for found in parts.values()),
        group=group,
    )
    rows: list[Estimate] = []
    agreement, scores = [], []
    for found, drawn in zip(parts.values(), draws, strict=True):
        row = _row_of_task(found, whole)
        agreement.append(row.value)
        scores.append({of: [part.found[of].value for part in found] for of in RANKED_BY.values()})
        rows += [
            *_ranks(models, scores[-1], row),
            *_intervals(models, drawn, row, question),
            _noted(row),
        ]
    known = [w for w in agreement if not math.isnan(w)]
    overall = _noted(replace(whole, value=float(np.mean(known)) if known else math.nan))
    means = {of: np.mean([one[of] for one in scores], axis=0).tolist() for of in RANKED_BY.values()}
    together = mean_of_draws(draws, question=question, rng=rng)
    return [
        *rows,
        *_ranks(models, means, whole),
        *_intervals(models, together, whole, question),
        overall,
    ]


def _row_of_task(found: Sequence[OneTask], whole: Estimate) -> Estimate:
    """Return the row of ``kendall_w`` of one task, from which its other rows are made."""
    w, n_phrasings = _agreement(found)
    return replace(
        whole,
        benchmark=found[0].benchmark,
        task=found[0].task,
        value=w,
        n_tasks=1,
        n_phrasings=n_phrasings,
        n_instances=found[0].n_instances,
    )


def _draws(
    parts: Mapping[str, Sequence[OneTask]],
    *,
    question: Asked,
    rng: np.random.Generator,
    n_resamples: int,
) -> list[Floats | None]:
    """(draw, model) scores of every task; None where the models were not scored on the same
    cells.
    """
    cells = [_cells(found) for found in parts.values()]
    alike = len({found[0].phrasing_ids for found in parts.values()}) == 1
    common = (
        _drawn_rows([one for one in cells if one is not None], rng, n_resamples)
        if alike and question != "these"
        else None
    )
    return [
        None
        if one is None
        else resampled_scores(
            one, question=within(question), rng=rng, n_resamples=n_resamples, rows=common
        )
        for one in cells
    ]


def mean_of_draws(
    draws: Sequence[Floats | None], *, question: Asked, rng: np.random.Generator
) -> Floats | None:
    """Return (draw, model) means over tasks; None when a task has no draws.

    Parameters
    ----------
    draws
        (draw, model) scores of every task.
    question
        ``tasks``: the tasks of every draw are drawn too; else these tasks.
    rng
        Source of the tasks.
    """
    known = [one for one in draws if one is not None]
    if len(known) < len(draws):
        return None
    cube = np.array(known)  # (task, draw, model)
    if question == "tasks":
        chosen = rng.integers(0, cube.shape[0], size=cube.shape[:2])
        cube = np.take_along_axis(cube, chosen[:, :, None], axis=0)
    return np.asarray(cube.mean(axis=0))


def _cells(parts: Sequence[OneTask]) -> Floats | None:
    """(model, phrasing, instance) scores, NaN where a model lacks one.

    None unless phrasings and instances are the same.
    """
    if len({(part.phrasing_ids, part.digest, part.values is None) for part in parts}) > 1:
        return None
    values = np.array([part.a[:, None] if part.values is None else part.values for part in parts])
    values = np.where(np.isnan(values).any(axis=0), np.nan, values)
    there = ~np.isnan(values[0])
    values = values[:, there.any(axis=1)][:, :, there.any(axis=0)]
    return values if values.size else None


def _drawn_rows(
    cells: Sequence[Floats], rng: np.random.Generator, n_resamples: int
) -> npt.NDArray[np.int64] | None:
    """Phrasings of every resample, for tasks that share them.

    None when the tasks kept different numbers of them.
    """
    sizes = {one.shape[1] for one in cells}
    size = next(iter(sizes), 0)
    return rng.integers(0, size, size=(n_resamples, size)) if len(sizes) == 1 else None


def resampled_scores(
    cells: Floats,
    *,
    question: stats.Question,
    rng: np.random.Generator,
    n_resamples: int,
    rows: npt.NDArray[np.int64] | None = None,
) -> Floats:
    """Return (draw, model): mean score of every model in every resample, the same instances and
    phrasings for all models.

    Parameters
    ----------
    cells
        (model, phrasing, instance) scores, NaN where missing.
    question
        ``fixed``: instances are drawn; ``random``: phrasings too.
    rng
        Source of the draws.
    n_resamples
        Number of resamples.
    rows
        (draw, phrasing) phrasings already drawn, for tasks that share them.
    """
    n_models, n_phrasings, _ = cells.shape
    drawn = stats.resampled_means(
        cells.reshape(n_models * n_phrasings, -1), rng=rng, n_resamples=n_resamples
    )
    drawn = drawn.reshape(n_resamples, n_models, n_phrasings)
    if question == "random":
        rows = (
            rng.integers(0, n_phrasings, size=(n_resamples, n_phrasings)) if rows is None else rows
        )
        drawn = np.take_along_axis(drawn, rows[:, None, :], axis=2)
    return np.asarray(np.nanmean(drawn, axis=2))


def _agreement(parts: Sequence[OneTask]) -> tuple[float, int]:
    """Kendall's W over the phrasings that all models have, and how many these are."""
    scores = [dict(zip(part.phrasing_ids, part.a.tolist(), strict=True)) for part in parts]
    ids = [
        name for name in scores[0] if all(not math.isnan(one.get(name, math.nan)) for one in scores)
    ]
    matrix: Floats = np.array([[one[name] for one in scores] for name in ids]).reshape(
        len(ids), len(parts)
    )
    return (stats.kendall_w(matrix) if len(ids) > 1 else math.nan), len(ids)


def _ranks(
    models: Sequence[str], scores: Mapping[str, Sequence[float]], common: Estimate
) -> list[Estimate]:
    """Ranks of the models, in rows like `common`."""
    places = {
        metric: pd.Series(scores[of], index=list(models)).rank(ascending=False)
        for metric, of in RANKED_BY.items()
    }
    places["competition_rank"] = pd.Series(scores["mean"], index=list(models)).rank(
        ascending=False, method="min"
    )
    return [
        replace(
            common,
            model=model,
            metric=name,
            value=float(place[model]),
            note="" if name in RANKED_BY and name != "rank" else ENDS,
        )
        for name, place in places.items()
        for model in models
    ]


def _intervals(
    models: Sequence[str], draws: Floats | None, common: Estimate, question: Asked
) -> list[Estimate]:
    """Ends of the rank intervals and the chance of being first, in rows like `common`."""
    names = ("rank_low", "rank_high", "p_best")
    if draws is None:
        return [
            replace(common, model=model, metric=name, note=OTHERS)
            for name in names
            for model in models
        ]
    low, high = stats.rank_intervals(draws, level=common.level)
    columns = zip(names, (low, high, stats.p_best(draws)), strict=True)
    answered: Asked = "normal" if question == "tasks" and common.task != "all" else question
    common = replace(common, question=WORDS[answered])
    note = f"{draws.shape[0]} resamples, the same for all models"
    return [
        replace(common, model=model, metric=name, value=float(value), note=note)
        for name, values in columns
        for model, value in zip(models, values, strict=True)
    ]


def _noted(row: Estimate) -> Estimate:
    return replace(
        row,
        note="the models do not differ, or share fewer than two phrasings"
        if math.isnan(row.value)
        else "no interval",
    )
