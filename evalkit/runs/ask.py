"""The first half of the corridor: what is to be asked, what is stored already, and asking the rest.

`Block` is one (task, phrasing): the request keys of all its instances. Blocks are stored with a
digest of everything that went into them, so that a resumed run renders only what is new or changed,
and scores can be recomputed without model and data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import cache, partial
from itertools import islice
from typing import Protocol

from evalkit.backends.base import Backend, old_protocol
from evalkit.errors import Interrupted
from evalkit.phrasings.prompts import PROMPT_VERSION, render_prompt, request_of
from evalkit.records import (
    KEY_LENGTH,
    Alternates,
    Ask,
    Block,
    Hint,
    Job,
    Phrasing,
    Prompt,
    Response,
    digest,
    repeat_key,
)

__all__ = ["Progress", "ask", "asked", "block_of", "pending"]


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


def prompt_of(job: Job, phrasing: Phrasing, position: int) -> Prompt:
    """Return the prompt of one cell of a job."""
    order, names = job.arrangement(phrasing, position)
    return render_prompt(
        job.task,
        phrasing,
        job.instances[position],
        shots=job.shown(phrasing, position),
        order=order,
        names=names,
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
        "constraints",
    ):
        wording.pop(irrelevant)
    for absent in ("frame", "reserved"):  # without one, the digest is what it was before
        if not wording[absent]:
            wording.pop(absent)
    parts: list[object] = [PROMPT_VERSION, content, wording, job.orders.get(phrasing.id, ())]
    if phrasing.id in job.demos:
        parts += [[one.content() for one in job.pool], job.demos[phrasing.id]]
    inputs = digest(parts)
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


def pending(jobs: Sequence[Job], missing: set[str]) -> Iterator[Ask]:
    """Yield every request whose key is in `missing`, once, with what belongs to it.

    Parameters
    ----------
    jobs
        All tasks, with their blocks.
    missing
        Request keys without a stored response; emptied as they are yielded.
    """
    for job in jobs:
        for phrasing, block in zip(job.phrasings, job.blocks, strict=True):
            others = cache(partial(_others, job, phrasing))
            for position in range(len(job.instances)):
                if not missing:
                    return
                for repeat in range(job.repeats):
                    key = block.key(position)
                    key = repeat_key(key, repeat) if repeat else key
                    if key in missing:
                        missing.discard(key)
                        alternates = Alternates(others, partial(asked, job, position))
                        found = asked(job, position, phrasing)
                        request = replace(found.request, repeat=repeat)
                        yield replace(found, request=request, alternates=alternates)


def _others(job: Job, phrasing: Phrasing) -> list[Phrasing]:
    """Return the other correct phrasings whose choices stand in the same order, drawn by phrasing
    id; none for a control.

    A negated or wrong instruction means something else than they do: answering it by them would
    hide whether the model reads it.
    """
    if phrasing.kind != "correct":
        return []
    others = [
        other
        for other in job.phrasings
        if other.id != phrasing.id and other.kind == "correct" and other.id not in job.orders
    ]
    return sorted(others, key=lambda other: digest([phrasing.id, other.id]))


def asked(job: Job, position: int, phrasing: Phrasing) -> Ask:
    """Return one cell of a job as it is asked."""
    prompt = prompt_of(job, phrasing, position)
    return Ask(request_of(prompt), _hint(job, phrasing, prompt, position))


def _hint(job: Job, phrasing: Phrasing, prompt: Prompt, position: int) -> Hint:
    instance = job.instances[position]
    order = prompt.choice_order or tuple(range(len(instance.choices)))
    texts = [instance.choices[place] for place in order]
    target = None if instance.target is None else order.index(instance.target)
    told = instance.references if target is None else (texts[target],)
    right = tuple(place for place, text in enumerate(texts) if text in told)
    lure = instance.fields.get("lure", "")
    if lure not in prompt.text[slice(*prompt.body)]:
        lure = ""
    return Hint(
        phrasing_id=phrasing.id,
        instance_id=instance.id,
        task=job.task.id,
        seen=job.seen[phrasing.id],
        kind=phrasing.kind,
        target=right[0] if target is None and right else target,
        right=right,
        labels=prompt.labels,
        reference=instance.references[0] if instance.references else "",
        lure=lure,
        lured=texts.index(lure) if lure in texts else None,
    )


def _groups(asks: Iterable[Ask]) -> Iterator[list[Ask]]:
    rest = iter(asks)
    while group := list(islice(rest, GROUP)):
        yield group


def ask(
    backend: Backend,
    asks: Iterable[Ask],
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
    asks
        What is to be asked.
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
    BackendError
        When the backend takes an `Ask` for a request.
    """
    failed: list[Response] = []
    # offered by a progress that hears signals and ends a run whose model hangs
    waiting = getattr(progress, "waiting", iter)
    expect = getattr(progress, "expect", None)
    for group in _groups(asks):
        if expect is not None:
            expect(one.request for one in group)
        try:
            for batch in waiting(_answered(backend, group)):
                for store in stores:
                    store.put(fingerprint, batch)
                failed.extend(response for response in batch if response.error)
                progress.advance(batch)
                if progress.stop_requested:
                    break
        except KeyboardInterrupt:
            if not progress.stop_requested:
                raise
        if progress.stop_requested:
            raise Interrupted("stopped; everything answered so far is stored.")
    return failed


def _answered(backend: Backend, group: Sequence[Ask]) -> Iterator[Sequence[Response]]:
    """Yield what the backend answers; one that reads a request's field of an `Ask` is told so."""
    try:
        yield from backend.run(group)
    except AttributeError as error:
        if not isinstance(error.obj, Ask):
            raise
        raise old_protocol(
            type(backend).__name__, f"its `run` reads {error.name!r} of an Ask"
        ) from error
