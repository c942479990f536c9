"""A finished run, read back from its directory; what `evalkit report` and notebooks begin with."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import ComparisonError, StoreError
from evalkit.phrasings.prompts import request_of
from evalkit.records import repeat_key
from evalkit.runs.ask import prompt_of
from evalkit.scoring.table import read_table
from evalkit.store.blocks import stored_jobs
from evalkit.store.directory import RunDir, is_run_dir, read_manifest, sealed_file
from evalkit.store.responses import Store

if TYPE_CHECKING:
    from evalkit.analysis.standings import Standings
    from evalkit.catalog.score_tables import Told
    from evalkit.records import Estimate
    from evalkit.records.manifest import Manifest, SuiteRecord
    from evalkit.records.questions import Named
    from evalkit.report.comparison_page import Against
    from evalkit.report.run_view import Comparison, RunView
    from evalkit.scoring import AnswerBlock, ScoreTable

__all__ = [
    "against",
    "answer_blocks_of",
    "answers_of",
    "each_against_first",
    "estimates_of",
    "finished",
    "read_own_estimates",
    "read_run",
    "run_names",
    "several",
    "suite_of",
    "table_of",
    "write_comparison_of",
]


def read_own_estimates(path: Path, manifest: Manifest | None = None) -> list[Estimate]:
    """Return the estimates of a run.

    Parameters
    ----------
    path
        Run directory.
    manifest
        Its manifest, when it was read already.

    Raises
    ------
    EvalkitError
        As `read_table`.
    """
    from evalkit.analysis import read_estimates

    return read_estimates(sealed_file(path, "estimates.csv", manifest))


def finished(path: Path) -> Manifest:
    """Return the manifest of a run that was finished, whether or not cells are missing.

    Raises
    ------
    StoreError
        When it is no run, is damaged, or was not finished; the line to go on with is named.
    """
    manifest = read_manifest(path)
    if manifest.counts is None:
        raise StoreError(f"{path}: the run was not finished. Type: {manifest.to_go_on()}")
    return manifest


def read_run(path: Path, *, flips: int | None = None, table: ScoreTable | None = None) -> RunView:
    """Return a run as the report sees it.

    Parameters
    ----------
    path
        Run directory.
    flips
        Instances per task shown side by side; None for the default.
    table
        Its cells, when they were read already.

    Raises
    ------
    EvalkitError
        When it is no run, was never finished, or a file of it is damaged.
    """
    from evalkit.report.run_view import RunView
    from evalkit.runs.by_scorer import rows_of_run
    from evalkit.runs.finish import evidence_of
    from evalkit.runs.judged import judgements

    manifest = finished(path)
    table = read_table(path, manifest) if table is None else table
    estimates = read_own_estimates(path, manifest)
    level = manifest.intervals.level if manifest.intervals else 0.95
    # a reader leaves its log files behind
    read_only = not os.access(path, os.W_OK)
    with Store(RunDir(path).store_path, read_only=read_only) as store:
        evidence = evidence_of(store, manifest, table, level=level, flips=flips)
    judges = judgements(path, level=level)
    return RunView(
        manifest=manifest,
        evidence=evidence,
        estimates=estimates,
        judges=judges,
        scorers=rows_of_run(path, manifest),
    )


def against(path: Path, run: RunView, baseline: Path) -> Comparison:
    """Return the comparison of a run with a baseline.

    Paired where both ran the same suite, side by side otherwise.

    Parameters
    ----------
    path, run
        The run and where it lies.
    baseline
        Run directory of the baseline.

    Raises
    ------
    EvalkitError
        When the baseline is no run, was never finished, or a file of it is damaged.
    """
    from dataclasses import replace

    from evalkit.analysis.compare import Settings, compare_tables
    from evalkit.report.run_view import side_by_side
    from evalkit.runs.judged import of_one_judge

    manifest = finished(baseline)
    table, estimates = read_table(baseline, manifest), read_own_estimates(baseline, manifest)
    sparse = manifest.suite.sparse or run.manifest.suite.sparse
    if sparse or manifest.suite.digest != run.manifest.suite.digest:
        return side_by_side(run, manifest, estimates)
    settings = Settings(level=run.evidence.level, n_resamples=1000, seed=run.manifest.seed)
    pair, _ = of_one_judge([baseline, path], [table, read_table(path)])
    found = compare_tables(*pair, settings=settings)
    texts = {
        (row.task, row.phrasing_id): row.text
        for view in run.evidence.tasks
        for row in view.phrasings
    }
    worst = sorted(
        found.by_phrasing, key=lambda row: (row.gained - row.lost, row.task, row.phrasing_id)
    )[:5]
    return replace(
        side_by_side(run, manifest, estimates, differences=found.estimates),
        lost=sum(row.lost for row in found.by_phrasing),
        gained=sum(row.gained for row in found.by_phrasing),
        changed=tuple(
            (row, texts.get((row.task, row.phrasing_id)) or row.phrasing_id)
            for row in worst
            if row.lost > row.gained
        ),
    )


def several(
    paths: Sequence[Path], *, seed: int = 0, question: Named = "phrasings"
) -> tuple[list[RunView], list[str], Standings, list[Against]]:
    """Return runs of one suite, what they are called, their standings, and each against the first.

    Raises
    ------
    ComparisonError
        When the runs are not of one suite, or have other phrasings or instances.
    EvalkitError
        When one is no run, was never finished, or a file of it is damaged.
    """
    from evalkit.analysis.standings import standings
    from evalkit.analysis.suites import refuse_other_suites
    from evalkit.runs.judged import of_one_judge

    tables, _ = of_one_judge(paths, [read_table(path) for path in paths])
    runs = [read_run(path, flips=0, table=table) for path, table in zip(paths, tables, strict=True)]
    names = run_names([run.manifest for run in runs], paths)
    refuse_other_suites(paths, [run.manifest.suite for run in runs])
    order = standings(list(zip(names, tables, strict=True)), seed=seed, question=question)
    compared = each_against_first(runs, names, tables, seed=seed, question=question)
    return runs, names, order, compared


def run_names(manifests: Sequence[Manifest], paths: Sequence[Path]) -> list[str]:
    """Return one name per run: its model's, with the folder where two runs have the same model."""
    labels = [manifest.model.label for manifest in manifests]
    return [
        label if labels.count(label) == 1 else f"{label} ({path.name})"
        for label, path in zip(labels, paths, strict=True)
    ]


