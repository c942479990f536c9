"""A score table made elsewhere as pages and figures, the same that a run gets.

What a table does not hold (texts of wordings, prompts, answers) is not shown. Numbers are those of
``estimates.csv``; nothing is computed for the page but what every report is made from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.analysis import costs_of
from evalkit.catalog.paths import default_runs_dir
from evalkit.catalog.score_columns import ScoreFile
from evalkit.errors import TableError
from evalkit.records import Estimate, Instance, Job, Seen, Task, digest, instances_digest
from evalkit.records.manifest import Counts, Intervals, Manifest, SuiteRecord, TaskRecord, Wordings
from evalkit.report.drawings import drawings
from evalkit.report.evidence import Evidence, PhrasingView, TaskView, gather
from evalkit.report.evidence.gather import scored, with_shares
from evalkit.report.evidence.looks import looks_of
from evalkit.report.run_view import RunView
from evalkit.report.writing import write_comparison, write_figures, write_report
from evalkit.runs.imported import file_of, imported_manifest, manifest_of_table, table_at
from evalkit.runs.read import each_against_first
from evalkit.scoring import STATES, Block, ScoreTable
from evalkit.store.atomic import slug
from evalkit.store.directory import refuse_own

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.analysis.score_files import TableSettings
    from evalkit.catalog.score_tables import Told

__all__ = ["folder_of", "report_log", "write_pages", "write_table_report"]

_NO_STATES = dict.fromkeys(STATES, math.nan)
"""A table of scores alone says nothing of its answers."""


def report_log(
    place: Path, told: Told | None = None, out: Path | None = None
) -> tuple[list[Path], tuple[str, ...]]:
    """Write estimates, pages and figures of a log or table,
    and return the pages and what was assumed.

    Parameters
    ----------
    place
        Log, table or folder; ``LOG::MODEL`` for one of several models.
    told
        What a user says of it.
    out
        Folder; None: one below ``reports/logs``, named for the place.

    Raises
    ------
    TableError
        When it cannot be read, or has no scores.
    """
    from evalkit.analysis.score_files import TableSettings, estimates_of

    file, how = table_at(place, told), TableSettings()
    out = default_runs_dir().parent / "logs" / folder_of(place) if out is None else out
    return write_pages(out, file, estimates_of(file, how), how), file.notes


def folder_of(place: Path) -> str:
    """Return the name of the folder that a log's pages go to:
    its own, told apart by its whole path.
    """
    return f"{slug(file_of(place)[0].name)}_{digest(str(place.resolve()), length=8)}"


def write_pages(
    out: Path, file: ScoreFile, estimates: Sequence[Estimate], how: TableSettings
) -> list[Path]:
    """Write estimates, pages and figures of a table that was analysed; return the pages.

    Parameters
    ----------
    out
        Folder.
    file, estimates, how
        The table, what was computed of it, and how.

    Raises
    ------
    UsageError
        When the folder is that of a run.
    TableError
        When the table has no scores.
    """
    from evalkit.analysis import write_estimates

    refuse_own(out)
    if file.frame["score"].isna().all():
        raise TableError(f"{file.origin}: has no scores, so there is nothing to draw.")
    write_estimates(estimates, out / "estimates.csv")
    intervals = Intervals(level=how.level, resamples=how.n_resamples)
    return write_table_report(out, file, estimates, intervals)


def write_table_report(
    out: Path, file: ScoreFile, estimates: Sequence[Estimate], intervals: Intervals
) -> list[Path]:
    """Write page, Markdown, leaderboard row and figures of every model of a table;
    of several the comparison.

    Parameters
    ----------
    out
        Folder; a model of several has a folder of its own in it.
    file
        The table.
    estimates
        Of it, as `evalkit.analysis.score_files.estimates_of` returns them.
    intervals
        How they were computed.

    Returns
    -------
    list of Path
        The pages, that of the comparison first.
    """
    file, estimates = _with_benchmarks(file, estimates)
    models = sorted(str(name) for name in file.frame["model"].unique())
    views, tables = [], []
    for model in models:
        mine = [row for row in estimates if row.model == model and not row.group]
        view, table = _view(file, model, mine, intervals)
        views.append(view)
        tables += [table] if table is not None else []
    folders = [out / slug(model) if len(models) > 1 else out for model in models]
    for folder, view in zip(folders, views, strict=True):
        write_report(folder, view)
        shown = drawings(view.evidence, view.estimates, counts=view.manifest.totals)
        write_figures(folder / "figures", shown)
    pages = [folder / "report.html" for folder in folders]
    if len(tables) > 1 and len({view.manifest.suite.digest for view in views}) == 1:
        from evalkit.analysis.standings import standings

        order = standings(list(zip(models, tables, strict=True)), level=intervals.level)
        write_comparison(out, views, models, order, each_against_first(views, models, tables))
        pages.insert(0, out / "comparison.html")
    return pages


def _view(
    file: ScoreFile, model: str, estimates: Sequence[Estimate], intervals: Intervals
) -> tuple[RunView, ScoreTable | None]:
    """One model as the report sees a run, and its cells where the table has instances."""
    if file.layout != "cells":
        rows = file.frame[file.frame["model"] == model]
        evidence = _of_means(rows, model, intervals.level)
        manifest = _with_arms(_manifest_of_means(file, evidence, intervals), evidence)
        known = [row for row in estimates if row.value == row.value]
        return RunView(manifest=manifest, evidence=evidence, estimates=known), None
    table = ScoreTable.from_frame(file.frame, origin=file.origin).select({"model": model})
    jobs = [_job(table.block(model, task), table.frame) for task in table.tasks(model)]
    evidence = gather(table, jobs, answers=lambda keys: {}, level=intervals.level)
    evidence = replace(evidence, tasks=tuple(replace(one, asked="") for one in evidence.tasks))
    if not {"prediction", "status", "state"} & set(file.frame.columns):
        evidence = _without_answers(evidence)
    manifest = _with_arms(manifest_of_table(table, file, intervals), evidence)
    return RunView(manifest=manifest, evidence=evidence, estimates=estimates), table


def _with_benchmarks(
    file: ScoreFile, estimates: Sequence[Estimate]
) -> tuple[ScoreFile, list[Estimate]]:
    """The same with every task in a benchmark: one without gets that of the table's name."""
    stem = slug(Path(file.origin).name.partition(".")[0])
    names = {name: str(name) for name in file.frame["task"].unique()}
    names = {old: name if "/" in name else f"{stem}/{name}" for old, name in names.items()}
    if all(old == new for old, new in names.items()):
        return file, list(estimates)
    frame = file.frame.assign(task=file.frame["task"].map(names).astype("category"))
    rows = [
        replace(row, task=names[row.task], benchmark=names[row.task].partition("/")[0])
        if row.task in names
        else row
        for row in estimates
        if row.task in names or row.benchmark == "all"
    ]
    return replace(file, frame=frame), rows


