"""Scores of the same cells under several rules -> mean, spread, gap and rank under each,
and what the rule makes of the spread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evalkit import stats
from evalkit.analysis.estimating import headline_phrasings
from evalkit.records import digest
from evalkit.scoring import ScoreTable

__all__ = [
    "Made",
    "Mismatch",
    "ScorerRow",
    "made_by_scorer",
    "mismatches",
    "ranked",
    "scorer_rows",
]

Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerRow:
    """One model under one rule, over the tasks with one kind of answer;
    fractions, NaN where undefined.
    """

    run: str
    """Name of the run."""
    model: str
    """Model."""
    answers: str
    """Kind of answers: log-probabilities or texts."""
    scorer: str
    """Rule."""
    n_tasks: int
    """Tasks."""
    mean: float
    """Mean over tasks of the mean over phrasings."""
    spread: float
    """Mean over tasks of the best minus the worst phrasing."""
    std: float
    """Mean over tasks of the standard deviation over phrasings."""
    gap: float
    """Mean over tasks of seen minus unseen phrasings."""
    cells: str
    """Digest of its tasks, phrasings and instances;
    rows with the same one are of the same cells.
    """
    rank: float
    """Place of the model by mean under this rule, ties share the average; NaN with one model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What the rule makes of the spread of one model."""

    model: str
    """Model."""
    most: ScorerRow
    """The rule with the largest spread."""
    least: ScorerRow
    """The rule with the smallest spread among those that decide right or wrong."""

    @property
    def share(self) -> float:
        """Points of the largest spread that another rule would not show."""
        return self.most.spread - self.least.spread


def scorer_rows(tables: Mapping[Key, ScoreTable]) -> list[ScorerRow]:
    """Return one row per model, kind of answers and rule.

    Parameters
    ----------
    tables
        (run, model, kind of answers, rule) -> cells; the rules of one model and kind have the same
        tasks, phrasings and instances.
    """
    return ranked([_row(key, table) for key, table in tables.items()])


def ranked(rows: Sequence[ScorerRow]) -> list[ScorerRow]:
    """Return rows with the place of each among those of the same cells under the same rule."""
    placed = []
    for row in rows:
        rivals = [
            one.mean
            for one in rows
            if (one.answers, one.scorer, one.cells) == (row.answers, row.scorer, row.cells)
        ]
        above = sum(mean > row.mean for mean in rivals)
        ties = sum(mean == row.mean for mean in rivals)
        rank = above + (ties + 1) / 2 if len(rivals) > 1 else math.nan
        placed.append(replace(row, rank=rank))
    return placed


def _row(key: Key, table: ScoreTable) -> ScorerRow:
    run, model, answers, scorer = key
    found: dict[str, list[float]] = {"mean": [], "spread": [], "std": [], "gap": []}
    tasks, cells = table.tasks(table.models[0]), []
    for task in tasks:
        block = table.block(table.models[0], task)
        kept = block.limited(headline_phrasings(block))
        cells.append([task, list(kept.phrasing_ids), kept.instances_digest])
        a = np.asarray(stats.phrasing_scores(kept.values))
        seen, unseen = (a[np.array(kept.seen) == arm] for arm in ("seen", "unseen"))
        if np.isnan(a).all():
            continue
        found["mean"].append(float(np.nanmean(a)))
        if (~np.isnan(a)).sum() > 1:
            found["spread"].append(float(np.nanmax(a) - np.nanmin(a)))
            found["std"].append(float(np.nanstd(a, ddof=1)))
        if seen.size and unseen.size and not np.isnan([*seen, *unseen]).any():
            found["gap"].append(float(seen.mean() - unseen.mean()))
    values = {name: float(np.mean(some)) if some else math.nan for name, some in found.items()}
    return ScorerRow(
        run=run,
        model=model,
        answers=answers,
        scorer=scorer,
        n_tasks=len(tasks),
        cells=digest(cells, length=16),
        rank=math.nan,
        **values,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """How often a label's probability and the written answer of the same cell name the same
    choice.
    """

    model: str
    """Model."""
    by: str
    """Rule of the log-probabilities."""
    same: float
    """Share of the cells in which both name the same choice."""
    unread: float
    """Share of the cells whose text names none."""
    n: int
    """Cells that both were asked."""


def mismatches(tables: Mapping[Key, ScoreTable]) -> list[Mismatch]:
    """Return, per model asked both ways, how far labels' probabilities and written answers agree.

    Parameters
    ----------
    tables
        As for `scorer_rows`; the same cells asked by log-probability and written.

    References
    ----------
    X. Wang and others, "'My Answer is C': First-Token Probabilities Do Not Match Text Answers",
    2024 (arXiv 2402.14499).
    """
    found = []
    texts = {
        key[1]: table
        for key, table in tables.items()
        if (key[2], key[3]) == ("texts", "read") and _predicts(table)
    }
    for (_, model, answers, scorer), table in tables.items():
        if answers != "log-probabilities" or scorer not in {"first", "sum"} or model not in texts:
            continue
        keys = ["task", "phrasing_id", "instance_id"]
        columns = [*keys, "prediction", "score"]
        both = table.frame[columns].astype(dict.fromkeys(columns[:-1], object))
        other = texts[model].frame[columns].astype(dict.fromkeys(columns[:-1], object))
        cells = both.merge(other, on=keys, suffixes=("", "_text"))
        cells = cells[cells["score"].notna() & cells["score_text"].notna()]
        if len(cells):
            same = (cells["prediction"] == cells["prediction_text"]).mean()
            unread = cells["prediction_text"].isna().mean()
            found.append(
                Mismatch(
                    model=model, by=scorer, same=float(same), unread=float(unread), n=len(cells)
                )
            )
    first = {one.model for one in found if one.by == "first"}
    return [one for one in found if one.by == "first" or one.model not in first]


def _predicts(table: ScoreTable) -> bool:
    return bool(table.frame["prediction"].notna().any())


GRADED = frozenset({"probability", "f1", "rouge_l"})
"""Rules that give fractions: their spread is smaller by nature and is not held against the
others'.
"""


def made_by_scorer(rows: Sequence[ScorerRow]) -> list[Made]:
    """Return per model and set of cells the rules with the largest and smallest spread.

    Notes
    -----
    Only rules that decide right or wrong are compared, on the same cells. The difference is what
    the choice of the rule alone makes; it says nothing of which rule is right.
    """
    found = []
    for model, cells in dict.fromkeys((row.model, row.cells) for row in rows):
        mine = [
            row
            for row in rows
            if (row.model, row.cells) == (model, cells)
            and row.scorer not in GRADED
            and not math.isnan(row.spread)
        ]
        if len(mine) > 1:
            most = max(mine, key=lambda row: row.spread)
            least = min(mine, key=lambda row: row.spread)
            found.append(Made(model=model, most=most, least=least))
    return found
