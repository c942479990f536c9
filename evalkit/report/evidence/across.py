"""A run of several tasks phrasing by phrasing, so that runs of one suite can stand side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evalkit.report.evidence.views import Evidence

__all__ = ["PhrasingMean", "phrasing_means"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhrasingMean:
    """One phrasing over all tasks that use it."""

    phrasing_id: str
    """Phrasing id."""
    seen: str
    """seen, unseen or unknown; ``mixed`` where tasks differ."""
    score: float
    """Mean of its deviations from the means of its tasks, plus the mean over all tasks."""


def phrasing_means(evidence: Evidence) -> list[PhrasingMean]:
    """Return every headline phrasing once, with the difficulty of its tasks taken out.

    Notes
    -----
    score = mean over tasks t that use p of (a[t, p] - mean_p a[t]) + mean over tasks of mean_p
    a[t]. Where all tasks share all phrasings this is the plain mean over tasks.
    """
    rows = [
        row
        for view in evidence.tasks
        for row in view.phrasings
        if row.headline and not math.isnan(row.score)
    ]
    means = {row.task: row.score - row.deviation for row in rows}
    if not means:
        return []
    level = sum(means.values()) / len(means)
    members: dict[str, list[tuple[float, str]]] = {}
    for row in rows:
        members.setdefault(row.phrasing_id, []).append((row.deviation, row.seen))
    return [
        PhrasingMean(
            phrasing_id=name,
            seen=found[0][1] if len({seen for _, seen in found}) == 1 else "mixed",
            score=level + sum(deviation for deviation, _ in found) / len(found),
        )
        for name, found in sorted(members.items())
    ]
