"""Where a run ends, in four steps: read once, estimate, write, report;
then the manifest that says ``complete``.

Needs no model and no benchmark data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from evalkit.catalog.levels import level_of
from evalkit.records.manifest import (
    Asked,
    Counts,
    CurveStep,
    Found,
    Intervals,
    Manifest,
    Spent,
)
from evalkit.runs.ask import Progress
from evalkit.runs.programs import run_programs
from evalkit.runs.versions import library_versions
from evalkit.scoring.stored import refuse_damaged, stored_cells
from evalkit.store.atomic import file_digest
from evalkit.store.blocks import stored_jobs
from evalkit.store.designs import rounds_ended
from evalkit.store.directory import RunDir
from evalkit.store.responses import Store
from evalkit.store.run_files import RUN_FILES

if TYPE_CHECKING:
    from evalkit.records import Estimate
    from evalkit.report.evidence import Evidence
    from evalkit.scoring import ScoreTable
    from evalkit.scoring.answers import Answers

__all__ = ["Read", "estimated", "evidence_of", "finish", "read", "with_judged"]

Distances: TypeAlias = Mapping[str, Mapping[str, float]]
"""Task id -> phrasing id -> distance to the seen phrasings."""


def evidence_of(
    store: Store,
    manifest: Manifest,
    table: ScoreTable,
    *,
    level: float,
    flips: int | None = None,
    distances: Distances | None = None,
) -> Evidence:
    """Return what is looked at beyond estimates: phrasings, flips, what to look at first.

    Parameters
    ----------
    store, manifest, table
        A run with its cells.
    level
        Of the intervals of phrasings.
    flips
        Instances per task shown side by side; None for the default.
    distances
        As `distances_of` returns them; None to read them.
    """
    from evalkit.report.evidence import gather

    return gather(
        table,
        stored_jobs(store, manifest.suite),
        answers=lambda keys: store.get(manifest.model.fingerprint_digest, keys),
        level=level,
        flips=flips,
        distances=distances_of(store, table) if distances is None else distances,
        curve=() if manifest.budget is None else manifest.budget.curve,
    )


def distances_of(store: Store, table: ScoreTable) -> Distances:
    """Return task id -> phrasing id -> distance to the seen phrasings,
    for the headline phrasings that a run has represented.
    """
    from evalkit.analysis import headline_phrasings
    from evalkit.runs.representations import distances

    model = table.models[0]
    found = {}
    for task in table.tasks(model):
        block = table.block(model, task)
        kept = headline_phrasings(block)
        seen = {name: block.seen[row] for row, name in enumerate(block.phrasing_ids) if kept[row]}
        found[task] = distances(store, task, seen=seen)
    return found


def spent_of(
    store: Store, table: ScoreTable, counts: Counts, *, level: float, ended: bool
) -> Spent:
    """Return what the manifest says of a sparse run.

    Cells, what parts of them would have told, what a search found.
    """
    from evalkit.analysis import curve_of, headline_phrasings
    from evalkit.report.evidence import OF_THIS_RUN
    from evalkit.store.designs import get_search

    model = table.models[0]
    lines, asked, found = [], {}, {}
    for task in table.tasks(model):
        block = table.block(model, task)
        asked[task] = Asked(asked=int(block.asked.sum()), cells=int(block.asked.size))
        lines.append(curve_of(block, headline_phrasings(block), level=level))
        search = get_search(store, task)
        if search is not None:
            found[task] = Found(want=search["want"], phrasing_id=search["order"][0])
    steps = zip(*[line for line in lines if line], strict=False)
    curve = [
        CurveStep(
            line=OF_THIS_RUN,
            cells=sum(cells for cells, _ in step),
            half_width=sum(half for _, half in step) / len(step),
        )
        for step in steps
    ]
    return Spent(
        asked=counts.cells,
        not_asked=counts.not_asked,
        tasks=asked,
        curve=tuple(curve),
        found=found,
        ended=ended,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Everything a finished run is computed from, read from its store once."""

    table: ScoreTable
    """Its cells."""
    answers: Answers
    """What lies behind them."""
    counts: Counts
    """Totals."""
    distances: Distances
    """As `distances_of` returns them."""
    guesses: Mapping[str, float]
    """Task id -> score of guessing, of the tasks that have one."""
    said: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]
    """Task id -> the second pass over its generated answers."""
    inputs: Mapping[str, str]
    levels: Mapping[str, str]
    """Task id -> its level of generalisation for the model; empty where nothing is known."""
    ended: bool
    """Whether everything that was to be asked was asked: of a sparse run, whether its rounds
    ended."""


def read(store: Store, manifest: Manifest) -> Read:
    """Return what is stored of a run: the first of the four steps.

    Parameters
    ----------
    store
        Its responses. A writer moves damaged ones out of the way, so that they are asked anew.
    manifest
        What was asked of whom.

    Raises
    ------
    StoreError
        When responses are damaged, or the store is not of this run.
    """
    from evalkit.runs.judged import judged_values
    from evalkit.runs.said_again import stored_said
    from evalkit.scoring import ScoreTable
    from evalkit.scoring.answers import Answers

    answers, counts = Answers(), Counts()
    table = ScoreTable.from_cells(
        stored_cells(store, manifest=manifest, counts=counts, collector=answers)
    ).with_judged(judged_values(store, manifest))
    fingerprint = None if store.read_only else manifest.model.fingerprint_digest
    refuse_damaged(store, fingerprint=fingerprint)
    return Read(
        table=table,
        answers=answers,
        counts=counts,
        distances=distances_of(store, table),
        guesses=_guesses(store, manifest),
        said={
            task: said
            for task in table.tasks(table.models[0])
            if (said := stored_said(store, task, table.block(table.models[0], task).instance_ids))
        },
        levels={
            task: level_of(task, manifest.model.tuned_on, said=manifest.model.levels)
            for task in table.tasks(table.models[0])
        },
        inputs=_inputs(store, manifest),
        ended=not manifest.suite.sparse or rounds_ended(store, early=manifest.state == "complete"),
    )


