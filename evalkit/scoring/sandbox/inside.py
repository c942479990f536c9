"""What runs inside the sandbox, started as ``python -I -S -c <this text> tests|program|try``.

Two processes that share no memory. *tests* holds the benchmark's tests and says whether they pass.
*program* holds what the model wrote, and answers calls: arguments go in pickled, results come out
as values of plain types. So a program cannot end the tests with ``sys.exit(0)``, replace
``assert``, return an object that equals everything, or read what is expected of it.

Nothing of evalkit is imported here, since evalkit is not there.
"""

from __future__ import annotations

import ast
import builtins
import ctypes
import errno
import json
import marshal
import os
import pickle
import resource
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any

MOST = 16 * 1024 * 1024
"""Most bytes of one argument or result."""
PLAIN = (bool, int, float, complex, str, bytes)
DENIED = {
    errno.EPERM,
    errno.EACCES,
    errno.EROFS,
    errno.ENETUNREACH,
    errno.ECONNREFUSED,
    errno.EAGAIN,
    errno.EFBIG,
    errno.ENOSPC,
    errno.EMFILE,
}
"""What the system says when a limit or a wall was met."""


Raised = tuple[BaseException, str, int] | None
"""What the program raised last: the error as the tests see it, its name, its number."""


class Ended(Exception):
    """The program's process is gone."""


def write_all(where: int, data: bytes) -> None:
    """Write a message with its length before it."""
    data = len(data).to_bytes(8, "big") + data
    while data:
        data = data[os.write(where, data) :]


def read_all(where: int) -> bytes:
    """Read one message."""
    size = int.from_bytes(_exactly(where, 8), "big")
    if size > MOST:
        raise Ended(f"handed over {size} bytes, at most {MOST} are taken")
    return _exactly(where, size)


