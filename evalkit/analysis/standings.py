"""Models of one suite in order.

Ranks with ties and intervals, the chance of being first, how the order changes with the wording.

Everything is paired: all models answered the same phrasings and instances, and only cells that all
have count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis import headline_phrasings
from evalkit.analysis.between_models import mean_of_draws, resampled_scores
from evalkit.analysis.over_tasks import OneTask, mean_error
from evalkit.errors import ComparisonError
from evalkit.records import digest
from evalkit.records.questions import Asked, Named, asked, of_differences, within
from evalkit.scoring import Block, ScoreTable

__all__ = ["Standing", "Standings", "aligned", "standings"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ids: TypeAlias = list[tuple[str, ...]]
"""Per task, the ids of its phrasings."""
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
    letters: str = ""
    """Groups it belongs to, a letter each: two models that share one cannot be told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standings:
    """All models."""

    rows: tuple[Standing, ...]
    """Best first."""
    kendall_w: float
    """Agreement of phrasings on the order, mean over tasks; 1: every wording gives the same order.
    NaN when undefined."""
    question: Asked
    """What ranks, ties and chances answer; ``these`` is all that one phrasing allows."""
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
    question: Named = "phrasings",
) -> Standings:
    """Return the order of models.

    Parameters
    ----------
    tables
        Name and cells of each run; one model per table.
    level
        Level of intervals and of "distinguishable".
    n_resamples
        Resamples behind rank intervals and `Standing.p_best`; what the question takes as random is
        drawn alike for all models.
    seed
        Seed of the resamples.
    question
        A name in `evalkit.records.questions`; ``phrasings`` is answered for these phrasings, see
        `of_differences` there; all but ``these`` need two phrasings in every task, else ``these``
        is answered and said.

    Raises
    ------
    ComparisonError
        When two runs have one name, or tasks, phrasings or instances differ.
    """
    names = [name for name, _ in tables]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ComparisonError(
            f"leaderboard: two runs are called {twice[0]!r}; names must differ. "
            "Leave one out, or name a label."
        )
    ids, cells, dropped = aligned(tables)
    what = of_differences(asked(question))
    if what != "these" and any(task.shape[1] < 2 for task in cells):
        what = "these"
    means = np.mean([np.nanmean(np.nanmean(task, axis=2), axis=1) for task in cells], axis=0)
    rng = np.random.default_rng(int(digest([seed, sorted(names), "standings"], length=16), 16))
    draws = _draws(ids, cells, question=what, rng=rng, n_resamples=n_resamples)
    low, high = stats.rank_intervals(draws, level=level)
    first = stats.p_best(draws)
    signs = _signs(ids, cells, question=what, level=level)
    ranks = 1 + (signs > 0).sum(axis=0)
    rows = [
        Standing(
            model=name,
            mean=float(means[k]),
            rank=int(ranks[k]),
            rank_low=min(int(ranks[k]), int(low[k])),
            rank_high=max(int(ranks[k]), int(high[k])),
            p_best=float(first[k]),
            tied_with=tuple(o for j, o in enumerate(names) if j != k and signs[j, k] == 0),
        )
        for k, name in enumerate(names)
    ]
    rows.sort(key=lambda row: (row.rank, -row.mean, row.model))
    marks = letters({row.model: row.tied_with for row in rows})
    return Standings(
        rows=tuple(replace(row, letters=marks[row.model]) for row in rows),
        kendall_w=_agreement(cells),
        question=what,
        level=level,
        n_dropped=dropped,
    )


