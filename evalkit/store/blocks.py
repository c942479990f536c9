"""What a run keeps beside its responses so that scores can be recomputed without model and data.

Tasks, instances, shots, request keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TypeVar

from evalkit.errors import StoreError
from evalkit.records import (
    KEY_LENGTH,
    Arrangement,
    Block,
    Instance,
    Job,
    Phrasing,
    Seen,
    Task,
    digest,
)
from evalkit.records.manifest import SuiteRecord
from evalkit.records.reading import ShapeError, record_of
from evalkit.store.responses import Store

__all__ = ["holds_job", "store_job", "stored_blocks", "stored_jobs"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One phrasing of a task as it is stored."""

    phrasing: Phrasing
    """The phrasing."""
    seen: Seen
    """Its relation to the model."""
    inputs: str
    """As in `Block`."""
    keys: str
    """As in `Block`."""
    orders: tuple[Arrangement, ...]
    """As in `Job.orders`; empty for upstream's."""
    demos: tuple[tuple[int, ...], ...] = ()
    """As in `Job.demos`; empty for the worked instances of all phrasings."""


def store_job(store: Store, job: Job) -> None:
    """Write everything needed to recompute the scores of a job without model and data.

    Parameters
    ----------
    store
        The run's store.
    job
        With its blocks.
    """
    rows = [
        _Row(
            phrasing=phrasing,
            seen=job.seen[phrasing.id],
            inputs=block.inputs,
            keys=block.keys,
            orders=job.orders.get(phrasing.id, ()),
            demos=job.demos.get(phrasing.id, ()),
        )
        for phrasing, block in zip(job.phrasings, job.blocks, strict=True)
    ]
    name = job.task.id
    store.put_records(f"task/{name}", [("task", asdict(job.task))])
    store.put_records(f"instances/{name}", [(one.id, one.content()) for one in job.instances])
    store.put_records(f"shots/{name}", [(one.id, one.content()) for one in job.shots])
    store.put_records(f"pool/{name}", [(one.id, one.content()) for one in job.pool])
    store.put_records(f"blocks/{name}", [(row.phrasing.id, asdict(row)) for row in rows])


def holds_job(store: Store, job: Job) -> bool:
    """Return whether a store holds a task and its phrasings just as they are now.

    Instances are told by the manifest's digests.
    """
    tasks = [value for _, value in store.get_records(f"task/{job.task.id}")]
    rows = {
        name: [row["phrasing"], row["seen"]]
        for name, row in store.get_records(f"blocks/{job.task.id}")
    }
    mine = {one.id: [asdict(one), job.seen[one.id]] for one in job.phrasings}
    return digest([tasks, rows]) == digest([[asdict(job.task)], mine])


def stored_blocks(store: Store, task_id: str) -> dict[str, Block]:
    """Return the blocks an earlier run stored for a task, by phrasing id;
    without those that are damaged, which are made anew.
    """
    found: dict[str, Block] = {}
    for name, row in store.get_records(f"blocks/{task_id}", skip_damaged=True):
        if isinstance(row, dict) and isinstance(row.get("keys"), str):
            found[name] = Block(
                task=task_id, phrasing_id=name, inputs=str(row.get("inputs")), keys=row["keys"]
            )
    return found


def stored_jobs(store: Store, suite: SuiteRecord) -> Iterator[Job]:
    """Yield the tasks of a run one at a time.

    Parameters
    ----------
    store
        The run's responses and records.
    suite
        What the manifest says of the suite; its tasks are read.

    Raises
    ------
    StoreError
        When a task of the manifest is not in the store, not with the phrasings and instances that
        the manifest names, or not as evalkit stores it.
    """
    for task_id, told in suite.tasks.items():
        tasks = _read(store, f"task/{task_id}", Task)
        if not tasks:
            raise StoreError(
                f"{store.path}: holds nothing of task {task_id!r}, which the manifest names. "
                "Run the same 'evalkit run' again."
            )
        job = _job(store, tasks[0], task_id, suite)
        size = KEY_LENGTH * len(job.instances)
        if (
            set(told.phrasings) != set(job.seen)
            or told.instances_digest != job.instances_digest
            or any(len(block.keys) != size for block in job.blocks)
        ):
            raise StoreError(
                f"{store.path}: holds other phrasings or instances of task {task_id!r} than "
                "manifest.json names, so the two are not of one run, or a run was interrupted "
                "just then. Run the same 'evalkit run' again."
            )
        yield job


def _job(store: Store, task: Task, task_id: str, suite: SuiteRecord) -> Job:
    """Return a task with what the store holds under its id."""
    rows = _read(store, f"blocks/{task_id}", _Row)
    return Job(
        task=task,
        phrasings=tuple(row.phrasing for row in rows),
        instances=tuple(_read(store, f"instances/{task_id}", Instance)),
        shots=tuple(_read(store, f"shots/{task_id}", Instance)),
        seen={row.phrasing.id: row.seen for row in rows},
        orders={row.phrasing.id: row.orders for row in rows if row.orders},
        pool=tuple(_read(store, f"pool/{task_id}", Instance)),
        demos={row.phrasing.id: row.demos for row in rows if row.demos},
        design="full" if suite.budget is None else suite.budget.design,
        blocks=tuple(
            Block(task=task_id, phrasing_id=row.phrasing.id, inputs=row.inputs, keys=row.keys)
            for row in rows
        ),
    )


def _read(store: Store, kind: str, record: type[T]) -> list[T]:
    """Every record of a kind, strictly."""
    found = []
    for name, value in store.get_records(kind):
        try:
            found.append(record_of(record, value))
        except ShapeError as error:
            raise StoreError(
                f"{store.path}: record {kind}/{name} is not as this evalkit stores it: {error}. "
                "Update evalkit (pip install -U evalkit), or run the same 'evalkit run' again to "
                "write it anew."
            ) from error
    return found
