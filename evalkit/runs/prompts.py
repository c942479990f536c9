"""Prompts as they are sent, for a person to read before or after a run.

What a Transformers model is fed is made by the encoder that a run uses, without its weights. What a
server or another library makes of a prompt is not known here, and said so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from evalkit.phrasings.prompts import request_of
from evalkit.records import Job, ModelSpec, Request
from evalkit.runs.ask import prompt_of
from evalkit.runs.settings import Settings

__all__ = ["ShownPrompt", "shown_prompts"]

READ_HERE = frozenset({"hf", "vllm"})
"""Backends that are fed the ids of evalkit's own encoder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPrompt:
    """One prompt as it is sent."""

    task: str
    """Task id."""
    phrasing_id: str
    """Phrasing id."""
    seen: str
    """Relation of the phrasing to the model."""
    instance_id: str
    """Instance id."""
    text: str
    """Text sent, chat template included where it is applied here."""
    system: str
    """System message; it stands in `text` already where the template is applied here."""
    choices: tuple[str, ...]
    """Continuations whose log-probability is asked, as they are sent; empty for generation."""
    max_tokens: int
    """Most tokens generated; 0 for choices."""
    tokens: tuple[int, ...] | None
    """Ids fed, special ones included; None where they are made elsewhere."""
    pieces: tuple[str, ...] | None
    """Text of every id; None where they are made elsewhere."""
    choice_tokens: tuple[tuple[int, ...], ...] | None
    """Ids of every continuation."""
    truncated: bool = False
    """Whether the prompt loses the middle of the instance."""
    error: str = ""
    """Why it cannot be asked; empty when it can."""


def shown_prompts(
    jobs: Sequence[Job], settings: Settings, *, number: int, phrasing: str | None = None
) -> tuple[list[ShownPrompt], list[str]]:
    """Return the first prompts of a run, and what is to be known of them.

    Parameters
    ----------
    jobs, settings
        What is run.
    number
        How many: tasks in turn, of each its phrasings in turn, then its instances; those too in
        turn where they vary something, such as an attack or a passage.
    phrasing
        Id of the only phrasing shown; None for all.
    """
    found = [
        (job, row, position, request_of(prompt_of(job, job.phrasings[row], position)))
        for job, row, position in islice(_in_turn(jobs, phrasing), number)
    ]
    read, notes = _reading(settings.model, [request for *_, request in found])
    notes += [
        f"mitigation {name}: may send other or further prompts than these"
        for name in settings.mitigations
    ]
    return [
        ShownPrompt(
            task=job.task.id,
            phrasing_id=job.phrasings[row].id,
            seen=job.seen[job.phrasings[row].id],
            instance_id=job.instances[position].id,
            system=request.system,
            max_tokens=request.max_tokens,
            **made,
        )
        for (job, row, position, request), made in zip(found, read, strict=True)
    ], notes


def _in_turn(jobs: Sequence[Job], phrasing: str | None) -> Iterator[tuple[Job, int, int]]:
    """Every cell: tasks in turn, phrasings in turn, then instances;
    both in turn where they have factors.
    """
    walks = [
        iter(
            [
                (job, row, (turn + step * bool(job.instances[0].factors)) % len(job.instances))
                for turn in range(len(job.instances))
                for step, row in enumerate(
                    row for row, own in enumerate(job.phrasings) if phrasing in (None, own.id)
                )
            ]
        )
        for job in jobs
    ]
    while walks:
        kept = []
        for walk in walks:
            if (cell := next(walk, None)) is not None:
                yield cell
                kept.append(walk)
        walks = kept


def _reading(
    model: ModelSpec, requests: Sequence[Request]
) -> tuple[list[dict[str, Any]], list[str]]:
    """What the model reads for each request, and a note where that is not known."""
    if model.backend not in READ_HERE:
        plain: dict[str, Any] = {"tokens": None, "pieces": None, "choice_tokens": None}
        made = [
            {"text": request.text, "choices": request.continuations, **plain}
            for request in requests
        ]
        note = (
            f"backend {model.backend}: turns text into tokens itself, with a chat template of its "
            "own where it has one"
        )
        return made, [note] if model.backend != "scripted" else []
    from evalkit.backends.hf.reader import reader_of

    reader = reader_of(model)
    return [
        {
            "text": item.sent or item.request.text,
            "tokens": item.context,
            "pieces": tuple(reader.pieces(item.context)),
            "choices": tuple(map(reader.text, item.tails)),
            "choice_tokens": item.tails,
            "truncated": item.truncated,
            "error": item.error,
        }
        for item in reader.encode(requests)
    ], []
