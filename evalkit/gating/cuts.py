"""Where a loss lies: the level of what a wording or an instance is known by that lost most,
against the rest of its tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit.gating.answered import Answered
from evalkit.gating.signals import Changes, Floats, Signal, mean_of
from evalkit.gating.task_means import mean_over_tasks
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
BREAK = 0.25
"""Loss beyond that of the middle wording of its level from which on a wording broke by itself."""
MOST_LEVELS = 50
"""Levels of a factor from which on it is an id rather than a factor."""


def cut_signals(
    losses: Changes, answers: Sequence[Answered], places: Sequence[Floats]
) -> Iterator[Signal]:
    """Yield one signal per factor: its level that lost most; of a second factor only what shows
    outside of the first one's level too.

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
    factors: list[tuple[str, str, Sequence[Levels]]] = [
        (trait, words, [np.array(pair[0].traits.get(trait, ("",)))[:, None] for pair, _ in losses])
        for trait, words in OF_WORDINGS.items()
    ]
    factors += [
        ("place", "where the right choice is number {}", [*map(_told, places)]),
        ("length", "under {} of its prompts", [_long(one) for one in answers]),
    ]
    for name in sorted({name for one in answers for name in one.factors}):
        levels = [np.array(one.factors.get(name, ("",)))[None, :] for one in answers]
        factors.append((name, f"on instances with {name} {{}}", levels))
    cuts = [cut for one in factors for cut in _factor(*one, losses)]
    if not cuts:
        return
    first = min(cuts, key=lambda cut: cut.signal.p)
    yield first.signal
    for cut in cuts:
        if cut is not first and (parts := _parts(cut.inside, losses, without=first.inside)):
            # a shadow of the first is none: it must show outside of it as well
            yield replace(cut.signal, all_of=[*cut.signal.all_of, parts])


def _told(places: Floats) -> Levels:
    return np.array([f"{place + 1:.0f}" if place == place else "" for place in places])[None, :]


def _long(one: Answered) -> Levels:
    known = one.words[~np.isnan(one.words)]
    longer = one.words > (np.quantile(known, LONG) if known.size else np.nan)
    return np.where(longer, "the longest quarter", "")


@dataclass(frozen=True, slots=True)
class _Cut:
    """The level of a factor that lost most."""

    signal: Signal
    inside: Sequence[npt.NDArray[np.bool_]]
    """Per task the cells of the level."""


def _factor(name: str, words: str, levels: Sequence[Levels], losses: Changes) -> Iterator[_Cut]:
    """Yield the level that lost most, of all that some task has beside other cells."""
    cells = [
        np.broadcast_to(one, loss.shape)
        for one, (_, loss) in zip(levels, losses, strict=False)  # no levels without answers
    ]
    known = sorted({str(level) for one in cells for level in np.unique(one)} - {""})
    found = {}
    for level in known[:MOST_LEVELS]:
        inside = [one == level for one in cells]
        if parts := _parts(inside, losses):
            found[level] = _Cut(
                Signal(name, False, f"more lost {words.format(level)}", parts), inside
            )
    if found:
        most = max(found.values(), key=lambda cut: mean_over_tasks(cut.signal.parts)[0])
        signal = replace(most.signal, times=len(found))
        if name in OF_WORDINGS:  # a few broken wordings that share a trait are not the trait
            of_tasks = zip(losses, most.inside, strict=False)
            broken = [_broken(loss, mine) for (_, loss), mine in of_tasks]
            if not (rest := _parts(most.inside, losses, without=broken)):
                return
            signal = replace(signal, all_of=[rest])
        yield replace(most, signal=signal)


def _broken(loss: Floats, inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the cells of a level under those of its wordings that broke by themselves."""
    means = mean_of(np.where(inside, loss, np.nan), 1)
    middle = np.median(known) if (known := means[~np.isnan(means)]).size else np.nan
    return inside & (means > middle + BREAK)[:, None]


def _parts(
    inside: Sequence[npt.NDArray[np.bool_]],
    losses: Changes,
    without: Sequence[npt.NDArray[np.bool_]] = (),
) -> list[Floats]:
    """Return what `_excess` gives of the tasks that have cells inside and outside."""
    found = []
    for place, ((pair, loss), mine) in enumerate(zip(losses, inside, strict=False)):
        left = np.where(without[place], np.nan, loss) if place < len(without) else loss
        if (units := _excess(pair[0], left, mine)).size > 1:
            found.append(units)
    return found


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