def write_comparison_of(
    paths: Sequence[Path], out: Path | None, *, seed: int = 0
) -> tuple[Path, list[RunView], list[str], Standings, list[Against]]:
    """Write the page of several runs; return its folder and what `several` returns.

    Parameters
    ----------
    paths
        Run directories.
    out
        Folder the page goes to; None for one beside those of runs.
    seed
        Of intervals.
    """
    from evalkit.catalog.paths import default_runs_dir
    from evalkit.records import digest
    from evalkit.report.writing import write_comparison

    found = several(paths, seed=seed)
    name = f"comparison_{digest([str(path.resolve()) for path in paths], length=8)}"
    target = out or default_runs_dir().parent / "comparisons" / name
    write_comparison(target, *found)
    return target, *found


def each_against_first(
    runs: Sequence[RunView],
    names: Sequence[str],
    tables: Sequence[ScoreTable],
    *,
    seed: int = 0,
    question: Named = "phrasings",
) -> list[Against]:
    """Return every run but the first against the first, paired on instances."""
    from evalkit.analysis.compare import Settings, compare_tables
    from evalkit.report.comparison_page import against

    settings = Settings(
        level=runs[0].evidence.level, n_resamples=1000, seed=seed, question=question
    )
    return [
        against(
            compare_tables(tables[0], table, settings=settings),
            runs[0],
            run,
            (names[0], name),
        )
        for name, run, table in zip(names[1:], runs[1:], tables[1:], strict=True)
    ]


def suite_of(path: Path, notes: list[str]) -> SuiteRecord | None:
    """Return what the manifest of a run says of its suite; None for a plain table.

    Parameters
    ----------
    path
        Run directory or score table.
    notes
        Takes what a reader must know of an unfinished run.

    Raises
    ------
    StoreError
        When the manifest cannot be read.
    """
    if not is_run_dir(path):
        return None
    manifest = read_manifest(path)
    if manifest.state != "complete":
        notes.append(f"{path}: the run is {manifest.state}; cells it lacks are left out of both")
    return manifest.suite