def _with_arms(manifest: Manifest, evidence: Evidence) -> Manifest:
    """The same saying that the table itself says which wordings were seen, where it does."""
    told = any(row.seen != "unknown" for view in evidence.tasks for row in view.phrasings)
    if not told:
        return manifest
    return replace(manifest, model=replace(manifest.model, tuned_on=("as the table says",)))


def _without_answers(evidence: Evidence) -> Evidence:
    """The same without shares of states: the table has scores alone."""
    views = [
        replace(
            view,
            states=_NO_STATES,
            phrasings=tuple(
                replace(row, unparsed=math.nan, states=_NO_STATES) for row in view.phrasings
            ),
        )
        for view in evidence.tasks
    ]
    return replace(
        evidence,
        tasks=tuple(views),
        looks=looks_of(views),
        costs=costs_of(list(scored(views))),
    )


def _task(name: str, benchmark: str) -> Task:
    return Task(
        name=name.removeprefix(f"{benchmark}/"),
        benchmark=benchmark,
        reader="table",
        kind="generate",
        metric="exact_match",
    )


def _job(block: Block, frame: pd.DataFrame) -> Job:
    """What is known of a task: its instances and their targets, no wording and no request."""
    rows = frame[frame["task"] == block.task].drop_duplicates("instance_id")
    targets = dict(zip(rows["instance_id"].astype(str), rows["target"], strict=True))
    instances = tuple(
        Instance(
            id=name,
            fields={"question": name},
            choices=(),
            target=None,
            references=(str(targets.get(name) or ""),),
        )
        for name in block.instance_ids
    )
    return Job(
        task=_task(block.task, block.benchmark),
        phrasings=(),
        instances=instances,
        seen={name: _seen(told) for name, told in zip(block.phrasing_ids, block.seen, strict=True)},
        orders={},
    )


