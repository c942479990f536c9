"""A finished run, read back from its directory; what `evalkit report` and notebooks begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.errors import StoreError
from evalkit.scoring.table import read_table
from evalkit.store.directory import sealed_file

if TYPE_CHECKING:
    from evalkit.records import Estimate
    from evalkit.report.run_view import Comparison, RunView
    from evalkit.scoring import ScoreTable

__all__ = ["against", "read_own_estimates", "read_run"]


def read_own_estimates(path: Path) -> list[Estimate]:
    """Return the estimates of a run.

    Raises
    ------
    EvalkitError
        As `read_table`.
    """
    from evalkit.analysis import read_estimates

    return read_estimates(sealed_file(path, "estimates.csv", "estimates_digest"))


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
    from evalkit.runs.finish import evidence_of
    from evalkit.store.directory import RunDir, read_manifest

    manifest = read_manifest(path)
    if "intervals" not in manifest:
        raise StoreError(
            f"{path}: the run was not finished. Type: {manifest.get('command') or f'evalkit score {path}'}"
        )
    table = read_table(path) if table is None else table
    estimates = read_own_estimates(path)
    evidence = evidence_of(
        RunDir(path), manifest, table, level=manifest["intervals"]["level"], flips=flips
    )
    return RunView(manifest=manifest, evidence=evidence, estimates=estimates)


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
    from evalkit.report.run_view import Changed, side_by_side
    from evalkit.store.directory import read_manifest

    manifest, table = read_manifest(baseline), read_table(baseline)
    estimates = read_own_estimates(baseline)
    sparse = any(
        (one["suite"].get("budget") or {}).get("design", "paired") != "paired"
        for one in (manifest, run.manifest)
    )
    if sparse or manifest["suite"]["digest"] != run.manifest["suite"]["digest"]:
        return side_by_side(run, manifest, estimates)
    settings = Settings(level=run.evidence.level, n_resamples=1000, seed=int(run.manifest["seed"]))
    found = compare_tables(table, read_table(path), settings=settings)
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
            Changed(
                task=row.task,
                text=texts.get((row.task, row.phrasing_id)) or row.phrasing_id,
                lost=row.lost,
                gained=row.gained,
                n=row.n,
                p=row.p_holm,
            )
            for row in worst
            if row.lost > row.gained
        ),
    )
