"""What judges said of a run: their answers, what was asked of them, human labels.
A file of its own.

``judge.sqlite`` of a run directory. A judge's answers are rows as any model's are, under its own
fingerprint; the records beside them say which answers were judged, and how it came out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evalkit.store.responses import Store

__all__ = [
    "ALONE",
    "Pass",
    "get_labels",
    "get_passes",
    "get_rows",
    "judge_path",
    "put_labels",
    "put_pass",
]

ALONE = "answers"
"""Name of the pass over single answers; a pass over pairs is named by the other run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One pass of a judge over a run."""

    name: str
    """`ALONE`, or the other run."""
    judge: str
    """Name of the judge in tables."""
    fingerprint: Mapping[str, str]
    """What decides its answers."""
    digest: str
    """Digest of these and of what it is asked: passes with the same one can be compared."""
    wordings: tuple[str, ...]
    """Ids of the wordings it was asked in, each in both orders."""
    asked: int
    """Questions: answers or pairs, times wordings, times two."""
    unanswered: int
    """Questions without any answer of the judge."""
    shortened: int
    """Answers of which it was shown beginning and end only."""


def judge_path(run: Path) -> Path:
    """Return where a run keeps what judges said."""
    return run / "judge.sqlite"


def put_pass(store: Store, found: Pass, rows: Iterable[Sequence[Any]]) -> None:
    """Write a pass and its rows; an earlier one of the same name is replaced.

    Parameters
    ----------
    store
        The file of the run.
    found
        The pass.
    rows
        JSON-ready rows, see `evalkit.runs.judge`.
    """
    kept = store.get_records("passes", skip_damaged=True)
    others = [(name, value) for name, value in kept if name != found.name]
    by_task: dict[str, list[tuple[str, Any]]] = {}
    for number, row in enumerate(rows):
        by_task.setdefault(str(row[0]), []).append((str(number), list(row)))
    for task in sorted({*by_task, *_tasks(store, found.name)}):
        store.put_records(f"rows/{found.name}/{task}", by_task.get(task, []))
    store.put_records(f"rows/{found.name}", [(task, None) for task in sorted(by_task)])
    store.put_records("passes", [*others, (found.name, asdict(found))])


def _tasks(store: Store, name: str) -> list[str]:
    return [task for task, _ in store.get_records(f"rows/{name}", skip_damaged=True)]


def get_passes(store: Store) -> list[Pass]:
    """Return the passes of a run, in the order they were made."""
    return [
        Pass(**{**value, "wordings": tuple(value["wordings"])})
        for _, value in store.get_records("passes")
    ]


def get_rows(store: Store, name: str) -> list[list[Any]]:
    """Return the rows of a pass, task by task."""
    return [
        row
        for task, _ in store.get_records(f"rows/{name}")
        for _, row in store.get_records(f"rows/{name}/{task}")
    ]


def put_labels(store: Store, name: str, labels: Mapping[tuple[str, str, str], float]) -> None:
    """Write what people said of the answers, or pairs, of a pass;
    (task, phrasing, instance) -> label in [0, 1].
    """
    store.put_records(
        f"labels/{name}",
        [(str(n), [*cell, value]) for n, (cell, value) in enumerate(sorted(labels.items()))],
    )


def get_labels(store: Store, name: str) -> dict[tuple[str, str, str], float]:
    """Return what `put_labels` was given; empty when nobody looked."""
    return {
        (task, phrasing, instance): float(value)
        for _, (task, phrasing, instance, value) in store.get_records(f"labels/{name}")
    }
