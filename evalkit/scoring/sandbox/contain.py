"""What stands around a program: bubblewrap where it works, else the limits of the system alone."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Literal

from evalkit.errors import ScoringError
from evalkit.scoring.sandbox.calls import calls_filter
from evalkit.scoring.sandbox.limits import Limits

__all__ = ["Wall", "inside", "limits_of", "notice_of", "refuse_root", "wall", "wrapped"]

Wall = Literal["bubblewrap", "limits"]
FIRST_USER = 1_200_000
"""Programs started by root run under a number of their own from here on, which nobody has."""
SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64")


@functools.cache
def wall() -> Wall:
    """Return what can be put around a program on this machine, tried once."""
    calls = calls_filter()
    if shutil.which("bwrap") is None or calls is None:
        return "limits"
    try:
        done = subprocess.run(
            [*wrapped("bubblewrap", Limits()), "-I", "-S", "-c", inside(), "try", calls.hex()],
            capture_output=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "limits"
    return "bubblewrap" if done.returncode == 0 else "limits"


def inside() -> str:
    """Return the text of what runs within."""
    return resources.files("evalkit.scoring.sandbox").joinpath("inside.py").read_text("utf-8")


def refuse_root(kind: Wall) -> None:
    """Refuse to run programs as root with nothing but limits around them.

    Raises
    ------
    ScoringError
        A program of root could end every process of the machine and write every file.
    """
    if kind == "limits" and os.getuid() == 0:
        raise ScoringError(
            "--allow-code-execution: bubblewrap is not installed or does not work here, "
            "and without it programs are not run as root, who could end every process and write "
            "every file of this machine. Install bubblewrap, or run evalkit as another user."
        )


def notice_of(kind: Wall) -> str:
    """Return the line that tells the user what is contained and what is not."""
    if kind == "bubblewrap":
        return (
            "Programs that the model writes run in bubblewrap: no network, "
            "no files of this machine but Python's own, an empty home, no namespaces of its own, "
            "limits on time, memory, files, processes and output."
        )
    return (
        "Programs that the model writes run WITHOUT bubblewrap, which is not installed or does "
        "not work here. Time, memory, processes, output and the size of a file are limited; "
        "nothing else is contained: they can read and write whatever this user can, "
        "reach the network, end any process of this user, and outlive their tests by leaving "
        "their process group. Install bubblewrap, or use a machine that holds nothing of value."
    )


def wrapped(kind: Wall, limits: Limits) -> list[str]:
    """Return a command line that starts Python; its arguments stand after it."""
    if kind == "limits":
        return [python_of()]
    place = Path(python_of())
    if not _is_of_the_system(place):
        place = Path("/python") / place.relative_to(Path(sys.base_prefix).resolve())
    return [*_bubblewrap(limits), str(place)]


def _is_of_the_system(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in SYSTEM)


def _bubblewrap(limits: Limits) -> list[str]:
    line = ["bwrap", "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-net"]
    line += ["--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "sandbox"]
    if os.getuid() == 0:  # root keeps its names so that the program can be given another one
        line += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        line += ["--unshare-user"]
    for folder in SYSTEM:
        if Path(folder).is_symlink():
            line += ["--symlink", os.readlink(folder), folder]
        elif Path(folder).is_dir():
            line += ["--ro-bind", folder, folder]
    if not _is_of_the_system(Path(python_of())):
        line += ["--ro-bind", os.path.realpath(sys.base_prefix), "/python"]
    line += ["--proc", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", "/home", "/dev/shm"):
        line += ["--perms", "1777", "--size", str(limits.files), "--tmpfs", folder]
    # /dev belongs to the program where it is not root's, and has no size of its own
    return [*line, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/home", "--"]


def limits_of(kind: Wall, limits: Limits) -> dict[str, int]:
    """Return the limits of the system, by their names in the module ``resource``."""
    seconds = max(1, int(limits.seconds) + 1)
    return {
        "RLIMIT_CPU": seconds,
        "RLIMIT_AS": limits.memory,
        "RLIMIT_FSIZE": limits.files,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_NPROC": limits.processes + _others(kind),
        "RLIMIT_CORE": 0,
    }


def _others(kind: Wall) -> int:
    """Processes of this user that count against the limit: none in bubblewrap,
    where programs have a number or a name space of their own.
    """
    if kind == "bubblewrap":
        return 0
    mine = os.getuid()
    return sum(
        len(list(path.glob("task/*")))
        for path in Path("/proc").iterdir()
        if path.name.isdigit() and _owner(path) == mine
    )


def _owner(path: Path) -> int:
    try:
        return path.stat().st_uid
    except OSError:
        return -1


def python_of() -> str:
    """Return Python's own executable, behind the links of a virtual environment."""
    return os.path.realpath(sys.executable)
