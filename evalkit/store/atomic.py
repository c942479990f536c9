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
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from evalkit.errors import StoreError
from evalkit.records import digest
from evalkit.store.refusals import NO_LOCKS, cannot_write

__all__ = [
    "disk_fault",
    "file_digest",
    "is_stream",
    "lacks_locks",
    "open_own",
    "part_path",
    "remove",
    "slug",
    "whole_file",
    "write_atomic",
    "write_through",
]


READER_S = 10.0
"""How long a pipe's reader is waited for."""
_STREAM = re.compile(r"/dev/(?:(stdin|stdout|stderr)|fd/([0-9]+))|/proc/self/fd/([0-9]+)")


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
        with _part(temporary) as file:
            yield file
            written = file.tell()
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


@contextmanager
def _part(place: Path) -> Iterator[BinaryIO]:
    """A new file that gets its name when it is whole and safe,
    so that a killed process leaves nothing; named from the start where the system cannot do that.
    """
    handle = _nameless(place.parent, mode=0o666)
    with place.open("xb") if handle is None else open(handle, "w+b") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
        if handle is not None:
            _give_name(handle, place)


def _give_name(handle: int, place: Path) -> None:
    """Give a nameless file its name, or its content to a named one where the disk has no second
    names.
    """
    try:
        # a directory is given, though the path needs none, so that the link is followed
        os.link(f"/proc/self/fd/{handle}", place, src_dir_fd=handle)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOENT, errno.EOPNOTSUPP, errno.EMLINK}:
            raise
        os.lseek(handle, 0, os.SEEK_SET)
        with open(handle, "rb", closefd=False) as whole, place.open("xb") as file:
            shutil.copyfileobj(whole, file)
            file.flush()
            os.fsync(file.fileno())


def part_path(path: Path, *, hidden: bool = True) -> Path:
    """Return where the next content of a file, or of a whole directory, is written before it is
    moved there.

    What dead processes of this machine left in the folder is removed.

    Parameters
    ----------
    path
        The file. Its folder exists.
    hidden
        Begin its name with a dot.
    """
    host = slug(socket.gethostname(), length=40)
    for left in path.parent.glob(f"*.{glob.escape(host)}.*-*.part"):
        number = left.name.rsplit(".", 2)[1].split("-")[0]
        if number.isdigit() and not _alive(int(number)):
            _remove_part(left)
    name = f"{path.name[:100]}.{host}.{os.getpid()}-{secrets.token_hex(4)}.part"
    return path.parent / (f".{name}" if hidden else name)


def _remove_part(left: Path) -> None:
    if left.is_dir() and not left.is_symlink():
        shutil.rmtree(left, ignore_errors=True)
    else:
        left.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def write_through(path: Path, content: bytes) -> None:
    """Write into what is no regular file: a device, a pipe, a stream of this process.

    It is written to, never replaced.

    Raises
    ------
    StoreError
        When it takes no more.
    """
    try:
        stream = _STREAM.fullmatch(str(path.absolute()))
        if stream is None:
            handle = _reached(path)
        else:
            number = stream[2] or stream[3] or {"stdout": 1, "stderr": 2}.get(stream[1], 0)
            handle = os.dup(int(number))
        with open(handle, "wb") as file:
            file.write(content)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise cannot_write(path, error, needed=len(content)) from error


def _reached(path: Path) -> int:
    """Open a device or a pipe for writing; a pipe that nobody reads is waited for,
    but not for ever.
    """
    end = time.monotonic() + READER_S
    while True:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or not path.is_fifo():
                raise
            if time.monotonic() >= end:
                raise StoreError(
                    f"{path}: is a pipe that nobody reads; waited {READER_S:.0f} s. "
                    "Start the reader first, or name a file."
                ) from error
            time.sleep(0.05)
        else:
            os.set_blocking(handle, True)
            return handle


def is_stream(path: Path) -> bool:
    """Return whether a path names something that can be written to but not replaced."""
    return bool(_STREAM.fullmatch(str(path.absolute()))) or (
        path.exists() and not path.is_file() and not path.is_dir()
    )


def disk_fault(path: Path) -> OSError | None:
    """Return why nothing can be written beside a file, found by trying; None when it can.

    SQLite says that a write failed, not why.
    """
    try:
        with _probe(path, named=False) as handle:
            os.pwrite(handle, bytes(1 << 16), 0)
            os.fsync(handle)
    except OSError as error:
        return error
    return None


def lacks_locks(path: Path) -> bool:
    """Return whether the disk of a file offers no file locks, found by trying."""
    import fcntl

    try:
        with _probe(path, named=True) as handle:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in NO_LOCKS
    return False


@contextmanager
def _probe(path: Path, *, named: bool) -> Iterator[int]:
    """A new file beside another one, gone afterwards;
    without a name where the system can do that.
    """
    if not named and (nameless := _nameless(path.parent, mode=0o600)) is not None:
        try:
            yield nameless
        finally:
            os.close(nameless)
        return
    probe = part_path(path, hidden=False)
    handle = os.open(probe, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)
        with suppress(OSError):
            probe.unlink(missing_ok=True)


def _nameless(folder: Path, *, mode: int) -> int | None:
    """A new file without a name, which nothing can leave behind;
    None where the system has no such thing.
    """
    try:
        return os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, mode)
    except (OSError, AttributeError):
        return None


def open_own(path: Path) -> int:
    """Open a file of ours for reading and writing, making it when absent; return the descriptor.

    A link is not followed and nothing is cut off: who unpacked a run directory from elsewhere must
    not lose what a link in it points to.

    Raises
    ------
    StoreError
        When it is a link, has a second name, or is no regular file.
    OSError
        When it cannot be opened.
    """
    try:
        handle = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644
        )
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _not_own(path, "a link") from error
        raise
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(handle)
        raise _not_own(
            path, "a file with a second name" if stat.S_ISREG(found.st_mode) else "no regular file"
        )
    return handle


def _not_own(path: Path, what: str) -> StoreError:
    return StoreError(
        f"{path}: is {what}, and writing it would change something outside this directory. "
        "Remove it, then run the same command again."
    )


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises
    ------
    StoreError
        When it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def file_digest(path: Path) -> str:
    """Return the hex blake2b digest of a file's bytes,
    as the manifest holds it for ``scores.parquet``.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
