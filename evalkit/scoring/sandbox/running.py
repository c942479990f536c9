"""One program from its start to its outcome: started, watched,
and killed with everything it started.
"""

from __future__ import annotations

import json
import os
import secrets
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO, Any

from evalkit.scoring.sandbox.calls import calls_filter
from evalkit.scoring.sandbox.contain import (
    FIRST_USER,
    Wall,
    inside,
    limits_of,
    refuse_root,
    wall,
    wrapped,
)
from evalkit.scoring.sandbox.limits import CLASSES, Limits, Outcome, Program

__all__ = ["run_program"]

EVERY = 0.1
"""Seconds between two looks at what a program uses."""
_NUMBERS = count(os.getpid() % 100_000)


def run_program(
    program: Program, limits: Limits | None = None, *, kind: Wall | None = None
) -> Outcome:
    """Run a program under its tests and return what came of it.

    Parameters
    ----------
    program
        What the model wrote, and the tests.
    limits
        Most it may use.
    kind
        What stands around it; the strongest there is when left out.

    Raises
    ------
    ScoringError
        When root would run it without bubblewrap.
    """
    if not any(text.strip() for text in program.programs):
        return Outcome(kind="none", said="the answer holds no program")
    limits, kind = limits or Limits(), kind or wall()
    refuse_root(kind)
    folder = Path(tempfile.mkdtemp(prefix="evalkit-program-"))
    try:
        return _watched(program, limits, kind, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _watched(program: Program, limits: Limits, kind: Wall, folder: Path) -> Outcome:
    source, calls = inside(), calls_filter()
    word = secrets.token_hex(16)
    user = FIRST_USER + next(_NUMBERS) % 1_000_000 if os.getuid() == 0 else 0
    job = {
        "programs": list(program.programs),
        "tests": program.tests,
        "names": list(program.names),
        "setup": program.setup,
        "helpers": program.helpers,
        "source": source,
        "word": word,
        "user": user,
        "limits": limits_of(kind, limits),
        "calls": calls.hex() if calls else "",
        "contained": kind == "bubblewrap",
    }
    process = subprocess.Popen(
        [*wrapped(kind, limits), "-I", "-S", "-c", source, "tests"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        start_new_session=True,
        env=_environment(folder if kind == "limits" else Path("/home")),
    )
    try:
        stopped, told = _followed(process, json.dumps(job).encode(), limits)
    finally:
        _kill(process)
    return stopped or _outcome(told, word)


def _environment(home: Path) -> Mapping[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
    }


def _followed(
    process: subprocess.Popen[bytes], job: bytes, limits: Limits
) -> tuple[Outcome | None, bytes]:
    """Feed and read a process until it ends or meets a limit; return which one,
    and what it told.
    """
    assert process.stdin is not None
    outputs: list[Any] = [process.stdout, process.stderr]
    end, look, printed, told = time.monotonic() + limits.seconds, 0.0, 0, b""
    with selectors.DefaultSelector() as waiting:
        for pipe in outputs:
            os.set_blocking(pipe.fileno(), False)
            waiting.register(pipe, selectors.EVENT_READ)
        threading.Thread(target=_feed, args=(process.stdin, job), daemon=True).start()
        while waiting.get_map():
            now = time.monotonic()
            if now >= end:
                return Outcome(kind="timeout", said=f"ran past {limits.seconds:g} s"), b""
            if now >= look:
                look = now + EVERY
                if stopped := _over(process.pid, limits):
                    return stopped, b""
            for key, _ in waiting.select(timeout=min(EVERY, end - now)):
                read: Any = key.fileobj
                part = read.read(65536)
                if not part:
                    waiting.unregister(read)
                elif read is process.stderr:
                    told = (told + part)[-65536:]
                else:
                    printed += len(part)
            if printed > limits.output:
                return Outcome(kind="refused", said=f"printed over {limits.output} bytes"), b""
    return None, told


def _feed(pipe: IO[bytes], job: bytes) -> None:
    """Write the job; a process that ends before it has read it is told by its missing verdict."""
    with suppress(OSError, ValueError):
        pipe.write(job)
        pipe.close()


def _over(pid: int, limits: Limits) -> Outcome | None:
    """Return which limit the processes below one together are over; None for none."""
    below, memory = _below(pid)
    if len(below) > limits.processes + 4:
        return Outcome(kind="refused", said=f"started over {limits.processes} processes")
    if memory > limits.memory * 1.25:
        return Outcome(kind="memory", said=f"used over {limits.memory >> 20} MiB in all")
    if _entries(below, limits) > limits.entries:
        return Outcome(kind="refused", said=f"made over {limits.entries} files")
    return None


def _entries(below: list[int], limits: Limits) -> int:
    """Most files on one of the sandbox's own file systems; 0 where it has none."""
    most = 0
    for pid in below:
        for place in ("tmp", "home", "dev/shm"):
            with suppress(OSError):
                found = os.statvfs(f"/proc/{pid}/root/{place}")
                if found.f_blocks * found.f_frsize <= limits.files:
                    most = max(most, found.f_files - found.f_ffree)
        if most:
            break
    return most


def _below(pid: int) -> tuple[list[int], int]:
    """Processes below one, and their resident bytes."""
    children: dict[int, list[tuple[int, int]]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = (path / "stat").read_text("latin-1").rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append((int(path.name), int(fields[21])))
    found, memory, left = [], 0, [pid]
    while left:
        for child, pages in children.get(left.pop(), ()):
            found.append(child)
            left.append(child)
            memory += pages * 4096
    return found, memory


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with everything below it and its group;
    in bubblewrap its name space goes with it.
    """
    below, _ = _below(process.pid)
    for pid in (*below, process.pid):
        _signal(os.kill, pid)
    _signal(os.killpg, process.pid)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()


def _signal(send: Any, pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        send(pid, signal.SIGKILL)


def _outcome(told: bytes, word: str) -> Outcome:
    for line in reversed(told.decode("utf-8", "replace").splitlines()):
        if line.startswith(word + " "):
            kind, said = json.loads(line[len(word) :])
            if kind in CLASSES:
                return Outcome(kind=kind, said=said)
    said = told.decode("utf-8", "replace").strip().splitlines()
    return Outcome(kind="exception", said=f"no verdict: {said[-1][:200] if said else 'ended'}")
