"""Programs that models write: what the sandbox lets them do, and what stops each that wants more.

Hostile programs run in bubblewrap only. Without it they would reach this machine, so they are
skipped, and what is tested then is that the notice says so and that root is refused.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.errors import ScoringError
from evalkit.scoring.sandbox.calls import calls_filter
from evalkit.scoring.sandbox.contain import notice_of, refuse_root, wall
from evalkit.scoring.sandbox.limits import Limits, Outcome, Program
from evalkit.scoring.sandbox.running import run_program

SQUARE = "assert f(2) == 4\nassert f(-3) == 9\n"
contained = pytest.mark.skipif(
    wall() != "bubblewrap", reason="bubblewrap is not installed or does not work here"
)


def outcome(text: str, tests: str = SQUARE, *, seconds: float = 20, **more: str) -> Outcome:
    """Run one program that defines ``f``."""
    return run_program(
        Program(programs=(text,), tests=tests, names=("f",), **more), Limits(seconds=seconds)
    )


@contained
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("def f(x): return x * x", "passed"),
        ("def f(x): return x + 2", "assertion"),
        ("def f(x) return x", "syntax"),
        ("def f(x):\nreturn x", "syntax"),
        ("def f(x): return x / 0", "exception"),
        ("def g(x): return x * x", "exception"),
        ("def f(x): return bytearray(10**11)", "memory"),
        ("def f(x): return f(x)", "exception"),
        ("", "none"),
        ("x\0y", "syntax"),
    ],
)
def test_every_end_of_a_program_has_its_class(text: str, kind: str) -> None:
    """Right, wrong, no program, and each way of failing are told apart."""
    assert outcome(text).kind == kind


HOSTILE = {
    "endless loop": ("def f(x):\n while True: pass", "timeout", "ran past"),
    "sleeps": ("import time\ndef f(x): time.sleep(99)", "timeout", "ran past"),
    "fork bomb": ("import os\ndef f(x):\n while True: os.fork()", "refused", "unavailable"),
    "threads": (
        "import threading, time\ndef f(x):\n"
        " for _ in range(500): threading.Thread(target=time.sleep, args=(9,)).start()",
        "refused",
        "thread",
    ),
    "memory of many": (
        "import os, time\nfor _ in range(8):\n if os.fork() == 0:\n"
        "  held = bytearray(300_000_000); time.sleep(30)\ndef f(x): time.sleep(30)",
        "memory",
        "in all",
    ),
    "prints without end": ("def f(x):\n while True: print('x' * 9999)", "refused", "printed over"),
    "fills the disk": (
        "def f(x):\n for n in range(9): open(f'/tmp/{n}', 'wb').write(bytes(15_000_000))",
        "refused",
        "No space",
    ),
    "large file": ("def f(x): open('a', 'wb').write(bytes(10**8))", "refused", "too large"),
    "reads passwords": ("def f(x): return open('/etc/passwd').read()", "exception", "No such file"),
    "reads a home": ("import os\ndef f(x): return os.listdir('/root')", "exception", "No such"),
    "writes outside": ("def f(x): open('/usr/evil', 'w')", "refused", "Read-only"),
    "writes at the root": ("def f(x): open('/evil', 'w')", "refused", "Read-only"),
    "link out": (
        "import os\ndef f(x): os.symlink('/etc/shadow', 's'); return open('s').read()",
        "exception",
        "No such file",
    ),
    "link to the system": (
        "import os\ndef f(x): os.symlink('/usr', 's'); open('s/evil', 'w')",
        "refused",
        "Read-only",
    ),
    "loopback": (
        "import socket\ndef f(x): socket.create_connection(('127.0.0.1', 22), 2)",
        "refused",
        "not permitted",
    ),
    "network": (
        "import socket\ndef f(x): socket.create_connection(('10.0.0.1', 80), 2)",
        "refused",
        "not permitted",
    ),
    "kills its tests": ("import os\ndef f(x): os.kill(os.getppid(), 9)", "exception", "no verdict"),
    "kills everything": ("import os\ndef f(x): os.kill(-1, 9)", "exception", "no verdict"),
    "mounts": (
        "import ctypes\ndef f(x):\n c = ctypes.CDLL(None, use_errno=True)\n"
        " if c.mount(b'none', b'/tmp', b'tmpfs', 0, None): raise OSError(ctypes.get_errno(), 'no')",
        "refused",
        "no",
    ),
    "becomes root": ("import os\ndef f(x): os.setuid(0)", "refused", "not permitted"),
    "reads its tests' memory": (
        "import os\ndef f(x): return open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
        "refused",
        "denied",
    ),
    "speaks for its tests": (
        "import os\ndef f(x): return os.open(f'/proc/{os.getppid()}/fd/2', os.O_WRONLY)",
        "refused",
        "denied",
    ),
    "speaks for the sandbox": (
        "import os\ndef f(x): return os.open('/proc/1/fd/2', os.O_WRONLY)",
        "refused",
        "denied",
    ),
    "memory that no process holds": (
        "import os\ndef f(x): return os.memfd_create('kept')",
        "refused",
        "not permitted",
    ),
    "shared memory, detached": (
        "import ctypes\ndef f(x):\n c = ctypes.CDLL(None, use_errno=True)\n"
        " if c.shmget(0, 1_000_000, 0o1600) < 0: raise OSError(ctypes.get_errno(), 'no segment')",
        "refused",
        "no segment",
    ),
    "a namespace of its own": (
        "import ctypes\ndef f(x):\n c = ctypes.CDLL(None, use_errno=True)\n"
        " if c.unshare(0x10000000): raise OSError(ctypes.get_errno(), 'no namespace')",
        "refused",
        "no namespace",
    ),
    "stops its tests": (
        "import os\ndef f(x): os.kill(os.getppid(), 19); return x * x",
        "timeout",
        "ran past",
    ),
    "traces its tests": (
        "import ctypes, os\ndef f(x):\n c = ctypes.CDLL(None, use_errno=True)\n"
        " if c.ptrace(16, os.getppid(), None, None): raise OSError(ctypes.get_errno(), 'no trace')",
        "refused",
        "no trace",
    ),
    "types into the terminal": (
        "import fcntl\ndef f(x): fcntl.ioctl(open('/dev/tty', 'w'), 0x5412, b'x')",
        "exception",
        "No such device",
    ),
    "the kernel's settings": (
        "def f(x): open('/proc/sys/kernel/core_pattern', 'w')",
        "refused",
        "denied",
    ),
    "a socket without a file": (
        "import socket\ndef f(x): socket.socket(socket.AF_UNIX).connect('\\0evalkit')",
        "refused",
        "not permitted",
    ),
    "the machine around this one (vsock)": (
        "import socket\ndef f(x): socket.socket(40, 1).connect((2, 22))",
        "refused",
        "not permitted",
    ),
    "memory that nobody is counted for": (
        "import mmap, os\ndef f(x):\n held = mmap.mmap(-1, 60_000_000)\n"
        " if os.fork() == 0: os.pause()\n held.write(bytes(60_000_000)); held.close()",
        "refused",
        "not permitted",
    ),
    "the same by a device": (
        "import mmap, os\ndef f(x): mmap.mmap(os.open('/dev/zero', os.O_RDWR), 60_000_000)",
        "refused",
        "not permitted",
    ),
    "empty files": (
        "import os\ndef f(x):\n n = 0\n while True:\n"
        "  n += 1; os.close(os.open(f'/tmp/{n}', os.O_CREAT))",
        "refused",
        "made over",
    ),
    "watches on files": (
        "import ctypes\ndef f(x):\n c = ctypes.CDLL(None, use_errno=True)\n"
        " if c.inotify_init() < 0: raise OSError(ctypes.get_errno(), 'no watches')",
        "refused",
        "no watches",
    ),
    "pipes filled": (
        "import os\nkept = []\ndef f(x):\n while True: kept.append(os.pipe())",
        "refused",
        "Too many open files",
    ),
    "terminals": (
        "import os\nkept = []\ndef f(x):\n while True: kept.append(os.openpty())",
        "refused",
        "Too many open files",
    ),
    "a program of root": (
        "import subprocess\ndef f(x):\n"
        " found = subprocess.run(['/usr/bin/su', '-c', 'id'], stdin=-3, capture_output=True)\n"
        " if b'uid=0' not in found.stdout: raise OSError(1, 'no root')\n return x * x",
        "refused",
        "no root",
    ),
    "the clock": ("import time\ndef f(x): time.clock_settime(0, 0)", "refused", "not permitted"),
    "a device of its own": (
        "import os\ndef f(x): os.mknod('/tmp/disk', 0o60600, os.makedev(8, 0))",
        "refused",
        "not permitted",
    ),
    "its tests' pipe, by its number": (
        "import ctypes, os\ndef f(x):\n c = ctypes.CDLL(None, use_errno=True)\n"
        " got = c.syscall(438, os.pidfd_open(os.getppid()), 2, 0)\n"
        " if got < 0: raise OSError(ctypes.get_errno(), 'not handed over')\n return x * x",
        "refused",
        "not handed over",
    ),
    "code in place of a value": (
        "import marshal, os, sys\ndef f(x):\n"
        " code = marshal.dumps(compile('1', 'a', 'exec'))\n"
        " os.write(int(sys.argv[3]), len(code).to_bytes(8, 'big') + code)\n return x * x",
        "exception",
        "not subscriptable",
    ),
    "a list that holds itself": (
        "import os, sys\ndef f(x):\n"
        " data = b'\\xa9\\x02\\xda\\x05value\\xdb\\x01\\0\\0\\0r\\x02\\0\\0\\0'\n"
        " os.write(int(sys.argv[3]), len(data).to_bytes(8, 'big') + data)\n return x * x",
        "exception",
        "nested more than 200 deep",
    ),
    "a value that doubles forty times": (
        "def f(x):\n v = [0]\n for _ in range(40): v = [v, v]\n return v",
        "timeout",
        "ran past",
    ),
    "files without end": (
        "import os\nkept = []\ndef f(x):\n while True: kept.append(os.open('/dev/null', 0))",
        "refused",
        "Too many open files",
    ),
    "a value without a floor": (
        "def f(x):\n v = []\n for _ in range(10**6): v = [v]\n return v",
        "exception",
        "nested more than 200 deep",
    ),
    "a length that is a lie": (
        "import os\ndef f(x):\n for n in range(3, 30):\n  try: os.write(n, (2**62).to_bytes(8, "
        "'big'))\n  except OSError: pass\n import time; time.sleep(9)",
        "exception",
        "at most",
    ),
}


@contained
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_program_is_stopped(name: str) -> None:
    """Each attempt ends in its class, with the words of what stopped it."""
    text, kind, words = HOSTILE[name]
    found = outcome(text, seconds=4 if kind == "timeout" else 30)

    assert (found.kind, words in found.said) == (kind, True), found
    assert not Path("/evil").exists()
    assert not Path("/usr/evil").exists()


AS_USER = """
import os
from evalkit.scoring.sandbox.contain import wall
from evalkit.scoring.sandbox.limits import Program
from evalkit.scoring.sandbox.running import run_program
assert os.getuid() == 65534 and wall() == "bubblewrap"
fills = "def f(x):\\n for n in range(4): open(f'/dev/{n}', 'wb').write(bytes(15_000_000))"
unshares = (
    "import ctypes\\ndef f(x):\\n c = ctypes.CDLL(None, use_errno=True)\\n"
    " if c.unshare(0x10000000): raise OSError(ctypes.get_errno(), 'no namespace')"
)
for text in ("def f(x): return 4", fills, unshares):
    print(run_program(Program(programs=(text,), tests="assert f(2) == 4", names=("f",))).kind)
