"""A rendering of a chat template with an end: bounded in time, memory and letters,
without chance.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from evalkit.errors import BackendError

__all__ = ["bounded", "refusals", "refuse_chance", "refuse_growth"]

SECONDS = 10.0
"""How long a rendering may take."""
MEMORY = 2 * 2**30
"""How much address space a rendering may add, bytes."""
LETTERS = 10**7
"""Longest text of a rendering."""
_CHANCE = re.compile(r"\|\s*random\b|\blipsum\b")


def refuse_chance(template: str) -> None:
    """Refuse a template that draws at random.

    Raises
    ------
    BackendError
        When it does.
    """
    if found := _CHANCE.search(template):
        raise BackendError(
            f"chat template: {found.group().strip('| ')!r} gives other text every time, "
            "so answers could not be repeated. Use another --chat-template."
        )


def refuse_growth(template: str) -> None:
    """Refuse powers, products of two unknowns and rounding to places in a template.

    Python computes with whole numbers of any length and lets nothing break in meanwhile, so they
    may have no end that a time limit could see.

    Raises
    ------
    BackendError
        When there is one.
    """
    import jinja2

    try:
        tokens = [
            (kind, value)
            for _, kind, value in jinja2.Environment().lex(template)
            if kind not in ("whitespace", "comment")
        ]
    except jinja2.TemplateSyntaxError:
        return  # said when it is rendered
    known = ("integer", "float", "string")
    for place, (kind, value) in enumerate(tokens):
        around = [tokens[at][0] for at in (place - 1, place + 1) if 0 <= at < len(tokens)]
        unpacks = tokens[place - 1][1] in ("(", ",")
        starred = kind == "operator" and value == "*" and not unpacks and not {*around} & {*known}
        rounded = (kind, value) == ("name", "round") and ("operator", "(") in tokens[place + 1 :][
            :1
        ]
        if starred or rounded or (kind, value) == ("operator", "**"):
            raise BackendError(
                f"chat template: computes with {value!r}, whose numbers may have no end. "
                "Use another --chat-template."
            )


def bounded(call: Callable[[], str]) -> str:
    """Return the text of a rendering; refuse one without an end, or of texts without measure.

    The call runs in a thread. One that is not done in time is told to end, which it does at its
    next step of Python, as a loop has many of; a single long product of numbers ends when it is
    made.
    """
    found: list[str] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(call())
        except BaseException as error:  # noqa: BLE001 - handed on to the caller, whatever it is
            failed.append(error)

    thread = threading.Thread(target=work, name="evalkit-template", daemon=True)
    with _little_memory():
        thread.start()
        thread.join(SECONDS)
        late = thread.is_alive()
        if late and thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
            )
            thread.join(1)
    if late:
        raise BackendError(
            f"chat template: is not done with a prompt after {SECONDS:g} s; "
            "its loops may have no end. Use another --chat-template."
        )
    if failed and isinstance(failed[0], (*refusals(), BackendError)):
        raise failed[0]
    if failed and not isinstance(failed[0], MemoryError):
        # whatever a template does to the library, such as asking for another file
        raise BackendError(
            f"chat template: cannot be rendered ({type(failed[0]).__name__}: {failed[0]}). "
            "Use another --chat-template."
        ) from failed[0]
    if failed or (found and len(found[0]) > LETTERS):
        raise BackendError(
            "chat template: makes a text beyond measure of a prompt. Use another --chat-template."
        )
    return found[0]


@contextmanager
def _little_memory() -> Iterator[None]:
    """While inside, the process gets no more than `MEMORY` beyond what it has,
    where the system can say so.
    """
    try:
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError, ValueError):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if 0 <= soft <= used + MEMORY:
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def refusals() -> tuple[type[Exception], ...]:
    """Return what a template raises that refuses its messages."""
    import jinja2

    return (jinja2.exceptions.TemplateError,)
