"""Programs without bubblewrap, with limits alone, by a user who is not root:
what comes of harmless ones.

Root runs them as the user nobody, in a process of its own. Hostile programs are not among them:
they would reach this machine.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = {
    "passes": ("def f(x): return x * x", "passed"),
    "is wrong": ("def f(x): return x + 2", "assertion"),
    "does not compile": ("def f(x) return x", "syntax"),
    "raises": ("def f(x): return x / 0", "exception"),
    "ends its process": ("import sys\ndef f(x): sys.exit(0)", "exception"),
    "recurses for ever": ("def f(x): return f(x)", "exception"),
    "sleeps": ("import time\ndef f(x): time.sleep(99)", "timeout"),
    "asks for 2 GiB": ("def f(x): return len(bytearray(2 * 2**30))", "memory"),
    "prints 10 MB": ("def f(x):\n print('y' * 10**7)\n return x * x", "refused"),
    "writes 100 MB": (
        "def f(x):\n open('big', 'wb').write(bytes(10**8))\n return x * x",
        "refused",
    ),
}
TOUCH = "import os, evalkit.scoring.sandbox.running; open('there', 'w').close()"
"""Fails for a user who cannot read what is tested, or cannot write here."""
SCRIPT = """
import json, sys
from evalkit.scoring.sandbox.contain import notice_of, refuse_root, wall
from evalkit.scoring.sandbox.limits import Limits, Program
from evalkit.scoring.sandbox.running import run_program

kind = wall()
refuse_root(kind)
tests = "assert f(2) == 4\\nassert f(-3) == 9\\n"
found = {
    name: run_program(
        Program(programs=(text,), tests=tests, names=("f",)),
        Limits(seconds=3 if name == "sleeps" else 20),
    ).kind
    for name, text in json.load(sys.stdin).items()
}
print(json.dumps({"wall": kind, "notice": notice_of(kind), "found": found}))
"""


NAMESPACE = (
    *("bwrap", "--dev-bind", "/", "/", "--unshare-user", "--unshare-pid", "--die-with-parent"),
    *("--proc", "/proc", "--uid", "65534", "--gid", "65534"),
)
"""The user nobody in a name space of its own: it may read what root keeps to itself,
and stops no process of others.
"""


def ways() -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield how a program can be started by a user who is not root:
    words before it, options of Popen.
    """
    if os.getuid() != 0:
        yield (), {}
        return
    nobody = pwd.getpwnam("nobody")
    yield (), {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    if place := shutil.which("bwrap"):
        yield (place, *NAMESPACE[1:]), {}


def started(script: str, given: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Return what a script prints where bubblewrap is not to be found, by a user who is not
    root.
    """
    environment = {"PATH": str(home), "PYTHONPATH": str(ROOT), "HOME": str(home)}
    common: dict[str, Any] = {"env": {**environment, "TMPDIR": str(home)}, "cwd": home}
    common |= {"capture_output": True, "text": True, "check": False, "timeout": 300}
    reasons = []
    for before, options in ways():
        line = [*before, sys.executable, "-c"]
        try:
            probe = subprocess.run([*line, TOUCH], **common, **options)
        except PermissionError as error:
            reasons.append(str(error))
            continue
        if probe.returncode == 0:
            return subprocess.run([*line, script], input=given, **common, **options)
        reasons.append(probe.stderr[-200:])
    pytest.skip(f"no user but root can run this Python here: {'; '.join(reasons)}")


def test_limits_alone_give_harmless_programs_their_classes() -> None:
    """Ten programs come out as they do within bubblewrap,
    and the notice says what is not contained.
    """
    home = Path(os.path.realpath(tempfile.mkdtemp(prefix="evalkit-limits-")))
    os.chmod(home, 0o777)  # of the one who runs the tests, for the one who runs the programs
    programs = {name: text for name, (text, _) in PROGRAMS.items()}
    try:
        done = started(SCRIPT, json.dumps(programs), home)
    finally:
        shutil.rmtree(home, ignore_errors=True)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["wall"] == "limits"
    assert "network" in found["notice"]
    assert found["found"] == {name: kind for name, (_, kind) in PROGRAMS.items()}
