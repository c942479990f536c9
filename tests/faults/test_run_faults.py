"""Faults that can be injected without a process of their own:
full disk, vanished folder, stale lock, clock, moved cache.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest

import evalkit
from evalkit import catalog
from evalkit.cli.main import invoke
from evalkit.errors import StoreError, UsageError
from evalkit.records import Response, Suite
from evalkit.runs.check import check_run
from evalkit.runs.execute import run
from evalkit.runs.settings import Settings
from evalkit.scoring.stored import score_run
from evalkit.store.atomic import write_atomic
from evalkit.store.directory import RunDir, read_manifest
from evalkit.store.responses import Store

RUN = [
    *(
        sys.executable,
        *"-m evalkit run --model scripted:noise,batch=8 --tasks procedural/boolean".split(),
        *"--limit 6".split(),
    ),
    *("--phrasings", "4", "--no-cache", "--resamples", "100", "--quiet"),
]
SUITE = Suite(name="toy", tasks=("procedural/boolean",), limit=6, phrasings=4)


class Watching:
    """Progress that counts and may do something after the first batch."""

    stop_requested = False

    def __init__(self, then: object = None) -> None:
        self.asked = 0
        self.notes: list[str] = []
        self.then = then

    def begin(self, *, total: int, stored: int) -> None:
        """Take note of nothing."""

    def advance(self, responses: Sequence[Response]) -> None:
        """Count; the first time, do what was asked for."""
        if not self.asked and callable(self.then):
            self.then()
        self.asked += len(responses)

    def note(self, message: str) -> None:
        """Keep it."""
        self.notes.append(message)


def settings(out: Path, *, cache: bool = False) -> Settings:
    """Return settings of a small run."""
    model = replace(catalog.load_model("scripted:noise,batch=8"), label="toy")
    return Settings(model=model, suite=SUITE, out=out, cache=cache, resamples=100, report=False)


def test_a_full_disk_under_the_store_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    """SQLite meets its limit of pages as it would meet the end of the disk;
    later there is room again.
    """
    answers = [
        Response(key=f"k{index}", text="x" * 500, finish_reason="stop") for index in range(2000)
    ]
    path = tmp_path / "r.sqlite"
    with Store(path) as store:
        store.put("fp", answers[:20])
        store._db.execute("PRAGMA max_page_count=60")
        with pytest.raises(StoreError, match=r"the disk is full .* MiB free"):
            store.put("fp", answers)
        assert store.count() == 20
    with Store(path) as store:
        store.put("fp", answers)
        assert (store.count(), store.check().sound) == (2000, True)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.ENOSPC, "the disk is full; .* MiB are needed"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EROFS, "cannot be written"),
    ],
)
def test_a_file_that_cannot_be_written_whole_leaves_the_old_one(
    code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No half file, no temporary one."""
    target = tmp_path / "estimates.csv"
    write_atomic(target, "old")

    def fail(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match=said):
        write_atomic(target, "new")

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
        ("estimates.csv", "old")
    ]


def test_no_space_at_the_start_is_said_before_the_model_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few MiB are asked for before anything begins."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        "evalkit.store.directory.shutil.disk_usage", lambda path: usage._replace(free=2**20)
    )
    monkeypatch.setattr(
        "evalkit.runs.execute.open_backend", lambda *arguments: pytest.fail("the model was loaded")
    )

    with pytest.raises(StoreError, match=r"only 1\.0 MiB are free; a run needs at least 16 MiB"):
        run(settings(tmp_path / "run"), Watching())


def test_a_folder_that_vanishes_is_said_and_the_next_run_starts_afresh(tmp_path: Path) -> None:
    """Somebody removed the run directory while it was written."""
    out = tmp_path / "run"
    with pytest.raises(StoreError, match="run"):
        run(settings(out), Watching(lambda: shutil.rmtree(out)))
    shutil.rmtree(out, ignore_errors=True)

    assert run(settings(out), Watching()).exit_code == 0


