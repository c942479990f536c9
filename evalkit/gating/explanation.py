"""Which phrasings and instances are behind a decision.

Those whose score moved most between baseline and candidate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evalkit.gating.measures import Pair
from evalkit.gating.units import RIGHT
from evalkit.scoring import Block

__all__ = ["Explanation", "Mover", "explain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """A phrasing over its instances, or an instance over its phrasings."""

    task: str
    """Task id."""
    name: str
    """Phrasing or instance id."""
    old: float
    """Score of the baseline."""
    new: float
    """Score of the candidate."""
    lost: int
    """Cells right before and wrong now."""
    gained: int
    """Cells wrong before and right now."""
    n: int
    """Cells with a score in both."""
    share: float
    """Part of the change of the suite mean that this one makes up; positive makes it worse."""
    answers: tuple[tuple[str, str], ...] = ()
    """Of an instance: most frequent lost answers as (before, now), untrusted text."""
    target: str = ""
    """Of an instance: its correct answer, untrusted text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What moved most."""

    phrasings: tuple[Mover, ...]
    """Phrasings, most harmful first."""
    instances: tuple[Mover, ...]
    """Instances, most harmful first."""
    n_phrasings: int
    """Phrasings that got worse."""
    n_instances: int
    """Instances that got worse."""


def explain(pairs: Sequence[Pair], *, limit: int = 10) -> Explanation:
    """Return the phrasings and instances that pull the candidate's mean down most.

    Parameters
    ----------
    pairs
        Baseline and candidate blocks of every task.
    limit
        Most phrasings, and most instances.
    """
    phrasings: list[Mover] = []
    instances: list[Mover] = []
    for old, new in pairs:
        phrasings += _movers((old, new), axis=1, n_tasks=len(pairs))
        instances += _movers((old, new), axis=0, n_tasks=len(pairs))
    worse = [
        sorted(
            (mover for mover in movers if mover.share > 0),
            key=lambda mover: (-mover.share, mover.task, mover.name),
        )
        for movers in (phrasings, instances)
    ]
    blocks = {old.task: (old, new) for old, new in pairs}
    return Explanation(
        phrasings=tuple(worse[0][:limit]),
        instances=tuple(_with_answers(mover, blocks[mover.task]) for mover in worse[1][:limit]),
        n_phrasings=len(worse[0]),
        n_instances=len(worse[1]),
    )


def _movers(pair: Pair, *, axis: int, n_tasks: int) -> list[Mover]:
    old, new = pair
    there = ~(np.isnan(old.values) | np.isnan(new.values))
    before, after = (np.where(there, block.values, 0.0) for block in pair)
    count = there.sum(axis=axis)
    total = max(int(there.sum()), 1)
    lost = ((before >= RIGHT) & (after < RIGHT) & there).sum(axis=axis)
    gained = ((before < RIGHT) & (after >= RIGHT) & there).sum(axis=axis)
    sums = [scores.sum(axis=axis) for scores in (before, after)]
    names = old.phrasing_ids if axis == 1 else old.instance_ids
    return [
        Mover(
            task=old.task,
            name=name,
            old=float(sums[0][k] / count[k]),
            new=float(sums[1][k] / count[k]),
            lost=int(lost[k]),
            gained=int(gained[k]),
            n=int(count[k]),
            share=float((sums[0][k] - sums[1][k]) / total / n_tasks),
        )
        for k, name in enumerate(names)
        if count[k]
    ]


def _with_answers(mover: Mover, pair: Pair) -> Mover:
    """The same instance with what it was answered before and now where it was lost."""
    old, new = pair
    column = old.instance_ids.index(mover.name)
    with np.errstate(invalid="ignore"):
        lost = (old.values[:, column] >= RIGHT) & (new.values[:, column] < RIGHT)
    seen = Counter(
        (_label(old, int(row), column), _label(new, int(row), column))
        for row in np.flatnonzero(lost)
    )
    code = int(old.targets[column])
    return replace(
        mover,
        answers=tuple(answer for answer, _ in seen.most_common(2)),
        target=old.label_names[code] if code >= 0 else "",
    )


def _label(block: Block, row: int, column: int) -> str:
    code = int(block.labels[row, column])
    return block.label_names[code] if code >= 0 else "(no usable answer)"
