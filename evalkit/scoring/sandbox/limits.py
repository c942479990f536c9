"""What a program may use, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CLASSES", "Limits", "Outcome", "Program"]

CLASSES = ("passed", "syntax", "assertion", "exception", "timeout", "memory", "refused", "none")
"""What can come of a program; ``none``: the answer holds no program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Most that one program may use."""

    seconds: float = 10.0
    """From its start to the end of its tests."""
    memory: int = 512 * 1024 * 1024
    """Bytes of address space per process, and of resident memory of all its processes."""
    processes: int = 24
    """Processes and threads at once."""
    files: int = 16 * 1024 * 1024
    """Bytes of all files it writes."""
    entries: int = 10_000
    """Files and folders that it makes: empty ones fill memory too, and have no bytes."""
    output: int = 1024 * 1024
    """Bytes it prints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program with its tests."""

    programs: tuple[str, ...]
    """Ways to read it out of an answer; the first that compiles is run."""
    tests: str
    """Statements that raise when it is wrong."""
    names: tuple[str, ...] = ()
    """Functions of it that the tests call; empty: all names the tests use and do not define."""
    setup: str = ""
    """Definitions that program and tests share."""
    helpers: str = ""
    """Definitions for the tests alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one program."""

    kind: Literal[
        "passed", "syntax", "assertion", "exception", "timeout", "memory", "refused", "none"
    ]
    """One of `CLASSES`."""
    said: str = field(default="", compare=False)
    """First words of the error, or which limit was met."""
