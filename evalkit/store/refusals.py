"""What is said of a disk that does not take a file: what happened, and what helps."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from evalkit.errors import StoreError

__all__ = ["NO_LOCKS", "cannot_write", "no_locks"]

NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
"""What a disk without locks answers."""


def cannot_write(path: Path, error: OSError, *, needed: int = 0) -> StoreError:
    """Return what to say of a file that cannot be written: what happened, and what helps."""
    return StoreError(f"{path}: {_why(path, error, needed)}")


def _why(path: Path, error: OSError, needed: int) -> str:
    again = "then run the same command again"
    code, said = error.errno, error.strerror or str(error)
    if code == errno.ENOSPC and _no_inodes(path.parent):
        return (
            "the disk is full: no file can be made there any more (no inodes). "
            f"Remove some files, {again}."
        )
    if code == errno.ENOSPC:
        return f"the disk is full{_at_least(needed)}. Free some space, {again}."
    if code == errno.EDQUOT:
        return (
            f"the disk is full for this user: the quota is used up{_at_least(needed)}. "
            f"Free some space, {again}."
        )
    if code in {errno.EACCES, errno.EROFS, errno.EPERM}:
        return f"cannot be written ({said}). Check the folder's permissions, or name another --out."
    if code in {errno.EIO, errno.ESTALE}:
        return (
            f"the disk did not take it ({said}). Nothing is half-written. "
            f"Check the disk or the network mount, {again}."
        )
    if code == errno.EFBIG:
        return (
            f"is larger than files may be here ({said}). "
            f"Raise the limit (ulimit -f) or use another disk, {again}."
        )
    if code in {errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST}:
        return f"a folder or a file stands in its place ({said}). Move it away, {again}."
    return f"{said}. Check the folder, or name another --out."


def _at_least(needed: int) -> str:
    """What a file takes, where that is known."""
    return f"; {max(needed / 2**20, 0.01):.2f} MiB are needed" if needed else ""


def _no_inodes(folder: Path) -> bool:
    try:
        return os.statvfs(folder).f_ffree == 0
    except OSError:
        return False


def no_locks(path: Path) -> StoreError:
    """Return what to say where a disk offers no file locks."""
    return StoreError(
        f"{path}: this disk offers no file locks, without which two processes could spoil each "
        "other's work. Name an --out on a local disk (EVALKIT_HOME for the shared cache), "
        "or mount this one with locks."
    )
