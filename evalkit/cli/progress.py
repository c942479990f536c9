"""Progress of long work: a bar on a terminal, plain lines otherwise; and stopping after the current batch."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from evalkit.records import Response

__all__ = ["ShownProgress", "interruptible"]

LINE_EVERY = 10.0
"""Seconds between plain lines off a terminal."""


class ShownProgress:
    """Progress of a run on standard error.

    Parameters
    ----------
    quiet
        Show nothing.
    label
        What is running.
    """

    def __init__(self, *, quiet: bool, label: str) -> None:
        self.quiet = quiet
        self.label = label
        self.signal_exit_code = 0
        self._stop = False
        self._bar: Any = None
        self._task: Any = None
        self._done = 0
        self._total = 0
        self._tokens = 0
        self._failed = 0
        self._began = time.monotonic()
        self._last_line = self._began

    @property
    def stop_requested(self) -> bool:
        """Return whether a stop signal came."""
        return self._stop

    def request_stop(self, exit_code: int) -> None:
        """Ask to stop after the current batch."""
        self._stop = True
        self.signal_exit_code = exit_code

    def begin(self, *, total: int, stored: int) -> None:
        """Say how much there is and how much of it is stored already."""
        self._total, self._done, self._began = total, stored, time.monotonic()
        if self.quiet:
            return
        click.echo(f"{total:,} unique requests, {stored:,} stored already, {total - stored:,} to ask {self.label}", err=True)
        if total > stored and sys.stderr.isatty():
            self._open_bar()

    def _open_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("scoring", total=self._total, completed=self._done, rate="")
        self._bar.start()

    def advance(self, responses: Sequence[Response]) -> None:
        """Say that a batch is safe."""
        self._done += len(responses)
        self._tokens += sum(response.prompt_tokens for response in responses)
        self._failed += sum(bool(response.error) for response in responses)
        if self.quiet:
            return
        seconds = max(time.monotonic() - self._began, 1e-6)
        rate = f"{self._tokens / seconds:,.0f} tok/s" + (f", {self._failed} failed" if self._failed else "")
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, rate=rate)
        elif time.monotonic() - self._last_line >= LINE_EVERY:
            self._last_line = time.monotonic()
            click.echo(f"{self._done:,}/{self._total:,} requests, {rate}", err=True)

    def note(self, message: str) -> None:
        """Show one line."""
        if not self.quiet:
            click.echo(message, err=True)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


@contextmanager
def interruptible(progress: ShownProgress) -> Iterator[None]:
    """Turn the first Ctrl-C or termination signal into a request to stop after the current batch; the second stops at once."""

    def handle(number: int, frame: FrameType | None) -> None:
        if progress.stop_requested:
            raise KeyboardInterrupt
        progress.request_stop(128 + number)
        click.echo("stopping after the current batch (again to stop at once)", err=True)

    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
