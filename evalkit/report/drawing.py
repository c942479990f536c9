"""One figure of a run as data: name, caption, and what draws it;
and the estimates it is drawn from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.records import Estimate
from evalkit.report.evidence import TaskView

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Drawing", "by_task", "names_of", "value_at", "value_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One figure, or why there is none."""

    name: str
    """File name without ending."""
    title: str
    """What it shows, in words."""
    caption: str = ""
    """How to read it, with interval, numbers, shares."""
    draw: Callable[..., Axes] | None = None
    """Draws it on new Axes, or on those given as `ax`; None when there is no data for it."""
    why: str = ""
    """Why there is none."""


def by_task(estimates: Sequence[Estimate]) -> dict[str, dict[str, Estimate]]:
    """Return task id -> metric -> estimate.

    Rows over tasks stand under ``all`` (the whole run) and ``benchmark/``.
    """
    found: dict[str, dict[str, Estimate]] = {}
    for row in estimates:
        if row.group:
            continue
        key = (
            row.task
            if row.task != "all"
            else "all"
            if row.benchmark == "all"
            else f"{row.benchmark}/"
        )
        found.setdefault(key, {})[row.metric] = row
    return found


def names_of(views: Sequence[TaskView]) -> dict[str, str]:
    """Return task id -> name without benchmark, where that is unambiguous."""
    names = [view.task.name for view in views]
    return {
        view.task.id: view.task.name if names.count(view.task.name) == 1 else view.task.id
        for view in views
    }


def value_of(values: Mapping[str, Estimate], metric: str, end: str = "value") -> float:
    """Return the value of a metric, or an end of its interval; NaN when there is none."""
    row = values.get(metric)
    return math.nan if row is None else float(getattr(row, end))


def value_at(
    values: Mapping[str, Mapping[str, Estimate]], task: str, metric: str, end: str = "value"
) -> float:
    """Return `value_of` for one task; NaN when there is none."""
    return value_of(values.get(task, {}), metric, end)
