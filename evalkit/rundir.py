"""Room 5: the run directory: its files, its lock, its manifest.

Every file but the store is written whole beside its place and moved there after fsync, so that a reader finds the old one or
the new one. ``manifest.json`` says ``partial`` until everything else is safe. One process owns a run at a time: it holds an operating-system
lock on ``run.lock``, which vanishes with the process, so there are no stale locks.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalkit.errors import StoreError
from evalkit.records import digest

__all__ = ["MANIFEST_SCHEMA", "RunDir", "file_digest", "is_run_dir", "part_path", "read_manifest", "slug", "write_atomic"]

MANIFEST_SCHEMA = 1
"""Version of ``manifest.json``."""

MIN_FREE_BYTES = 16 * 2**20
"""Free space asked for before a run starts."""


def slug(text: str, *, length: int = 60) -> str:
    """Return a file name for any text: plain characters, never empty, never a reserved name, with a digest when something was lost.

    >>> slug("google/flan-t5-small")
    'google-flan-t5-small-2ed904'
    >>> slug("demo")
    'demo'
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.")[:length].strip("-.")
    reserved = plain.split(".")[0].lower() in {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(10)), *(f"lpt{n}" for n in range(10))}
    if plain == text and plain and not reserved:
        return plain
    return f"{'x-' if reserved else ''}{plain or 'x'}-{digest(text, length=6)}"


def part_path(path: Path) -> Path:
    """Return where the next content of a file is written before it is moved there; what dead processes left there is removed.

    Parameters
    ----------
    path
        The file. Its folder exists.
    """
    stem = f".{path.name[:100]}.{slug(socket.gethostname(), length=40)}."
    for left in path.parent.glob(f"{glob.escape(stem)}*.part"):
        number = left.name[len(stem) :].split("-")[0]
        if number.isdigit() and not _alive(int(number)):
            left.unlink(missing_ok=True)
    return path.parent / f"{stem}{os.getpid()}-{secrets.token_hex(4)}.part"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file so that it is either the old one or the whole new one, also after a power loss.

    Raises
    ------
    StoreError
        When the disk is full or the folder cannot be written; the old file is untouched.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content  # JSON spells a lone surrogate just so
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = part_path(path)
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _told(path, error, needed=len(data)) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _told(path: Path, error: OSError, *, needed: int = 0) -> StoreError:
    if error.errno == errno.ENOSPC and path.parent.is_dir() and os.statvfs(path.parent).f_ffree == 0:
        return StoreError(
            f"{path}: the disk is full: no file can be made there any more (no inodes). Remove some files, then run the same command again."
        )
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreError(
            f"{path}: the disk is full; {max(needed, 1) / 2**20:.2f} MiB are needed. Free some space, then run the same command again."
        )
    if error.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
        return StoreError(f"{path}: cannot be written ({error.strerror}). Check the folder's permissions, or name another --out.")
    return StoreError(f"{path}: {error.strerror or error}. Check the folder, or name another --out.")


def file_digest(path: Path) -> str:
    """Return the hex blake2b digest of a file's bytes, as the manifest holds it for ``scores.parquet``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def is_run_dir(path: Path) -> bool:
    """Return whether a path looks like a run directory."""
    return (path / "manifest.json").is_file()


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of a run directory.

    Raises
    ------
    StoreError
        When there is none, it cannot be parsed, fails its own digest, or a newer evalkit wrote it.
    """
    file = path / "manifest.json"
    if not file.is_file():
        raise StoreError(f"{path}: is no run directory (no manifest.json). Name a directory that 'evalkit run' wrote.")
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise StoreError(f"{file}: cannot be read ({error}). Run the same 'evalkit run' again to write it anew.") from error
    if not isinstance(manifest, dict) or "schema" not in manifest:
        raise StoreError(f"{file}: is not a manifest of evalkit. Name a directory that 'evalkit run' wrote.")
    if manifest["schema"] > MANIFEST_SCHEMA:
        raise StoreError(f"{file}: schema {manifest['schema']} is newer than {MANIFEST_SCHEMA}. Update evalkit: pip install -U evalkit")
    claimed = manifest.pop("digest", None)
    if claimed != digest(manifest):
        raise StoreError(
            f"{file}: does not match its own digest, so it was changed or damaged. Run the same 'evalkit run' again to write it anew."
        )
    return manifest


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
        self._place: tuple[int, int] | None = None

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
            When another process holds it (its pid, host and start are named), or nothing can be written there.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.path).free
            if free < MIN_FREE_BYTES:
                raise StoreError(
                    f"{self.path}: only {free / 2**20:.1f} MiB are free; a run needs at least {MIN_FREE_BYTES / 2**20:.0f} MiB. Free some space or name another --out."
                )
            handle = os.open(self.path / "run.lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise _told(self.path, error) from error
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(handle, 400).decode("utf-8", "replace").strip()
            os.close(handle)
            if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
                raise StoreError(
                    f"{self.path}: another process is working on this run ({owner or 'unknown'}). Wait for it, or name another --out."
                ) from error
            raise _told(self.path, error) from error
        try:
            os.ftruncate(handle, 0)
            os.write(handle, f"pid {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}".encode())
        except OSError as error:
            os.close(handle)
            raise _told(self.path, error) from error
        self._lock = handle
        self._place = self._identity()

    def _identity(self) -> tuple[int, int] | None:
        """What the file system knows the directory by, whatever it is called; None where there is none."""
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

    def manifest(self) -> dict[str, Any] | None:
        """Return the manifest, or None when there is none yet."""
        return read_manifest(self.path) if is_run_dir(self.path) else None

    def write_manifest(self, content: Mapping[str, Any]) -> None:
        """Write the manifest with its own digest.

        Raises
        ------
        StoreError
            When the directory was moved, removed or replaced since its lock was taken: what was answered is not here then.
        """
        if self._place is not None and self._identity() != self._place:
            raise StoreError(
                f"{self.path}: was moved, removed or replaced while the run worked; what was answered is where the directory went. "
                "Run the same command again with --out naming that place."
            )
        body = {"schema": MANIFEST_SCHEMA, **content}
        write_atomic(
            self.path / "manifest.json", json.dumps({**body, "digest": digest(body)}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        )

    def clear(self) -> None:
        """Remove what earlier runs left, for a fresh start; keeps the lock and files that are not ours."""
        for name in (
            "manifest.json",
            "responses.sqlite",
            "responses.sqlite-wal",
            "responses.sqlite-shm",
            "scores.parquet",
            "scores.probabilities.parquet",
            "estimates.csv",
            "leaderboard.csv",
        ):
            (self.path / name).unlink(missing_ok=True)

    def __enter__(self) -> RunDir:
        self.acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()
