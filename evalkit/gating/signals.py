"""One thing that may have changed between two runs: numbers per instance, paired,
and the p of none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit.gating.measures import Pair
from evalkit.gating.task_means import p_of_none
from evalkit.gating.units import of_groups

__all__ = ["Changes", "Floats", "Signal", "mean_of", "per_instance", "signal"]

Floats: TypeAlias = npt.NDArray[np.float64]
Changes: TypeAlias = Sequence[tuple[Pair, Floats]]
"""Per task a number per cell."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What is tested."""

    name: str
    """See `Cause.name`."""
    how: bool
    """See `Cause.how`."""
    words: str
    """See `Cause.words`."""
    parts: Sequence[Floats]
    """Per task a number per instance, or group of instances; above 0: it is there."""
    times: int = 1
    """Signals it was the largest of."""
    all_of: Sequence[Sequence[Floats]] = ()
    """Further numbers that must show it too."""

    @property
    def p(self) -> float:
        """Return p of none, before the correction over all signals."""
        largest = max(p_of_none(parts) for parts in (self.parts, *self.all_of))
        return min(1.0, largest * self.times)


def per_instance(pair: Pair, change: Floats) -> Floats:
    """Return the mean over phrasings per instance, or group of instances, that has one."""
    used = np.asarray((~np.isnan(change)).any(axis=0))
    if not used.any():
        return np.zeros(0)
    return of_groups(pair[0], mean_of(change[:, used], 0), used)


def mean_of(values: Floats, axis: int) -> Floats:
    """Return means of what is there; NaN where nothing is."""
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        means: Floats = np.where(there, values, 0.0).sum(axis=axis) / there.sum(axis=axis)
    return means


def signal(
    name: str,
    words: str,
    how: bool,
    found: Changes,
    times: int = 1,
    all_of: Sequence[Changes] = (),
) -> Iterator[Signal]:
    """Yield the signal of changes per cell; nothing where no task has two instances of them."""
    parts, *others = (
        [units for pair, change in one if (units := per_instance(pair, change)).size > 1]
        for one in (found, *all_of)
    )
    if parts and all(others):
        yield Signal(name, how, words, parts, times, others)
