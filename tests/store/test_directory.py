"""The lock of a run directory: it belongs to this directory, and whoever holds it is named."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from evalkit.errors import StoreError
from evalkit.store.atomic import lacks_locks, open_own
from evalkit.store.directory import RunDir


@pytest.mark.parametrize("name", ["run.lock", "stall.txt", "responses.sqlite"])
@pytest.mark.parametrize("kind", ["link", "second name", "pipe"])
def test_what_leads_outside_is_neither_followed_nor_emptied(
    kind: str, name: str, tmp_path: Path
) -> None:
    """A run directory from elsewhere with such a file does not reach a file of the user."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    run = tmp_path / "run"
    run.mkdir()
    if kind == "link":
        (run / name).symlink_to(precious)
    elif kind == "second name":
        os.link(precious, run / name)
    else:
        os.mkfifo(run / name)
    with pytest.raises(StoreError, match="would change something outside this directory"):
        open_own(run / name) if name == "stall.txt" else RunDir(run).acquire()

    assert precious.read_text() == "mine"


def test_the_number_of_safe_answers_outlives_the_process(tmp_path: Path) -> None:
    """The next holder of the lock reads it; a fresh start begins at 0."""
    with RunDir(tmp_path / "run") as directory:
        directory.acknowledge(123_456)
        directory.acknowledge(7)
    with RunDir(tmp_path / "run") as directory:
        kept = directory.acknowledged()
        directory.clear()

        assert (kept, directory.acknowledged()) == (7, 0)


def test_a_disk_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not another process that writes."""

    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fail)
    monkeypatch.setattr(fcntl, "lockf", fail)

    with pytest.raises(StoreError, match="this disk offers no file locks"):
        RunDir(tmp_path / "run").acquire()
    assert lacks_locks(tmp_path / "run" / "responses.sqlite")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.lock"]
