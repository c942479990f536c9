"""Chat templates: a prompt as a conversation, checked to be whole, the clock pinned, the end of a turn found.

What is sent is what was meant: a template that refuses or leaves out the system message gets it at
the top of the user's, and one that leaves out a part of that is not used. Not handled here: tools,
documents, pictures, several turns.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from evalkit.errors import BackendError
from evalkit.records.reasoning import opened_by

__all__ = [
    "PINNED",
    "Chat",
    "has_template",
    "pinned",
    "refuse_chance",
    "refuse_growth",
    "whole",
    "whole_conversation",
]

PINNED = "2024-07-26T12:00:00Z"
"""What the clock says to every template: the day that Llama 3.1's own template falls back to."""
_CODES = {
    **{
        "-d": "26",
        "-m": "7",
        "-H": "12",
        "-I": "12",
        "-M": "0",
        "-S": "0",
        "-j": "208",
        "-y": "24",
    },
    **{"a": "Fri", "A": "Friday", "w": "5", "u": "5", "d": "26", "e": "26", "b": "Jul", "h": "Jul"},
    **{"B": "July", "m": "07", "y": "24", "Y": "2024", "G": "2024", "H": "12", "k": "12"},
    **{"I": "12", "l": "12", "p": "PM", "P": "pm", "M": "00", "S": "00", "f": "000000"},
    **{"z": "+0000", "Z": "UTC", "j": "208", "U": "29", "W": "30", "V": "30", "C": "20"},
    **{"c": "Fri Jul 26 12:00:00 2024", "x": "07/26/24", "X": "12:00:00", "D": "07/26/24"},
    **{"F": "2024-07-26", "T": "12:00:00", "R": "12:00", "r": "12:00:00 PM", "s": "1721995200"},
}
"""Format codes of `strftime` at that moment, in UTC and the C locale."""
_CHANCE = re.compile(r"\|\s*random\b|\blipsum\b")
SECONDS = 10.0
"""How long a rendering may take."""
MOST_TEMPLATE = 10**6
"""Longest template."""
MEMORY = 2 * 2**30
"""How much address space a rendering may add, bytes."""
LETTERS = 10**7
"""Longest text of a rendering."""
_USER, _ASSISTANT = "Name the third letter.", "It is C"


def pinned(template: str) -> str:
    """Return the template with its clock standing at `PINNED`, whatever host, day and time zone."""
    if "strftime_now" not in template:
        return template
    steps = "".join(f"|replace('%{code}', '{text}')" for code, text in _CODES.items())
    return f"{{% macro strftime_now(format) %}}{{{{ format{steps} }}}}{{% endmacro %}}{template}"


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
        starred = kind == "operator" and value == "*" and not {*around} & {*known}
        rounded = (kind, value) == ("name", "round") and ("operator", "(") in tokens[place + 1 :][
            :1
        ]
        if starred or rounded or (kind, value) == ("operator", "**"):
            raise BackendError(
                f"chat template: computes with {value!r}, whose numbers may have no end. "
                "Use another --chat-template."
            )


def whole(rendered: str, system: str, text: str) -> bool:
    r"""Return whether a rendered conversation holds both messages, but for white space at their ends.

    Examples
    --------
    >>> whole("<user> Is it? <end>", "", "Is it?\n"), whole("<user> Is it? <end>", "Say.", "Is it?")
    (True, False)
    """
    before, found, behind = rendered.partition(text.strip())
    return (bool(found) or not text.strip()) and system.strip() in f"{before}\0{behind}"


