"""The stored answers of one run under every rule that they suffice for."""

from __future__ import annotations

from pathlib import Path

from evalkit.analysis.by_scorer import ScorerRow, scorer_rows
from evalkit.records.manifest import Manifest
from evalkit.scoring.scorers import OWN, SCORERS, rescored

__all__ = ["rows_of_run"]

MOST = 20_000
"""Cells up to which a report scores them all again: about five seconds of one processor."""


def rows_of_run(path: Path, manifest: Manifest) -> list[ScorerRow]:
    """Return a row per rule; none of a sparse run, and none beyond `MOST` cells, where
    ``evalkit score RUN --score-by all`` is to be typed.

    Parameters
    ----------
    path, manifest
        Of a finished run.
    """
    if manifest.suite.sparse or manifest.totals.cells > MOST:
        return []
    found = rescored(path, [OWN, *SCORERS])
    return scorer_rows({("", one.model, one.answers, one.scorer): one.table for one in found})
