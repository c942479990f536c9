"""What controls tell: reliance on the instruction, how far obeying one is right by accident,
and whether familiar words beat the right ones.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis.independent import independent_units
from evalkit.records import digest
from evalkit.scoring import Block

__all__ = ["accident_of", "reliance_of", "seen_wrong_of"]

Found: TypeAlias = dict[str, stats.Interval]

NEVER_RIGHT = ("opposite", "negated")
"""Controls that an obedient model answers with something else than the target, always."""


def reliance_of(block: Block, *, question: stats.Question, level: float) -> Found:
    """Return the mean of correct phrasings minus the mean of wrong ones, over all wrong kinds and
    for each; empty without controls.

    Parameters
    ----------
    block
        Cells of one model on one task.
    question, level
        Of the intervals.
    """
    kinds = np.array(block.kinds)
    correct = block.headline & (kinds == "correct")
    others = sorted(set(kinds) - {"correct"})
    if not others or not correct.any():
        return {}
    values = independent_units(block, block.values)
    masks = {"reliance": kinds != "correct"} | {
        f"reliance_{kind}": kinds == kind for kind in others
    }
    return {
        name: stats.gap_interval(
            values, seen=correct, unseen=wrong, question=question, level=level, ends=(-1.0, 1.0)
        )
        for name, wrong in masks.items()
    }


def accident_of(block: Block, guess: float, *, level: float) -> Found:
    """Return the share of items on which obeying a control is right by accident, over all kinds and
    for each.

    Parameters
    ----------
    block
        Cells of one model on one task.
    guess
        Score of an answer drawn without regard to the target; NaN where it is not known.
    level
        Of intervals, of which there are none: nothing is estimated.

    Notes
    -----
    Who obeys another task's instruction, or none, or random words, answers without regard to the
    target and is right as often as a guess. Who obeys ``opposite`` or ``negated`` never is. Over
    all kinds every control counts alike, as in ``reliance``.
    """
    kinds = [kind for kind in block.kinds if kind != "correct"]
    if not kinds:
        return {}
    each = {kind: 0.0 if kind in NEVER_RIGHT else guess for kind in kinds}
    found = {"accident": float(np.mean([each[kind] for kind in kinds]))} | {
        f"accident_{kind}": each[kind] for kind in sorted(each)
    }
    return {
        name: stats.undefined(value, "score of a model that obeys, not estimated", level=level)
        for name, value in found.items()
        if not math.isnan(value)
    }


def seen_wrong_of(block: Block, *, question: stats.Question, level: float) -> Found:
    """Return seen-but-wrong minus unseen-but-right, and its p;
    empty where the model has seen no wrong control, or all right phrasings.

    Parameters
    ----------
    block
        Cells of one model on one task.
    question, level
        Of the interval. It lies above 0 where familiar words of another task beat the right
        instruction in words of its own.

    Notes
    -----
    The p is of the sign flip of what each instance, or group of instances, adds to the difference
    (`evalkit.stats.sign_flip`): wordings are these, instances are what is exchanged. Only
    instances that both sides have are taken.
    """
    arms, kinds = np.array(block.seen), np.array(block.kinds)
    wrong = (kinds == "wrong") & (arms == "seen")
    right = block.headline & (kinds == "correct") & (arms == "unseen")
    if not (wrong.any() and right.any()):
        return {}
    values = independent_units(block, block.values)
    return {
        "seen_wrong": stats.gap_interval(
            values, seen=wrong, unseen=right, question=question, level=level, ends=(-1.0, 1.0)
        ),
        "seen_wrong_p": _sign_flip(values, wrong, right, seed=block.task, level=level),
    }


def _sign_flip(
    values: npt.NDArray[np.float64],
    wrong: npt.NDArray[np.bool_],
    right: npt.NDArray[np.bool_],
    *,
    seed: str,
    level: float,
) -> stats.Interval:
    """Return the p of the difference of two sets of phrasings, units' signs exchanged."""
    both = np.all([(~np.isnan(values[arm])).any(axis=0) for arm in (wrong, right)], axis=0)
    if not both.any():
        return stats.undefined(math.nan, "no instance that both sides have", level=level)
    one, two = (np.nanmean(values[arm][:, both], axis=0) for arm in (wrong, right))
    counts = int(wrong.sum()) * int(right.sum())
    each = (one - two) * counts  # whole numbers for scores of 0 and 1, which are then exact
    whole = np.round(each)
    each = whole if np.allclose(each, whole, atol=1e-9) else each
    rng = np.random.default_rng(int(digest([seed, "seen_wrong"], length=16), 16))
    p = stats.sign_flip(each, rng=rng)
    return stats.undefined(p, "a probability, not estimated", level=level)
