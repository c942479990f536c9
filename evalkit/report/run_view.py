"""What the pages are made of: a run as it was stored, and its comparison with another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.analysis.by_scorer import ScorerRow
from evalkit.analysis.compare import FlipCount
from evalkit.analysis.judged import Judgement
from evalkit.records import Estimate
from evalkit.records.manifest import Manifest
from evalkit.records.questions import WORDS
from evalkit.records.statistics import shown_in
from evalkit.report.evidence import Evidence
from evalkit.report.summary import reference_sentence
from evalkit.store.judgements import Pass

__all__ = ["Comparison", "ComparisonRow", "RunView", "side_by_side"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run."""

    manifest: Manifest
    """Its manifest."""
    evidence: Evidence
    """Its phrasings, flips and first looks."""
    estimates: Sequence[Estimate]
    """Its estimates."""
    judges: Sequence[tuple[Pass, Judgement]] = ()
    """What judges said of its answers."""
    scorers: Sequence[ScorerRow] = ()
    """Its stored answers under other rules."""


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

    manifest: Manifest
    """Manifest of the baseline."""
    rows: Sequence[ComparisonRow]
    """Statistics of the whole run."""
    note: str
    """How the differences are to be read."""
    lost: int = 0
    """Cells right in the baseline and wrong now; 0 when cells were not paired."""
    gained: int = 0
    """Cells wrong in the baseline and right now."""
    changed: Sequence[tuple[FlipCount, str]] = ()
    """Phrasings that lost most, worst first, with their texts."""


def side_by_side(
    run: RunView,
    manifest: Manifest,
    estimates: Sequence[Estimate],
    *,
    differences: Sequence[Estimate] = (),
) -> Comparison:
    """Return the headline statistics of a run beside those of a baseline.

    Parameters
    ----------
    run
        The run.
    manifest, estimates
        Of the baseline.
    differences
        Paired differences, this run minus the baseline; empty when the two cannot be paired.
    """
    mine, theirs, paired = (
        {
            row.metric: row
            for row in rows
            if row.task == "all" and row.benchmark == "all" and not row.group
        }
        for rows in (run.estimates, estimates, differences)
    )
    rows = []
    for metric in (entry.name for entry in shown_in("comparison")):
        if metric not in mine or metric not in theirs:
            continue
        found = paired.get(metric)
        if metric == "judged_mean" and found is None:
            continue  # of two judges
        rows.append(
            ComparisonRow(
                metric=metric,
                mine=mine[metric],
                theirs=theirs[metric],
                difference=mine[metric].value - theirs[metric].value
                if found is None
                else found.value,
                low=math.nan if found is None else found.low,
                high=math.nan if found is None else found.high,
            )
        )
    note = (
        (
            "Differences are paired: the same phrasings on the same instances, "
            f"cells that both runs have. Their intervals are for {WORDS['these']}."
        )
        if differences
        else "The two runs cannot be paired, so differences have no intervals."
    )
    share = reference_sentence(run.estimates, estimates, "this run", "the baseline")
    return Comparison(manifest=manifest, rows=rows, note=f"{note} {share}".rstrip())
