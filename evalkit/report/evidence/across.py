"""Several runs of one suite side by side.

Phrasing by phrasing, and how the order of models depends on the wording.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalkit import stats
from evalkit.report.evidence.views import Evidence

__all__ = ["PhrasingMean", "RankOverPhrasings", "phrasing_means", "ranks_over_phrasings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhrasingMean:
    """One phrasing over all tasks that use it."""

    phrasing_id: str
    """Phrasing id."""
    seen: str
    """seen, unseen or unknown; ``mixed`` where tasks differ."""
    score: float
    """Mean of its deviations from the means of its tasks, plus the mean over all tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankOverPhrasings:
    """The ranks one model takes."""

    model: str
    """Model."""
    rank: int
    """Rank by the mean over tasks; 1 is best, ties share the smaller rank."""
    low: float
    """Lower end of the central part of its ranks over phrasings."""
    high: float
    """Upper end."""
    shares: tuple[float, ...]
    """Share of phrasings under which it has rank 1, 2, ..."""


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


def ranks_over_phrasings(
    runs: Sequence[tuple[str, Evidence]], *, level: float = 0.95
) -> tuple[list[RankOverPhrasings], float, int]:
    """Return the ranks of models, best first, Kendall's W and the number of phrasings they are over.

    Parameters
    ----------
    runs
        Name and evidence of runs of the same suite.
    level
        Central part of the ranks that ``low`` and ``high`` hold.
    """
    found = [
        {mean.phrasing_id: mean.score for mean in phrasing_means(evidence)} for _, evidence in runs
    ]
    shared = sorted(set.intersection(*(set(scores) for scores in found))) if found else []
    table = np.array([[scores[name] for scores in found] for name in shared]).reshape(
        len(shared), len(runs)
    )
    overall = stats.competition_rank(
        np.array([np.mean(list(scores.values())) if scores else math.nan for scores in found])
    )
    ranks = np.array([stats.competition_rank(row) for row in table]).reshape(table.shape)
    rows = []
    for place, (name, _) in enumerate(runs):
        mine = ranks[:, place]
        ends = (
            np.quantile(mine, [(1 - level) / 2, (1 + level) / 2])
            if mine.size
            else (math.nan, math.nan)
        )
        shares = (
            tuple(float((mine == rank).mean()) for rank in range(1, len(runs) + 1))
            if mine.size
            else ()
        )
        rows.append(
            RankOverPhrasings(
                model=name,
                rank=int(overall[place]),
                low=float(ends[0]),
                high=float(ends[1]),
                shares=shares,
            )
        )
    return sorted(rows, key=lambda row: (row.rank, row.model)), stats.kendall_w(table), len(shared)
