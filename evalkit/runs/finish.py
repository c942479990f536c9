"""Where a run ends: scores, estimates, report and the manifest that says ``complete``, from what is stored."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

from evalkit.scoring.stored import Counts, score_run
from evalkit.store.atomic import file_digest
from evalkit.store.directory import RunDir

if TYPE_CHECKING:
    from evalkit.report.evidence import Evidence
    from evalkit.scoring import ScoreTable

__all__ = ["distances_of", "evidence_of", "finish", "library_versions"]

_LIBRARIES = (
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "jinja2",
    "nltk",
    "sacrebleu",
    "torch",
    "transformers",
    "tokenizers",
    "lm_eval",
    "vllm",
    "ray",
    "peft",
)


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that can move a number, where installed."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def evidence_of(
    directory: RunDir,
    manifest: Mapping[str, Any],
    table: ScoreTable,
    *,
    level: float,
    flips: int | None = None,
) -> Evidence:
    """Return what is looked at beyond estimates: phrasings, flips, what to look at first.

    Parameters
    ----------
    directory, manifest, table
        A run with its cells.
    level
        Of the intervals of phrasings.
    flips
        Instances per task shown side by side; None for the default.
    """
    from evalkit.report.evidence import gather
    from evalkit.store.blocks import stored_jobs
    from evalkit.store.responses import Store

    fingerprint = manifest["model"]["fingerprint_digest"]
    far, curve = distances_of(directory, table), (manifest.get("budget") or {}).get("curve", ())
    with Store(
        directory.store_path, read_only=not os.access(directory.path, os.W_OK)
    ) as store:  # a reader leaves its log files behind
        jobs = stored_jobs(store, manifest["suite"]["tasks"])
        return gather(
            table,
            jobs,
            answers=lambda keys: store.get(fingerprint, keys),
            level=level,
            flips=flips,
            distances=far,
            curve=curve,
        )


def distances_of(directory: RunDir, table: ScoreTable) -> dict[str, dict[str, float]]:
    """Return task id -> phrasing id -> distance to the seen phrasings, for the headline phrasings that a run has represented."""
    from evalkit.analysis import headline_phrasings
    from evalkit.runs.representations import distances
    from evalkit.store.responses import Store

    model = table.models[0]
    found = {}
    with Store(directory.store_path, read_only=not os.access(directory.path, os.W_OK)) as store:
        for task in table.tasks(model):
            block = table.block(model, task)
            kept = headline_phrasings(block)
            seen = {
                name: block.seen[row] for row, name in enumerate(block.phrasing_ids) if kept[row]
            }
            found[task] = distances(store, task, seen=seen)
    return found


def _budget_of(
    directory: RunDir, table: ScoreTable, counts: Counts, *, level: float
) -> dict[str, Any]:
    """Return what the manifest says of a sparse run.

    Cells, what parts of them would have told, what a search found.
    """
    from evalkit.analysis import curve_of, headline_phrasings
    from evalkit.report.evidence import OF_THIS_RUN
    from evalkit.store.designs import get_search
    from evalkit.store.responses import Store

    model = table.models[0]
    lines, asked, found = [], {}, {}
    with Store(directory.store_path, read_only=True) as store:
        for task in table.tasks(model):
            block = table.block(model, task)
            asked[task] = {"asked": int(block.asked.sum()), "cells": int(block.asked.size)}
            lines.append(curve_of(block, headline_phrasings(block), level=level))
            search = get_search(store, task)
            if search is not None:
                found[task] = {"want": search["want"], "phrasing_id": search["order"][0]}
    steps = zip(*[line for line in lines if line], strict=False)
    curve = [
        {
            "line": OF_THIS_RUN,
            "cells": sum(cells for cells, _ in step),
            "half_width": sum(half for _, half in step) / len(step),
        }
        for step in steps
    ]
    return {
        "asked": counts.cells,
        "not_asked": counts.not_asked,
        "tasks": asked,
        "curve": curve,
        **({"found": found} if found else {}),
    }


def finish(
    directory: RunDir, manifest: Mapping[str, Any], *, level: float, resamples: int
) -> dict[str, Any]:
    """Write scores, estimates, report and final manifest of a run directory this process owns.

    Return the manifest.

    Parameters
    ----------
    directory
        Holds the responses.
    manifest
        What is known so far.
    level, resamples
        Of the intervals.
    """
    from evalkit.analysis import estimate, phrasing_rows, write_estimates, write_phrasings
    from evalkit.report.run_view import RunView
    from evalkit.report.writing import write_report
    from evalkit.scoring import ScoreTable
    from evalkit.scoring.answers import Answers

    body = {key: value for key, value in manifest.items() if key != "schema"}
    directory.write_manifest({**body, "state": "partial", "counts": {}})
    answers = Answers()
    _, table, counts = score_run(
        directory.path, read_only=False, collector=answers, collect=ScoreTable.from_scores
    )
    table.write_parquet(directory.scores_path)
    far = distances_of(directory, table)
    estimates = estimate(
        table,
        level=level,
        n_resamples=resamples,
        seed=int(body["seed"]),
        answers=answers.blocks,
        distances=far,
    )
    write_estimates(estimates, directory.estimates_path)
    write_phrasings(phrasing_rows(table, answers.blocks, far), directory.path / "phrasings.csv")
    final = {
        **body,
        "state": "partial" if counts.missing else "complete",
        "versions": library_versions(),
        "intervals": {"level": level, "resamples": resamples},
        "counts": asdict(counts),
        **(
            {"budget": _budget_of(directory, table, counts, level=level)}
            if counts.not_asked
            else {}
        ),
        "scores_digest": file_digest(directory.scores_path),
        "estimates_digest": file_digest(directory.estimates_path),
    }
    run = RunView(
        manifest=final,
        evidence=evidence_of(directory, final, table, level=level),
        estimates=estimates,
    )
    write_report(directory.path, run)
    directory.write_manifest(final)
    return final
