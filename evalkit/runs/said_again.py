"""The model's own generated answers, scored again under their phrasing and its perturbed copies.

A choice task has the probability of every answer under every phrasing; a generated answer has none
but in the pass that made it. So, where it is wanted, a second pass asks for the probability of the
stored answer under its own phrasing and under every perturbed copy. From it come
`prompt_uncertainty` and `confidence` of generated answers, and how calibrated that confidence is.

References
----------
P. Kung and others, "Active Instruction Tuning", EMNLP 2023 (arXiv 2311.00288): the mean over
instances and perturbed instructions of abs(p(y0 | x, I0) - p(y0 | x, Ij)), y0 the model's own
answer under I0 and p the exponential of its mean token log-probability.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from evalkit.backends.base import Backend
from evalkit.errors import BackendError
from evalkit.records import Ask, Job, Phrasing, digest
from evalkit.runs.ask import Progress, asked
from evalkit.runs.pick import pick_instances
from evalkit.store.responses import Store

__all__ = ["Said", "n_second_pass", "refuse_silent", "said_again", "stored_said"]

VERSION = 1
"""Raised whenever a change moves the numbers."""
Said: TypeAlias = Mapping[str, Mapping[str, Mapping[str, tuple[float, ...]]]]
"""Task id -> phrasing id -> itself or a copy -> probability of each stored answer;
NaN without one.
"""


def _families(job: Job) -> dict[str, tuple[Phrasing, ...]]:
    """Phrasing id -> itself and its perturbed copies."""
    own = {one.id: one for one in job.phrasings if one.kind == "correct" and not one.perturbation}
    return {
        name: (one, *(two for two in job.phrasings if two.of == name and two.perturbation))
        for name, one in own.items()
    }


def n_second_pass(jobs: Sequence[Job], n_instances: int) -> int:
    """Return the most requests a second pass can need."""
    return sum(
        min(n_instances, len(job.instances)) * sum(map(len, _families(job).values()))
        for job in jobs
        if job.task.kind == "generate"
    )


def refuse_silent(jobs: Sequence[Job], backend: Backend) -> None:
    """Raise BackendError, before anything is asked, when a backend cannot give the probability
    of a text that a second pass wants.
    """
    if n_second_pass(jobs, 1) and "choice" not in backend.capabilities:
        raise BackendError(
            "--uncertainty: this backend gives no log-probabilities of texts, "
            "so its answers cannot be scored again. Leave the option out."
        )


def said_again(
    jobs: Sequence[Job],
    backend: Backend,
    store: Store,
    *,
    fingerprint: str,
    n_instances: int,
    seed: int,
    progress: Progress,
) -> None:
    """Store the probability of every generated answer under its phrasing and its copies.

    Parameters
    ----------
    jobs
        Tasks with their phrasings and instances.
    backend, fingerprint
        The model.
    store
        The run's store, which holds the answers.
    n_instances
        Instances per phrasing.
    seed
        Of the run; decides which instances.
    progress
        Told how far it is.

    """
    for job in (one for one in jobs if one.task.kind == "generate"):
        picked = {
            one.id for one in pick_instances(job.task, job.instances, limit=n_instances, seed=seed)
        }
        positions = [at for at, one in enumerate(job.instances) if one.id in picked]
        n = _of_task(job, positions, backend, store, fingerprint=fingerprint)
        if n:
            progress.note(f"{job.task.id}: {n} answers scored again, the second pass")


def _of_task(
    job: Job, positions: Sequence[int], backend: Backend, store: Store, *, fingerprint: str
) -> int:
    """Store the second pass of one task; return how many requests it took."""
    kind = f"said/{job.task.id}"
    stored = dict(store.get_records(kind, skip_damaged=True))
    blocks = {block.phrasing_id: block for block in job.blocks}
    rows, n = [], 0
    for name, family in _families(job).items():
        keys = [blocks[name].key(position) for position in positions]
        answers = store.get(fingerprint, keys)
        texts = ["" if (one := answers.get(key)) is None else one.text or "" for key in keys]
        for phrasing in family:
            asks = {
                position: _again(job, phrasing, position, text)
                for position, text in zip(positions, texts, strict=True)
                if text.strip()
            }
            inputs = digest(
                [VERSION, fingerprint, {at: one.request.key for at, one in asks.items()}]
            )
            row = stored.get(f"{name} {phrasing.id}")
            if row is None or row["inputs"] != inputs or "instances" not in row:
                found = _probabilities(backend, list(asks.values()))
                n += len(asks)
                row = {
                    "inputs": inputs,
                    "instances": [job.instances[at].id for at in positions],
                    "values": [
                        found.get(asks[at].request.key) if at in asks else None for at in positions
                    ],
                }
            rows.append((f"{name} {phrasing.id}", row))
    store.put_records(kind, rows)
    return n


def _again(job: Job, phrasing: Phrasing, position: int, text: str) -> Ask:
    """Return the question how likely a text is as the answer of one cell."""
    one = asked(job, position, phrasing)
    request = replace(
        one.request, kind="choice", continuations=(f" {text.strip()}",), max_tokens=0, stop=()
    )
    return replace(one, request=request, alternates=())


def _probabilities(backend: Backend, asks: Sequence[Ask]) -> dict[str, float | None]:
    """Request key -> exp of the mean token log-probability; None where there is none."""
    found: dict[str, float | None] = {}
    for batch in backend.run(asks) if asks else ():
        for one in batch:
            known = bool(one.logprobs) and math.isfinite(one.logprobs[0]) and bool(one.token_counts)
            found[one.key] = (
                math.exp(one.logprobs[0] / max(one.token_counts[0], 1)) if known else None
            )
    return found


def stored_said(
    store: Store, task: str, instance_ids: Sequence[str]
) -> dict[str, dict[str, tuple[float, ...]]]:
    """Return the second pass of one task, as in `Said`, a value per instance;
    empty when there was none.

    Parameters
    ----------
    store
        The run's store.
    task
        Task id.
    instance_ids
        Instances in the order that is wanted; those left out of the pass are NaN. A pass of an
        older version names no instances and is none.
    """
    found: dict[str, dict[str, tuple[float, ...]]] = {}
    for name, row in store.get_records(f"said/{task}"):
        if "instances" not in row:
            continue
        origin, _, phrasing = name.partition(" ")
        values = [math.nan if one is None else float(one) for one in row["values"]]
        told = dict(zip(row["instances"], values, strict=True))
        found.setdefault(origin, {})[phrasing] = tuple(
            told.get(one, math.nan) for one in instance_ids
        )
    return found
