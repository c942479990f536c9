"""The first half of the corridor: what is to be asked, what is stored already, and asking the rest.

`Block` is one (task, phrasing): the request keys of all its instances. Blocks are stored with a
digest of everything that went into them, so that a resumed run renders only what is new or changed,
and scores can be recomputed without model and data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from evalkit.backends.base import Backend, Hint
from evalkit.errors import Interrupted
from evalkit.phrasings.prompts import PROMPT_VERSION, render_prompt, request_of
from evalkit.records import (
    KEY_LENGTH,
    Arrangement,
    Block,
    Job,
    Phrasing,
    Prompt,
    Request,
    Response,
    digest,
)

__all__ = ["Pending", "Progress", "ask", "block_of", "pending_requests"]


GROUP = 200_000
"""Requests handed to a backend at once: enough to sort well, little enough to hold in memory."""


class Keeps(Protocol):
    """What a batch is written to."""

    def put(self, fingerprint: str, responses: Sequence[Response]) -> None:
        """Write a batch; see `Store.put`."""
        ...


class Progress(Protocol):
    """What shows how far a run is."""

    def begin(self, *, total: int, stored: int) -> None:
        """Say how many unique requests there are and how many are stored already."""
        ...

    def advance(self, responses: Sequence[Response]) -> None:
        """Say that a batch is safe."""
        ...

    def note(self, message: str) -> None:
        """Show one line."""
        ...

    @property
    def stop_requested(self) -> bool:
        """Return whether the user asked to stop after the current batch."""
        ...


def _arrangement(job: Job, phrasing: Phrasing, position: int) -> Arrangement:
    orders = job.orders.get(phrasing.id)
    return orders[position] if orders else ((), ())


def prompt_of(job: Job, phrasing: Phrasing, position: int) -> Prompt:
    """Return the prompt of one cell of a job."""
    order, names = _arrangement(job, phrasing, position)
    return render_prompt(
        job.task, phrasing, job.instances[position], shots=job.shots, order=order, names=names
    )


def block_of(job: Job, phrasing: Phrasing, *, content: str, stored: Block | None) -> Block:
    """Return the block of a phrasing; the stored one when nothing that went into it changed.

    Parameters
    ----------
    job, phrasing
        What is asked.
    content
        `Job.content_digest`, computed once per job.
    stored
        Block of an earlier run in the same directory.
    """
    wording = asdict(phrasing)
    for irrelevant in (
        "meaning",
        "author",
        "licence",
        "source",
        "dimensions",
        "stratum",
        "tasks",
        "origin",
        "published",
    ):
        wording.pop(irrelevant)
    inputs = digest([PROMPT_VERSION, content, wording, job.orders.get(phrasing.id, ())])
    if (
        stored is not None
        and stored.inputs == inputs
        and len(stored.keys) == KEY_LENGTH * len(job.instances)
    ):
        return stored
    keys = "".join(
        request_of(prompt_of(job, phrasing, position)).key for position in range(len(job.instances))
    )
    return Block(task=job.task.id, phrasing_id=phrasing.id, inputs=inputs, keys=keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """One request to be asked, with what some backends want to know beside it."""

    request: Request
    """The request."""
    hint: Hint
    """What a scripted backend may know."""
    alternates: tuple[tuple[Request, Hint], ...] = ()
    """The same instance under other phrasings of the run, for mitigations that want them."""


def pending_requests(
    jobs: Sequence[Job],
    blocks: Mapping[str, Sequence[Block]],
    missing: set[str],
    *,
    n_alternates: int = 0,
) -> Iterator[Pending]:
    """Yield every request whose key is in `missing`, once, with what is to be known beside it.

    Parameters
    ----------
    jobs
        All tasks.
    blocks
        Blocks per task id, in the order of the job's phrasings.
    missing
        Request keys without a stored response; emptied as they are yielded.
    n_alternates
        How many other phrasings of the same instance come with each request.
    """
    for job in jobs:
        for phrasing, block in zip(job.phrasings, blocks[job.task.id], strict=True):
            if not missing:
                return
            for position in range(len(job.instances)):
                key = block.key(position)
                if key not in missing:
                    continue
                missing.discard(key)
                prompt = prompt_of(job, phrasing, position)
                yield Pending(
                    request=request_of(prompt),
                    hint=_hint(job, phrasing, prompt, position),
                    alternates=_alternates(job, phrasing, position, n_alternates),
                )


def _alternates(
    job: Job, phrasing: Phrasing, position: int, number: int
) -> tuple[tuple[Request, Hint], ...]:
    """Return the same instance under other correct phrasings whose choices stand in the same order, drawn by phrasing id; none for a control.

    A negated or wrong instruction means something else than they do: answering it by them would
    hide whether the model reads it.
    """
    if not number or phrasing.kind != "correct":
        return ()
    others = [
        other
        for other in job.phrasings
        if other.id != phrasing.id and other.kind == "correct" and other.id not in job.orders
    ]
    others.sort(key=lambda other: digest([phrasing.id, other.id]))
    prompts = [(other, prompt_of(job, other, position)) for other in others[:number]]
    return tuple(
        (request_of(prompt), _hint(job, other, prompt, position)) for other, prompt in prompts
    )


def _hint(job: Job, phrasing: Phrasing, prompt: Prompt, position: int) -> Hint:
    instance = job.instances[position]
    target = instance.target
    if target is not None and prompt.choice_order:
        target = prompt.choice_order.index(target)
    return Hint(
        phrasing_id=phrasing.id,
        instance_id=instance.id,
        task=job.task.id,
        seen=job.seen[phrasing.id],
        kind=phrasing.kind,
        target=target,
        labels=prompt.labels,
        reference=instance.references[0] if instance.references else "",
    )


def _groups(pending: Iterable[Pending]) -> Iterator[list[Pending]]:
    group: list[Pending] = []
    for one in pending:
        group.append(one)
        if len(group) >= GROUP:
            yield group
            group = []
    if group:
        yield group


def ask(
    backend: Backend,
    pending: Iterable[Pending],
    *,
    fingerprint: str,
    stores: Sequence[Keeps],
    progress: Progress,
) -> list[Response]:
    """Ask what is pending and store every batch before the next; return the responses that failed.

    Parameters
    ----------
    backend
        The engine.
    pending
        Requests with what is to be known beside them.
    fingerprint
        Digest of the backend's fingerprint.
    stores
        Where each batch is written: the run's store first, then the cache.
    progress
        Told of every batch that is safe.

    Raises
    ------
    Interrupted
        When the user asked to stop; everything acknowledged is stored.
    """
    failed: list[Response] = []
    for group in _groups(pending):
        if "oracle" in backend.capabilities:
            hints = {one.request.key: one.hint for one in group}
            hints.update({other.key: hint for one in group for other, hint in one.alternates})
            backend.learn(hints)  # type: ignore[attr-defined]  # offered by the capability
        if "alternates" in backend.capabilities:
            backend.relate(
                {one.request.key: tuple(other for other, _ in one.alternates) for one in group}
            )  # type: ignore[attr-defined]  # likewise
        batches = backend.run([one.request for one in group])
        for batch in getattr(progress, "watched", iter)(
            batches
        ):  # offered by a progress that ends a run whose model hangs
            for store in stores:
                store.put(fingerprint, batch)
            failed.extend(response for response in batch if response.error)
            progress.advance(batch)
            if progress.stop_requested:
                raise Interrupted(
                    "stopped after the current batch; everything answered so far is stored."
                )
    return failed
