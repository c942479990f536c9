"""What controls tell: reliance on the instruction, how far obeying one is right by accident, and whether familiar words beat the right ones."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from evalkit import stats
from evalkit.analysis.independent import independent_units
from evalkit.scoring import Block

__all__ = ["accident_of", "reliance_of", "seen_wrong_of"]

Found: TypeAlias = dict[str, stats.Interval]

NEVER_RIGHT = ("opposite", "negated")
"""Controls that an obedient model answers with something else than the target, always."""


def reliance_of(block: Block, *, question: stats.Question, level: float) -> Found:
    """Return the mean of correct phrasings minus the mean of wrong ones, over all wrong kinds and for each; empty without controls.

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
        name: stats.gap_interval(values, seen=correct, unseen=wrong, question=question, level=level)
        for name, wrong in masks.items()
    }


def accident_of(block: Block, guess: float, *, level: float) -> Found:
    """Return the share of items on which obeying a control is right by accident, over all kinds and for each.

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
    target and is right as often as a guess. Who obeys ``opposite`` or ``negated`` never is. Over all
    kinds every control counts alike, as in ``reliance``.
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
    """Return seen-but-wrong minus unseen-but-right; empty where the model has seen no wrong control, or all right phrasings.

    Parameters
    ----------
    block
        Cells of one model on one task.
    question, level
        Of the interval, which is the clustered test: instances, and for new phrasings wordings too,
        are what is drawn. It lies above 0 where familiar words of another task beat the right
        instruction in words of its own.
    """
    arms, kinds = np.array(block.seen), np.array(block.kinds)
    wrong = (kinds == "wrong") & (arms == "seen")
    right = block.headline & (kinds == "correct") & (arms == "unseen")
    if not (wrong.any() and right.any()):
        return {}
    values = independent_units(block, block.values)
    return {
        "seen_wrong": stats.gap_interval(
            values, seen=wrong, unseen=right, question=question, level=level
        )
    }
