"""A change of the mean split into parts that add up to it, in three ways."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evalkit.gating.measures import Pair
from evalkit.scoring import STATES

__all__ = ["Parts", "parts_of"]

Parts = dict[str, dict[str, float]]
"""Way of splitting -> part -> fraction; every way adds up to the same change."""
MOST_TASKS = 3
"""Tasks named; the others are one part."""


def parts_of(pairs: Sequence[Pair]) -> Parts:
    """Return what the change of the mean over tasks is made of.

    Parameters
    ----------
    pairs
        Baseline and candidate blocks of every task; tasks weigh alike, and wordings within a task.

    Returns
    -------
    dict
        ``answers``: cells that lost by the state of the new answer, and cells that gained by that
        of the old one, so that flips back and forth even out. ``tasks``: the tasks that moved most,
        and the others together. ``wordings``: seen, unseen, unknown. Parts of 0 are left out.
    """
    found: Parts = {"answers": {}, "tasks": {}, "wordings": {}}
    for old, new in pairs:
        there = ~(np.isnan(old.values) | np.isnan(new.values))
        if not there.any():
            continue
        asked = there.sum(axis=1, keepdims=True)
        weight = 1.0 / (np.maximum(asked, 1) * int((asked > 0).sum()) * len(pairs))
        change = np.where(there, new.values - old.values, 0.0) * weight
        for code, state in enumerate(STATES):
            into = (change < 0) & (new.state == code)
            out_of = (change > 0) & (old.state == code)
            _add(found["answers"], state, float(change[into | out_of].sum()))
        _add(found["tasks"], old.task, float(change.sum()))
        for relation in sorted(set(old.seen)):
            rows = np.array(old.seen) == relation
            _add(found["wordings"], relation, float(change[rows].sum()))
    found["tasks"] = _shortened(found["tasks"])
    return {
        way: {name: value for name, value in parts.items() if value} for way, parts in found.items()
    }


def _add(parts: dict[str, float], name: str, value: float) -> None:
    parts[name] = parts.get(name, 0.0) + value


def _shortened(tasks: dict[str, float]) -> dict[str, float]:
    """Return the tasks that moved most and the sum of the others."""
    ordered = sorted(tasks, key=lambda name: (-abs(tasks[name]), name))
    named = {name: tasks[name] for name in ordered[:MOST_TASKS]}
    if rest := ordered[MOST_TASKS:]:
        named[f"{len(rest)} other tasks" if len(rest) > 1 else rest[0]] = sum(
            tasks[name] for name in rest
        )
    return named