def _of_means(rows: pd.DataFrame, model: str, level: float) -> Evidence:
    """Evidence of a table with a row per phrasing: scores, without intervals, states or cells."""
    views = with_shares(
        [
            TaskView(
                task=_task(str(name), str(name).partition("/")[0]),
                chance=math.nan,
                n_instances=_instances(part),
                phrasings=_phrasings(part, str(name)),
                flips=(),
                n_flipping=0,
                n_always=0,
                n_never=0,
                states=_NO_STATES,
            )
            for name, part in rows.groupby("task", observed=True, sort=True)
        ]
    )
    looks = looks_of(views)
    unmeasured = replace(looks, noise=math.nan)
    return Evidence(
        model=model,
        level=level,
        tasks=tuple(views),
        looks=looks if all(row.n for view in views for row in view.phrasings) else unmeasured,
        costs=costs_of(list(scored(views)), sparse=True),
        budget=(),
        wordings=Wordings(),
    )


def _instances(rows: pd.DataFrame) -> int:
    return max((_n(row) for row in rows.to_dict("records")), default=0)


def _phrasings(rows: pd.DataFrame, task: str) -> tuple[PhrasingView, ...]:
    """Phrasings of a task, lowest score first."""
    mean = float(rows["score"].mean())
    found = [
        PhrasingView(
            task=task,
            phrasing_id=str(row["phrasing_id"]),
            source=str(row.get("phrasing_source") or ""),
            seen=_seen(row.get("seen")),
            headline=True,
            score=float(row["score"]),
            n=_n(row),
            deviation=float(row["score"]) - mean,
            states=_NO_STATES,
        )
        for row in rows.to_dict("records")
    ]
    return tuple(sorted(found, key=lambda one: (one.score != one.score, one.score)))


def _seen(told: object) -> Seen:
    return "seen" if told == "seen" else "unseen" if told == "unseen" else "unknown"


def _n(row: Mapping[Any, Any]) -> int:
    told = row.get("n_instances")
    return int(told) if isinstance(told, int | float) and told == told else 0


def _manifest_of_means(file: ScoreFile, evidence: Evidence, intervals: Intervals) -> Manifest:
    tasks = {
        view.task.id: TaskRecord(
            benchmark=view.task.benchmark,
            digest="",
            instances_digest=instances_digest([]),
            n_instances=view.n_instances,
            phrasings={row.phrasing_id: "" for row in view.phrasings},
        )
        for view in evidence.tasks
    }
    suite = SuiteRecord(
        name=Path(file.origin).stem,
        version=1,
        digest=digest([file.origin, evidence.model]),
        limit=None,
        shots=0,
        tasks=tasks,
    )
    counts = Counts(cells=sum(row.n for view in evidence.tasks for row in view.phrasings))
    return imported_manifest(evidence.model, suite, file, intervals, counts)