def letters(tied: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the groups of every model as letters: two share a letter exactly where they are tied.

    Parameters
    ----------
    tied
        Model -> the models it is tied with, best model first; ties hold both ways.

    Notes
    -----
    The groups are the largest sets in which all are tied with each other: the compact letter
    display of Piepho (2004), Journal of Computational and Graphical Statistics 13, by insertion
    and absorption.

    Examples
    --------
    >>> letters({"a": ["b"], "b": ["a", "c"], "c": ["b"]})
    {'a': 'a', 'b': 'ab', 'c': 'b'}
    """
    names = list(tied)
    groups = [frozenset(names)]
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            if other in tied[one]:
                continue
            split = [part for group in groups for part in _apart(group, one, other)]
            groups = [
                group
                for number, group in enumerate(split)
                if not any(
                    group < kept or (group == kept and number > later)
                    for later, kept in enumerate(split)
                )
            ]
    first = sorted(groups, key=lambda group: sorted(map(names.index, group)))
    return {
        name: "".join(_letter(number) for number, group in enumerate(first) if name in group)
        for name in names
    }


def _apart(group: frozenset[str], one: str, other: str) -> list[frozenset[str]]:
    """The group, or where both are in it two groups that each lack one of them."""
    return [group - {other}, group - {one}] if {one, other} <= group else [group]


def _letter(number: int) -> str:
    """Return the letter of a group: a to z, then a2, b2, ...

    >>> _letter(1), _letter(27)
    ('b', 'b2')
    """
    turn, place = divmod(number, 26)
    return chr(ord("a") + place) + (str(turn + 1) if turn else "")


def aligned(tables: Sequence[tuple[str, ScoreTable]]) -> tuple[Ids, Cells, int]:
    """Return phrasing ids and cells per task, and the number of cells left out.

    Parameters
    ----------
    tables
        Name and cells of each run; one model per table.

    Raises
    ------
    ComparisonError
        When tasks, phrasings or instances differ, or no cell of a task is answered by all.
    """
    blocks = [
        {task: table.block(table.models[0], task) for task in table.tasks(table.models[0])}
        for _, table in tables
    ]
    first, found, phrasings, dropped = blocks[0], [], [], 0
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
        phrasings.append(tuple(np.array(block.phrasing_ids)[rows][~gone.all(axis=1)].tolist()))
    return phrasings, found, dropped


def _refuse_others(
    name: str, first: dict[str, Block], *, other: str, blocks: dict[str, Block]
) -> None:
    odd = sorted(set(first) ^ set(blocks))
    if odd:
        raise ComparisonError(
            f"leaderboard: {name!r} and {other!r} differ in {len(odd)} tasks, first {odd[0]!r}; "
            "one suite per leaderboard."
        )
    for task, block in first.items():
        for what, mine, theirs in (
            ("phrasings", block.phrasing_ids, blocks[task].phrasing_ids),
            ("instances", block.instance_ids, blocks[task].instance_ids),
        ):
            if mine != theirs:
                odd = sorted(set(mine) ^ set(theirs))
                raise ComparisonError(
                    f"leaderboard: {name!r} and {other!r} differ in {len(odd)} {what} of {task}, "
                    f"first {odd[0]!r}; one suite per leaderboard."
                )


def _draws(
    ids: Ids, cells: Cells, *, question: Asked, rng: np.random.Generator, n_resamples: int
) -> Floats:
    """Mean score of every model in every resample, shaped (draw, model)."""
    n_phrasings = cells[0].shape[1]
    common = (
        rng.integers(0, n_phrasings, size=(n_resamples, n_phrasings))
        if len(set(ids)) == 1 and len(ids) > 1 and question != "these"
        else None
    )
    draws: list[Floats | None] = [
        resampled_scores(
            task, question=within(question), rng=rng, n_resamples=n_resamples, rows=common
        )
        for task in cells
    ]
    found = mean_of_draws(draws, question=question, rng=rng)
    assert found is not None  # for the type checker; every task has draws
    return found


def _signs(ids: Ids, cells: Cells, *, question: Asked, level: float) -> npt.NDArray[np.int64]:
    """(model, model): 1 where the first is distinguishably better than the second, -1 where
    worse, 0 for a tie.
    """
    n_models = cells[0].shape[0]
    signs = np.zeros((n_models, n_models), dtype=np.int64)
    for j in range(n_models):
        for k in range(j + 1, n_models):
            changes = [
                _change(names, task[j] - task[k]) for names, task in zip(ids, cells, strict=True)
            ]
            error, _ = mean_error(changes, question)
            clear = stats.two_sided(error.value, error.variance, error.df) < 1 - level
            signs[j, k] = int(np.sign(error.value)) if clear else 0
            signs[k, j] = -signs[j, k]
    return signs


def _change(ids: tuple[str, ...], change: Floats) -> OneTask:
    """What one task says of the difference of two models."""
    return OneTask(
        task="",
        benchmark="",
        found={"mean": stats.undefined(stats.mean(change), "not asked")},
        phrasing_ids=ids,
        seen=("unknown",) * len(ids),
        a=np.asarray(stats.phrasing_scores(change)),
        n_instances=change.shape[1],
        digest="",
        values=change,
    )


def _agreement(cells: Cells) -> float:
    """Kendall's W of phrasings on models, mean over the tasks that have one."""
    found = [stats.kendall_w(np.nanmean(task, axis=2).T) for task in cells if task.shape[0] > 1]
    defined = [w for w in found if not np.isnan(w)]
    return float(np.mean(defined)) if defined else float("nan")
