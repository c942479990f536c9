"""Models of one suite in order.

Ranks with ties and intervals, the chance of being first, how the order changes with the wording.

Everything is paired: all models answered the same phrasings and instances, and only cells that all
have count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats as distributions

from evalkit import stats
from evalkit.analysis import headline_phrasings
from evalkit.analysis.between_models import resampled_scores
from evalkit.errors import ComparisonError
from evalkit.records import digest
from evalkit.scoring import Block, ScoreTable
from evalkit.stats.intervals.crossed import crossed_error

__all__ = ["Standing", "Standings", "standings"]

Floats: TypeAlias = npt.NDArray[np.float64]
Cells: TypeAlias = list[Floats]
"""Per task, scores shaped (model, phrasing, instance), NaN where any model has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One model."""

    model: str
    """Its name."""
    mean: float
    """Mean over tasks of the mean over phrasings, on the cells all models have."""
    rank: int
    """1 + models that are distinguishably better; ties share a rank."""
    rank_low: int
    """Best rank of the interval."""
    rank_high: int
    """Worst rank of the interval."""
    p_best: float
    """Share of resamples in which it is first."""
    tied_with: tuple[str, ...]
    """Models whose paired difference to it has an interval that contains 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standings:
    """All models."""

    rows: tuple[Standing, ...]
    """Best first."""
    kendall_w: float
    """Agreement of phrasings on the order, mean over tasks; 1: every wording gives the same order.
    NaN when undefined."""
    question: stats.Question
    """``random``: for new phrasings too; ``fixed``: for these phrasings, which is all that one
    phrasing allows."""
    level: float
    """Level of intervals."""
    n_dropped: int
    """Cells left out because a model misses them."""


def standings(
    tables: Sequence[tuple[str, ScoreTable]],
    *,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
    question: stats.Question = "random",
) -> Standings:
    """Return the order of models.

    Parameters
    ----------
    tables
        Name and cells of each run; one model per table.
    level
        Level of intervals and of "distinguishable".
    n_resamples
        Resamples behind rank intervals and `Standing.p_best`; instances, and phrasings under
        ``random``, are drawn alike for all models.
    seed
        Seed of the resamples.
    question
        ``random`` or ``fixed``; ``random`` needs two phrasings in every task, else ``fixed`` is
        answered and said.

    Raises
    ------
    ComparisonError
        When two runs have one name, or tasks, phrasings or instances differ.
    """
    names = [name for name, _ in tables]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ComparisonError(
            f"leaderboard: two runs are called {twice[0]!r}; names must differ. Leave one out, or name a label."
        )
    cells, shared, dropped = _aligned(tables)
    if question == "random" and any(task.shape[1] < 2 for task in cells):
        question = "fixed"
    means = np.mean([np.nanmean(np.nanmean(task, axis=2), axis=1) for task in cells], axis=0)
    rng = np.random.default_rng(int(digest([seed, sorted(names), "standings"], length=16), 16))
    draws = _draws(cells, shared=shared, question=question, rng=rng, n_resamples=n_resamples)
    low, high = stats.rank_intervals(draws, level=level)
    first = stats.p_best(draws)
    signs = _signs(cells, shared=shared, question=question, level=level)
    rows = []
    for k, name in enumerate(names):
        rank = 1 + int((signs[:, k] > 0).sum())
        rows.append(
            Standing(
                model=name,
                mean=float(means[k]),
                rank=rank,
                rank_low=min(rank, int(low[k])),
                rank_high=max(rank, int(high[k])),
                p_best=float(first[k]),
                tied_with=tuple(
                    other for j, other in enumerate(names) if j != k and signs[j, k] == 0
                ),
            )
        )
    rows.sort(key=lambda row: (row.rank, -row.mean, row.model))
    return Standings(
        rows=tuple(rows),
        kendall_w=_agreement(cells),
        question=question,
        level=level,
        n_dropped=dropped,
    )