def tables_of(
    paths: Sequence[Path], models: Sequence[str | None], told: Told | None = None
) -> tuple[list[ScoreTable], list[str]]:
    """Return the cells of what is to be compared, as `table_of`,
    and what must be said of their judges.
    """
    from evalkit.runs.judged import of_one_judge

    tables = [table_of(path, model, told) for path, model in zip(paths, models, strict=True)]
    return of_one_judge(paths, tables)


def table_of(path: Path, model: str | None, told: Told | None = None) -> ScoreTable:
    """Return the cells of a run, a log or a per-instance score table, of one of its models where it
    is named.

    Raises
    ------
    ComparisonError
        When the table has no instances.
    EvalkitError
        When it cannot be read.
    """
    from evalkit.catalog.score_tables import read_score_table
    from evalkit.scoring import ScoreTable

    if (path / "manifest.json").is_file() and (path / "scores.parquet").is_file():
        table = read_table(path)
    else:
        file = read_score_table(path, told)
        if file.layout != "cells":
            raise ComparisonError(
                f"{path}: has no instances; a paired comparison needs one row per instance. "
                "Name a run or a per-instance table."
            )
        table = ScoreTable.from_frame(file.frame, origin=file.origin)
    return table.select({"model": model}) if model else table


def estimates_of(path: Path, table: ScoreTable) -> list[Estimate]:
    """Return the estimates of a run; those of a plain table are computed.

    Parameters
    ----------
    path
        Run directory or score table.
    table
        Its cells.
    """
    if is_run_dir(path) and (path / "estimates.csv").is_file():
        return read_own_estimates(path)
    from evalkit.analysis import estimate

    return estimate(table, n_resamples=100)


def answer_blocks_of(path: Path) -> dict[str, AnswerBlock]:
    """Return the answers of a run by task, with everything measured of them.

    Raises
    ------
    EvalkitError
        When it is no run, or its store is damaged.
    """
    from evalkit.runs.finish import read

    with Store(RunDir(path).store_path, read_only=True) as store:
        return read(store, read_manifest(path)).answers.blocks


def answers_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield one row per cell of a run: what was sent, what was asked behind it, the answer as it
    came back.

    ``prompt`` is the text sent, chat template included; it is made again from what the run keeps,
    and None where this evalkit would send another text than the one that was asked. ``factors`` is
    what is varied about the instance, such as ``attack=naive``.

    Raises
    ------
    EvalkitError
        When it is no run, or its store is damaged.
    """
    manifest = read_manifest(path)
    with Store(RunDir(path).store_path, read_only=True) as store:
        for job in stored_jobs(store, manifest.suite):
            for phrasing, block in zip(job.phrasings, job.blocks, strict=True):
                keys = [
                    (repeat, position, repeat_key(key, repeat) if repeat else key)
                    for repeat in range(job.repeats)
                    for position, key in enumerate(block.each())
                ]
                found = store.get(manifest.model.fingerprint_digest, [key for _, _, key in keys])
                for repeat, position, key in keys:
                    instance = job.instances[position]
                    response = found.get(key)
                    asked = replace(request_of(prompt_of(job, phrasing, position)), repeat=repeat)
                    same = asked.key == key
                    sent = response.sent if response else ""
                    yield {
                        "model": manifest.model.label,
                        "task": job.task.id,
                        "phrasing_id": block.phrasing_id,
                        "instance_id": instance.id,
                        "factors": "; ".join(map("=".join, instance.factors.items())),
                        "request": key,
                        "prompt": sent or (asked.text if same else None),
                        "system": asked.system if same else None,
                        "choices": list(asked.continuations) if same else None,
                        "logprobs": list(response.logprobs) if response else None,
                        "token_counts": list(response.token_counts) if response else None,
                        "text": response.text if response else None,
                        "finish_reason": response.finish_reason if response else None,
                        "truncated": response.truncated if response else None,
                        "sent": sent if response else None,
                        "prompt_tokens": response.prompt_tokens if response else None,
                    }
