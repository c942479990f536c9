"""Kill a command at its k-th write, before or after the file is moved into place, for every k;
run by `test_interrupted_writes.py`.

``python tests/faults/kill_at_writes.py`` prints one JSON line per command: writes, kills, what was
found wrong. The command runs in a forked child whose `os.replace` ends the process at once, as kill
-9 would.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import chdir, redirect_stdout
from pathlib import Path

from evalkit.cli.main import invoke

RUN = [
    *"run --model scripted:noise --tasks procedural/boolean --limit 4 --phrasings 3".split(),
    *("--no-cache", "--resamples", "100", "--quiet", "--out", "run"),
]
COMMANDS = {
    "score": ["score", "run", "--no-report"],
    "export": ["export", "run", "--out", "run/scores.csv"],
    "report": ["report", "run"],
}
KILLED = 77


Replace = Callable[[Path | str, Path | str], None]


def child(words: list[str], folder: Path, replace: Replace = os.replace) -> int:
    """Run a command in a child in a folder, with another `os.replace` if one is given;
    return the exit code.
    """
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.replace = replace  # type: ignore[assignment]
    os._exit(invoke(words))


def noting(file: Path, replace: Replace = os.replace) -> Replace:
    """Return an `os.replace` that notes what it puts into place."""

    def noted(source: Path | str, target: Path | str) -> None:
        replace(source, target)
        with file.open("a", encoding="utf-8") as out:
            out.write(f"{target}\n")

    return noted


def killing(k: int, moment: str, replace: Replace = os.replace) -> Replace:
    """Return an `os.replace` that ends the process at its k-th call."""
    calls = [0]

    def counted(source: Path | str, target: Path | str) -> None:
        calls[0] += 1
        if calls[0] == k and moment == "before":
            os._exit(KILLED)
        replace(source, target)
        if calls[0] == k:
            os._exit(KILLED)

    return counted


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file that is not the lock, the store or a note of the time, by name."""
    files = (
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name not in {"run.lock"} and "sqlite" not in path.name
    )
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def steady(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files that do not hold times."""
    return {
        name: content
        for name, content in files.items()
        if Path(name).name in {"scores.parquet", "estimates.csv", "scores.csv"}
    }


def after_a_kill(
    words: list[str], place: Path, wanted: dict[str, bytes], k: int, moment: str
) -> list[str]:
    """Kill a command at a write, type it again, and return what was found wrong."""
    when = f"after a kill {moment} write {k}"
    old = steady(contents(place))
    if child(words, place, killing(k, moment)) != KILLED:
        return [f"not killed {moment} write {k}"]
    wrong = [
        f"{path} is neither old nor new {when}"
        for path, content in steady(contents(place)).items()
        if content not in (old.get(path), wanted.get(path))
    ]
    if (place / "run" / "manifest.json").exists():
        json.loads((place / "run" / "manifest.json").read_text(encoding="utf-8"))
    if child(words, place) != 0:
        wrong.append(f"not finished {when}")
    found = contents(place)
    wrong += [
        f"{path} differs {when} and another try"
        for path in wanted
        if found.get(path) != wanted[path]
    ]
    return wrong + [f"{path} left {when}" for path in found if path.endswith(".part")]


def campaign(folder: Path, name: str) -> dict[str, object]:
    """Kill one command at every write."""
    words, base, done, notes = COMMANDS[name], folder / "base", folder / "done", folder / "notes"
    shutil.copytree(base, done)
    notes.write_text("")
    assert child(words, done, noting(notes)) == 0
    writes = len(notes.read_text(encoding="utf-8").splitlines())
    wanted, place = steady(contents(done)), folder / "cut"
    wrong: list[str] = []
    for k in range(1, writes + 1):
        for moment in ("before", "after"):
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(base, place)
            wrong += after_a_kill(words, place, wanted, k, moment)
    shutil.rmtree(done)
    return {"command": name, "writes": writes, "wrong": wrong}


def main() -> None:
    """Make a run, then kill every command at every write."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "base").mkdir()
        with chdir(folder / "base"), redirect_stdout(sys.stderr):
            assert invoke(RUN) == 0  # here, so that no child has anything left to import
        for name in COMMANDS:
            print(json.dumps(campaign(folder, name)), flush=True)


if __name__ == "__main__":
    main()
