"""Kill a command at its k-th write, before or after the file is moved into place, for every k; run by `test_interrupted_writes.py`.

Usage: ``python kill_at_writes.py FOLDER``. Prints one JSON line per command: writes tried, kills, what was found wrong. The command runs in a forked
child whose `os.replace` ends the process at once, as kill -9 would.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from evalkit.cli.main import invoke

RUN = [
    *(
        "run",
        "--model",
        "scripted:noise",
        "--tasks",
        "procedural/boolean",
        "--limit",
        "4",
        "--phrasings",
        "3",
    ),
    *("--no-cache", "--resamples", "100", "--quiet", "--out", "run"),
]
COMMANDS = {
    "score": ["score", "run", "--no-report"],
    "export": ["export", "run", "--out", "run/scores.csv"],
    "report": ["report", "run"],
}
STEPS = {"report": 4}
"""A page has many figures that are written alike: one write in four is tried."""
KILLED = 77


def child(words: list[str], folder: Path, k: int | None = None, moment: str = "before") -> int:
    """Run a command in a child in a folder, killed at its k-th write if one is given; return the exit code."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.replace = killing(os.replace, k, moment) if k else os.replace  # type: ignore[assignment]
    os._exit(invoke(words))


def killing(replace: Callable[..., None], k: int | None, moment: str) -> Callable[..., None]:
    """Return an `os.replace` that ends the process at its k-th call."""
    calls = [0]

    def counted(source: object, target: object) -> None:
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


def campaign(folder: Path, name: str) -> dict[str, object]:
    """Kill one command at every write."""
    words, kills, tried = COMMANDS[name], 0, 0
    k = 1 - STEPS.get(name, 1)
    wrong: list[str] = []
    base, done = folder / "base", folder / "done"
    shutil.copytree(base, done)
    assert child(words, done) == 0
    wanted = steady(contents(done))
    while True:
        k += STEPS.get(name, 1)
        codes = []
        for moment in ("before", "after"):
            place = folder / "cut"
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(base, place)
            old = steady(contents(place))
            codes.append(child(words, place, k, moment))
            if codes[-1] != KILLED:
                continue
            kills += 1
            for path, content in steady(contents(place)).items():
                if content not in (old.get(path), wanted.get(path)):
                    wrong.append(f"{path} is neither old nor new after a kill {moment} write {k}")
            if (place / "run" / "manifest.json").exists():
                json.loads((place / "run" / "manifest.json").read_text(encoding="utf-8"))
            if child(words, place) != 0:
                wrong.append(f"not finished after a kill {moment} write {k}")
            found = contents(place)
            wrong += [
                f"{path} differs after a kill {moment} write {k} and another try"
                for path in wanted
                if found.get(path) != wanted[path]
            ]
            wrong += [
                f"{path} left after a kill {moment} write {k}"
                for path in found
                if path.endswith(".part")
            ]
        if KILLED not in codes:
            shutil.rmtree(done)
            return {"command": name, "writes": tried, "kills": kills, "wrong": wrong}
        tried += 1


def main() -> None:
    """Make a run, then kill every command at every write."""
    folder = Path(sys.argv[1])
    (folder / "base").mkdir()
    code = child(RUN, folder / "base")
    assert code == 0, code
    for name in COMMANDS:
        print(json.dumps(campaign(folder, name)), flush=True)


if __name__ == "__main__":
    main()
