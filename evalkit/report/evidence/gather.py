"""Cells and stored records -> `Evidence`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis import (
    Scored,
    costs_of,
    headline_phrasings,
    phrasing_estimates,
    phrasing_intervals,
    wordings_of,
)
from evalkit.analysis.costs import lost_by_format
from evalkit.analysis.from_states import answered_cells, state_shares, status_shares
from evalkit.records import Job, Phrasing
from evalkit.records.manifest import CurveStep
from evalkit.report.evidence.budget import budget_steps
from evalkit.report.evidence.cells import PROMPTS, cells_of
from evalkit.report.evidence.flips import Answers, flips_of
from evalkit.report.evidence.looks import looks_of
from evalkit.report.evidence.views import Evidence, PhrasingView, TaskView
from evalkit.scoring import Block, ScoreTable
from evalkit.scoring.choice import guess_of
from evalkit.scoring.code import CODE
from evalkit.scoring.sandbox.limits import CLASSES
from evalkit.scoring.states import asked_form

__all__ = ["FLIPS", "gather", "scored", "with_shares"]

Floats: TypeAlias = npt.NDArray[np.float64]
MOST_KEPT = 200
"""Most points of a line of risk against coverage."""
FLIPS = 300
"""Instances shown side by side in a whole run, unless a number per task is asked for."""


def gather(
    table: ScoreTable,
    jobs: Iterable[Job],
    *,
    answers: Answers,
    level: float = 0.95,
    flips: int | None = None,
    distances: Mapping[str, Mapping[str, float]] | None = None,
    curve: Sequence[CurveStep] = (),
) -> Evidence:
    """Return the evidence of one run.

    Parameters
    ----------
    table
        Its cells; one model.
    jobs
        Its tasks as stored, in any order; tasks without cells are left out.
    answers
        Stored responses by request key.
    level
        Level of the intervals of phrasings.
    flips
        Instances per task shown side by side; None: 3 to 25, so that a run shows about `FLIPS`.
    distances
        Task id -> phrasing id -> distance to the seen phrasings.
    curve
        Of a sparse run: what parts of its cells would have told, as its manifest has it.

    Notes
    -----
    The interval of a phrasing is for new instances under this very phrasing: Wilson's for scores
    that are all 0 or 1, Student's else.
    """
    model = table.models[0]
    tasks = set(table.tasks(model))
    wanted = max(3, min(25, FLIPS // max(1, len(tasks)))) if flips is None else flips
    views = [
        _task_view(
            table,
            model,
            job,
            answers=answers,
            level=level,
            flips=wanted,
            prompts=0 if flips == 0 else PROMPTS // max(1, len(tasks)),
        )
        for job in jobs
        if job.task.id in tasks
    ]
    views = [_with_distances(view, (distances or {}).get(view.task.id, {})) for view in views]
    views = with_shares(sorted(views, key=lambda view: view.task.id))
    sure = _sure(table, model)
    return Evidence(
        model=model,
        level=level,
        tasks=tuple(views),
        looks=looks_of(views),
        costs=costs_of(scored(views), sparse=bool(curve)),
        budget=tuple(curve) or budget_steps(table, level=level),
        wordings=wordings_of(table),
        reliability=_reliability(sure),
        risk=_risk(sure),
    )


def _programs(block: Block) -> dict[str, float]:
    """Share of the answered cells by what came of their programs."""
    there = answered_cells(block)
    names = (*block.label_names, "none")
    codes = np.where(block.labels < 0, len(names) - 1, block.labels)[there]
    counts = np.bincount(codes, minlength=len(names))
    found = {name: int(n) / max(1, codes.size) for name, n in zip(names, counts, strict=True)}
    return {name: found[name] for name in CLASSES if found.get(name)}


def _sure(table: ScoreTable, model: str) -> dict[str, tuple[Floats, Floats]]:
    """Confidence and score of the headline cells of all tasks in one list, by relation to the
    model.
    """
    cells: dict[str, list[tuple[Floats, Floats]]] = {}
    for task in table.tasks(model):
        block = table.block(model, task)
        kept = block.limited(headline_phrasings(block))
        for seen in dict.fromkeys(kept.seen):
            arm = np.array(kept.seen) == seen
            found = kept.confidence[arm].ravel(), kept.values[arm].ravel()
            cells.setdefault(seen, []).append(found)
    return {
        seen: (np.concatenate([c for c, _ in found]), np.concatenate([y for _, y in found]))
        for seen, found in sorted(cells.items())
    }


def _reliability(
    cells: Mapping[str, tuple[Floats, Floats]],
) -> dict[str, tuple[tuple[float, float, float], ...]]:
    """Bins of confidence of every arm."""
    bins = {seen: stats.reliability_bins(*found) for seen, found in cells.items()}
    return {
        seen: tuple((float(c), float(y), float(n)) for c, y, n in rows)
        for seen, rows in bins.items()
        if len(rows)
    }


def _risk(
    cells: Mapping[str, tuple[Floats, Floats]],
) -> dict[str, tuple[tuple[float, float], ...]]:
    """Share kept and share of it that is wrong, of every arm."""
    found = {}
    for seen, arm in cells.items():
        points = stats.risk_coverage(*arm)
        if len(points):
            at = np.unique(np.linspace(0, len(points) - 1, MOST_KEPT).round().astype(np.int64))
            found[seen] = tuple((float(kept), float(wrong)) for kept, wrong in points[at])
    return found


def scored(views: Sequence[TaskView]) -> Iterator[Scored]:
    """Yield the headline phrasings of all tasks."""
    for view in views:
        for row in view.phrasings:
            if row.headline:
                yield Scored(
                    task=row.task,
                    phrasing_id=row.phrasing_id,
                    seen=row.seen,
                    score=row.score,
                    n=row.n,
                    unparsed=row.states.get("cut", 0.0) + row.states.get("unusable", 0.0),
                )


def _task_view(
    table: ScoreTable,
    model: str,
    job: Job,
    *,
    answers: Answers,
    level: float,
    flips: int,
    prompts: int,
) -> TaskView:
    block = table.block(model, job.task.id)
    headline = headline_phrasings(block)
    wordings = {phrasing.id: phrasing for phrasing in job.phrasings}
    found = flips_of(table, block, job, headline=headline, answers=answers, limit=flips)
    kept = block.values[headline]
    known = ~np.isnan(kept).all(axis=0)
    low, high = (_over_phrasings(function, kept[:, known]) for function in (np.nanmin, np.nanmax))
    return TaskView(
        task=job.task,
        chance=guess_of(job.task, job.instances),
        n_instances=len(block.instance_ids),
        phrasings=tuple(
            sorted(
                _phrasings(block, headline, wordings, level),
                key=lambda row: (_nan_last(row.score), row.phrasing_id),
            )
        ),
        flips=found,
        n_flipping=int((high > low).sum()),
        n_always=int((low >= 1).sum()),
        n_never=int((high <= 0).sum()),
        asked=asked_form(job.task, job.instances).shown,
        states=state_shares(block.limited(headline)),
        programs=_programs(block.limited(headline)) if job.task.metric in CODE else {},
        cells=cells_of(block, job, answers, prompts=prompts),
    )


def _over_phrasings(function: Callable[..., Floats], values: Floats) -> Floats:
    return function(values, axis=0) if values.size else np.empty(0)


def _nan_last(value: float) -> float:
    return math.inf if math.isnan(value) else value


def _phrasings(
    block: Block,
    headline: npt.NDArray[np.bool_],
    wordings: Mapping[str, Phrasing],
    level: float,
) -> list[PhrasingView]:
    a = np.asarray(stats.phrasing_scores(block.values))
    a[headline] = phrasing_estimates(block, headline)
    sparse = phrasing_intervals(block, headline, level=level)
    ends = (
        {}
        if sparse is None
        else dict(zip(np.flatnonzero(headline).tolist(), sparse.tolist(), strict=True))
    )
    mean = float(np.nanmean(a[headline])) if (~np.isnan(a[headline])).any() else math.nan
    shares = {
        name: status_shares(block, name, of=lambda one: one.asked)
        for name in ("unparsed", "truncated", "missing")
    }
    found = []
    for number, name in enumerate(block.phrasing_ids):
        wording = wordings.get(name)
        low, high = ends[number] if number in ends else _interval(block.values[number], level)
        of_state = state_shares(block.limited(np.arange(len(a)) == number))
        found.append(
            PhrasingView(
                task=block.task,
                phrasing_id=name,
                text="" if wording is None else wording.text,
                source=block.sources[number],
                seen=block.seen[number],
                kind=block.kinds[number],
                layout="" if wording is None else wording.layout,
                label_space="" if wording is None else wording.label_space,
                perturbation=block.perturbations[number],
                dimensions=() if wording is None else wording.dimensions,
                meaning="unchecked" if wording is None else wording.meaning.status,
                meaning_note="" if wording is None else wording.meaning.note,
                headline=bool(headline[number]),
                score=float(a[number]),
                low=low,
                high=high,
                n=int((~np.isnan(block.values[number])).sum()),
                unparsed=float(shares["unparsed"][number]),
                truncated=float(shares["truncated"][number]),
                missing=float(shares["missing"][number]),
                deviation=float(a[number]) - mean,
                by_format=lost_by_format(
                    float(a[number]), mean, of_state["cut"] + of_state["unusable"]
                ),
                by_refusal=lost_by_format(float(a[number]), mean, of_state["refused"]),
                states=of_state,
            )
        )
    return found


def _interval(values: Floats, level: float) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if known.size == 0:
        return math.nan, math.nan
    if np.isin(known, (0.0, 1.0)).all():
        return _wilson(int(known.sum()), known.size, level)
    found = stats.mean_interval(known[None, :], question="fixed", level=level)
    return found.low, found.high


@cache
def _wilson(hits: int, n: int, level: float) -> tuple[float, float]:
    found = stats.rate_interval(hits, n, level=level)
    return found.low, found.high


def _with_distances(view: TaskView, distances: Mapping[str, float]) -> TaskView:
    """The same task with the distance of each phrasing and its change against the seen ones."""
    seen = [
        row.score
        for row in view.phrasings
        if row.headline and row.seen == "seen" and not math.isnan(row.score)
    ]
    level = float(np.mean(seen)) if seen else math.nan
    rows = [
        replace(row, distance=distances.get(row.phrasing_id, math.nan), change=row.score - level)
        for row in view.phrasings
    ]
    return replace(view, phrasings=tuple(rows))


def with_shares(views: Sequence[TaskView]) -> list[TaskView]:
    """Return the same tasks with each headline phrasing's share of all squared deviations."""
    squares = [
        row.deviation**2
        for view in views
        for row in view.phrasings
        if row.headline and not math.isnan(row.deviation)
    ]
    total = sum(squares)
    if not total:
        return list(views)
    return [
        replace(
            view,
            phrasings=tuple(
                replace(row, share=row.deviation**2 / total)
                if row.headline and not math.isnan(row.deviation)
                else row
                for row in view.phrasings
            ),
        )
        for view in views
    ]
