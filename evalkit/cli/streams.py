"""What a process is given: streams that are closed or on a full disk, a Ctrl-C that is ignored,
and too little address space.

Work goes on where it can, and exit codes keep their meaning.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import Any

from evalkit.errors import EnvironmentFault

__all__ = ["close_output", "prepare", "refuse_little_memory"]

LEAST_MIB = 640
"""Address space that the libraries of the statistics take before anything is computed."""


def refuse_little_memory() -> None:
    """Refuse a limit of address space (``ulimit -v``) that the libraries alone exceed.

    OpenBLAS neither raises nor always ends when it gets no memory: it may try for ever.

    Raises
    ------
    EnvironmentFault
        When the limit is below `LEAST_MIB`.
    """
    try:
        import resource
    except ImportError:  # not on this system
        return
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if 0 <= limit < LEAST_MIB * 2**20:
        raise EnvironmentFault(
            f"out of memory: the process may use {limit // 2**20:,} MiB of address space, and the "
            f"libraries alone take about {LEAST_MIB:,}. Raise the limit (ulimit -v), and type the "
            "same command again."
        )


class _Tolerant(io.FileIO):
    """A stream that takes what it can: nobody's work ends because a log is full."""

    def write(self, data: Any, /) -> int:
        """Write, or let go."""
        try:
            return super().write(data)
        except OSError:
            return len(data)


def prepare() -> None:
    """Open closed streams to nowhere, let standard error never stop the work, and listen to Ctrl-C.

    A closed stream leaves its number to the next file that is opened, which would then hold
    whatever a library prints. A script's shell starts what stands before ``&`` with SIGINT ignored;
    it ends a command all the same, since what was stored stays and the same line goes on. SIGHUP
    stays ignored where it was (``nohup``).
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, so this one
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, closefd=False)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(_Tolerant(2, "w", closefd=False)),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=True,
    )


def close_output() -> None:
    """Send what standard output still holds nowhere,
    so that Python's own end does not fail on it.
    """
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):  # a stream of a test or a notebook, which has no number
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
