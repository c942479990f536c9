"""What the pages are made of: a run as it was stored, and its comparison with another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.evidence import Evidence
from evalkit.records import Estimate

__all__ = ["Comparison", "ComparisonRow", "RunView", "side_by_side"]

HEADLINE = ("mean", "std", "spread", "min", "seen_mean", "unseen_mean", "gap", "consistency", "unparsed_rate")
"""Statistics that are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run."""

    manifest: Mapping[str, Any]
    """Its manifest."""
    evidence: Evidence
    """Its phrasings, flips and first looks."""
    estimates: Sequence[Estimate]
    """Its estimates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """One statistic of two runs."""

    metric: str
    """Its name."""
    mine: Estimate
    """Of this run."""
    theirs: Estimate
    """Of the baseline."""
    difference: float
    """This run minus the baseline."""
    low: float = math.nan
    """Lower end of the paired interval of the difference; NaN when there is none."""
    high: float = math.nan
    """Upper end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A run against a baseline."""

    manifest: Mapping[str, Any]
    """Manifest of the baseline."""
    rows: Sequence[ComparisonRow]
    """Statistics of the whole run."""
    note: str
    """How the differences are to be read."""


def side_by_side(run: RunView, manifest: Mapping[str, Any], estimates: Sequence[Estimate]) -> Comparison:
    """Return the headline statistics of a run beside those of a baseline, without intervals of the differences.

    Parameters
    ----------
    run
        The run.
    manifest, estimates
        Of the baseline.
    """
    mine, theirs = (
        {row.metric: row for row in rows if row.task == "all" and row.benchmark == "all" and not row.group}
        for rows in (run.estimates, estimates)
    )
    rows = [
        ComparisonRow(metric=metric, mine=mine[metric], theirs=theirs[metric], difference=mine[metric].value - theirs[metric].value)
        for metric in HEADLINE
        if metric in mine and metric in theirs
    ]
    note = "Intervals are of each run alone; 'evalkit compare' pairs the two on instances and gives intervals of the differences."
    return Comparison(manifest=manifest, rows=rows, note=note)