class Chat:
    """One chat template of one tokenizer.

    Parameters
    ----------
    tokenizer
        A Transformers tokenizer.
    text
        Text of the template, or ``auto`` for the tokenizer's own.

    Raises
    ------
    BackendError
        When there is none, it cannot be rendered, draws at random, or leaves out what the user
        says.
    """

    def __init__(self, tokenizer: Any, text: str) -> None:
        self._tokenizer = tokenizer
        self.text = _own(tokenizer) if text == "auto" else text
        """The template, as it enters the fingerprint."""
        if len(self.text) > MOST_TEMPLATE:
            raise BackendError(
                f"chat template: has {len(self.text):,} letters; at most {MOST_TEMPLATE:,} are "
                "accepted. Use another --chat-template."
            )
        refuse_chance(self.text)
        refuse_growth(self.text)
        self._pinned = pinned(self.text)
        if self.render("", _USER) is None:
            raise BackendError(
                "chat template: leaves out what the user says, so no prompt would reach the "
                "model. Use another --chat-template."
            )

    def render(self, system: str, text: str) -> str | None:
        """Return what is sent for a prompt, ending where the answer begins; None when no way of sending keeps it whole.

        A template that refuses a system message, or leaves it out, gets it at the top of the
        user's.

        Raises
        ------
        BackendError
            When the template refuses even the user's message.
        """
        return whole_conversation(self._apply, _refusals(), system, text)

    def _apply(self, messages: list[dict[str, str]], *, answers: bool = True) -> str:
        """Messages through the template, ending where the answer begins if it is to be answered."""
        return _bounded(
            lambda: self._tokenizer.apply_chat_template(
                messages, chat_template=self._pinned, tokenize=False, add_generation_prompt=answers
            )
        )

    def probe(self) -> tuple[str, list[int]]:
        """Return a small conversation as text, and the ids that the tokenizer's own encoding gives it."""
        messages = [{"role": "user", "content": _USER}]
        ids = self._tokenizer.apply_chat_template(
            messages,
            chat_template=self._pinned,
            tokenize=True,
            add_generation_prompt=True,
            return_dict=False,
        )
        return self._apply(messages), list(ids)

    @cached_property
    def default_system(self) -> str:
        """Return the system text that the template brings by itself; empty for none.

        It is what stands, without a system message, in the place where one would stand.
        """
        user = {"role": "user", "content": _USER}
        try:
            named = self._apply([{"role": "system", "content": _ASSISTANT}, user])
            bare = self._apply([user])
        except _refusals():
            return ""
        before, found, rest = named.partition(_ASSISTANT)
        between, placed = rest.partition(_USER)[0], bare.partition(_USER)[0]
        if not found or not placed.startswith(before) or not placed.endswith(between):
            return ""
        return placed[len(before) : len(placed) - len(between)].strip()

    @cached_property
    def opening(self) -> str:
        """Return the mark with which the template opens the thoughts of an answer; empty for none."""
        return opened_by(self._apply([{"role": "user", "content": _USER}]))

    @cached_property
    def turn_end(self) -> int | None:
        """Return the special token that stands behind an answer in the template; None without one."""
        messages = [
            {"role": "user", "content": _USER},
            {"role": "assistant", "content": _ASSISTANT},
        ]
        try:
            rendered = self._apply(messages, answers=False)
        except _refusals():
            return None
        _, found, behind = rendered.rpartition(_ASSISTANT)
        if not found or not behind.strip():
            return None
        ids = self._tokenizer(behind.lstrip(), add_special_tokens=False)["input_ids"]
        special = {*self._tokenizer.all_special_ids, *self._tokenizer.added_tokens_decoder}
        return int(ids[0]) if ids and ids[0] in special else None


def _bounded(call: Callable[[], str]) -> str:
    """Return the text of a rendering; refuse one without an end, or of texts without measure.

    The call runs in a thread. One that is not done in time is told to end, which it does at its next
    step of Python, as a loop has many of; a single long product of numbers ends when it is made.
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
    if failed and isinstance(failed[0], (*_refusals(), BackendError)):
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
    """While inside, the process gets no more than `MEMORY` beyond what it has, where the system can say so."""
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


def whole_conversation(
    apply: Callable[[list[dict[str, str]]], str],
    refusals: tuple[type[Exception], ...],
    system: str,
    text: str,
) -> str | None:
    """Return the conversation that holds a prompt whole; None when no way of sending does.

    Parameters
    ----------
    apply
        Renders messages.
    refusals
        What it raises when it refuses them.
    system, text
        The prompt.

    Raises
    ------
    BackendError
        When even the user's message is refused.
    """
    user = {"role": "user", "content": text}
    joined = f"{system}\n\n{text}" if system else text
    ways = [[{"role": "system", "content": system}, user]] if system else []
    for messages in [*ways, [{"role": "user", "content": joined}]]:
        try:
            rendered = apply(messages)
        except refusals as error:
            if len(messages) == 1:
                raise BackendError(
                    f"chat template: {error}. Use another --chat-template."
                ) from error
            continue
        if whole(rendered, system, text):
            return rendered
    return None


def _refusals() -> tuple[type[Exception], ...]:
    import jinja2

    return (jinja2.exceptions.TemplateError,)


def has_template(tokenizer: Any) -> bool:
    """Return whether a tokenizer brings a chat template of its own."""
    own = getattr(tokenizer, "chat_template", None)
    return bool(own.get("default") if isinstance(own, dict) else own)


def _own(tokenizer: Any) -> str:
    """Text of the tokenizer's own template."""
    own = tokenizer.chat_template
    if isinstance(own, dict):
        own = own.get("default")
    if not own:
        raise BackendError(
            f"chat template 'auto': the tokenizer of {tokenizer.name_or_path} has none. "
            "Use --chat-template none or a template file."
        )
    return str(own)
