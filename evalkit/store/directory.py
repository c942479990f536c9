"""The run directory: its files, its lock, its manifest.

Every file but the store is written whole beside its place and moved there after fsync, so that a
reader finds the old one or the new one. ``manifest.json`` says ``partial`` until everything else is
safe. One process owns a run at a time: it holds an operating-system lock on ``run.lock``, which
vanishes with the process, so there are no stale locks.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import shutil
import socket
from datetime import UTC, datetime
from pathlib import Path

from evalkit.errors import NoRunError, StoreError, UsageError
from evalkit.records import digest
from evalkit.records.manifest import Manifest, migrated
from evalkit.records.reading import ShapeError, record_of
from evalkit.store.atomic import (
    file_digest,
    is_stream,
    open_own,
    remove,
    write_atomic,
    write_through,
)
from evalkit.store.manifest_file import sealed_content
from evalkit.store.refusals import NO_LOCKS, cannot_write, no_locks
from evalkit.store.run_files import RUN_FILES

__all__ = [
    "RunDir",
    "is_run_dir",
    "lost_answers",
    "read_manifest",
    "refuse_own",
    "sealed_file",
    "unknown_loss",
    "write_out",
]


_ROWS = re.compile(rb", ([0-9]{1,12}) answers safe")


MIN_FREE_BYTES = 16 * 2**20
"""Free space asked for before a run starts."""


def is_run_dir(path: Path) -> bool:
    """Return whether a path looks like a run directory."""
    return (path / "manifest.json").is_file()


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of a run directory.

    Raises
    ------
    NoRunError
        When there is none.
    StoreError
        When it cannot be parsed, fails its own digest, is not of the shape that
        evalkit writes, or a newer evalkit wrote it.
    """
    file = path / "manifest.json"
    if not file.is_file():
        raise NoRunError(
            f"{path}: is no run directory (no manifest.json). "
            "Name a directory that 'evalkit run' wrote."
        )
    content = sealed_content(file)
    try:
        return record_of(Manifest, migrated(content))
    except ShapeError as error:
        raise StoreError(
            f"{file}: {error}. Another program or a later evalkit wrote it "
            "(update with pip install -U evalkit), or run with --fresh to begin again."
        ) from error


def sealed_file(path: Path, name: str, manifest: Manifest | None = None) -> Path:
    """Return a file of a run, after refusing one that its manifest was not written for.

    Early manifests seal nothing.

    Parameters
    ----------
    path, name
        Run directory and the file in it, one of `RUN_FILES`.
    manifest
        Of the run, when it was read already.

    Raises
    ------
    StoreError
        When the run was not finished, or the file is not the one that the manifest was written for.
    """
    file, again = path / name, f"Type: evalkit score {shlex.quote(str(path))}"
    if not file.is_file():
        raise StoreError(f"{file}: is not there; the run was not finished. {again}")
    (seal,) = [one.seal for one in RUN_FILES if one.name == name]
    told = getattr(manifest or read_manifest(path), seal or "")
    if told is not None and told != file_digest(file):
        raise StoreError(
            f"{file}: is not the file its manifest was written for; it was changed, "
            f"damaged or copied. {again}"
        )
    return file


def lost_answers(store: Path, said: int, there: int) -> str:
    """Return what to say of a store that holds fewer answers than were safe."""
    return (
        f"{store}: holds {there:,} answers, {said:,} were safe: {said - there:,} are gone, "
        f"since its log ({store.name}-wal) was cut, lost or not copied along. "
        "Bring it back from where it is whole."
    )


def unknown_loss(store: Path) -> str:
    """Return what to say of a store that stands without the lock,
    which knows how many answers were safe.
    """
    return (
        f"{store}: stands without its run.lock, so it is a copy, and whether answers of its log "
        f"({store.name}-wal) are missing cannot be told. Copy the whole directory to be sure; "
        "what is missing is asked again."
    )


def refuse_own(path: Path, *, of: Path | None = None) -> None:
    """Refuse an output that would replace a file of a run.

    A leaderboard may go where a run has its own.

    Parameters
    ----------
    path
        File or folder that a command was told to write.
    of
        Run whose own folder it may be.

    Raises
    ------
    UsageError
        Naming the run.
    """
    inside, folder = is_run_dir(path.parent), is_run_dir(path)
    names = {one.name for one in RUN_FILES} - {"leaderboard.csv"}
    if folder and (of is None or os.path.realpath(path) != os.path.realpath(of)):
        raise UsageError(
            f"--out: {path} is the directory of a run, whose files would be replaced. Name another."
        )
    if not folder and inside and path.name in names:
        raise UsageError(
            f"{path}: is a file of the run {path.parent} and would be replaced. Name another."
        )


