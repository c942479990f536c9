"""What passes between the thread of a run and that of its connections."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from evalkit.records import Request, Response

__all__ = ["Answers", "cancelled", "drained", "serve"]

Answers: TypeAlias = "queue.SimpleQueue[Response | BaseException | None]"
"""Responses as they come, then None, or the error that ended it all."""

_HEARTBEAT = 0.5
"""Seconds after which an empty batch is handed on, so that a wish to stop is heard."""


async def cancelled() -> None:
    """Cancel what still runs on the loop that this runs on."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first failure of a group, however deep."""
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


async def serve(
    requests: Sequence[Request],
    answers: Answers,
    *,
    respond: Callable[[Request], Awaitable[Response]],
    concurrency: int,
) -> None:
    """Answer requests, several at once, and put what comes into a queue.

    Parameters
    ----------
    requests
        What is asked.
    answers
        Takes every response, then None, or the error that ends it all.
    respond
        Answers one request.
    concurrency
        Most requests under way.
    """
    todo = iter(requests)

    async def work() -> None:
        for request in todo:  # one iterator shared by all workers
            answers.put(await respond(request))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(requests))):
                group.create_task(work())
    except BaseExceptionGroup as failures:
        answers.put(_first_of(failures))
    else:
        answers.put(None)


def drained(answers: Answers) -> tuple[list[Response], BaseException | bool]:
    """Return the responses that are there, after waiting a moment for the first.

    And what ended it: an error, True for the end, False for nothing.
    """
    batch: list[Response] = []
    try:
        found = answers.get(timeout=_HEARTBEAT)
        while isinstance(found, Response):
            batch.append(found)
            found = answers.get_nowait()
    except queue.Empty:
        return batch, False
    return batch, True if found is None else found
