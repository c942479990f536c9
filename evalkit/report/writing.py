"""Writes everything a person looks at into a run directory: leaderboard, Markdown, page, figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.records import Estimate
from evalkit.report.leaderboard import leaderboard_csv, leaderboard_row
from evalkit.rundir import write_atomic

if TYPE_CHECKING:
    from evalkit.scores import ScoreTable

__all__ = ["write_report"]


def write_report(path: Path, manifest: Mapping[str, Any], *, table: ScoreTable, estimates: Sequence[Estimate]) -> None:
    """Write the report of one run.

    Parameters
    ----------
    path
        Run directory.
    manifest
        Its manifest.
    table
        Its cells.
    estimates
        Its estimates.
    """
    write_atomic(path / "leaderboard.csv", leaderboard_csv([leaderboard_row(manifest, estimates)]))
