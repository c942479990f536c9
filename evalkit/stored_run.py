"""A finished run, read back from its directory; what `evalkit report` and notebooks begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.errors import StoreError

if TYPE_CHECKING:
    from evalkit.report.run_view import RunView
    from evalkit.scores import ScoreTable

__all__ = ["read_run", "read_table"]


def read_table(path: Path) -> ScoreTable:
    """Return the cells of a run.

    Raises
    ------
    EvalkitError
        When the run was not finished, or the file is damaged.
    """
    from evalkit.scores import ScoreTable

    file = path / "scores.parquet"
    if not file.is_file():
        raise StoreError(f"{file}: is not there; the run was not finished. Type: evalkit score {path}")
    return ScoreTable.read_parquet(file)


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
    from evalkit.analysis import read_estimates
    from evalkit.finish import evidence_of
    from evalkit.report.run_view import RunView
    from evalkit.rundir import RunDir, read_manifest

    manifest = read_manifest(path)
    if "intervals" not in manifest:
        raise StoreError(f"{path}: the run was not finished. Type: {manifest.get('command') or f'evalkit score {path}'}")
    table = read_table(path) if table is None else table
    estimates = read_estimates(path / "estimates.csv")
    evidence = evidence_of(RunDir(path), manifest, table, level=manifest["intervals"]["level"], flips=flips)
    return RunView(manifest=manifest, evidence=evidence, estimates=estimates)
