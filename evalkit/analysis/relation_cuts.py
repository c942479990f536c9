"""F1 of relations without "no relation", for all cells and for every form, with an interval.

F1 of a phrasing is 2 hits / (relations named + relations there) over its cells. Each instance's
share in it is the first term of its expansion: F1 + (2 hit - F1 (named + there)) / mean (named +
there). The shares have the mean F1, and their spread is its error.

References
----------
Zhang and others, EMNLP 2017, scorer of TACRED (micro-averaged, no_relation left out). Efron and
Tibshirani, An Introduction to the Bootstrap, 1993, section 21.3 (influence of an observation).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis.dimension_cuts import Cut
from evalkit.scoring import AnswerBlock, Block
from evalkit.stats import Part

__all__ = ["f1_shares", "relation_cuts"]

Floats = npt.NDArray[np.float64]


def relation_cuts(
    blocks: Sequence[Block], answers: Mapping[str, AnswerBlock]
) -> Iterator[tuple[Block, str, Cut]]:
    """Yield block, group and the cells of F1, of tasks that measure relations.

    Parameters
    ----------
    blocks
        Tasks of one model.
    answers
        Task id -> its answers, with ``relation_recall`` and ``relation_precision``.
    """
    for block in blocks:
        answer = answers.get(block.task)
        if answer is None or "relation_recall" not in answer.measures:
            continue
        recall, precision = (
            answer.measures[f"relation_{name}"][block.headline] for name in ("recall", "precision")
        )
        names = tuple(np.array(block.phrasing_ids)[block.headline].tolist())
        factors = answer.factors or ({},) * len(answer.instance_ids)
        origins = np.asarray(answer.origins or answer.instance_ids, dtype=str)
        codes = np.unique(origins, return_inverse=True)[1].astype(np.int64)
        spoken = np.array([one.get("recast", "") != "truefalse" for one in factors])
        for group in (
            "",
            *sorted({f"recast={one['recast']}" for one in factors if "recast" in one}),
        ):
            form = group.partition("=")[2]
            columns = spoken & np.array([not form or one.get("recast") == form for one in factors])
            shares = f1_shares(recall[:, columns], precision[:, columns])
            if shares.size and not np.isnan(shares).all():
                mine = np.unique(codes[columns], return_inverse=True)[1].astype(np.int64)
                yield block, group, ("relation_f1", Part(names, stats.by_group(shares, mine)), None)


def f1_shares(recall: Floats, precision: Floats) -> Floats:
    """Return (P, N) numbers whose row means are the F1 of each phrasing; NaN where it has none.

    Parameters
    ----------
    recall
        (P, N) 1 where the relation that is there was named, 0 where not, NaN where none is there.
    precision
        (P, N) 1 where the relation named is there, 0 where not, NaN where none was named.

    Examples
    --------
    >>> nan = float("nan")
    >>> recall = np.array([[1.0, 0.0, nan, nan]])
    >>> precision = np.array([[1.0, nan, 0.0, nan]])
    >>> float(f1_shares(recall, precision).mean())
    0.5
    """
    hit = np.nan_to_num(recall)
    both = (~np.isnan(recall)).astype(float) + ~np.isnan(precision)
    if not both.size:
        return both
    size = both.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = 2 * hit.mean(axis=1, keepdims=True) / size
        return np.asarray(value + (2 * hit - value * both) / size)
