"""Every file of a run, one after the other, on a disk that takes no more:
exit 4, one message, nothing half-written, and the same command completes.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli.main import invoke
from evalkit.store import atomic
from evalkit.store.directory import RunDir
from evalkit.store.run_files import RUN_FILES

ASK = [
    *"--tasks procedural/boolean --limit 2 --phrasings 3 --tuned-on evalkit-tuning".split(),
    *"--resamples 100 --no-cache --quiet".split(),
]
BY_RUN = [
    "manifest.json",
    "scores.parquet",
    "scores.probabilities.parquet",
    "estimates.csv",
    "phrasings.csv",
    "leaderboard.csv",
    "report.html",
    "report.md",
]
BY_REPORT = ["figures/scores.svg", "figures/scores.png"]
ACCIDENTS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EIO: "the disk did not take it",
    errno.EROFS: "cannot be written",
}


class Disk:
    """A disk that fails one file: when it is written, when it is made safe,
    or when it is moved into place.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name, self.moment, self.code = "", "", 0
        self.hits = 0
        part_path, fsync, replace = atomic.part_path, os.fsync, os.replace

        def watched(path: Path, **options: bool) -> Path:
            self.writing = path.name == self.name
            part = part_path(path, **options)
            self._fail("write")
            return part

        def safe(handle: int) -> None:
            self._fail("fsync")
            fsync(handle)

        def moved(old: Any, new: Any) -> None:
            self._fail("replace")
            replace(old, new)

        self.writing = False
        monkeypatch.setattr(atomic, "part_path", watched)
        monkeypatch.setattr(os, "fsync", safe)
        monkeypatch.setattr(os, "replace", moved)

    def _fail(self, moment: str) -> None:
        if self.writing and moment == self.moment:
            self.hits += 1
            raise OSError(self.code, os.strerror(self.code))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the tables of an undisturbed run."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert invoke(["run", "--model", "scripted:noise", *ASK, "--out", str(out)]) == 0
    return {name: (out / name).read_bytes() for name in ("scores.parquet", "estimates.csv")}


@pytest.mark.parametrize("code", ACCIDENTS, ids=errno.errorcode.get)
@pytest.mark.parametrize("file", [*BY_RUN, *BY_REPORT])
def test_a_file_that_cannot_be_written_ends_with_4_and_the_same_command_completes(
    file: str,
    code: int,
    finished: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever the file, whatever the accident, at every moment: it is named,
    and no part of it stays.
    """
    out = tmp_path / "run"
    words = ["run", "--model", "scripted:noise", *ASK, "--out", str(out)]
    if not file.startswith("report."):
        words.append("--no-report")
    if file in BY_REPORT:
        assert invoke(words) == 0
        words = ["report", str(out), "--figures", "--quiet"]
    disk = Disk(monkeypatch)
    for moment in ("write", "fsync", "replace"):
        disk.name, disk.moment, disk.code = Path(file).name, moment, code
        before = (out / file).read_bytes() if (out / file).is_file() else None
        assert invoke(words) == 4
        said = capsys.readouterr().err

        assert disk.hits == 1
        assert f"{out / file}: " in said
        assert ACCIDENTS[code] in said
        assert "This is a fault of evalkit" not in said
        assert ((out / file).read_bytes() if (out / file).is_file() else None) == before
        assert not list(out.rglob("*.part"))
        disk.name, disk.hits = "", 0
    assert invoke(words) == 0
    assert {name: (out / name).read_bytes() for name in finished} == finished


def test_the_list_names_every_file_of_a_run_and_its_figures(tmp_path: Path) -> None:
    """What lies in a finished run with its figures is what the list says, no more."""
    out = tmp_path / "run"
    assert invoke(["run", "--model", "scripted:noise", *ASK, "--out", str(out)]) == 0
    assert invoke(["report", str(out), "--figures", "--quiet"]) == 0
    there = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    listed = {name for name in there if any(Path(name).match(one.name) for one in RUN_FILES)}

    assert there == listed
    assert {*BY_RUN, *BY_REPORT} <= there


def test_a_fresh_start_removes_what_the_list_names_and_keeps_the_rest(tmp_path: Path) -> None:
    """Files of the user stay, also beside figures; the lock stays too."""
    out = tmp_path / "run"
    assert invoke(["run", "--model", "scripted:noise", *ASK, "--out", str(out)]) == 0
    assert invoke(["report", str(out), "--figures", "--quiet"]) == 0
    mine = [out / "notes.txt", out / "figures" / "mine.png"]
    for path in mine:
        path.write_text("mine")
    with RunDir(out) as directory:
        directory.clear()

    assert sorted(path for path in out.rglob("*") if path.is_file()) == sorted(
        [*mine, out / "run.lock"]
    )
