"""Progress of long work: a bar on a terminal, a line in place in a notebook, plain or JSON lines
otherwise.

And stopping at once.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from evalkit.errors import Interrupted
from evalkit.records import Request, Response
from evalkit.report.terminal import say
from evalkit.runs.notebook_line import notebook_line

__all__ = ["ShownProgress", "interruptible"]

LINE_EVERY = 10.0
"""Seconds between lines off a terminal."""
CELL_EVERY = 0.5
"""Seconds between two states of a notebook's line."""
AGAIN = 0.5
"""Seconds after which a stop breaks in again where it was swallowed."""


class ShownProgress:
    """Progress of a run on standard error.

    Parameters
    ----------
    quiet
        Show nothing.
    label
        What is running.
    as_json
        Write JSON lines, and these off a terminal only.
    """

    def __init__(self, *, quiet: bool, label: str, as_json: bool = False) -> None:
        self.quiet = quiet or (as_json and sys.stderr.isatty())
        self.label = label
        self.watched: Callable[[Iterator[Sequence[Response]]], Iterator[Sequence[Response]]] = iter
        self._as_json = as_json
        self._stats: Callable[[], Mapping[str, Any]] | None = None
        self._naive = 0
        self._computed: int | None = None
        self._stored = 0
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
        self._once_before = self._once = 0.0
        self._open: dict[str, int] = {}
        self._paid = self._unpaid = 0
        self._marks: deque[tuple[float, int, int]] = deque()
        self._over = threading.Event()
        self.waits = False
        self._cell = None if self.quiet or as_json else notebook_line()
        self._every = LINE_EVERY if self._cell is None else CELL_EVERY

    @property
    def stop_requested(self) -> bool:
        """Return whether a stop signal came."""
        return self._stop

    def waiting(self, batches: Iterator[Sequence[Response]]) -> Iterator[Sequence[Response]]:
        """Yield an engine's batches and know when it is waited for: then,
        and then only, a stop may break in.
        """
        rest = iter(self.watched(batches))
        while True:
            self.waits = True
            try:
                if self._stop:  # it came between two batches
                    return
                batch = next(rest)
            except StopIteration:
                return
            finally:
                self.waits = False
            yield batch

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Let a stop break in while a model is loaded or a server is asked what it can do.

        Raises
        ------
        Interrupted
            When the user asked to stop.
        """
        self.waits = True
        try:
            yield
        except KeyboardInterrupt:
            if not self._stop:
                raise
        finally:
            self.waits = False
        if self._stop:  # also where a library swallowed what broke in
            raise Interrupted("stopped before anything was asked.") from None

    def request_stop(self, exit_code: int) -> None:
        """Ask to stop."""
        self._stop = True
        self.signal_exit_code = exit_code

    def watch(self, stats: Callable[[], Mapping[str, Any]]) -> None:
        """Take the engine's counters, so that what it saves is shown."""
        self._stats = stats

    def begin(self, *, total: int, stored: int) -> None:
        """Say how much there is and how much of it is stored already."""
        self._over.set()  # of an earlier beginning
        self._total, self._done, self._stored, self._began = total, stored, stored, time.monotonic()
        self._paid = 0
        self._marks = deque([(0.0, 0, 0)])
        self._once_before = self._once = self._proving()
        if self.quiet:
            return
        if self._as_json:
            self._line()
            return
        self._tell(
            f"{total:,} unique requests, {stored:,} stored already, {total - stored:,} to ask "
            f"{self.label}"
        )
        if total > stored and sys.stderr.isatty():
            self._open_bar()
        if total > stored:
            self._over = threading.Event()
            threading.Thread(target=self._beat, args=(self._over,), daemon=True).start()

    def expect(self, requests: Iterable[Request]) -> None:
        """Take the requests that are asked next:
        time left goes by their letters, since long ones come first.
        """
        self._open |= {request.key: _letters(request) for request in requests}
        self._unpaid = sum(self._open.values())

    def _beat(self, over: threading.Event) -> None:
        """Show tokens while no request ends; runs beside the engine until the run is over."""
        while not over.wait(1.0 if self._bar is not None else LINE_EVERY / 4):
            if self._bar is not None:
                self._bar.update(self._task, rate=self._rates())
            elif time.monotonic() - self._last_line >= LINE_EVERY:
                self._line()

    def _tell(self, line: str) -> None:
        """Show how far it is: in place in a notebook, else as a line of its own."""
        if self._cell is None:
            say(line, err=True)
        else:
            self._cell.show(line)

    def _open_bar(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(
            "scoring", total=self._total, completed=self._done, rate="", left=""
        )
        self._bar.start()

    def advance(self, responses: Sequence[Response]) -> None:
        """Say that a batch is safe."""
        self._done += len(responses)
        self._tokens += sum(response.prompt_tokens for response in responses)
        self._naive += sum(_apart(response) for response in responses)
        self._failed += sum(bool(response.error) for response in responses)
        cost = sum(self._open.pop(response.key, 0) for response in responses)
        self._paid, self._unpaid = self._paid + cost, self._unpaid - cost
        self._computed = dict(self._stats()).get("computed") if self._stats is not None else None
        self._once = self._proving()
        rated = self._rated()
        self._marks.append((rated, self._paid, self._done - self._stored))
        while len(self._marks) > 2 and self._marks[1][0] <= rated / 2:
            self._marks.popleft()
        if self.quiet:
            return
        if self._bar is not None:
            self._bar.update(
                self._task, completed=self._done, rate=self._rates(), left=_left(self.state())
            )
        elif self._done < self._total and time.monotonic() - self._last_line >= self._every:
            self._line()  # the last one is said when it closes

    def state(self) -> dict[str, Any]:
        """Return how far the run is.

        Counts of requests and tokens, rates per second, seconds left; None where unknown.

        ``saved`` is the share of the tokens of one prompt per choice that the engine did not have
        to compute.
        """
        seconds = time.monotonic() - self._began
        asked = self._done - self._stored
        return {
            "done": self._done,
            "total": self._total,
            "stored": self._stored,
            "failed": self._failed,
            "seconds": round(seconds, 3),
            "requests_per_second": round(asked / seconds, 3) if asked and seconds else None,
            "tokens_per_second": round(self._tokens / seconds, 3) if asked and seconds else None,
            "saved": round(1 - self._computed / self._naive, 4)
            if self._computed and self._naive
            else None,
            "seconds_left": self._seconds_left(asked),
        }

    def _seconds_left(self, asked: int) -> float | None:
        """Seconds for what is left, at the pace of the later half of the time so far: the machine
        and the prompts change. None before anything was asked.
        """
        if not asked or not self._marks:
            return None
        since, paid, then = self._marks[0]
        left, spent = float(self._total - self._done), asked - then
        if self._paid > paid and left:
            told = asked + len(self._open)  # requests whose letters are known
            unknown = max(0.0, left - len(self._open)) * (self._paid + self._unpaid) / told
            left, spent = self._unpaid + unknown, self._paid - paid
        if not spent:
            return None
        return round(left * (self._rated() - since) / spent, 1)

    def _rated(self) -> float:
        """Seconds since the beginning without those of a start-up proof."""
        return time.monotonic() - self._began - (self._once - self._once_before)

    def _proving(self) -> float:
        """Seconds that the engine spent on its start-up proof,
        which comes once and is no part of a rate.
        """
        seconds = dict(self._stats()).get("seconds") if self._stats is not None else None
        return float(seconds.get("proving", 0.0)) if isinstance(seconds, Mapping) else 0.0

    def _rates(self) -> str:
        """Rates and savings in words; tokens through the model while there is no rate."""
        now = self.state()
        if now["requests_per_second"] is None and self._stats is not None:
            engine = dict(self._stats())
            through = int(engine.get("computed") or 0) + int(engine.get("generated") or 0)
            return f"{through:,} tokens through the model, no request ended yet"
        parts = [
            f"{now[name]:,.{places}f} {unit}"
            for name, places, unit in _RATES
            if now[name] is not None
        ]
        parts += (
            [f"{now['saved']:.0%} of tokens saved"]
            if now["saved"] is not None and now["saved"] > 0
            else []
        )
        return ", ".join([*parts, *([f"{self._failed} failed"] if self._failed else [])])

    def _line(self) -> None:
        """Write one line."""
        self._last_line = time.monotonic()
        now = self.state()
        if self._as_json:
            say(
                json.dumps({"event": "progress", "model": self.label, **now}, allow_nan=False),
                err=True,
            )
            return
        told = ", ".join(filter(None, (self._rates(), _left(now))))
        self._tell(f"{self._done:,}/{self._total:,} requests, {told}")

    def note(self, message: str) -> None:
        """Show one line."""
        if not self.quiet:
            say(
                json.dumps({"event": "note", "message": message}) if self._as_json else message,
                err=self._cell is None,
            )

    def warn(self, message: str) -> None:
        """Show one line that nobody may miss, however quiet the run is."""
        if self.quiet:
            say(message, err=True)
        else:
            self.note(message)

    def close(self) -> None:
        """Take the bar away and say once what it came to."""
        self._over.set()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if not self.quiet and self._done > self._stored:
            self._line()
        self._stored = self._done


_RATES = (("requests_per_second", 1, "req/s"), ("tokens_per_second", 0, "tok/s"))


def _left(now: Mapping[str, Any]) -> str:
    return f"{now['seconds_left']:,.0f} s left" if now["seconds_left"] else ""


def _letters(request: Request) -> int:
    """Letters that a request is about worth: of its prompt, its choices,
    or the tokens it may write at four each.
    """
    written = 4 * request.max_tokens if request.kind == "generate" else 0
    return len(request.system) + len(request.text) + sum(map(len, request.continuations)) + written


def _apart(response: Response) -> int:
    """Tokens of a response's prompt sent anew for every choice, choices included."""
    return max(1, len(response.logprobs)) * response.prompt_tokens + sum(response.token_counts)


@contextmanager
def interruptible(progress: ShownProgress) -> Iterator[None]:
    """Turn the first Ctrl-C or termination signal into a stop that keeps what is answered;
    the second stops at once.

    While the engine is waited for, the first breaks in and what is in flight is lost, again and
    again until it ends, since libraries may swallow what breaks in; elsewhere what is being written
    is written first. A SIGHUP that is ignored (``nohup``) stays ignored.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        if progress.stop_requested:
            raise KeyboardInterrupt
        progress.request_stop(128 + number)
        say("stopping; what was answered is kept", err=True)
        signal.setitimer(signal.ITIMER_REAL, AGAIN, AGAIN)
        if progress.waits:
            raise KeyboardInterrupt

    def again(number: int, frame: FrameType | None) -> None:
        if progress.waits:
            raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        numbers.remove(signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, again)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
