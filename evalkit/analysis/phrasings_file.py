"""``phrasings.csv``: one row per task and phrasing,
with the rates and calibration that are asked for per phrasing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis.estimating import headline_phrasings
from evalkit.analysis.from_answers import brier_cells
from evalkit.analysis.from_distances import changes
from evalkit.analysis.from_states import SHARES, share_cells, status_shares
from evalkit.analysis.sparse import phrasing_estimates
from evalkit.scoring import STATUSES, AnswerBlock, Block, ScoreTable
from evalkit.store.atomic import write_atomic
from evalkit.store.csv_file import csv_of

__all__ = ["COLUMNS", "SCHEMA", "phrasing_rows", "write_phrasings"]

SCHEMA = "evalkit.phrasings/1"
"""Schema version, in the last column of every row."""
RATES = (
    *("unparsed_rate", "cut_rate", "unusable_rate", "truncated_rate", "missing_rate"),
    *("refusal_rate", "label_adherence"),
)
COLUMNS = (
    *(
        "model",
        "benchmark",
        "task",
        "phrasing_id",
        "phrasing_source",
        "seen",
        "kind",
        "perturbation",
        "n_instances",
    ),
    *("score", "ece", "brier", *RATES, "distance", "change", "headline", "schema"),
)
"""Columns of the file in order."""


def phrasing_rows(
    table: ScoreTable,
    answers: Mapping[str, AnswerBlock],
    distances: Mapping[str, Mapping[str, float]],
) -> list[dict[str, Any]]:
    """Return one row per task and phrasing of the first model of a table.

    Parameters
    ----------
    table
        Cells.
    answers
        Task id -> its answers; tasks without them have no brier, refusal_rate and label_adherence.
    distances
        Task id -> phrasing id -> distance to the seen phrasings.

    Notes
    -----
    ``score`` is the plain mean of the scored cells, in a sparse run the posterior mean over all
    instances; ``n_instances`` is how many cells were scored. Rates are among cells that are not
    missing, but for missing_rate, which is among all cells asked. ``change`` is the score minus the
    mean score of the seen headline phrasings, and ``headline`` is 1 for a phrasing that headline
    numbers are over, else 0. What is undefined is NaN.
    """
    model = table.models[0]
    rows: list[dict[str, Any]] = []
    for task in table.tasks(model):
        block = table.block(model, task)
        rows += _of_task(
            block,
            table.block(model, task, value="probability").values,
            answers.get(task),
            distances.get(task, {}),
        )
    return rows


def _there(block: Block) -> npt.NDArray[np.bool_]:
    """(P, N) cells that were asked and are not missing."""
    return np.asarray(block.asked & (block.status != STATUSES.index("missing")))


def _of_task(
    block: Block,
    confidence: npt.NDArray[np.float64],
    answers: AnswerBlock | None,
    distances: Mapping[str, float],
) -> list[dict[str, Any]]:
    nothing = np.full(block.values.shape, np.nan)
    headline = headline_phrasings(block)
    a = np.asarray(stats.phrasing_scores(block.values))
    a[headline] = phrasing_estimates(block, headline)
    columns = {
        "score": a,
        "distance": np.array([distances.get(name, math.nan) for name in block.phrasing_ids]),
        "change": changes(a, headline & (np.array(block.seen) == "seen")),
        "brier": stats.phrasing_scores(nothing if answers is None else brier_cells(answers)),
        "refusal_rate": stats.phrasing_scores(nothing if answers is None else answers.refused),
        "label_adherence": stats.phrasing_scores(nothing if answers is None else answers.adheres),
        "missing_rate": status_shares(block, "missing", of=lambda one: one.asked),
        "unparsed_rate": status_shares(block, "unparsed", of=_there),
        **{
            name: stats.phrasing_scores(share_cells(block, SHARES[name]))
            for name in ("cut_rate", "unusable_rate")
        },
        "truncated_rate": status_shares(block, "truncated", of=_there),
    }
    return [
        {
            "model": block.model,
            "benchmark": block.benchmark,
            "task": block.task,
            "phrasing_id": name,
            "phrasing_source": block.sources[row],
            "seen": block.seen[row],
            "kind": block.kinds[row],
            "perturbation": block.perturbations[row],
            "n_instances": int((~np.isnan(block.values[row])).sum()),
            "ece": stats.ece(confidence[row], block.values[row]),
            "headline": int(headline[row]),
            **{column: float(values[row]) for column, values in columns.items()},
        }
        for row, name in enumerate(block.phrasing_ids)
    ]


def write_phrasings(rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows at full precision; a number that does not exist is an empty cell.

    Parameters
    ----------
    rows
        As `phrasing_rows` returns them.
    path
        File that is replaced whole.
    """
    lines = ([SCHEMA if name == "schema" else row[name] for name in COLUMNS] for row in rows)
    write_atomic(path, csv_of(COLUMNS, lines))
