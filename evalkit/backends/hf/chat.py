"""Chat templates: a prompt as a conversation, checked to be whole, the clock pinned, the end of a
turn found.

What is sent is what was meant: a template that refuses or leaves out the system message gets it at
the top of the user's, and one that leaves out a part of that is not used. Not handled here: tools,
documents, pictures, several turns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import takewhile
from types import MappingProxyType
from typing import Any

from evalkit.backends.hf.rendering import bounded, refusals, refuse_chance, refuse_growth
from evalkit.backends.template_kwargs import as_json, given_to, refuse_unread
from evalkit.errors import BackendError
from evalkit.records.reasoning import before_answer, has_marks, opened_by

__all__ = [
    "PINNED",
    "Chat",
    "has_template",
    "pinned",
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
MOST_TEMPLATE = 10**6
"""Longest template."""
_USER, _ASSISTANT = "Name the third letter.", "It is C"


def pinned(template: str) -> str:
    """Return the template with its clock standing at `PINNED`, whatever host, day and time zone."""
    if "strftime_now" not in template:
        return template
    steps = "".join(f"|replace('%{code}', '{text}')" for code, text in _CODES.items())
    return f"{{% macro strftime_now(format) %}}{{{{ format{steps} }}}}{{% endmacro %}}{template}"


def whole(rendered: str, system: str, text: str) -> bool:
    r"""Return whether a rendered conversation holds both messages,
    but for white space at their ends.

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
    variables
        What the template is given beside the messages, such as ``enable_thinking``.

    Raises
    ------
    BackendError
        When there is none, it cannot be rendered, draws at random, leaves out what the user says,
        or does not read a variable.
    """

    def __init__(
        self, tokenizer: Any, text: str, variables: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        self._tokenizer, self._variables = tokenizer, dict(variables)
        self._in_parts = False
        self.text = _own(tokenizer) if text == "auto" else text
        """The template, as it enters the fingerprint."""
        if len(self.text) > MOST_TEMPLATE:
            raise BackendError(
                f"chat template: has {len(self.text):,} letters; at most {MOST_TEMPLATE:,} are "
                "accepted. Use another --chat-template."
            )
        refuse_chance(self.text)
        refuse_growth(self.text)
        refuse_unread(self.text, self._variables)
        self._pinned = pinned(self.text)
        self._find_form()

    def _find_form(self) -> None:
        """Find the form in which the template takes a text; raise BackendError where it takes none.

        Templates of models that see pictures too may take it only as one part of a message.
        """
        refusal = None
        for self._in_parts in (False, True):
            try:
                if self.render("", _USER) is not None:
                    return
            except BackendError as error:
                if not isinstance(error.__cause__, refusals()):
                    raise
                refusal = refusal or error
        raise refusal or BackendError(
            "chat template: leaves out what the user says, so no prompt would reach the "
            "model. Use another --chat-template."
        )

    def render(self, system: str, text: str) -> str | None:
        """Return what is sent for a prompt, ending where the answer begins;
        None when no way of sending keeps it whole.

        A template that refuses a system message, or leaves it out, gets it at the top of the
        user's.

        Raises
        ------
        BackendError
            When the template refuses even the user's message.
        """
        return whole_conversation(self._apply, refusals(), system, text)

    def _apply(self, messages: list[dict[str, str]], *, answers: bool = True) -> str:
        """Messages through the template, ending where the answer begins if it is to be answered."""
        sent = self._sent(messages)
        return bounded(
            lambda: self._tokenizer.apply_chat_template(
                sent,
                chat_template=self._pinned,
                tokenize=False,
                add_generation_prompt=answers,
                **self._variables,
            )
        )

    def _sent(self, messages: list[dict[str, str]]) -> list[dict[str, Any]]:
        """Messages in the form that the template reads: their text,
        or parts of which one is text.
        """
        if not self._in_parts:
            return [dict(message) for message in messages]
        return [
            {**message, "content": [{"type": "text", "text": message["content"]}]}
            for message in messages
        ]

    @property
    def notices(self) -> list[str]:
        """Return what a reader of the numbers must know of it: its variables,
        where choices stand.
        """
        told = given_to(self._variables)
        read = "Texts are kept with their thoughts and read behind them."
        taken, put = self._place
        marks = self._between if taken else put
        if has_marks(marks):
            told.append(
                f"The chat template marks thoughts: choices are scored behind {marks!r}, "
                f"where an answer without thoughts begins. {read}"
            )
        elif self.opening and not taken:
            told.append(
                f"The chat template opens every answer with {self.opening}: choices are scored "
                f"where the model would think, not where it would answer. {read}"
            )
        elif marks.strip():
            told.append(
                f"The chat template has {marks!r} before an answer: choices are scored behind it."
            )
        return told

    def rules(self, end: int | None) -> list[str]:
        """Return what is read otherwise than by calling the tokenizer, whose end token is `end`."""
        found = ["chat ids as the tokenizer's own"]
        if "strftime_now" in self.text:
            found.append(f"clock at {PINNED}")
        if self._variables:
            found.append(f"template given {as_json(self._variables)}")
        if self.turn_end is not None and self.turn_end != end:
            found.append(f"turn ends with {self.turn_end}")
        taken, put = self._place
        if put:
            found.append(f"choices behind {put!r}{f' in place of {taken!r}' if taken else ''}")
        if (put or self._apply([{"role": "user", "content": _USER}])).endswith(" "):
            found.append("a blank before an answer is the choice's")
        return found

    def before_choice(self, sent: str) -> str:
        """Return a rendered prompt up to the place where the template has an answer."""
        taken, put = self._place
        return sent.removesuffix(taken) + put

    def probe(self) -> tuple[str, list[int]]:
        """Return a small conversation as text, and the ids that the tokenizer's own encoding
        gives it.
        """
        messages = [{"role": "user", "content": _USER}]
        ids = self._tokenizer.apply_chat_template(
            self._sent(messages),
            chat_template=self._pinned,
            tokenize=True,
            add_generation_prompt=True,
            return_dict=False,
            **self._variables,
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
        except refusals():
            return ""
        before, found, rest = named.partition(_ASSISTANT)
        between, placed = rest.partition(_USER)[0], bare.partition(_USER)[0]
        if not found or not placed.startswith(before) or not placed.endswith(between):
            return ""
        return placed[len(before) : len(placed) - len(between)].strip()

    @cached_property
    def opening(self) -> str:
        """Return the mark with which the template opens the thoughts of an answer;
        empty for none.
        """
        return opened_by(self._apply([{"role": "user", "content": _USER}]))

    @cached_property
    def _between(self) -> str:
        """What stands between a prompt and an answer in a conversation that holds both."""
        user = {"role": "user", "content": _USER}
        try:
            turns = self._apply([user, {"role": "assistant", "content": _ASSISTANT}], answers=False)
        except refusals():
            return ""
        return turns.rpartition(_ASSISTANT)[0].rpartition(_USER)[2]

    @cached_property
    def _place(self) -> tuple[str, str]:
        r"""What goes from the end of a prompt, and what comes there, before a choice.

        In a conversation an answer stands behind marks, such as ``<think>\n\n</think>\n\n`` or
        ``<|START_RESPONSE|>``, or behind a blank; thoughts that a prompt opens are not open there.
        """
        if not self._between:
            return "", ""
        user = {"role": "user", "content": _USER}
        prompt, closed = self._apply([user]), self._apply([user], answers=False)
        prompt, opens = prompt.rpartition(_USER)[2], prompt != closed
        alike = zip(prompt, self._between, strict=False)
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], alike))
        taken, put = prompt[shared:], self._between[shared:]
        # a template that begins no answer has its whole head of a turn there
        shown = opens or before_answer(put)
        return (taken, put) if shown and (not taken or (self.opening and put.strip())) else ("", "")

    @cached_property
    def turn_end(self) -> int | None:
        """Return the special token that stands behind an answer in the template;
        None without one.
        """
        messages = [
            {"role": "user", "content": _USER},
            {"role": "assistant", "content": _ASSISTANT},
        ]
        try:
            rendered = self._apply(messages, answers=False)
        except refusals():
            return None
        _, found, behind = rendered.rpartition(_ASSISTANT)
        if not found or not behind.strip():
            return None
        ids = self._tokenizer(behind.lstrip(), add_special_tokens=False)["input_ids"]
        special = {*self._tokenizer.all_special_ids, *self._tokenizer.added_tokens_decoder}
        return int(ids[0]) if ids and ids[0] in special else None


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
