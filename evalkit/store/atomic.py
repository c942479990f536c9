"""The one way a file is written.

Whole, beside its place, then moved there after fsync, so that a reader finds the old one or the new
one.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from evalkit.errors import StoreError
from evalkit.records import digest

__all__ = ["cannot_write", "file_digest", "slug", "whole_file", "write_atomic"]


def slug(text: str, *, length: int = 60) -> str:
    """Return a file name for any text.

    Plain characters, never empty, never a reserved name, with a digest when something was lost.

    >>> slug("google/flan-t5-small")
    'google-flan-t5-small-2ed904'
    >>> slug("demo")
    'demo'
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.")[:length].strip("-.")
    reserved = plain.split(".")[0].lower() in {
        "con",
        "prn",
        "aux",
        "nul",
        *(f"com{n}" for n in range(10)),
        *(f"lpt{n}" for n in range(10)),
    }
    if plain == text and plain and not reserved:
        return plain
    return f"{'x-' if reserved else ''}{plain or 'x'}-{digest(text, length=6)}"


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file so that it is either the old one or the whole new one, also after a power loss.

    Raises
    ------
    StoreError
        When the disk is full or the folder cannot be written; the old file is untouched.
    """
    data = (
        content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    )  # JSON spells a lone surrogate just so
    with whole_file(path) as file:
        file.write(data)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing so that readers see its old or its new content, never part.

    Survives power loss.

    Raises
    ------
    StoreError
        When the disk is full or the folder cannot be written; the old file is untouched.
    """
    temporary: Path | None = None
    written = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = part_path(path)
        with temporary.open("xb") as file:
            yield file
            written = file.tell()
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        if os.name == "posix":
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise cannot_write(path, error, needed=written) from error
    finally:
        if temporary is not None:
            with suppress(
                OSError
            ):  # a disk that turned read-only keeps the part; the next writer removes it
                temporary.unlink(missing_ok=True)


def part_path(path: Path) -> Path:
    """Return where the next content of a file is written before it is moved there.

    What dead processes left there is removed.

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


def cannot_write(path: Path, error: OSError, *, needed: int = 0) -> StoreError:
    """Return what to say of a file that cannot be written."""
    if (
        error.errno == errno.ENOSPC
        and path.parent.is_dir()
        and os.statvfs(path.parent).f_ffree == 0
    ):
        return StoreError(
            f"{path}: the disk is full: no file can be made there any more (no inodes). Remove some files, then run the same command again."
        )
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreError(
            f"{path}: the disk is full; {max(needed, 1) / 2**20:.2f} MiB are needed. Free some space, then run the same command again."
        )
    if error.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
        return StoreError(
            f"{path}: cannot be written ({error.strerror}). Check the folder's permissions, or name another --out."
        )
    return StoreError(
        f"{path}: {error.strerror or error}. Check the folder, or name another --out."
    )


def file_digest(path: Path) -> str:
    """Return the hex blake2b digest of a file's bytes, as the manifest holds it for ``scores.parquet``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
