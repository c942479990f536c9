"""What stands beside the ranks of models: score above chance, share of a reference,
and what one wording's order is worth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from evalkit import stats
from evalkit.analysis.standings import aligned
from evalkit.errors import UsageError
from evalkit.records import Estimate
from evalkit.scoring import ScoreTable

__all__ = ["GoesWith", "Place", "Wordings", "agreement", "goes_with", "of_reference", "places"]

KS = (1, 3)
"""Models one would look at, for regret@k."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One model beside the others; means over tasks, fractions, NaN where undefined."""

    model: str
    """Its name."""
    mean: float
    """Mean score."""
    spread: float
    """Best minus worst phrasing."""
    above_chance: float
    """(mean - chance) / (1 - chance), over the tasks that have a chance level."""
    n_above: int
    """Tasks behind it."""
    of_reference: float
    """Mean over tasks of score above chance divided by the reference model's; NaN without one."""
    n_of_reference: int
    """Tasks behind it: those in which the reference is better than chance."""
    front: bool
    """Whether no model is better in mean and spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wordings:
    """What one wording's order of the models is worth; means over tasks, NaN with one model."""

    tau: float
    """Kendall's tau between the orders under two wordings, mean over pairs."""
    tau_low: float
    """The lowest of any pair."""
    n_pairs: int
    """Pairs behind them, over all tasks."""
    regret: Mapping[int, float]
    """k -> score lost by taking the best of the k models that one wording puts first."""


def places(
    runs: Sequence[tuple[str, Sequence[Estimate]]], *, reference: str | None = None
) -> list[Place]:
    """Return one row per model, in the order given.

    Parameters
    ----------
    runs
        Name and estimates of every run.
    reference
        Name of the model that the others are divided by.

    Raises
    ------
    UsageError
        When no run has that name.
    """
    names = [name for name, _ in runs]
    if reference is not None and reference not in names:
        raise UsageError(
            f"--reference {reference!r}: no run is of that model; accepted: {', '.join(names)}."
        )
    values = {name: _by_task(estimates) for name, estimates in runs}
    base = values[reference] if reference is not None else {}
    means = np.array([_mean(values[name], "mean") for name in names])
    spreads = np.array([_mean(values[name], "spread") for name in names])
    front = stats.not_dominated(means, spreads)
    found = []
    for k, name in enumerate(names):
        own = values[name]
        normed = [one["accuracy_norm"] for one in own.values() if "accuracy_norm" in one]
        shares = _shares(own, base)
        found.append(
            Place(
                model=name,
                mean=float(means[k]),
                spread=float(spreads[k]),
                above_chance=float(np.mean(normed)) if normed else math.nan,
                n_above=len(normed),
                of_reference=float(np.mean(shares)) if shares else math.nan,
                n_of_reference=len(shares),
                front=bool(front[k]),
            )
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class GoesWith:
    """How scores measured elsewhere go with those of the leaderboard;
    Spearman's rho, NaN with fewer than three models.
    """

    n: int
    """Models that both have."""
    mean: float
    """With the mean."""
    spread: float
    """With the spread: below 0, better models elsewhere depend less on the wording here."""
    p: float
    """Two-sided permutation p of that with the mean; NaN above eight models."""


def goes_with(beside: Sequence[Place], scores: Mapping[str, float]) -> GoesWith:
    """Return the correlation of scores of the same models with mean and spread.

    Parameters
    ----------
    beside
        Models of the leaderboard.
    scores
        Model -> score elsewhere, such as that of its base model with worked examples.

    Raises
    ------
    UsageError
        When no model has the name of one of the leaderboard.
    """
    kept = [one for one in beside if one.model in scores]
    if not kept:
        raise UsageError(
            f"--base: names none of the models {', '.join(one.model for one in beside)}. "
            "Its column 'model' holds names as the leaderboard shows them."
        )
    other = np.array([scores[one.model] for one in kept])
    means = np.array([one.mean for one in kept])
    rho = _rho(other, means)
    exact = 3 <= len(kept) <= 8 and not math.isnan(rho)
    turns = [_rho(np.array(one), means) for one in permutations(other)] if exact else []
    p = float(np.mean([abs(one) >= abs(rho) - 1e-12 for one in turns])) if exact else math.nan
    spreads = np.array([one.spread for one in kept])
    return GoesWith(n=len(kept), mean=rho, spread=_rho(other, spreads), p=p)


def _rho(one: np.ndarray, other: np.ndarray) -> float:
    from scipy.stats import rankdata

    ranks = [rankdata(values) for values in (one, other)]
    if len(one) < 3 or any(np.ptp(rank) == 0 for rank in ranks) or np.isnan(one + other).any():
        return math.nan
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def of_reference(estimates: Sequence[Estimate], reference: Sequence[Estimate]) -> tuple[float, int]:
    """Return the mean over tasks of score above chance divided by a reference's,
    and the tasks behind it; NaN and 0 without any.

    Parameters
    ----------
    estimates, reference
        Of two runs of the same tasks.
    """
    shares = _shares(_by_task(estimates), _by_task(reference))
    return (float(np.mean(shares)) if shares else math.nan), len(shares)


def _shares(
    own: Mapping[str, Mapping[str, float]], base: Mapping[str, Mapping[str, float]]
) -> list[float]:
    """Share of the reference of every task in which that is better than chance."""
    shares = [
        stats.percent_of(_above(one), _above(base[task]))
        for task, one in own.items()
        if task in base and ("accuracy_norm" in one) == ("accuracy_norm" in base[task])
    ]
    return [share for share in shares if not math.isnan(share)]


def _by_task(estimates: Sequence[Estimate]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for row in estimates:
        if row.task != "all" and not row.group and not math.isnan(row.value):
            found.setdefault(row.task, {})[row.metric] = row.value
    return found


def _mean(tasks: Mapping[str, Mapping[str, float]], metric: str) -> float:
    values = [one[metric] for one in tasks.values() if metric in one]
    return float(np.mean(values)) if values else math.nan


def _above(one: Mapping[str, float]) -> float:
    """Score above chance where the task has a chance level, else the score."""
    return one.get("accuracy_norm", one.get("mean", math.nan))


def agreement(tables: Sequence[tuple[str, ScoreTable]]) -> Wordings:
    """Return how far one wording's order of the models can be trusted.

    Parameters
    ----------
    tables
        Name and cells of each run, of the same tasks, phrasings and instances; only cells that all
        models have count.
    """
    _, cells, _ = aligned(tables)
    taus: list[float] = []
    by_task: list[float] = []
    regrets: dict[int, list[float]] = {k: [] for k in KS}
    for task in cells:
        scores = np.nanmean(task, axis=2).T  # (phrasing, model)
        truth = scores.mean(axis=0)
        found = stats.pairwise_tau(scores)
        found = found[~np.isnan(found)]
        taus += found.tolist()
        if found.size:
            by_task.append(float(found.mean()))
        for k, values in regrets.items():
            if k < len(tables):
                values += [stats.regret_at_k(row, truth, k) for row in scores]
    return Wordings(
        tau=float(np.mean(by_task)) if by_task else math.nan,
        tau_low=min(taus, default=math.nan),
        n_pairs=len(taus),
        regret={k: float(np.mean(values)) for k, values in regrets.items() if values},
    )
