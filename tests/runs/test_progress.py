"""The live view: rates, what is saved and what is left, as text and as JSON lines."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator

import pytest

from evalkit.errors import Interrupted
from evalkit.records import Request, Response
from evalkit.runs import progress as module
from evalkit.runs.progress import ShownProgress, interruptible


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands until it is moved."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture(autouse=True)
def ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """End the thread of every progress of a test, so that it prints nothing into others."""
    made: list[ShownProgress] = []
    begin = ShownProgress.begin

    def noted(self: ShownProgress, **numbers: int) -> None:
        made.append(self)
        begin(self, **numbers)

    monkeypatch.setattr(ShownProgress, "begin", noted)
    yield
    for progress in made:
        progress._over.set()


def answered(progress: ShownProgress, clock: list[float]) -> None:
    """Forty requests are stored, then thirty answered in twenty seconds, two of which failed."""
    progress.watch(lambda: {"computed": 800, "naive": 10**9})
    progress.begin(total=100, stored=40)
    clock[0] += 20
    good = [
        Response(
            key=str(i),
            logprobs=(-1.0, -2.0, -3.0, -4.0),
            token_counts=(1, 1, 2, 2),
            prompt_tokens=100,
        )
        for i in range(28)
    ]
    progress.advance([*good, *(Response(key=f"bad{i}", error="oom") for i in range(2))])


def test_text_says_rates_savings_and_time_left(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """30 requests and 2,800 prompt tokens in 20 s;
    800 tokens computed where 28 x (4 x 100 + 6) would be; 30 requests left.
    """
    answered(ShownProgress(quiet=False, label="toy"), clock)
    first, second = capsys.readouterr().err.splitlines()

    assert first == "100 unique requests, 40 stored already, 60 to ask toy"
    assert (
        second == "70/100 requests, 1.5 req/s, 140 tok/s, 93% of tokens saved, 2 failed, 20 s left"
    )


def test_json_lines_say_the_same(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line on standard error, the first before anything is known;
    the last when it is over, once.
    """
    progress = ShownProgress(quiet=False, label="toy", as_json=True)
    progress.note("a note")
    answered(progress, clock)
    progress.watch(dict)  # a closed engine has no counters any more
    progress.close()
    progress.close()
    captured = capsys.readouterr()
    note, begun, running, over = map(json.loads, captured.err.splitlines())

    assert captured.out == ""
    assert note == {"event": "note", "message": "a note"}
    assert (begun["done"], begun["stored"], begun["requests_per_second"], begun["saved"]) == (
        40,
        40,
        None,
        None,
    )
    assert running == over
    assert running == {
        "event": "progress",
        "model": "toy",
        "done": 70,
        "total": 100,
        "stored": 40,
        "failed": 2,
        "seconds": 20.0,
        "requests_per_second": 1.5,
        "tokens_per_second": 140.0,
        "saved": round(1 - 800 / (28 * 406), 4),
        "seconds_left": 20.0,
    }