"""


@contained
def test_a_user_who_is_not_root_is_not_less_contained() -> None:
    """To such a user's program the devices' folder belongs, and namespaces are open;
    neither helps it.
    """
    line = ["bwrap", "--dev-bind", "/", "/", "--unshare-user", "--unshare-pid", "--proc", "/proc"]
    line += ["--die-with-parent", "--uid", "65534", "--gid", "65534", sys.executable, "-c"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [*line, AS_USER], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    if "AssertionError" in done.stderr or "bwrap:" in done.stderr:
        pytest.skip("no bubblewrap within a user namespace here")

    assert (done.stdout.split(), done.stderr) == (["passed", "refused", "refused"], "")


def test_the_filter_knows_its_machines() -> None:
    """Eight bytes an instruction, the same ones for two machines;
    none for a machine that is not known.
    """
    x86, arm = calls_filter("x86_64"), calls_filter("aarch64")

    assert x86 is not None
    assert arm is not None
    assert (len(x86) % 8, len(x86), x86 == arm) == (0, len(arm), False)
    assert calls_filter("a-machine-of-tomorrow") is None


TRICKS = {
    "sys.exit(0) in the call": "import sys\ndef f(x): sys.exit(0)",
    "sys.exit(0) at once": "import sys\nsys.exit(0)",
    "os._exit(0)": "import os\ndef f(x): os._exit(0)",
    "equal to everything": "class A:\n def __eq__(self, other): return True\ndef f(x): return A()",
    "an integer equal to everything": "class A(int):\n def __eq__(self, other): return True\n"
    "def f(x): return A()",
    "assertions that are no errors": "import builtins\nbuiltins.AssertionError = int\n"
    "def f(x): return 0",
    "asserts patched away": "import sys\nsys.modules['__main__'].__dict__['check'] = print\n"
    "def f(x): return 0",
    "raises an AssertionError": "def f(x): raise AssertionError('passed')",
    "prints that it passed": 'print(\'["passed", ""]\')\ndef f(x): return 0',
    "writes an answer of its own": "import os\nfor n in range(3, 20):\n try: os.write(n, b'passed')\n except OSError: "  # noqa: E501
    "pass\ndef f(x): return 0",
    "modules planted beside the tests": "for n in ('math', 'json', 'marshal', 're'):\n"
    " open(f'/home/{n}.py', 'w').write('raise SystemExit(0)')\ndef f(x): return 0",
    "limits of its tests lowered": "import os, resource\ndef f(x):\n"
    " resource.prlimit(os.getppid(), resource.RLIMIT_AS, (1, 1)); return 0",
    "an end by a signal": "import os\ndef f(x): os.kill(os.getpid(), 15)",
}


@contained
@pytest.mark.parametrize("name", TRICKS)
def test_no_trick_passes_the_tests(name: str) -> None:
    """A program cannot be right by ending, by patching, or by saying so."""
    assert outcome(TRICKS[name], seconds=10).kind not in ("passed", "none")


@contained
def test_nothing_is_left_running() -> None:
    """A child that leaves its group and is adopted ends with its program."""
    word = f"evalkit-left-{os.getpid()}"
    text = (
        "import os, sys\nif os.fork() == 0:\n os.setsid()\n if os.fork() "
        "== 0:\n  os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(60)', "
        f"'{word}'])\n os._exit(0)\ndef f(x): return x * x"
    )
    found = outcome(text)
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.is_file()]

    assert found.kind == "passed"
    assert not any(word.encode() in line for line in lines)


@contained
def test_event_loops_threads_and_subprocesses_are_no_attacks() -> None:
    """What a solution may use runs: pairs of sockets, threads, pipes, another Python."""
    text = (
        "import asyncio, subprocess, sys\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "async def g(x): return x * x\ndef f(x):\n"
        " line = [sys.executable, '-c', f'print({x} * {x})']\n"
        " assert int(subprocess.run(line, capture_output=True).stdout) == x * x\n"
        " with ThreadPoolExecutor(2) as pool: assert list(pool.map(abs, [-x])) == [abs(x)]\n"
        " return asyncio.run(g(x))"
    )

    assert outcome(text) == Outcome(kind="passed")


@contained
def test_values_of_plain_types_come_back_as_they_are() -> None:
    """Nested values, bytes, large integers and None are handed over unchanged."""
    text = "def f(x): return {'a': [1, (2.5, None)], 3: {4}, 'b': b'\\x00', 'n': 10 ** 40, 'x': x}"
    tests = (
        "assert f({1: 'ü'}) == {'a': [1, (2.5, None)], 3: {4}, 'b': b'\\x00', 'n': 10 ** 40, 'x': "
        "{1: 'ü'}}"
    )

    assert outcome(text, tests) == Outcome(kind="passed")


@contained
def test_tests_may_expect_an_error_and_hand_over_objects_of_the_setup() -> None:
    """An error of the program reaches the tests as what it is;
    classes of the setup are known to both.
    """
    setup = "class Pair:\n def __init__(self, a, b): self.a, self.b = a, b"
    text = "def f(p):\n if p.a > p.b: raise ValueError('order')\n return p.a + p.b"
    tests = (
        "assert f(Pair(1, 2)) == 3\ntry:\n f(Pair(2, 1))\n assert False\nexcept ValueError: pass"
    )

    assert outcome(text, tests, setup=setup).kind == "passed"


@contained
def test_names_the_tests_call_are_found_where_none_is_given() -> None:
    """MBPP names no entry point: what its tests call and do not define is the program's."""
    program = Program(
        programs=("def g(x): return [x]",), tests="assert set(g(1)) == {1}\nassert math.pi > 3"
    )

    assert run_program(program).kind == "passed"


@contained
def test_the_first_reading_that_compiles_is_run() -> None:
    """Of several ways to read an answer the first that is Python counts."""
    program = Program(
        programs=("Sure: def f", "def f(x): return x * x"), tests=SQUARE, names=("f",)
    )

    assert run_program(program).kind == "passed"


def test_root_is_refused_without_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of root with limits alone could end every process of the machine."""
    monkeypatch.setattr(os, "getuid", lambda: 0)

    with pytest.raises(ScoringError, match="not run as root"):
        refuse_root("limits")
    with pytest.raises(ScoringError, match="Install bubblewrap"):
        run_program(Program(programs=("x = 1",), tests=""), kind="limits")


def test_the_notice_names_what_is_not_contained() -> None:
    """Without bubblewrap the user is told what a program can still do."""
    said = notice_of("limits")

    assert all(word in said for word in ("WITHOUT", "network", "write", "end any process"))
    assert "no network" in notice_of("bubblewrap")
