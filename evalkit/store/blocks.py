"""What a run keeps beside its responses so that scores can be recomputed without model and data.

Tasks, instances, request keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evalkit.errors import StoreError
from evalkit.records import Block, Instance, Job, Meaning, Phrasing, Source, Task, instances_digest
from evalkit.store.responses import Store

__all__ = [
    "StoredJob",
    "instance_from_json",
    "phrasing_from_json",
    "store_blocks",
    "stored_blocks",
    "stored_jobs",
    "task_from_json",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """One task of a run as it was stored."""

    task: Task
    """The task."""
    instances: tuple[Instance, ...]
    """Its instances."""
    rows: tuple[Mapping[str, Any], ...]
    """Per phrasing: the phrasing, its relation to the model, request keys, choice orders."""


def store_blocks(store: Store, job: Job, blocks: Sequence[Block]) -> None:
    """Write everything needed to recompute the scores of a job without model and data."""
    store.put_records(f"task/{job.task.id}", [("task", asdict(job.task))])
    store.put_records(
        f"instances/{job.task.id}",
        [(instance.id, instance.content()) for instance in job.instances],
    )
    store.put_records(f"shots/{job.task.id}", [(shot.id, shot.content()) for shot in job.shots])
    rows: list[tuple[str, Any]] = []
    for phrasing, block in zip(job.phrasings, blocks, strict=True):
        row = {
            "phrasing": asdict(phrasing),
            "seen": job.seen[phrasing.id],
            "inputs": block.inputs,
            "keys": block.keys,
            "orders": [
                [list(order), list(names)] for order, names in job.orders.get(phrasing.id, ())
            ],
        }
        rows.append((phrasing.id, row))
    store.put_records(f"blocks/{job.task.id}", rows)


def stored_blocks(store: Store, task_id: str) -> dict[str, Block]:
    """Return the blocks an earlier run stored for a task, by phrasing id."""
    found: dict[str, Block] = {}
    for name, row in store.get_records(
        f"blocks/{task_id}", skip_damaged=True
    ):  # what is damaged is made anew
        found[name] = Block(task=task_id, phrasing_id=name, inputs=row["inputs"], keys=row["keys"])
    return found


def stored_jobs(store: Store, tasks: Mapping[str, Mapping[str, Any]]) -> Iterator[StoredJob]:
    """Yield the tasks of a run one at a time.

    Parameters
    ----------
    store
        The run's responses and records.
    tasks
        The tasks of the manifest: id -> its entry.

    Raises
    ------
    StoreError
        When a task of the manifest is not in the store, or not with the phrasings and instances
        that the manifest names.
    """
    for task_id, entry in tasks.items():
        found = store.get_records(f"task/{task_id}")
        if not found:
            raise StoreError(
                f"{store.path}: holds nothing of task {task_id!r}, which the manifest names. Run the same 'evalkit run' again."
            )
        instances = tuple(
            instance_from_json(value) for _, value in store.get_records(f"instances/{task_id}")
        )
        rows = tuple(value for _, value in store.get_records(f"blocks/{task_id}"))
        if set(entry["phrasings"]) != {row["phrasing"]["id"] for row in rows} or entry[
            "instances_digest"
        ] != instances_digest([instance.id for instance in instances]):
            raise StoreError(
                f"{store.path}: holds other phrasings or instances of task {task_id!r} than manifest.json names, so the two are not of one run, or a run "
                "was interrupted just then. Run the same 'evalkit run' again."
            )
        yield StoredJob(task=task_from_json(found[0][1]), instances=instances, rows=rows)


def task_from_json(value: Mapping[str, Any]) -> Task:
    """Return the task of a stored record."""
    return Task(**{**_tuples(value), "source": Source(**_tuples(value["source"]))})


def phrasing_from_json(value: Mapping[str, Any]) -> Phrasing:
    """Return the phrasing of a stored record."""
    return Phrasing(**{**_tuples(value), "meaning": Meaning(**value["meaning"])})


def instance_from_json(value: Mapping[str, Any]) -> Instance:
    """Return the instance of a stored record."""
    return Instance(**_tuples(value))


def _tuples(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}
