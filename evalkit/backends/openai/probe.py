"""What a server can do, found out with a few requests of a handful of tokens before the run.

A setting that the server refuses by name is left out or lowered, and the request is sent again:
`_relented` holds these settings. What was found is said in words by `notices_of`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from evalkit.backends.openai.alternatives import listed
from evalkit.backends.openai.answers import (
    Mode,
    body_for,
    first_choice,
    reasons,
    text_of,
    tokens_used,
    version_of,
)
from evalkit.backends.openai.client import Client
from evalkit.backends.openai.echo import echo_score
from evalkit.backends.openai.faults import Passing, Refused, Rejected
from evalkit.backends.openai.settings import HttpSettings
from evalkit.backends.openai.tokens import OWNERS, ByTokens
from evalkit.backends.template_kwargs import NAME, given_to
from evalkit.errors import BackendError
from evalkit.records import Request

__all__ = ["find_mode", "is_well", "marks_of", "notices_of", "same_model"]

_QUESTION = Request(kind="generate", text="Reply with the letter A.")
_TRIES = 3
_ALTERNATIVES = (20, 10, 5, 3, 2)
"""Alternatives asked for, most first; a server that names its own limit is asked for that."""
_TOKENS = 16
"""Tokens of the opening answer: enough to see thoughts begin."""
_NO_SUCH_API = frozenset({400, 404, 405, 422, 501})
_DIGESTS = ("digest", "sha256", "sha", "hash", "checksum", "revision", "fingerprint", "version")
"""Fields of a listed model that tell its versions apart."""


async def find_mode(client: Client, settings: HttpSettings, *, chat: bool) -> Mode:
    """Return how the server is asked.

    Parameters
    ----------
    client, settings
        The server.
    chat
        Whether a chat template was asked for.

    Raises
    ------
    BackendError
        When the server cannot be reached, refuses the key, does not know the model, or cannot do
        what an option demands.
    """
    try:
        mode = await _any_api(client, settings, chat=chat)
    except (Passing, Refused) as fault:
        raise BackendError(
            f"{settings.url}: gives no usable answer ({fault.reason}). "
            "Check the address, and that the server runs; then type the same command again."
        ) from None
    rows = await client.models()
    mode = await _by_tokens(client, mode, settings, rows)
    if settings.any_model:
        return replace(mode, version="")
    return mode if mode.version else replace(mode, version=_digest(rows, mode))


async def _by_tokens(client: Client, mode: Mode, settings: HttpSettings, rows: list[Any]) -> Mode:
    """Mode that scores by token ids, where the server proves to be able to; else the same mode.

    The ids of the opening question must be as many as the ordinary interface counts.
    """
    if settings.scoring not in {"auto", "tokens"} or (mode.reasons and settings.scoring == "auto"):
        return mode
    owners = [str(row.get("owned_by")) for row in rows if isinstance(row, dict)]
    for interface in dict.fromkeys(OWNERS[owner] for owner in owners if owner in OWNERS):
        chat = mode.api == "chat"
        if chat and interface != "llama.cpp":
            continue
        asked = ByTokens(client, interface, chat=chat, variables=mode.variables)
        try:
            scores = await asked.scores(
                replace(_QUESTION, kind="choice", continuations=(" A", " B"))
            )
            sent = body_for(mode, settings.model, _QUESTION, max_tokens=1)
            body = await client.ask(mode.path, sent, _whole, tries=_TRIES)
        except (Passing, Refused, Rejected):
            continue
        if scores.prompt_tokens == tokens_used(body)[0]:
            return replace(mode, scoring="tokens", interface=interface)
    if settings.scoring == "tokens":
        raise BackendError(
            f"{settings.url}: does not score by token ids as llama.cpp and SGLang do. "
            "Leave scoring=tokens out."
        )
    return mode


async def _any_api(client: Client, settings: HttpSettings, *, chat: bool) -> Mode:
    chatting = Mode(
        api="chat",
        scoring="text",
        variables=settings.chat_template_kwargs,
        effort=settings.reasoning_effort,
    )
    chat = chat or bool(chatting.variables or chatting.effort)
    if settings.api == "chat" or (settings.api == "auto" and chat):
        return await _generating(client, chatting, settings)
    try:
        return await _completions(client, settings)
    except Rejected as refusal:
        if settings.api == "completions" or refusal.status not in _NO_SUCH_API:
            raise
        return await _generating(client, chatting, settings)


async def _completions(client: Client, settings: HttpSettings) -> Mode:
    mode = Mode(api="completions", scoring="text")
    if settings.scoring in {"auto", "echo"}:
        try:
            body, mode = await _answered(client, mode, settings, continuation=" A")
        except Rejected as refusal:
            if not _no_logprobs(refusal):
                raise
            body = {}
        if _echoes(body):
            return _known(replace(mode, scoring="echo"), body, settings)
        if settings.scoring == "echo":
            raise BackendError(
                f"{settings.url}: the server does not echo log-probabilities. "
                "Leave scoring=echo out."
            )
    return await _generating(client, mode, settings)


async def _generating(client: Client, mode: Mode, settings: HttpSettings) -> Mode:
    """Mode for a server that does not echo.

    First tokens' alternatives when it lists them and the model does not think first, else text.
    """
    wanted = settings.scoring in {"auto", "top"}
    if wanted:
        body, number, mode = await _listing(client, mode, settings)
        if body and (settings.scoring == "top" or not reasons(body)):
            return _known(replace(mode, scoring="top", alternatives=number), body, settings)
        if settings.scoring == "top":
            raise BackendError(
                f"{settings.url}: the server lists no alternatives of the first token. "
                "Leave scoring=top out."
            )
    body, mode = await _answered(client, mode, settings)
    text_of(first_choice(body), ())
    return _known(replace(mode, reasons=mode.reasons or reasons(body)), body, settings)


async def _listing(
    client: Client, mode: Mode, settings: HttpSettings
) -> tuple[Mapping[str, Any], int, Mode]:
    """Answer with as many alternatives as the server gives, their number,
    and the mode that got it.
    """
    tried = list(_ALTERNATIVES)
    while tried:
        number = tried.pop(0)
        try:
            body, mode = await _answered(client, mode, settings, alternatives=number)
        except Rejected as refusal:
            if not _no_logprobs(refusal):
                raise
            named = [int(text) for text in re.findall(r"(?<!\d)\d{1,3}(?!\d)", refusal.detail)]
            tried = [allowed for allowed in tried if allowed < number]
            if limits := [allowed for allowed in named if 1 < allowed < number]:
                tried = [max(limits), *(allowed for allowed in tried if allowed < max(limits))]
            elif not re.search(r"\d|greater|larger|exceed|most|maximum|limit", refusal.detail):
                break  # not a question of how many
            continue
        except Passing as fault:
            if "logprob" not in fault.reason.lower():
                raise
            break
        return (body, number, mode) if _lists(body) else ({}, 0, mode)
    return {}, 0, mode


async def _answered(
    client: Client,
    mode: Mode,
    settings: HttpSettings,
    *,
    continuation: str | None = None,
    alternatives: int = 0,
) -> tuple[Mapping[str, Any], Mode]:
    """Answer to the opening question, and the mode without what the server refuses by name."""
    while True:
        sent = body_for(
            mode,
            settings.model,
            _QUESTION,
            max_tokens=1 if continuation is not None else mode.room(_TOKENS, settings),
            alternatives=alternatives,
            continuation=continuation,
        )
        try:
            body = await client.ask(mode.path, sent, _whole, tries=min(_TRIES, settings.tries))
        except Rejected as refusal:
            relented = _relented(mode, refusal)
            if relented == mode:
                raise
            mode = relented
        else:
            return body, mode


def _whole(body: dict[str, Any]) -> dict[str, Any]:
    """Take an answer as it is, once it holds one."""
    first_choice(body)
    return body


def _relented(mode: Mode, refusal: Rejected) -> Mode:
    """Return the mode without the setting that a refusal names;
    the same mode when it names none.
    """
    said = refusal.detail.lower()
    if mode.limit_name == "max_tokens" and "max_completion_tokens" in said:
        return replace(mode, limit_name="max_completion_tokens")
    if mode.temperature and "temperature" in said:
        # hosted models that take no temperature are those that think first
        return replace(mode, temperature=False, reasons=True)
    if not mode.reasons and "output limit was reached" in said:
        return replace(mode, reasons=True)
    return mode


def _no_logprobs(refusal: Rejected) -> bool:
    """Return whether a refusal can mean that log-probabilities are not given."""
    return refusal.status in {400, 403, 422, 501} or "logprob" in refusal.detail.lower()


async def is_well(client: Client, mode: Mode, settings: HttpSettings, *, choice: bool) -> bool:
    """Return whether the server answers a short known question put as the run puts its own."""
    continuation = " A" if choice and mode.scoring == "echo" else None
    sent = body_for(
        mode,
        settings.model,
        _QUESTION,
        max_tokens=1,
        alternatives=mode.alternatives if choice else 0,
        continuation=continuation,
    )
    try:
        await client.ask(mode.path, sent, _whole, tries=min(_TRIES, settings.tries))
    except (Rejected, Passing, Refused):
        return False
    return True


def _echoes(body: Mapping[str, Any]) -> bool:
    try:
        echo_score(first_choice(body), _QUESTION.text + " A", " A")
    except (Passing, Refused):
        return False
    return True


def _lists(body: Mapping[str, Any]) -> bool:
    """Whether alternatives are listed; what they are does not matter here."""
    return len(listed(first_choice(body))) > 1


def _known(mode: Mode, body: Mapping[str, Any], settings: HttpSettings) -> Mode:
    """Mode with the model and version that answered; another model than asked for is refused."""
    served = str(body.get("model") or "")
    accepted = settings.any_model or settings.azure or same_model(settings.model, served)
    if not accepted:
        raise BackendError(
            f"{settings.url}: was asked for model {settings.model!r} and answers as {served!r}. "
            "Name that one, or accept it with the option any_model=true."
        )
    return replace(mode, served=served, version=version_of(body))


def _digest(rows: list[Any], mode: Mode) -> str:
    """What the list of models says about the version of the one that answers; empty for nothing."""
    for row in rows:
        if isinstance(row, dict) and row.get("id") == mode.served:
            told = [f"{name} {row[name]}" for name in _DIGESTS if isinstance(row.get(name), str)]
            return ", ".join(text for text in told if not text.endswith(" "))
    return ""


def notices_of(mode: Mode, settings: HttpSettings) -> list[str]:
    """Return what a reader of the numbers must know of the way the server is asked."""
    told = given_to(json.loads(mode.variables or "{}"))
    if mode.scoring == "text" and settings.scoring != "text":
        why = (
            "the model thinks before it answers"
            if mode.reasons
            else "the server gives no log-probabilities"
        )
        told.append(
            f"Choices are scored by the text of the answers, because {why}; "
            "scores cannot be compared with those by log-probabilities."
        )
    if not mode.temperature:
        told.append(
            "The server takes no temperature, so its answers are drawn by chance and differ from "
            "one run to the next."
        )
    if mode.reasons:
        told.append(
            "The model thinks before it answers: its thoughts are kept beside the answer, "
            f"and every limit of tokens is raised by {settings.reasoning_tokens} "
            "(reasoning_tokens)."
        )
    return told


def marks_of(mode: Mode, settings: HttpSettings) -> dict[str, str]:
    """Return what tells one way of asking one model from another, as far as it is known."""
    told = {
        "backend": "openai",
        "model": settings.model,
        "served": mode.served,
        "version": mode.version,
        "api": mode.api,
        "scoring": mode.scoring,
        "interface": mode.interface,
        "alternatives": str(mode.alternatives),
        "answer_tokens": str(settings.answer_tokens),
        "temperature": "0" if mode.temperature else "",
        NAME: mode.variables,
        "reasoning_effort": mode.effort,
        "reasoning_tokens": str(settings.reasoning_tokens) if mode.reasons else "",
    }
    return {name: value for name, value in told.items() if value}


def same_model(asked: str, served: str) -> bool:
    """Return whether a served name can be the model asked for.

    Equal, a dated snapshot, without the owner, or not said.

    >>> [same_model("gpt-4o", name) for name in ("gpt-4o-2024-08-06", "", "gpt-4o-mini", "llama")]
    [True, True, False, False]
    """
    if not served or served == asked or served.rpartition("/")[2] == asked.rpartition("/")[2]:
        return True
    rest = served.removeprefix(asked)
    return rest != served and rest[:1] in {"-", "@", ":"} and rest[1:2].isdigit()
