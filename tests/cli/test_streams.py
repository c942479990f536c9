"""Closed and full standard streams, --debug, and what --out may write:
the work is done and exit codes keep their meaning.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from evalkit.cli.main import invoke
from evalkit.errors import StoreError
from evalkit.store.directory import read_manifest, write_out

ASK = [
    *"--model scripted:noise --tasks procedural/boolean --limit 2 --phrasings 3".split(),
    *"--resamples 100 --no-cache --no-report".split(),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small finished run."""
    out = tmp_path_factory.mktemp("finished") / "run"
    assert invoke(["run", *ASK, "--quiet", "--out", str(out)]) == 0
    return out


def shell(words: str, folder: Path) -> int:
    """Return the exit code of a line of a shell."""
    command = f"'{sys.executable}' -m evalkit {words}"
    return subprocess.run(["bash", "-c", command], cwd=folder, timeout=120).returncode


@pytest.mark.parametrize(
    ("streams", "code"),
    [
        (">&-", 0),
        ("2>&-", 0),
        ("<&- >&- 2>&-", 0),
        ("2>/dev/full >/dev/null", 0),
        (">/dev/full", 4),
        ("| true; exit ${PIPESTATUS[0]}", 141),
    ],
)
def test_a_run_is_whole_whatever_its_streams(streams: str, code: int, tmp_path: Path) -> None:
    """Nobody's run ends because a log is full; output that is lost is never a success,
    and never a regression.
    """
    assert shell(f"run {' '.join(ASK)} --out run {streams}", tmp_path) == code
    assert read_manifest(tmp_path / "run").state == "complete"


@pytest.mark.parametrize("streams", ["2>/dev/full", ">/dev/full", "--debug 2>/dev/null"])
def test_a_gate_that_cannot_decide_never_says_regression(streams: str, tmp_path: Path) -> None:
    """Exit 1 means regression and nothing else."""
    assert shell(f"gate nowhere --baseline nowhere2 {streams}", tmp_path) == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["report", "nowhere"], 2),
        (["run", "--model", "nowhere/model", "--tasks", "procedural/boolean"], 4),
        (["ls", "nothing"], 2),
        (["run", "--model", "demo"], 2),
    ],
)
def test_debug_shows_the_traceback_and_keeps_the_exit_code(
    words: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message stands there with and without it."""
    assert invoke(words) == code
    plain = capsys.readouterr().err
    assert invoke([*words, "--debug"]) == code
    said = capsys.readouterr().err

    assert plain.strip().splitlines()[-1] in said


def test_an_accident_that_nothing_named_is_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], finished: Path
) -> None:
    """An error of the system is exit 4 with its file, not a fault of evalkit."""

    def fail(*arguments: object, **options: object) -> None:
        raise OSError(5, "Input/output error", "somewhere")

    monkeypatch.setattr("evalkit.runs.read.finished", fail)

    assert invoke(["report", str(finished), "--no-report"]) == 4
    assert "somewhere: Input/output error. Check the disk" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["responses.sqlite", "scores.parquet", "manifest.json", "run.lock"]
)
def test_a_run_does_not_lose_a_file_to_an_output(
    name: str, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--out on a run's own file is refused before anything is read."""
    before = (finished / name).read_bytes()
    codes = [
        invoke(["export", str(finished), "--format", "csv", "--out", str(finished / name)]),
        invoke(["leaderboard", str(finished), "--out", str(finished / name)]),
    ]

    assert (codes, (finished / name).read_bytes()) == ([2, 2], before)
    assert capsys.readouterr().err.count("is a file of the run") == 2


def test_a_folder_of_a_run_is_no_place_for_another_table(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Analyse and compare write an estimates.csv, report a page: not over those of a run."""
    table = tmp_path / "scores.csv"
    assert invoke(["export", str(finished), "--out", str(table), "--quiet"]) == 0
    other = tmp_path / "other"
    assert invoke(["run", *ASK, "--quiet", "--out", str(other)]) == 0
    codes = [
        invoke(["analyse", str(table), "--out", str(finished)]),
        invoke(["compare", str(finished), str(other), "--out", str(finished)]),
        invoke(["report", str(finished), "--out", str(other)]),
        invoke(["report", str(finished), "--out", str(finished), "--no-report", "--quiet"]),
    ]

    assert codes == [2, 2, 2, 0]
    assert capsys.readouterr().err.count("is the directory of a run") == 3


def test_a_pipe_is_written_to_and_stays_a_pipe(finished: Path, tmp_path: Path) -> None:
    """What reads at its other end gets the table, and the pipe is no file afterwards."""
    pipe, got = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    code = invoke(["export", str(finished), "--format", "csv", "--out", str(pipe), "--quiet"])
    reader.join(timeout=60)

    assert (code, pipe.is_fifo()) == (0, True)
    assert got[0].splitlines()[0].startswith("model,benchmark,task,")
    assert len(got[0].splitlines()) == 7


def test_a_pipe_that_nobody_reads_is_not_waited_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One message that says what to start."""
    from evalkit.errors import StoreError
    from evalkit.store import atomic

    monkeypatch.setattr(atomic, "READER_S", 0.1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(StoreError, match=r"is a pipe that nobody reads.*Start the reader first"):
        atomic.write_through(pipe, b"x")


@pytest.mark.parametrize("out", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_takes_a_table_by_its_name(
    out: str, finished: Path, tmp_path: Path
) -> None:
    """Only the table stands there; the count goes to standard error."""
    words = f"export '{finished}' --format csv --out {out} > table.csv"

    assert shell(words, tmp_path) == 0
    assert len((tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()) == 7


def test_a_device_takes_what_it_is_given_and_stays_what_it_is() -> None:
    """/dev/null swallows, /dev/full is a full disk; neither becomes a file."""
    write_out(Path("/dev/null"), "x")
    with pytest.raises(StoreError, match="/dev/full: the disk is full"):
        write_out(Path("/dev/full"), "x")

    assert Path("/dev/null").is_char_device()
    assert Path("/dev/full").is_char_device()
