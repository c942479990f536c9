"""Chat templates: a prompt as a conversation, checked to be whole, the clock pinned, the end of a
turn found.

What is sent is what was meant: a template that refuses or leaves out the system message gets it at
the top of the user's, and one that leaves out a part of that is not used. Not handled here: tools,
documents, pictures, several turns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from evalkit.backends.hf.rendering import bounded, refusals
from evalkit.backends.template_kwargs import as_json, given_to, refuse_unread
from evalkit.errors import BackendError
from evalkit.records.reasoning import has_marks, opened_by

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
MOST_TEMPLATE = 10**6
"""Longest template."""
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
        if self.before_answers:
            told.append(
                "The chat template marks thoughts: choices are scored behind "
                f"{self.before_answers!r}, where an answer without thoughts begins. {read}"
            )
        elif self.opening:
            told.append(
                f"The chat template opens every answer with {self.opening}: choices are scored "
                f"where the model would think, not where it would answer. {read}"
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
        if self.before_answers:
            found.append(f"choices behind {self.before_answers!r}")
        return found

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
    def before_answers(self) -> str:
        r"""Return the marks that the template puts before an answer without thoughts;
        empty for none.

        What stands between a prompt and an answer in a conversation that holds both, such as
        ``<think>\n\n</think>\n\n``: there a choice belongs, and not where thoughts would begin.
        """
        user = {"role": "user", "content": _USER}
        answered = [user, {"role": "assistant", "content": _ASSISTANT}]
        try:
            prompt, whole_turn = self._apply([user]), self._apply(answered, answers=False)
        except refusals():
            return ""
        before = whole_turn.rpartition(_ASSISTANT)[0]
        between = before[len(prompt) :] if before.startswith(prompt) else ""
        return between if has_marks(between) else ""

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