def write_out(path: Path, content: bytes | str) -> None:
    """Write a file that the user named, whole; a device, a pipe or a stream is written to,
    not replaced.

    Raises
    ------
    UsageError
        When it is a file of a run.
    StoreError
        When it cannot be written; an old file is untouched.
    """
    if is_stream(path):
        text = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
        write_through(path, text)
        return
    refuse_own(path)
    write_atomic(path, content)


class RunDir:
    """One run directory, owned by this process while open for writing.

    Parameters
    ----------
    path
        The directory; made when absent.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None
        self._owner = ""
        self._place: tuple[int, int] | None = None
        self.is_copy = os.path.isfile(self.store_path) and not os.path.lexists(path / "run.lock")
        """Whether a store stood here without the lock that knows how many answers were safe."""

    @property
    def store_path(self) -> Path:
        """Return the path of the response store."""
        return self.path / "responses.sqlite"

    @property
    def scores_path(self) -> Path:
        """Return the path of the cells."""
        return self.path / "scores.parquet"

    @property
    def estimates_path(self) -> Path:
        """Return the path of the estimates."""
        return self.path / "estimates.csv"

    def acquire(self) -> None:
        """Make the directory and take its lock.

        Raises
        ------
        StoreError
            When another process holds it (its pid, host and start are named), or nothing can be
            written there.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.path).free
            if free < MIN_FREE_BYTES:
                raise StoreError(
                    f"{self.path}: only {free / 2**20:.1f} MiB are free; a run needs at least "
                    f"{MIN_FREE_BYTES / 2**20:.0f} MiB. Free some space or name another --out."
                )
            if os.path.lexists(self.store_path):
                os.close(open_own(self.store_path))  # SQLite would follow a link
            handle = open_own(self.path / "run.lock")
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._lock_exclusively(handle)
        self._lock = handle
        self._owner = (
            f"pid {os.getpid()} on {socket.gethostname()} since "
            f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        )
        self._place = self._identity()
        try:
            self.acknowledge(self.acknowledged())
        except StoreError:
            self.release()
            raise

    def _lock_exclusively(self, handle: int) -> None:
        """Lock an open file, or close it and say who has it."""
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(handle, 400).decode("utf-8", "replace").strip()
            os.close(handle)
            if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
                raise StoreError(
                    f"{self.path}: another process is working on this run ({owner or 'unknown'}). "
                    "Wait for it, or name another --out."
                ) from error
            if error.errno in NO_LOCKS:
                raise no_locks(self.path) from error
            raise cannot_write(self.path, error) from error

    def acknowledged(self) -> int:
        """Return how many answers the last process said were safe; 0 where nothing is said.

        Whoever finds fewer knows that the log of the store was cut or lost.
        """
        try:
            with (self.path / "run.lock").open("rb") as file:
                found = _ROWS.search(file.read(400))
        except OSError:
            return 0
        return int(found[1]) if found else 0

    def acknowledge(self, n_answers: int) -> None:
        """Write into the lock how many answers are safe, and who works here.

        Raises
        ------
        StoreError
            When it cannot be written.
        """
        if self._lock is None:
            return
        text = f"{self._owner}, {n_answers} answers safe".encode()
        try:
            os.pwrite(self._lock, text, 0)
            os.ftruncate(self._lock, len(text))
        except OSError as error:
            raise cannot_write(self.path / "run.lock", error) from error

    def _identity(self) -> tuple[int, int] | None:
        """What the file system knows the directory by, whatever it is called.

        None where there is none.
        """
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def release(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def manifest(self) -> Manifest | None:
        """Return the manifest, or None when there is none yet."""
        return read_manifest(self.path) if is_run_dir(self.path) else None

    def write_manifest(self, manifest: Manifest) -> None:
        """Write the manifest with its own digest.

        Raises
        ------
        StoreError
            When the directory was moved, removed or replaced since its lock was taken: what was
            answered is not here then.
        """
        if self._place is not None and self._identity() != self._place:
            raise StoreError(
                f"{self.path}: was moved, removed or replaced while the run worked; "
                "what was answered is where the directory went. "
                "Run the same command again with --out naming that place."
            )
        body = manifest.to_json()
        write_atomic(
            self.path / "manifest.json",
            json.dumps(
                {**body, "digest": digest(body)}, indent=2, ensure_ascii=False, allow_nan=False
            )
            + "\n",
        )

    def clear(self, *made: str) -> None:
        """Remove what earlier runs left: for a fresh start everything but the lock;
        files that are not ours stay.

        Parameters
        ----------
        *made
            Only files of these kinds (`RunFile.made`); none for all.

        Raises
        ------
        StoreError
            When a file cannot be removed.
        """
        for one in RUN_FILES:
            if one.made == "lock" or (made and one.made not in made):
                continue
            found = self.path.glob(one.name) if "*" in one.name else [self.path / one.name]
            for path in found:
                remove(path)
        if not made:
            self.acknowledge(0)

    def __enter__(self) -> RunDir:
        self.acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()