def test_what_comes_once_is_no_part_of_the_time_left(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """10 of 40 requests in 12 s, of which a start-up proof took 10: the other 30 take 6 s,
    not 36.
    """
    progress = ShownProgress(quiet=False, label="toy")
    spent = {"proving": 0.0}
    progress.watch(lambda: {"seconds": dict(spent)})
    progress.begin(total=40, stored=0)
    clock[0] += 12
    spent["proving"] = 10.0
    progress.advance([Response(key=str(i), text="x", prompt_tokens=5) for i in range(10)])

    assert progress.state()["seconds_left"] == 6.0
    progress.begin(total=40, stored=10)
    clock[0] += 2
    progress.advance([Response(key=str(i), text="x", prompt_tokens=5) for i in range(10)])
    assert progress.state()["seconds_left"] == 4.0


def test_time_left_goes_by_letters(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """Long prompts come first: 5 of 20 took 10 s with 5,000 of 6,500 letters,
    so the other 15 take 3 s, not 30.
    """
    progress = ShownProgress(quiet=False, label="toy")
    long, short = (
        [Request(kind="generate", text=letter * n, max_tokens=0) for n in sizes]
        for letter, sizes in (("a", range(998, 1003)), ("b", range(93, 108)))
    )
    progress.begin(total=20, stored=0)
    progress.expect([*long, *short])
    clock[0] += 10
    progress.advance([Response(key=one.key, text="x", prompt_tokens=5) for one in long])

    assert progress.state()["seconds_left"] == 3.0
    clock[0] += 1
    progress.advance([Response(key=one.key, text="x", prompt_tokens=5) for one in short])
    assert progress.state()["seconds_left"] == 0.0


def test_quiet_says_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """Quiet holds for JSON lines too."""
    for as_json in (False, True):
        progress = ShownProgress(quiet=True, label="toy", as_json=as_json)
        progress.note("a note")
        answered(progress, clock)
        progress.close()

    assert capsys.readouterr().err == ""


def load(progress: ShownProgress, swallowed: int) -> None:
    """Load a model: a stop comes, and what breaks in is swallowed so many times."""
    with progress.opening():
        for n in range(swallowed):
            try:
                if n == 0:
                    signal.raise_signal(signal.SIGINT)
                time.sleep(5)
            except KeyboardInterrupt:
                continue
        if swallowed == 2:
            time.sleep(5)


@pytest.mark.parametrize("swallowed", [1, 2])
def test_one_stop_ends_the_loading_of_a_model_also_where_a_library_swallows_it(
    swallowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What breaks in comes again until loading ends;
    a stop swallowed at its very end still counts.
    """
    monkeypatch.setattr(module, "AGAIN", 0.02)
    progress = ShownProgress(quiet=True, label="toy")

    def loading() -> None:
        """Swallow the stop once or twice."""
        for n in range(swallowed):
            with contextlib.suppress(KeyboardInterrupt):
                if n == 0:
                    signal.raise_signal(signal.SIGINT)
                time.sleep(5)
        if swallowed == 2:
            time.sleep(5)

    def opened() -> None:
        with progress.opening():
            loading()

    with interruptible(progress), pytest.raises(Interrupted, match="before anything was asked"):
        opened()

    assert progress.signal_exit_code == 128 + signal.SIGINT
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_quiet_still_says_what_nobody_may_miss(capsys: pytest.CaptureFixture[str]) -> None:
    """Lost answers are told in a quiet run too; a note is not."""
    progress = ShownProgress(quiet=True, label="toy")
    progress.note("a note")
    progress.warn("three answers are gone")

    assert capsys.readouterr().err == "three answers are gone\n"


def test_a_second_beginning_ends_the_first_ones_lines() -> None:
    """One thread at a time tells how far a run is."""
    progress = ShownProgress(quiet=False, label="toy")
    progress.begin(total=5, stored=0)
    first = progress._over
    progress.begin(total=5, stored=0)

    assert first.is_set()
    assert not progress._over.is_set()
    progress.close()


def test_a_hang_up_that_is_ignored_stays_ignored() -> None:
    """``nohup evalkit run`` outlives its terminal; other signals stop it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    progress = ShownProgress(quiet=True, label="toy")
    try:
        with interruptible(progress):
            signal.raise_signal(signal.SIGHUP)
            assert not progress.stop_requested
            signal.raise_signal(signal.SIGTERM)
            assert progress.stop_requested
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_time_left_follows_the_later_half(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten requests took 40 s beside other work and ten 10 s without it: the other 20 take 20 s,
    not 50.
    """
    progress = ShownProgress(quiet=False, label="toy")
    progress.begin(total=40, stored=0)
    for seconds in (*[4.0] * 10, *[1.0] * 10):
        clock[0] += seconds
        progress.advance([Response(key=str(clock[0]), text="x", prompt_tokens=5)])
    half = progress.state()["seconds_left"]
    for _ in range(10):
        clock[0] += 1.0
        progress.advance([Response(key=str(clock[0]), text="x", prompt_tokens=5)])

    assert 20.0 < half < 50.0
    assert progress.state()["seconds_left"] == pytest.approx(10.0, abs=5.0)
