"""Representations of phrasings by the model itself.

Asked once per run, stored beside its responses, read back without a model.

A phrasing's representation on a task is the mean, over a few instances of the run, of the hidden
state from which the first answer token is predicted. The instances are the same for every phrasing,
so that what they differ in cancels in a distance.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from evalkit.backends.base import Backend
from evalkit.errors import BackendError
from evalkit.phrasings.prompts import request_of
from evalkit.records import Job, digest
from evalkit.runs.ask import Progress, prompt_of
from evalkit.runs.pick import pick_instances
from evalkit.stats import distance_to_seen
from evalkit.store.responses import Store

__all__ = ["distances", "represent"]

VERSION = 1
"""Raised whenever a change moves the vectors."""


def represent(
    jobs: Sequence[Job],
    backend: Backend,
    store: Store,
    *,
    n_instances: int,
    seed: int,
    progress: Progress,
) -> None:
    """Store the representation of every phrasing that has none yet for these instances.

    Parameters
    ----------
    jobs
        Tasks with their phrasings and instances.
    backend
        The model.
    store
        The run's store.
    n_instances
        Instances per phrasing; a task with fewer gives all it has.
    seed
        Of the run; decides which instances.
    progress
        Told how far it is.

    Raises
    ------
    BackendError
        When the backend gives no hidden states.
    """
    if "embed" not in backend.capabilities:
        raise BackendError(
            "--representations: this backend gives no hidden states; a Transformers model "
            "(backend hf) without --mitigation around it does. Leave the option out."
        )
    for job in jobs:
        picked = pick_instances(job.task, job.instances, limit=n_instances, seed=seed)
        chosen = {instance.id for instance in picked}
        positions = [at for at, instance in enumerate(job.instances) if instance.id in chosen]
        asked = _represent_task(job, positions, backend, store)
        if asked:
            progress.note(
                f"{job.task.id}: {asked} phrasings represented on {len(positions)} instances each"
            )


def _represent_task(job: Job, positions: Sequence[int], backend: Backend, store: Store) -> int:
    """Store the representations of one task; return how many phrasings were asked."""
    kind = f"representations/{job.task.id}"
    stored = dict(store.get_records(kind, skip_damaged=True))
    rows: list[tuple[str, Any]] = []
    asked = 0
    for phrasing in job.phrasings:
        requests = [request_of(prompt_of(job, phrasing, position)) for position in positions]
        inputs = digest([VERSION, [request.key for request in requests]])
        row = stored.get(phrasing.id)
        if row is None or row["inputs"] != inputs:
            states = cast(Any, backend).embed(requests)  # offered by the capability
            vector = np.asarray(states.mean(axis=0), dtype="<f4")
            row = {
                "inputs": inputs,
                "n_instances": len(requests),
                "vector": base64.b64encode(vector.tobytes()).decode("ascii"),
            }
            asked += 1
        rows.append((phrasing.id, row))
    store.put_records(kind, rows)
    return asked


def distances(store: Store, task: str, *, seen: dict[str, str]) -> dict[str, float]:
    """Return phrasing id -> mean distance to the seen phrasings of a task,
    for those of `seen` that have a representation.

    Parameters
    ----------
    store
        The run's store.
    task
        Task id.
    seen
        Phrasing id -> its relation to the model, for the phrasings that count.
    """
    stored = {
        name: row for name, row in store.get_records(f"representations/{task}") if name in seen
    }
    if not stored:
        return {}
    vectors: npt.NDArray[np.float64] = np.array(
        [np.frombuffer(base64.b64decode(row["vector"]), dtype="<f4") for row in stored.values()],
        dtype=np.float64,
    )
    found = distance_to_seen(vectors, np.array([seen[name] == "seen" for name in stored]))
    return {name: float(value) for name, value in zip(stored, found, strict=True)}
