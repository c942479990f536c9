"""What stands behind "phrasings" in a run: their strata, the doubtful ones,
and in what the arms differ beside words.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis.drops import doubtful_pairs
from evalkit.analysis.sparse import phrasing_estimates
from evalkit.records import digest
from evalkit.records.manifest import Wordings
from evalkit.scoring import Block, ScoreTable

__all__ = ["FORM", "differing", "gap_matched", "matched", "wordings_of"]

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

FORM = ("layout", "label_space", "position", "wrapper", "stratum")
"""Traits of a phrasing that are not its words, but may move its score."""
_STRATA = ("plain", "detailed", "styled", "")
APART = 0.2
"""Arms differ in a trait when this share of one arm would have to change it to be like the
other.
"""


def wordings_of(table: ScoreTable) -> Wordings:
    """Return what is said of the phrasings of a run of one model.

    Parameters
    ----------
    table
        Its cells.

    Notes
    -----
    Phrasings are counted once per task. The changes are means over the tasks where both sides are
    defined: the statistic with the doubtful phrasings minus the headline.
    """
    model = table.models[0]
    blocks = [table.block(model, task) for task in table.tasks(model)]
    strata, differ = Counter[str](), Counter[str]()
    changes: dict[str, list[float]] = defaultdict(list)
    left_out = copies = 0
    tasks, only = [], []
    for block in blocks:
        headline, doubted = block.headline, block.correct & ~block.headline
        strata.update(_kept(block, "stratum", headline))
        differ.update(differing(block))
        if doubted.any():
            tasks.append(block.task)
            left_out += int(doubted.sum())
        elif "doubtful" in _kept(block, "meaning", headline):
            only.append(block.task)
        copies += len(doubtful_pairs(block))
        for name, change in _changes(block, headline, doubted):
            changes[name].append(change)
    return Wordings(
        strata={name: strata[name] for name in _STRATA if strata[name]} if {*strata} - {""} else {},
        doubtful=left_out,
        doubtful_tasks=len(tasks),
        only_doubtful=tuple(only),
        doubtful_copies=copies,
        change={name: float(np.mean(found)) for name, found in changes.items()} if left_out else {},
        differ=dict(differ),
    )


def _kept(block: Block, trait: str, kept: Mask) -> list[str]:
    """Values of a trait of the phrasings kept; empty strings where the table does not say."""
    values = block.traits.get(trait, ("",) * len(kept))
    return [value for value, keep in zip(values, kept, strict=True) if keep]


def _changes(block: Block, headline: Mask, doubted: Mask) -> Iterator[tuple[str, float]]:
    """Name and change of mean, worst phrasing and gap of one task when its doubtful phrasings
    are taken in.
    """
    before = _point_values(block, headline)
    after = _point_values(block, headline | doubted) if doubted.any() else before
    for name in before.keys() & after.keys():
        yield name, after[name] - before[name]


def _point_values(block: Block, kept: Mask) -> dict[str, float]:
    a = phrasing_estimates(block, kept)
    if np.isnan(a).all():
        return {}
    found = {"mean": float(np.nanmean(a)), "min": float(np.nanmin(a))}
    arms = [a[np.array(block.seen)[kept] == arm] for arm in ("seen", "unseen")]
    if not any(np.isnan(arm).all() for arm in arms):
        found["gap"] = float(np.nanmean(arms[0]) - np.nanmean(arms[1]))
    return found


def differing(block: Block) -> tuple[str, ...]:
    """Return the traits in which the seen and the unseen headline phrasings of a task differ.

    Parameters
    ----------
    block
        Cells of one model on one task.

    Notes
    -----
    Arms differ when the total variation distance of their shares exceeds `APART`. A trait that the
    table does not give differs in nothing.
    """
    arms = [block.headline & (np.array(block.seen) == arm) for arm in ("seen", "unseen")]
    if not all(arm.any() for arm in arms):
        return ()
    found = []
    for trait in FORM:
        shares = [Counter(_kept(block, trait, arm)) for arm in arms]
        distance = 0.5 * sum(
            abs(shares[0][value] / shares[0].total() - shares[1][value] / shares[1].total())
            for value in {**shares[0], **shares[1]}
        )
        if distance > APART and not math.isclose(distance, APART):
            found.append(trait)
    return tuple(found)


def matched(block: Block) -> Mask:
    """Return (P,) headline phrasings of which the arms hold equally many of every form.

    Parameters
    ----------
    block
        Cells of one model on one task.

    Notes
    -----
    A form is one combination of the traits in `FORM`. Of the larger arm of a form, those stay whose
    ids have the least digests: a draw that does not depend on scores and is the same everywhere.
    """
    headline, seen = block.headline, np.array(block.seen)
    forms = list(zip(*(block.traits.get(trait, ("",) * len(seen)) for trait in FORM), strict=True))
    by_form: dict[tuple[str, ...], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in np.flatnonzero(headline & np.isin(seen, ("seen", "unseen"))).tolist():
        by_form[forms[row]][str(seen[row])].append(row)
    kept = np.zeros(len(seen), dtype=bool)
    for arms in by_form.values():
        number = min(len(arms["seen"]), len(arms["unseen"]))
        for rows in arms.values():
            ranked = sorted(rows, key=lambda row: digest(["matched", block.phrasing_ids[row]]))
            kept[ranked[:number]] = True
    return kept


def gap_matched(
    block: Block, units: Floats, arms: npt.NDArray[np.str_], *, level: float
) -> dict[str, stats.Interval]:
    """Return the gap between arms of the same forms, for these phrasings;
    nothing where the arms do not differ in form.

    Parameters
    ----------
    block
        Cells of one model on one task.
    units
        (P, N) scores of its headline phrasings, or of groups.
    arms
        (P,) relation of these to the model's tuning data.
    level
        Level of the interval.
    """
    if not differing(block):
        return {}
    kept = matched(block)[block.headline]
    if not kept.any():
        none = stats.undefined(math.nan, "no form is on both arms", level=level)
        return {"gap_matched": none}
    gap = stats.gap_interval(
        units,
        seen=kept & (arms == "seen"),
        unseen=kept & (arms == "unseen"),
        question="fixed",
        level=level,
    )
    return {"gap_matched": gap}