def test_what_a_dead_process_left_half_written_is_removed(tmp_path: Path) -> None:
    """The temporary file of a killed process goes when a file beside it is written next;
    that of a living one stays.
    """
    target = tmp_path / "x.csv"
    script = (
        "import sys, os, pathlib; from evalkit.store.atomic import part_path; "
        "part_path(pathlib.Path(sys.argv[1])).write_text('half'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, str(target)])
    write_atomic(tmp_path / "other.csv", "x")
    before = len(list(tmp_path.glob(".x.csv.*.part")))
    living = subprocess.Popen(
        [
            sys.executable,
            "-c",
            script.replace("os._exit(9)", "print(1, flush=True); sys.stdin.read()"),
            str(target),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert living.stdout is not None
    living.stdout.readline()
    write_atomic(target, "whole")
    left = [path.name for path in tmp_path.glob(".x.csv.*.part")]
    living.communicate()

    assert (before, len(left), f".{living.pid}-" in left[0]) == (0, 1, True)


def test_a_lock_of_a_dead_process_is_no_lock_even_if_its_pid_lives(tmp_path: Path) -> None:
    """The lock is the system's and dies with its owner;
    the text in the file, here with the number of a living process, decides nothing.
    """
    script = (
        "import sys, time, pathlib; from evalkit.store.directory import RunDir; "
        "RunDir(pathlib.Path(sys.argv[1])).acquire(); print(1, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "run")], stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    owner.stdout.readline()
    with pytest.raises(
        StoreError,
        match=f"another process is working on this run \\(pid {owner.pid} on .* since 20",
    ):
        RunDir(tmp_path / "run").acquire()
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    (tmp_path / "run" / "run.lock").write_text(
        f"pid {os.getpid()} on here since 2026-01-01T00:00:00Z"
    )

    with RunDir(tmp_path / "run") as directory:
        assert f"pid {os.getpid()}" in (directory.path / "run.lock").read_text()


class Backwards(datetime):
    """A clock that jumps back a day each time it is read."""

    reads = 0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        """Return a time before the last one."""
        cls.reads += 1
        return datetime(2026, 11, 21, tzinfo=UTC) - timedelta(days=cls.reads)


def test_a_clock_that_jumps_back_changes_no_result_and_no_duration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Durations come from the monotonic clock; nothing is named or ordered by time."""
    run(settings(tmp_path / "plain"), Watching())
    monkeypatch.setattr("evalkit.runs.execute.datetime", Backwards)
    monkeypatch.setattr("evalkit.store.directory.datetime", Backwards)
    monkeypatch.setattr(time, "time", lambda: -1.0)
    for _ in range(2):
        run(settings(tmp_path / "odd"), Watching())
    attempts = read_manifest(tmp_path / "odd").attempts

    assert (
        Backwards.reads > 0,
        len(attempts),
        all(attempt.seconds >= 0 for attempt in attempts),
    ) == (True, 2, True)
    for name in ("scores.parquet", "estimates.csv", "leaderboard.csv"):
        assert (tmp_path / "odd" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


def test_a_cache_and_a_run_from_another_machine_serve_at_any_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in either depends on where it lies."""
    first = Watching()
    run(settings(tmp_path / "here", cache=True), first)
    shutil.copytree(Path(os.environ["EVALKIT_HOME"]), tmp_path / "far" / "home")
    shutil.copytree(tmp_path / "here", tmp_path / "far" / "copy")
    shutil.rmtree(os.environ["EVALKIT_HOME"])
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path / "far" / "home"))
    anew, copied = Watching(), Watching()
    run(settings(tmp_path / "new", cache=True), anew)
    run(settings(tmp_path / "far" / "copy"), copied)

    assert (first.asked, anew.asked, copied.asked) == (24, 0, 0)
    assert (tmp_path / "new" / "scores.parquet").read_bytes() == (
        tmp_path / "here" / "scores.parquet"
    ).read_bytes()


def test_a_damaged_cache_is_named_and_not_used(tmp_path: Path) -> None:
    """A flipped byte in a shared row: that one is asked, and put right in the cache."""
    run(settings(tmp_path / "one", cache=True), Watching())
    cache = Path(os.environ["EVALKIT_HOME"]) / "responses.sqlite"
    db = sqlite3.connect(cache)
    db.execute("UPDATE responses SET payload=x'5b5d' WHERE id=7")
    db.commit()
    db.close()
    second, third = Watching(), Watching()
    run(settings(tmp_path / "two", cache=True), second)
    run(settings(tmp_path / "three", cache=True), third)

    assert (second.asked, third.asked) == (1, 0)
    assert (tmp_path / "two" / "scores.parquet").read_bytes() == (
        tmp_path / "one" / "scores.parquet"
    ).read_bytes()


@pytest.mark.parametrize(
    "harm",
    [
        "random bytes",
        "a folder in its place",
        "a file where its folder should be",
        "removed mid-run",
        "locked",
    ],
)
def test_a_cache_that_cannot_be_used_stops_no_run(
    harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shared cache is a convenience: the run says once what is wrong and goes on without it."""
    run(settings(tmp_path / "one"), Watching())
    home = tmp_path / "home"
    monkeypatch.setenv("EVALKIT_HOME", str(home))
    cache = home / "responses.sqlite"
    watching = Watching(lambda: shutil.rmtree(home) if harm == "removed mid-run" else None)
    locked = None
    if harm == "a file where its folder should be":
        home.write_text("")
    elif harm != "removed mid-run":
        home.mkdir()
        if harm == "random bytes":
            cache.write_bytes(os.urandom(9000))
        elif harm == "locked":
            Store(cache).close()
            monkeypatch.setattr("evalkit.store.sqlite_file.BUSY_SECONDS", 0.1)
            locked = sqlite3.connect(cache, isolation_level=None)
            locked.execute("BEGIN EXCLUSIVE")
        else:
            cache.mkdir()
    outcome = run(settings(tmp_path / "two", cache=True), watching)
    if locked is not None:
        locked.close()

    assert (outcome.exit_code, watching.asked) == (0, 24)
    assert [
        note
        for note in watching.notes
        if "the shared cache is not used; the run goes on without it" in note
    ] or harm == "removed mid-run"
    assert (tmp_path / "two" / "scores.parquet").read_bytes() == (
        tmp_path / "one" / "scores.parquet"
    ).read_bytes()


def test_a_run_directory_renamed_mid_run_is_said_and_goes_on_under_its_new_name(
    tmp_path: Path,
) -> None:
    """What was answered is where the directory went; nothing is written under the old name."""
    old, new = tmp_path / "old", tmp_path / "new"
    with pytest.raises(
        StoreError,
        match=r"was moved, removed or replaced while the run worked.*--out naming that place",
    ):
        run(settings(old), Watching(lambda: old.rename(new)))
    resumed = Watching()

    assert not (old / "scores.parquet").exists()
    assert (run(settings(new), resumed).exit_code, resumed.asked) == (0, 0)


def test_a_manifest_of_another_run_is_noticed(tmp_path: Path) -> None:
    """Swapped in, it is refused by a resumed run, and the store does not pass for its own."""
    run(settings(tmp_path / "one"), Watching())
    run(replace(settings(tmp_path / "two"), suite=replace(SUITE, phrasings=3), seed=9), Watching())
    shutil.copy(tmp_path / "two" / "manifest.json", tmp_path / "one" / "manifest.json")

    with pytest.raises(
        StoreError,
        match=r"holds another run \(different seed: 9 then, 0 now, suite.phrasings: 3 then, 4 now\)",  # noqa: E501
    ):
        run(settings(tmp_path / "one"), Watching())
    with pytest.raises(
        StoreError,
        match="holds other phrasings or instances of task 'procedural/boolean' than manifest",
    ):
        score_run(tmp_path / "one")
    assert check_run(tmp_path / "one").state == "damaged"


@pytest.mark.parametrize("name", ["scores.parquet", "estimates.csv"])
def test_a_table_of_another_run_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that the manifest was not written for is reported by no command."""
    run(settings(tmp_path / "one"), Watching())
    run(replace(settings(tmp_path / "two"), seed=9), Watching())
    shutil.copy(tmp_path / "two" / name, tmp_path / "one" / name)
    codes = [
        invoke([*words, str(tmp_path / "one")])
        for words in (["report"], ["leaderboard", "--out", str(tmp_path / "l.csv")])
    ]

    assert codes == [4, 4]
    assert capsys.readouterr().err.count("is not the file its manifest was written for") == 2
    assert invoke(["score", "--quiet", str(tmp_path / "one")]) == 0
    assert invoke(["report", str(tmp_path / "one")]) == 0


def test_a_command_line_in_no_known_encoding_leaves_a_manifest_that_can_be_read(
    tmp_path: Path,
) -> None:
    """Under an ASCII locale a name with an accent reaches Python as lone surrogates."""
    run(replace(settings(tmp_path / "run"), command="evalkit run --out h\udcc3\udca9"), Watching())

    assert read_manifest(tmp_path / "run").command == "evalkit run --out h\udcc3\udca9"
    assert (tmp_path / "run" / "manifest.json").read_text(encoding="utf-8")


def test_nothing_is_written_into_the_installed_package() -> None:
    """A run directory there would go with the next update."""
    inside = Path(evalkit.__file__).parent / "runs" / "x"

    with pytest.raises(UsageError, match="lies inside the installed package"):
        run(settings(inside), Watching())
    assert not inside.exists()


@pytest.mark.slow
def test_a_model_that_hangs_ends_the_run_resumably_when_asked_to(tmp_path: Path) -> None:
    """--stall-timeout: stacks in the run directory, the line to go on, exit 4;
    what was answered before is stored and not asked again.
    """
    words = [
        *"--tasks procedural/boolean --limit 6 --phrasings 4 --no-cache --resamples 100".split(),
        "--quiet",
    ]
    command = [
        sys.executable,
        "-m",
        "evalkit",
        "run",
        *words,
        "--out",
        str(tmp_path / "run"),
        "--stall-timeout",
        "2",
        "--model",
    ]
    slow = subprocess.run(
        [*command, "scripted:slow,seconds=0.7,batch=8"], capture_output=True, text=True
    )
    shutil.rmtree(tmp_path / "run")
    hung = subprocess.run([*command, "scripted:hang"], capture_output=True, text=True)
    stacks = (tmp_path / "run" / "stall.txt").read_text(encoding="utf-8")

    assert (slow.returncode, hung.returncode) == (0, 4), slow.stderr + hung.stderr
    assert "the model gave no answer for 2 s (--stall-timeout)" in hung.stderr
    assert "To go on, type:" in hung.stderr
    assert "scripted.py" in stacks
    with RunDir(tmp_path / "run"):  # the lock went with the process
        pass


@pytest.mark.slow
def test_memory_limited_by_the_system_ends_with_one_message_and_loses_nothing(
    tmp_path: Path,
) -> None:
    """RLIMIT_AS, from so little that nothing starts to enough: exit 4 with one message,
    or 0, never a traceback; then the run completes.

    Below what the libraries take the command is refused at once: OpenBLAS tries for ever, or ends
    the process with exit 1, when it gets no memory for its buffers.
    """
    command = [*RUN, "--out", str(tmp_path / "run")]
    codes = []
    for mib in (150, 250, 350, 425, 500, 650, 1000):
        limit = mib * 2**20
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=120,
            env={
                **os.environ,
                "OPENBLAS_NUM_THREADS": "1",
            },  # more threads wait for memory for ever
            preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        )
        codes.append(done.returncode)
        assert done.returncode in {0, 4} or "OpenBLAS" in done.stderr, (
            mib,
            done.returncode,
            done.stderr,
        )
        assert "Traceback" not in done.stderr, (mib, done.stderr)
    whole = subprocess.run(command, capture_output=True, text=True)

    assert 4 in codes
    assert whole.returncode == 0, whole.stderr
    assert check_run(tmp_path / "run").state == "sound"


@pytest.mark.slow
def test_no_inodes_left_is_said_and_the_run_goes_on_when_there_are(tmp_path: Path) -> None:
    """A tmpfs with few inodes: exit 4 and one message;
    with more of them the same line completes.
    """
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=5", "tmpfs", str(place)],
        capture_output=True,
    ).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        full = subprocess.run([*RUN, "--out", str(place / "run")], capture_output=True, text=True)
        subprocess.run(["mount", "-o", "remount,nr_inodes=1000", str(place)], check=True)
        whole = subprocess.run([*RUN, "--out", str(place / "run")], capture_output=True, text=True)
        state = check_run(place / "run").state
    finally:
        subprocess.run(["umount", "-l", str(place)], capture_output=True)

    assert (full.returncode, whole.returncode, state) == (4, 0, "sound"), full.stderr + whole.stderr
    assert ("disk is full" in full.stderr, "Traceback" in full.stderr) == (True, False), full.stderr
