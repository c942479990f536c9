"""Runs of served models: resumed on another port, shared by version, compared only with their
like.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx")
pytest.importorskip("tenacity")

from misbehaving_server import (
    Behaviour,
    Handler,
    Server,
    body,
    chat_body,
    hang,
    open_backend,
    server,
)

from evalkit.cli.main import invoke
from evalkit.store.directory import read_manifest

__all__ = ["open_backend", "server"]

WHAT = ["--tasks", "procedural/boolean", "--limit", "2", "--phrasings", "2", "--resamples", "100"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the shared cache and the runs of a test to itself."""
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def second() -> Iterator[Server]:
    """Give another server, on another port."""
    made = Server()
    yield made
    made.gone.set()
    made.http.shutdown()
    made.http.server_close()


def says(text: str, **more: Any) -> Behaviour:
    """Answer a chat with a text and nothing of log-probabilities."""
    return body({**chat_body(text), **more})


def run(server: Server, out: str, *words: str) -> int:
    """Run two tasks' cells on a server."""
    model = f"openai:m@{server.url},tries=1,backoff=0"
    return invoke(["run", "--model", model, "--chat-template", "auto", *WHAT, "--out", out, *words])


def counts_of(out: str) -> dict[str, Any]:
    """Counts of a run."""
    return dict(json.loads(Path(out, "manifest.json").read_text())["counts"])


def test_a_run_goes_on_when_its_server_comes_back_on_another_port(
    server: Server, second: Server
) -> None:
    """Nothing is asked again but the opening question, and the label is the model's name."""
    server.standing = second.standing = says("True")
    codes = [run(server, "a"), run(second, "a")]

    assert codes == [0, 0]
    assert len(second.seen) < 6
    assert {sent["messages"][-1]["content"] for _, sent, *_ in second.seen} == {
        "Reply with the letter A."
    }
    assert read_manifest(Path("a")).model.label == "m"


@pytest.mark.parametrize(
    ("told", "words", "shared"),
    [({}, (), False), ({}, ("--cache",), True), ({"system_fingerprint": "fp_1"}, (), True)],
    ids=["no version", "asked for", "version"],
)
def test_answers_of_earlier_runs_are_used_where_versions_are_told_apart(
    server: Server, told: dict[str, str], words: tuple[str, ...], shared: bool
) -> None:
    """A second run elsewhere asks again unless the version is known or --cache is given."""
    server.standing = says("True", **told)
    run(server, "a", *words)
    first = len(server.seen)
    run(server, "b", *words)

    assert (len(server.seen) - first < first) is shared


def test_fresh_leaves_no_old_answer_to_the_next_run(server: Server) -> None:
    """The third run gets what the fresh one was answered."""
    for out, text, words in (("a", "True", ()), ("b", "False", ("--fresh",)), ("c", "True", ())):
        server.standing = says(text)
        run(server, out, "--cache", *words)
    stored = [path.read_bytes() for path in (Path("b/scores.parquet"), Path("c/scores.parquet"))]

    assert stored[0] == stored[1]


def test_a_run_by_text_is_told_and_not_compared_with_one_by_log_probabilities(
    server: Server, second: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """Start, summary, manifest and report say it; compare, gate and leaderboard refuse."""
    labels = ("True", "False", "true", "false", "Yes", "No", "yes", "no", "A", "B", "1", "2")
    rows = [{"token": name, "logprob": -2.7 - place / 100} for place, name in enumerate(labels)]
    server.standing = body(chat_body("True", logprobs={"content": [{"top_logprobs": rows}]}))
    second.standing = says("True")
    run(server, "logprobs")
    capsys.readouterr()
    run(second, "text")
    seen = capsys.readouterr()
    counts = counts_of("text")
    refusals = [
        (invoke(words), capsys.readouterr().err)
        for words in (
            ["compare", "logprobs", "text"],
            ["gate", "text", "--baseline", "logprobs"],
            ["leaderboard", "logprobs", "text"],
        )
    ]

    assert "Choices are scored by the text of the answers" in seen.err
    assert "choices were scored by the text of the answer" in seen.out
    assert (counts["by_text"], counts_of("logprobs")["by_text"]) == (counts["choices"], 0)
    assert "choices scored by text" in Path("text/report.html").read_text()
    assert [code for code, _ in refusals] == [2, 2, 2]
    assert all("were not scored in the same way" in said for _, said in refusals)


@pytest.mark.parametrize("ignored", [False, True], ids=["in front", "behind & of a script"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_ends_a_run_whose_server_is_silent(
    server: Server, number: int, code: int, ignored: bool, tmp_path: Path
) -> None:
    """The line to go on is printed, and the exit code is that of the signal, also where a shell
    started it with SIGINT ignored.
    """
    asked: list[bool] = []

    def silent(handler: Handler, sent: dict[str, Any]) -> None:
        asked.append(True)
        hang(handler, sent)

    server.standing = silent
    words = [sys.executable, "-m", "evalkit", "run", "--model", f"openai:m@{server.url}", *WHAT]
    running = subprocess.Popen(
        [*words, "--out", "a"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ},
        preexec_fn=(lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if ignored else None,
    )
    while not asked and running.poll() is None:
        time.sleep(0.05)
    running.send_signal(number)
    _, said = running.communicate(timeout=60)

    assert running.returncode == code
    assert "To go on, type:" in said
