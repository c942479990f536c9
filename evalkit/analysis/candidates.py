"""Several changed models against one plain model, and which of those that needed no training can be
suggested.

Everything is as in `evalkit.analysis.compare`. The suggestion is made on unseen phrasings where the
runs have some. Choosing the best of k is paid for: its interval has the level 1 - (1 - level) / k
(Bonferroni), so that all k hold together at `level`, and it is suggested only when that interval
lies above 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evalkit.analysis.compare import Settings, compare_tables
from evalkit.records import Estimate
from evalkit.scoring import ScoreTable

__all__ = ["Candidate", "Cost", "Suggestion", "changes_of", "suggestion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a change costs; None where a run does not say."""

    tokens_ratio: float | None = None
    """Prompt tokens per request, as a multiple of the plain model's."""
    trained_parameters: int | None = None
    """Parameters trained; 0 for none."""
    training_seconds: float | None = None
    """Seconds of training."""
    training_free: bool = False
    """Whether the model's own weights answered, without a trained adapter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One changed model."""

    name: str
    """What it is called."""
    table: ScoreTable
    """Its scores."""
    cost: Cost
    """What it costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """The best training-free candidate."""

    name: str
    """Its name."""
    metric: str
    """What it is best by: ``unseen_mean``, or ``mean`` where no phrasing is unseen."""
    value: float
    """Difference to the plain model, a fraction."""
    low: float
    """Lower end of the interval at the level that pays for the choice."""
    high: float
    """Upper end."""
    level: float
    """That level."""
    n_candidates: int
    """Training-free candidates it was chosen from."""
    holds: bool
    """Whether the interval lies above 0: only then it is suggested."""


def changes_of(plain: ScoreTable, candidate: Candidate, settings: Settings) -> list[Estimate]:
    """Return the difference of every headline estimate,
    with the candidate's name in place of the model's.
    """
    found = compare_tables(plain, candidate.table, settings=settings)
    return [replace(row, model=f"{candidate.name} - {found.old}") for row in found.estimates]


def suggestion(
    plain: ScoreTable,
    candidates: Sequence[Candidate],
    changes: Sequence[Sequence[Estimate]],
    settings: Settings,
) -> Suggestion | None:
    """Return the best training-free candidate with the interval that pays for having chosen it.

    None when there is no such candidate.

    Parameters
    ----------
    plain
        Scores of the plain model.
    candidates, changes
        Changed models, and `changes_of` each.
    settings
        Settings of the comparison; the level is lowered here.
    """
    rows = [
        {row.metric: row for row in found if (row.benchmark, row.task) == ("all", "all")}
        for found in changes
    ]
    free = [
        (candidate, row)
        for candidate, row in zip(candidates, rows, strict=True)
        if candidate.cost.training_free
    ]
    if not free:
        return None
    metric = (
        "unseen_mean"
        if all(row["unseen_mean"].value == row["unseen_mean"].value for _, row in free)
        else "mean"
    )
    best, _ = max(free, key=lambda found: found[1][metric].value)
    level = 1 - (1 - settings.level) / len(free)
    again = changes_of(plain, best, replace(settings, level=level, margin=None))
    row = next(
        row for row in again if (row.benchmark, row.task, row.metric) == ("all", "all", metric)
    )
    return Suggestion(
        name=best.name,
        metric=metric,
        value=row.value,
        low=row.low,
        high=row.high,
        level=level,
        n_candidates=len(free),
        holds=row.low > 0,
    )
