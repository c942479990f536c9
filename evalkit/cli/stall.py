"""Ends a run whose model answers no more: ``--stall-timeout``.

A hung engine cannot be stopped from within, so the process is.
"""

from __future__ import annotations

import faulthandler
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from evalkit.errors import EnvironmentFault, EvalkitError
from evalkit.report.terminal import say
from evalkit.store.atomic import open_own

__all__ = ["StallWatch"]

T = TypeVar("T")
TICK = 1.0
"""Seconds between two looks. Time is counted in looks, so that a process that was stopped (SIGSTOP,
a sleeping machine) did not stall."""


class StallWatch:
    """Watches the time a model takes for its next batch.

    Parameters
    ----------
    seconds
        Longest time without a batch; None: do not watch.
    log
        File that the stacks of all threads are written to.
    command
        Line to go on with.
    """

    def __init__(self, seconds: float | None, *, log: Path, command: str) -> None:
        self._seconds, self._log, self._command = seconds, log, command
        self._number, self._waiting = 0, False
        if seconds is not None:
            threading.Thread(
                target=self._look, args=(seconds, min(TICK, seconds / 4)), daemon=True
            ).start()

    def watched(self, batches: Iterable[T]) -> Iterator[T]:
        """Yield the batches; only the waiting for each is watched, not what is done with it."""
        rest = iter(batches)
        while True:
            self._number, self._waiting = self._number + 1, True
            try:
                batch = next(rest)
            except StopIteration:
                return
            finally:
                self._waiting = False
            yield batch

    def _look(self, seconds: float, tick: float) -> None:
        pause, number, waited = threading.Event(), 0, 0.0
        while not pause.wait(tick):
            if not self._waiting or self._number != number:
                number, waited = self._number, 0.0
                continue
            waited += tick
            if waited >= seconds:
                self._end()

    def _end(self) -> None:
        """Write the stacks, say what happened, and end the process.

        What was acknowledged is safe, and the lock goes with the process.
        """
        where = "on standard error"
        try:
            with open(open_own(self._log), "w", encoding="utf-8") as file:
                file.truncate(0)
                faulthandler.dump_traceback(file, all_threads=True)
            where = f"in {self._log}"
        except (OSError, EvalkitError):
            faulthandler.dump_traceback(all_threads=True)
        say(
            f"Error: the model gave no answer for {self._seconds:g} s (--stall-timeout); "
            f"the stacks of all threads are {where}. Everything answered so far is stored. "
            f"To go on, type:\n  {self._command}",
            err=True,
        )
        os._exit(EnvironmentFault.exit_code)
