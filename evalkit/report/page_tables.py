"""Rows of the tables of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.records import Estimate
from evalkit.report.evidence import Evidence, Flip, PhrasingView, TaskView

__all__ = [
    "COLUMNS",
    "TaskRow",
    "benchmark_rows",
    "flip_view",
    "phrasing_rows",
    "task_rows",
    "unused_rows",
]

COLUMNS = ("mean", "std", "gap", "min", "max", "spread", "consistency")
"""Statistics of the tables of scores."""
LONGEST = 4000
"""Characters of a text that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One task or benchmark."""

    name: str
    """What it is called."""
    values: Mapping[str, Estimate]
    """Its estimates."""
    n_tasks: int
    """Tasks."""
    n_phrasings: int
    """Headline phrasings."""
    n_instances: int
    """Instances."""
    chance: float = math.nan
    """Score of guessing."""
    view: TaskView | None = None
    """The task."""

    @property
    def shown(self) -> tuple[Estimate, ...]:
        """Return its estimates that the table shows."""
        return tuple(self.values[name] for name in COLUMNS if name in self.values)


def benchmark_rows(values: Mapping[str, Mapping[str, Estimate]]) -> list[TaskRow]:
    """Return one row per benchmark and one over all when there are several."""
    names = sorted(key for key in values if key.endswith("/"))
    keys = [*names, "all"] if len(names) > 1 else names or ["all"]
    rows = []
    for key in keys:
        first = next(iter(values.get(key, {}).values()), None)
        if first is not None:
            rows.append(
                TaskRow(
                    name=key.rstrip("/"),
                    values=values[key],
                    n_tasks=max(row.n_tasks for row in values[key].values()),
                    n_phrasings=first.n_phrasings,
                    n_instances=first.n_instances,
                )
            )
    return rows


def task_rows(evidence: Evidence, values: Mapping[str, Mapping[str, Estimate]]) -> list[TaskRow]:
    """Return one row per task."""
    return [
        TaskRow(
            name=view.task.id,
            values=values.get(view.task.id, {}),
            n_tasks=1,
            n_phrasings=sum(row.headline for row in view.phrasings),
            n_instances=view.n_instances,
            chance=view.chance,
            view=view,
        )
        for view in evidence.tasks
    ]


def phrasing_rows(evidence: Evidence) -> list[PhrasingView]:
    """Return all phrasings, those with the largest share of the spread first."""
    rows = [row for view in evidence.tasks for row in view.phrasings]
    return sorted(rows, key=lambda row: (-row.share, row.task, row.phrasing_id))


def unused_rows(evidence: Evidence, *, most: int = 10) -> list[PhrasingView]:
    """Return the headline phrasings with the largest shares of refused, cut and unusable
    answers, at most `most`.
    """
    rows = [(row, _unused(row)) for row in phrasing_rows(evidence) if row.headline]
    ranked = sorted((pair for pair in rows if pair[1] > 0), key=lambda pair: -pair[1])
    return [row for row, _ in ranked[:most]]


def _unused(row: PhrasingView) -> float:
    return sum(row.states.get(state, 0.0) for state in ("refused", "cut", "unusable"))


def shortened(text: str) -> str:
    """Return a text, its end left out when it is very long."""
    return (
        text
        if len(text) <= LONGEST
        else f"{text[:LONGEST]} … ({len(text) - LONGEST} more characters)"
    )


def flip_view(flip: Flip) -> dict[str, Any]:
    """Return one instance side by side as plain data, for the template and the script alike."""
    texts: dict[str, str] = {}
    for name, text in flip.fields:
        if text and text not in texts.values() and text != "\n".join(flip.choices):
            texts[name] = shortened(text)
    return {
        "task": flip.task,
        "instance": flip.instance_id,
        "fields": [[name, text] for name, text in texts.items()],
        "choices": [shortened(choice) for choice in flip.choices],
        "target": shortened(flip.target),
        "share": flip.share,
        "sides": [
            {
                "head": head,
                "phrasing": side.phrasing_id,
                "text": shortened(side.text),
                "seen": side.seen,
                "score": side.score,
                "status": side.status,
                "answer": shortened(side.answer),
                "raw": shortened(side.raw),
                "probability": side.probability,
                "choices": list(side.choices),
            }
            for head, side in (("Best wording", flip.best), ("Worst wording", flip.worst))
        ],
    }
