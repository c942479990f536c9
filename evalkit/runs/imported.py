"""A log of another harness, or a score table, as a run:
so that gate, leaderboard and comparisons take it.

What a run needs and a log lacks is said as it is: no responses, no fingerprint of weights. The
digest of its suite is made of tasks, phrasings, instances and targets, so that two logs are one
suite exactly where they asked the same. The run is kept in evalkit's cache folder under a digest of
its rows, and made anew when the log changes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evalkit import __version__
from evalkit.catalog.paths import cache_dir
from evalkit.catalog.score_tables import Told, read_score_table
from evalkit.errors import TableError
from evalkit.records import digest, instances_digest
from evalkit.records.manifest import (
    Counts,
    Intervals,
    Manifest,
    ModelRecord,
    SuiteRecord,
    TaskRecord,
)
from evalkit.scoring import STATUSES, Block, ScoreTable
from evalkit.store.atomic import file_digest
from evalkit.store.directory import RunDir, is_run_dir

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.catalog.score_columns import ScoreFile

__all__ = ["file_of", "imported_manifest", "manifest_of_table", "run_of", "table_at"]

AT = "::"
"""Stands between a log and the model of it that is meant."""


def run_of(place: Path, told: Told | None = None) -> Path:
    """Return a run directory: `place` itself, or what is made of the log or table that lies there.

    Parameters
    ----------
    place
        Run directory, log or per-instance table; ``LOG::MODEL`` for one of several models.
    told
        What a user says of the log.

    Raises
    ------
    TableError
        When it is neither, has no instances, or holds several models and none is named.
    """
    if is_run_dir(place) or not _there(place):
        return place
    path, model = file_of(place)
    file = read_score_table(path, told)
    if file.layout != "cells":
        raise TableError(
            f"{path}: has no instances; a run is made of one row per instance. "
            "Name a per-instance table."
        )
    table = ScoreTable.from_frame(file.frame, origin=file.origin)
    if model:
        table = table.select({"model": model})
    if len(table.models) != 1:
        raise TableError(
            f"{path}: holds models {', '.join(table.models)}; one is meant. "
            f"Name it: {path}{AT}{table.models[0]}"
        )
    folder = (
        cache_dir()
        / "imported"
        / digest([str(path), model, _rows(table), *file.unfinished], length=16)
    )
    if not is_run_dir(folder):
        _write(folder, table, file)
    return folder


def file_of(place: Path) -> tuple[Path, str]:
    """Return the file or folder of ``LOG::MODEL``, and the model; empty where none is named.

    >>> file_of(Path("logs/a.eval::org/m"))
    (PosixPath('logs/a.eval'), 'org/m')
    """
    path, _, model = str(place).partition(AT)
    return (place, "") if place.exists() else (Path(path), model)


def table_at(place: Path, told: Told | None = None) -> ScoreFile:
    """Return the rows of a log or table, those of one model for ``LOG::MODEL``.

    Raises
    ------
    TableError
        When it cannot be read, or holds no such model.
    """
    path, model = file_of(place)
    file = read_score_table(path, told)
    if not model:
        return file
    mine = file.frame[file.frame["model"] == model]
    if mine.empty:
        there = ", ".join(sorted(map(str, file.frame["model"].unique())))
        raise TableError(f"{path}: holds no model {model!r}; there is {there}. Name one of them.")
    return replace(file, frame=mine.reset_index(drop=True))


def _there(place: Path) -> bool:
    return file_of(place)[0].exists()


def _rows(table: ScoreTable) -> list[list[str]]:
    """What tells one table from another."""
    names = ["task", "phrasing_id", "instance_id", "score", "prediction", "target"]
    kept = [name for name in names if name in table.frame]
    return [list(map(str, row)) for row in table.frame[kept].itertuples(index=False, name=None)]


def _write(folder: Path, table: ScoreTable, file: ScoreFile) -> None:
    from evalkit.analysis import estimate, write_estimates

    with RunDir(folder) as directory:
        table.write_parquet(directory.scores_path)
        intervals = Intervals(level=0.95, resamples=1000)
        estimates = estimate(table, level=intervals.level, n_resamples=intervals.resamples)
        write_estimates(estimates, directory.estimates_path)
        made = manifest_of_table(table, file, intervals)
        directory.write_manifest(
            replace(
                made,
                scores_digest=file_digest(directory.scores_path),
                estimates_digest=file_digest(directory.estimates_path),
            )
        )


def manifest_of_table(table: ScoreTable, file: ScoreFile, intervals: Intervals) -> Manifest:
    """Return what a manifest can say of a table made elsewhere.

    Parameters
    ----------
    table
        Cells of one model.
    file
        The table as it was read.
    intervals
        How intervals are computed.
    """
    (model,) = table.models
    blocks = [table.block(model, task) for task in table.tasks(model)]
    suite = _suite(table, blocks, Path(file.origin))
    manifest = imported_manifest(model, suite, file, intervals, _counts(blocks))
    record = replace(
        manifest.model,
        fingerprint={"log": digest([file.origin, _rows(table)])},
        fingerprint_digest=digest(_rows(table)),
    )
    state: Literal["partial", "complete"] = "partial" if file.unfinished else "complete"
    return replace(manifest, command="; ".join(file.unfinished), model=record, state=state)


def imported_manifest(
    model: str, suite: SuiteRecord, file: ScoreFile, intervals: Intervals, counts: Counts
) -> Manifest:
    """Return what every manifest says of scores of a model that were made elsewhere; its
    fingerprint is the digest of the suite.
    """
    return Manifest(
        evalkit=__version__,
        command="",
        identity={"suite": {"limit": None, "budget": None}},
        suite=suite,
        limited=False,
        left_out={},
        model=ModelRecord(
            label=model,
            backend="imported",
            name=model,
            revision=None,
            dtype="",
            chat_template="",
            tuned_on=None,
            fingerprint={"log": suite.digest},
            fingerprint_digest=suite.digest,
        ),
        mitigations=(),
        notes=file.notes,
        seed=0,
        device="",
        attempts=(),
        state="complete",
        intervals=intervals,
        counts=counts,
    )


def _suite(table: ScoreTable, blocks: list[Block], origin: Path) -> SuiteRecord:
    targets = table.frame.drop_duplicates(["task", "instance_id"])
    asked = targets.groupby("task", observed=True)
    tasks = {
        block.task: TaskRecord(
            benchmark=block.benchmark,
            digest=digest(_targets(asked.get_group(block.task))),
            instances_digest=instances_digest(list(block.instance_ids)),
            n_instances=len(block.instance_ids),
            phrasings={name: digest(name, length=16) for name in block.phrasing_ids},
        )
        for block in blocks
    }
    parts = {name: [one.digest, sorted(one.phrasings)] for name, one in tasks.items()}
    names = {name.partition("/")[0] for name in tasks}
    return SuiteRecord(
        name=names.pop() if len(names) == 1 else origin.stem,
        version=1,
        digest=digest(parts),
        limit=None,
        shots=0,
        tasks=tasks,
    )


def _targets(rows: pd.DataFrame) -> list[list[str]]:
    """Instances of a task with their correct answers, in order."""
    pairs = rows[["instance_id", "target"]].itertuples(index=False, name=None)
    return sorted(list(map(str, pair)) for pair in pairs)


def _counts(blocks: list[Block]) -> Counts:
    def of(status: str) -> int:
        return sum(int((block.status == STATUSES.index(status)).sum()) for block in blocks)

    cells = sum(int(block.asked.sum()) for block in blocks)
    return Counts(
        cells=cells,
        requests=cells,
        missing=of("missing"),
        unparsed=of("unparsed"),
        truncated=of("truncated"),
    )
