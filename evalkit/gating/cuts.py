"""Where a loss lies: the level of what a wording or an instance is known by that lost most,
against the rest of its tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit.gating.answered import Answered
from evalkit.gating.signals import Changes, Floats, Signal
from evalkit.gating.units import of_groups
from evalkit.scoring import Block

__all__ = ["cut_signals"]

Levels: TypeAlias = npt.NDArray[np.str_]
"""Level of every cell of a task, (P, N) or what broadcasts to it; empty where it has none."""
OF_WORDINGS = {
    "language": "under instructions in {}",
    "layout": "under the layout {}",
    "label_space": "where choices are named by {}",
    "position": "under instructions placed {}",
    "wrapper": "under the wrapper {}",
    "stratum": "under {} wordings",
}
"""Trait of a wording -> what its cells are called."""
LONG = 0.75
"""Share of a task's prompts that are shorter than those called long."""
MOST_LEVELS = 50
"""Levels of a factor from which on it is an id rather than a factor."""


def cut_signals(
    losses: Changes, answers: Sequence[Answered], places: Sequence[Floats]
) -> Iterator[Signal]:
    """Yield one signal per factor: its level that lost most.

    Parameters
    ----------
    losses
        Per task what each cell lost.
    answers
        Answers of the baseline, per task; empty where none were looked at.
    places
        Per task the place of the right choice of each instance, NaN where it is not known; empty
        likewise.
    """
    for trait, words in OF_WORDINGS.items():
        levels = [np.array(pair[0].traits.get(trait, ("",)))[:, None] for pair, _ in losses]
        yield from _factor(trait, words, losses, levels)
    yield from _factor(
        "place", "where the right choice is number {}", losses, [*map(_told, places)]
    )
    yield from _factor("length", "under {} of its prompts", losses, [_long(a) for a in answers])
    for name in sorted({name for one in answers for name in one.factors}):
        levels = [np.array(one.factors.get(name, ("",)))[None, :] for one in answers]
        yield from _factor(name, f"on instances with {name} {{}}", losses, levels)


def _told(places: Floats) -> Levels:
    return np.array([f"{place + 1:.0f}" if place == place else "" for place in places])[None, :]


def _long(one: Answered) -> Levels:
    known = one.words[~np.isnan(one.words)]
    longer = one.words > (np.quantile(known, LONG) if known.size else np.nan)
    return np.where(longer, "the longest quarter", "")


def _factor(name: str, words: str, losses: Changes, levels: Sequence[Levels]) -> Iterator[Signal]:
    """Yield the level that lost most, of all that some task has beside other cells."""
    found: dict[str, list[Floats]] = {}
    for (pair, loss), one in zip(losses, levels, strict=False):  # no levels without answers
        of_cells = np.broadcast_to(one, loss.shape)
        for level in np.unique(one[one != ""])[:MOST_LEVELS]:
            units = _excess(pair[0], loss, of_cells == level)
            if units.size > 1:
                found.setdefault(str(level), []).append(units)
    if found:
        level = max(found, key=lambda one: float(np.mean([part.mean() for part in found[one]])))
        yield Signal(name, False, f"more lost {words.format(level)}", found[level], len(found))


def _excess(block: Block, loss: Floats, inside: npt.NDArray[np.bool_]) -> Floats:
    """Return numbers per instance, or group of instances, whose mean is the mean loss inside minus
    that outside; none where one of them has fewer than two instances.
    """
    there = ~np.isnan(loss)
    used = np.asarray(there.any(axis=0))
    difference, units = 0.0, np.zeros(int(used.sum()))
    for sign, cells in ((1, inside & there), (-1, ~inside & there)):
        if (cells.any(axis=0)).sum() < 2:
            return np.zeros(0)
        mean = float(loss[cells].mean())
        of_instance = np.where(cells, loss - mean, 0.0).sum(axis=0)[used]
        difference += sign * mean
        units += sign * of_instance * units.size / cells.sum()
    return of_groups(block, units + difference, used)