def _aligned(tables: Sequence[tuple[str, ScoreTable]]) -> tuple[Cells, bool, int]:
    """Cells per task, whether all tasks have the same phrasings, and the number of cells left out."""
    blocks = [
        {task: table.block(table.models[0], task) for task in table.tasks(table.models[0])}
        for _, table in tables
    ]
    first, found, phrasings, dropped = blocks[0], [], set(), 0
    for (name, _), others in zip(tables[1:], blocks[1:], strict=True):
        _refuse_others(tables[0][0], first, other=name, blocks=others)
    for task, block in first.items():
        rows = headline_phrasings(block)
        values = np.array([others[task].values[rows] for others in blocks])
        gone = np.isnan(values).any(axis=0)
        dropped += int(gone.sum())
        values = np.where(gone, np.nan, values)[:, ~gone.all(axis=1)][:, :, ~gone.all(axis=0)]
        if not values.size:
            raise ComparisonError(
                f"leaderboard: {task} has no cell that all models answered. Complete the runs."
            )
        found.append(values)
        phrasings.add(tuple(np.array(block.phrasing_ids)[rows][~gone.all(axis=1)]))
    return found, len(phrasings) == 1 and len(first) > 1, dropped


def _refuse_others(
    name: str, first: dict[str, Block], *, other: str, blocks: dict[str, Block]
) -> None:
    odd = sorted(set(first) ^ set(blocks))
    if odd:
        raise ComparisonError(
            f"leaderboard: {name!r} and {other!r} differ in {len(odd)} tasks, first {odd[0]!r}; one suite per leaderboard."
        )
    for task, block in first.items():
        for what, mine, theirs in (
            ("phrasings", block.phrasing_ids, blocks[task].phrasing_ids),
            ("instances", block.instance_ids, blocks[task].instance_ids),
        ):
            if mine != theirs:
                odd = sorted(set(mine) ^ set(theirs))
                raise ComparisonError(
                    f"leaderboard: {name!r} and {other!r} differ in {len(odd)} {what} of {task}, first {odd[0]!r}; one suite per leaderboard."
                )


def _draws(
    cells: Cells,
    *,
    shared: bool,
    question: stats.Question,
    rng: np.random.Generator,
    n_resamples: int,
) -> Floats:
    """Mean score of every model in every resample, shaped (draw, model)."""
    n_models = cells[0].shape[0]
    total = np.zeros((n_resamples, n_models))
    common = (
        rng.integers(0, cells[0].shape[1], size=(n_resamples, cells[0].shape[1]))
        if shared and question == "random"
        else None
    )
    for task in cells:
        total += resampled_scores(
            task, question=question, rng=rng, n_resamples=n_resamples, rows=common
        )
    return total / len(cells)


def _signs(
    cells: Cells, *, shared: bool, question: stats.Question, level: float
) -> npt.NDArray[np.int64]:
    """(model, model): 1 where the first is distinguishably better than the second, -1 where worse, 0 for a tie."""
    n_models = cells[0].shape[0]
    signs = np.zeros((n_models, n_models), dtype=np.int64)
    for j in range(n_models):
        for k in range(j + 1, n_models):
            low, high = _difference(
                [task[j] - task[k] for task in cells], shared=shared, question=question, level=level
            )
            signs[j, k] = 1 if low > 0 else -1 if high < 0 else 0
            signs[k, j] = -signs[j, k]
    return signs


def _difference(
    changes: Sequence[Floats], *, shared: bool, question: stats.Question, level: float
) -> tuple[float, float]:
    """Interval of the mean over tasks of a paired difference.

    NaN, which no sign follows from, when there is none.
    """
    if shared:
        found = stats.suite_mean_interval(changes, question=question, level=level)
        return found.low, found.high
    parts = [crossed_error(change, question=question) for change in changes]
    value = float(np.mean([part[0] for part in parts]))
    variances = np.array([part[1] for part in parts]) / len(parts) ** 2
    total = float(variances.sum())
    if np.isnan(total):
        return float("nan"), float("nan")
    if total == 0:
        return value, value
    df = total**2 / float((variances**2 / np.array([part[2] for part in parts])).sum())
    half = float(distributions.t.ppf((1 + level) / 2, df)) * total**0.5
    return value - half, value + half


def _agreement(cells: Cells) -> float:
    """Kendall's W of phrasings on models, mean over the tasks that have one."""
    found = [stats.kendall_w(np.nanmean(task, axis=2).T) for task in cells if task.shape[0] > 1]
    defined = [w for w in found if not np.isnan(w)]
    return float(np.mean(defined)) if defined else float("nan")