def _exactly(where: int, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = os.read(where, min(size - len(found), 1 << 20))
        if not part:
            raise Ended("ended its process")
        found += part
    return found


def simple(value: Any, depth: int = 0) -> Any:
    """Return a result made of plain types only; raise TypeError for any other."""
    if value is None or type(value) in PLAIN:
        return value
    if depth > 200:
        raise TypeError("the result is nested more than 200 deep")
    kind: Any
    for kind in PLAIN:
        if isinstance(value, kind):
            return kind(value)
    for group in (list, tuple, set, frozenset):
        if isinstance(value, group):
            return group(simple(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return {simple(k, depth + 1): simple(v, depth + 1) for k, v in value.items()}
    raise TypeError(
        f"the result is a {type(value).__name__}; values of plain types are handed over"
    )


# the program


def serve(wanted: int, given: int) -> None:
    """Load the program that comes first and answer calls of its functions until the pipe closes."""
    pieces = pickle.loads(read_all(wanted))
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    try:
        exec(compile(pieces["setup"], "setup", "exec"), module.__dict__)
        exec(_first_that_compiles(pieces["programs"]), module.__dict__)
        if not any(callable(module.__dict__.get(name)) for name in pieces["names"]):
            raise NameError(f"{pieces['names'][0]} is not defined")
        write_all(given, marshal.dumps(("value", None)))
    # a program may raise anything, SystemExit too; its tests are told, and it stays here
    except BaseException as error:
        write_all(given, marshal.dumps(_told(error)))
    while True:
        call = pickle.loads(read_all(wanted))
        try:
            value = module.__dict__[call["name"]](*call["args"], **call["named"])
            answer = marshal.dumps(("value", simple(value)))
        except BaseException as error:  # as above
            answer = marshal.dumps(_told(error))
        write_all(given, answer)


def _first_that_compiles(programs: list[str]) -> Any:
    first = SyntaxError("there is no program")
    for number, text in enumerate(programs):
        try:
            return compile(text, "program", "exec")
        except (SyntaxError, ValueError) as error:  # ValueError: a zero byte
            first = first if number else SyntaxError(str(error))
    raise first


def _told(error: BaseException) -> tuple[str, str, str, int]:
    number = error.errno if isinstance(error, OSError) and type(error.errno) is int else 0
    try:
        words = str(error)[:300]
    except BaseException:  # the error is of the program, and so is what its text does
        words = ""
    kind = next(k for k in type(error).__mro__ if k.__module__ == "builtins")
    return ("raised", kind.__name__, words, number)


# the tests


class Program:
    """The other process, as the tests see it."""

    def __init__(self, source: str) -> None:
        self.raised: Raised = None
        wanted, self._ask = os.pipe()
        self._hear, given = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", source, "program", str(wanted), str(given)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            pass_fds=(wanted, given),
        )
        os.close(wanted)
        os.close(given)

    def load(self, job: dict[str, Any]) -> None:
        """Hand the program over; it is run until its functions are there."""
        self._talk(pickle.dumps({key: job[key] for key in ("setup", "programs", "names")}))

    def function(self, name: str) -> Callable[..., Any]:
        """Return a function that calls the program's function of that name."""

        def call(*args: Any, **named: Any) -> Any:
            return self._talk(pickle.dumps({"name": name, "args": args, "named": named}))

        return call

    def end(self) -> int:
        """Return how the process ended by itself; kill it when it did not, and return 0."""
        try:
            return self._process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return 0

    def _talk(self, message: bytes) -> Any:
        try:
            write_all(self._ask, message)
            answer = marshal.loads(read_all(self._hear))
        except (BrokenPipeError, EOFError, ValueError, TypeError) as error:
            raise Ended("ended its process") from error
        if answer[0] == "value":
            return simple(answer[1])
        _, name, words, number = answer
        kind = getattr(builtins, str(name), RuntimeError)
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            kind = RuntimeError
        try:
            raised: Exception = kind(words)
        except TypeError:
            raised = RuntimeError(words)
        self.raised = (raised, str(name), int(number))
        raise raised


def judge(source: str, job: dict[str, Any]) -> tuple[str, str]:
    """Return (class of the outcome, what was said) of a program under its tests."""
    program = Program(source)
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    world = module.__dict__
    try:
        program.load(job)
        exec(compile(job["setup"] + "\n" + job["helpers"], "setup", "exec"), world)
        world.update({name: program.function(name) for name in job["names"]})
        exec(compile(job["tests"], "tests", "exec"), world)
    except Ended as ended:
        return _ended(program, ended)
    # tests fail by whatever they raise; it is the outcome
    except BaseException as error:
        return _class(error, program.raised, str(error)[:300])
    return "passed", ""


def _ended(program: Program, ended: Ended) -> tuple[str, str]:
    code = program.end()
    if code == -signal.SIGXCPU:
        return "timeout", "used up its processor time"
    if code == -signal.SIGKILL:
        return "memory", "was killed by the system"
    return "exception", f"{ended} ({code})" if code else str(ended)


def _class(error: BaseException, raised: Raised, words: str) -> tuple[str, str]:
    """Return the class of what ended the tests: the program's own error, or theirs."""
    if raised is not None and raised[0] is error:
        _, name, number = raised
        if name in ("SyntaxError", "IndentationError", "TabError"):
            return "syntax", words
        if name == "MemoryError" or number == errno.ENOMEM:
            return "memory", words
        if number in DENIED or "can't start new thread" in words:
            return "refused", f"{name}: {words}"
        return "exception", f"{name}: {words}"
    if isinstance(error, AssertionError):
        return "assertion", words
    return "exception", f"{type(error).__name__}: {words}"


def names_called(tests: str, setup: str, known: list[str]) -> list[str]:
    """Return the functions that tests call and nobody but the program defines."""
    world = ast.parse(setup + "\n" + tests)
    defined = {n.name for n in ast.walk(world) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    defined |= {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(world)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    names = [n for n in ast.walk(world) if isinstance(n, ast.Name)]
    stored = {n.id for n in names if not isinstance(n.ctx, ast.Load)}
    stored |= {n.arg for n in ast.walk(world) if isinstance(n, ast.arg)}
    free = [n.id for n in names if n.id not in stored | defined and not hasattr(builtins, n.id)]
    return list(dict.fromkeys([*known, *free]))


def limit(job: dict[str, Any]) -> None:
    """Give up what rights there are and set limits that the program inherits and cannot raise."""
    if job["user"] and os.getuid() == 0:
        os.setgroups([])
        os.setresgid(job["user"], job["user"], job["user"])
        os.setresuid(job["user"], job["user"], job["user"])
    for name, value in job["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: this process's memory is closed


def forbid(calls: bytes) -> bool:
    """Have the kernel refuse calls to this process and all that it starts;
    False where it takes no filter.
    """

    class Filter(ctypes.Structure):
        _fields_ = (("steps", ctypes.c_ushort), ("first", ctypes.c_char_p))

    given = Filter(len(calls) // 8, calls)
    call, zero = ctypes.CDLL(None).prctl, ctypes.c_ulong(0)
    if call(38, ctypes.c_ulong(1), zero, zero, zero) != 0:  # PR_SET_NO_NEW_PRIVS
        return False
    refused: int = call(22, ctypes.c_ulong(2), ctypes.byref(given))  # PR_SET_SECCOMP, a filter
    return refused == 0


def main() -> None:
    """Be the tests or the program, as the command says, or try whether the filter is taken."""
    if sys.argv[1] == "program":
        serve(int(sys.argv[2]), int(sys.argv[3]))
        return
    if sys.argv[1] == "try":
        sys.exit(0 if forbid(bytes.fromhex(sys.argv[2])) else 1)
    job = json.load(sys.stdin)
    limit(job)
    if job["calls"] and not forbid(bytes.fromhex(job["calls"])) and job["contained"]:
        raise OSError("the kernel took no filter of calls")
    found, extra = job["names"], ""
    if not found:
        found = names_called(job["tests"], job["setup"] + "\n" + job["helpers"], [])
        extra = "\n".join(f"import {n}" for n in found if n in sys.stdlib_module_names)
        found = [name for name in found if name not in sys.stdlib_module_names]
    job |= {"names": found, "helpers": extra + "\n" + job["helpers"]}
    kind, words = judge(job["source"], job)
    os.write(2, f"\n{job['word']} {json.dumps([kind, words])}\n".encode())


if __name__ == "__main__":
    main()
