"""the run directory: its files, its lock, its manifest.

Every file but the store is written whole beside its place and moved there after fsync, so that a
reader finds the old one or the new one. ``manifest.json`` says ``partial`` until everything else is
safe. One process owns a run at a time: it holds an operating-system lock on ``run.lock``, which
vanishes with the process, so there are no stale locks.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalkit.errors import StoreError
from evalkit.records import digest
from evalkit.store.atomic import cannot_write, file_digest, write_atomic

__all__ = ["MANIFEST_SCHEMA", "RunDir", "is_run_dir", "read_manifest", "sealed_file"]

MANIFEST_SCHEMA = 1
"""Version of ``manifest.json``."""

MIN_FREE_BYTES = 16 * 2**20
"""Free space asked for before a run starts."""


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
        raise StoreError(
            f"{path}: is no run directory (no manifest.json). Name a directory that 'evalkit run' wrote."
        )
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise StoreError(
            f"{file}: cannot be read ({error}). Run the same 'evalkit run' again to write it anew."
        ) from error
    if not isinstance(manifest, dict) or "schema" not in manifest:
        raise StoreError(
            f"{file}: is not a manifest of evalkit. Name a directory that 'evalkit run' wrote."
        )
    if manifest["schema"] > MANIFEST_SCHEMA:
        raise StoreError(
            f"{file}: schema {manifest['schema']} is newer than {MANIFEST_SCHEMA}. Update evalkit: pip install -U evalkit"
        )
    claimed = manifest.pop("digest", None)
    if claimed != digest(manifest):
        raise StoreError(
            f"{file}: does not match its own digest, so it was changed or damaged. Run the same 'evalkit run' again to write it anew."
        )
    return manifest


def sealed_file(path: Path, name: str, seal: str) -> Path:
    """Return a file of a run, after refusing one that its manifest was not written for.

    Early manifests seal no estimates.

    Parameters
    ----------
    path, name
        Run directory and the file in it.
    seal
        Key of the manifest that holds the digest of the file.

    Raises
    ------
    StoreError
        When the run was not finished, or the file is not the one that the manifest was written for.
    """
    file = path / name
    if not file.is_file():
        raise StoreError(
            f"{file}: is not there; the run was not finished. Type: evalkit score {path}"
        )
    digest = read_manifest(path).get(seal)
    if digest is not None and digest != file_digest(file):
        raise StoreError(
            f"{file}: is not the file its manifest was written for; it was changed, damaged or copied. Type: evalkit score {path}"
        )
    return file


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
            When another process holds it (its pid, host and start are named), or nothing can be
            written there.
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
            raise cannot_write(self.path, error) from error
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
            raise cannot_write(self.path, error) from error
        try:
            os.ftruncate(handle, 0)
            os.write(
                handle,
                f"pid {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}".encode(),
            )
        except OSError as error:
            os.close(handle)
            raise cannot_write(self.path, error) from error
        self._lock = handle
        self._place = self._identity()

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

    def manifest(self) -> dict[str, Any] | None:
        """Return the manifest, or None when there is none yet."""
        return read_manifest(self.path) if is_run_dir(self.path) else None

    def write_manifest(self, content: Mapping[str, Any]) -> None:
        """Write the manifest with its own digest.

        Raises
        ------
        StoreError
            When the directory was moved, removed or replaced since its lock was taken: what was
            answered is not here then.
        """
        if self._place is not None and self._identity() != self._place:
            raise StoreError(
                f"{self.path}: was moved, removed or replaced while the run worked; what was answered is where the directory went. "
                "Run the same command again with --out naming that place."
            )
        body = {"schema": MANIFEST_SCHEMA, **content}
        write_atomic(
            self.path / "manifest.json",
            json.dumps(
                {**body, "digest": digest(body)}, indent=2, ensure_ascii=False, allow_nan=False
            )
            + "\n",
        )

    def clear(self) -> None:
        """Remove what earlier runs left, for a fresh start.

        Keeps the lock and files that are not ours.
        """
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
