"""What passes between the thread of a run and that of its connections."""

from __future__ import annotations

import asyncio
import queue

from evalkit.records import Response

__all__ = ["cancelled", "drained", "first_of"]

_HEARTBEAT = 0.5
"""Seconds after which an empty batch is handed on, so that a wish to stop is heard."""


async def cancelled() -> None:
    """Cancel what still runs on the loop that this runs on."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first failure of a group, however deep."""
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


def drained(
    answers: queue.SimpleQueue[Response | BaseException | None],
) -> tuple[list[Response], BaseException | bool]:
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