def _guesses(store: Store, manifest: Manifest) -> dict[str, float]:
    """Score of guessing of every task that has one."""
    from evalkit.scoring.choice import guess_of

    found = {
        job.task.id: guess_of(job.task, job.instances) for job in stored_jobs(store, manifest.suite)
    }
    return {task: guess for task, guess in found.items() if guess == guess}


def _inputs(store: Store, manifest: Manifest) -> dict[str, str]:
    """Language of the input of every task that has one."""
    tasks = [job.task for job in stored_jobs(store, manifest.suite)]
    return {task.id: task.languages[0] for task in tasks if len(task.languages) == 1}


def estimated(found: Read, intervals: Intervals, *, seed: int) -> list[Estimate]:
    """Return the estimates of a run: the second step.

    Parameters
    ----------
    found
        What was read.
    intervals
        How intervals are computed.
    seed
        Of the run.
    """
    from evalkit.analysis import Known, estimate

    return estimate(
        found.table,
        level=intervals.level,
        n_resamples=intervals.resamples,
        seed=seed,
        known=Known(
            answers=found.answers.blocks,
            distances=found.distances,
            guesses=found.guesses,
            chance=found.guesses,
            levels=found.levels,
            inputs=found.inputs,
            said=found.said,
        ),
    )


def _write(directory: RunDir, found: Read, estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Write the tables of a run, the third step; return their seals."""
    from evalkit.analysis import phrasing_rows, write_estimates, write_phrasings

    found.table.write_parquet(directory.scores_path)
    write_estimates(estimates, directory.estimates_path)
    write_phrasings(
        phrasing_rows(found.table, found.answers.blocks, found.distances),
        directory.path / "phrasings.csv",
    )
    return {
        one.seal: file_digest(directory.path / one.name)
        for one in RUN_FILES
        if one.seal is not None
    }


def finish(
    directory: RunDir,
    manifest: Manifest,
    intervals: Intervals,
    *,
    report: bool = True,
    programs: Progress | None = None,
) -> Manifest:
    """Write scores, estimates, report and final manifest of a run directory this process owns.

    Return the manifest.

    Parameters
    ----------
    directory
        Holds the responses.
    manifest
        What is known so far.
    intervals
        How intervals are computed.
    report
        Write the page too. Without it, a page that lies there is of earlier numbers and goes.
    programs
        Run the programs that the model wrote and that were not run yet, and tell this how far it
        is; None runs none.
    """
    from evalkit.analysis import wordings_of

    with Store(directory.store_path) as store:
        directory.write_manifest(replace(manifest, state="partial", counts=None))
        if programs is not None:
            run_programs(store, manifest, programs)
        found = read(store, manifest)
        estimates = estimated(found, intervals, seed=manifest.seed)
        level = intervals.level
        final = replace(
            manifest,
            state="complete" if found.ended and not found.counts.missing else "partial",
            versions=library_versions(),
            intervals=intervals,
            counts=found.counts,
            wordings=wordings_of(found.table),
            budget=spent_of(store, found.table, found.counts, level=level, ended=found.ended)
            if found.counts.not_asked
            else None,
            **_write(directory, found, estimates),
        )
        _report(directory, final, store=store, found=found, estimates=estimates, page=report)
    directory.write_manifest(final)
    return final


def _report(
    directory: RunDir,
    manifest: Manifest,
    *,
    store: Store,
    found: Read,
    estimates: Sequence[Estimate],
    page: bool,
) -> None:
    """Write what a person looks at, the fourth step."""
    from evalkit.report.run_view import RunView
    from evalkit.report.writing import write_leaderboard, write_report
    from evalkit.runs.by_scorer import rows_of_run
    from evalkit.runs.judged import judgements

    if not page:
        write_leaderboard(directory.path, manifest, estimates)
        directory.clear("page", "figure")
        return
    evidence = evidence_of(
        store,
        manifest,
        found.table,
        level=manifest.intervals.level if manifest.intervals else 0.95,
        distances=found.distances,
    )
    judges = judgements(directory.path, level=evidence.level)
    view = RunView(
        manifest=manifest,
        evidence=evidence,
        estimates=estimates,
        judges=judges,
        scorers=rows_of_run(directory.path, manifest),
    )
    write_report(directory.path, view)


def with_judged(directory: RunDir, manifest: Manifest, *, report: bool) -> Manifest:
    """Write the tables of a run anew, with what judges said; return the manifest.

    Parameters
    ----------
    directory
        Owned by this process.
    manifest
        Of the run.
    report
        Write the page too.
    """
    intervals = manifest.intervals or Intervals(level=0.95, resamples=1000)
    return finish(directory, manifest, intervals, report=report)
