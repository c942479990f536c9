"""What a server can do, found out with at most a few requests of a handful of tokens before the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from evalkit.backends.openai.answers import (
    Mode,
    body_for,
    echo_score,
    first_choice,
    text_of,
    top_scores,
)
from evalkit.backends.openai.client import Client
from evalkit.backends.openai.faults import Passing, Refused, Rejected
from evalkit.backends.openai.settings import HttpSettings
from evalkit.errors import BackendError
from evalkit.records import Request

__all__ = ["find_mode", "same_model"]

_QUESTION = Request(kind="generate", text="Reply with the letter A.")
_TRIES = 3
_CHAT_ALTERNATIVES = 20
_COMPLETIONS_ALTERNATIVES = 5
_NO_SUCH_API = frozenset({400, 404, 405, 422})


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
        if settings.api == "chat" or (settings.api == "auto" and chat):
            return await _chat(client, settings)
        try:
            return await _completions(client, settings)
        except Rejected as refusal:
            if settings.api == "completions" or refusal.status not in _NO_SUCH_API:
                raise
            return await _chat(client, settings)
    except (Passing, Refused) as fault:
        raise BackendError(
            f"{settings.url}: gives no usable answer ({fault.reason}). Check the address, and that the server runs; then type the same command again."
        ) from None


async def _completions(client: Client, settings: HttpSettings) -> Mode:
    mode = Mode(api="completions", scoring="text")
    if settings.scoring in {"auto", "echo"}:
        body = await _tried(client, mode, settings, continuation=" A")
        if body is not None and _echoes(body):
            return replace(mode, scoring="echo", served=_served(body, settings))
        if settings.scoring == "echo":
            raise BackendError(
                f"{settings.url}: the server does not echo log-probabilities. Leave scoring=echo out."
            )
    return await _generating(client, mode, settings, alternatives=_COMPLETIONS_ALTERNATIVES)


async def _chat(client: Client, settings: HttpSettings) -> Mode:
    mode = Mode(api="chat", scoring="text")
    try:
        return await _generating(client, mode, settings, alternatives=_CHAT_ALTERNATIVES)
    except Rejected as refusal:
        if "max_completion_tokens" not in refusal.detail:
            raise
    return await _generating(
        client,
        replace(mode, limit_name="max_completion_tokens"),
        settings,
        alternatives=_CHAT_ALTERNATIVES,
    )


async def _generating(
    client: Client, mode: Mode, settings: HttpSettings, *, alternatives: int
) -> Mode:
    """Mode for a server that does not echo.

    First tokens' alternatives when it lists them, else text.
    """
    if settings.scoring in {"auto", "top"}:
        body = await _tried(client, mode, settings, alternatives=alternatives)
        if body is not None and _lists(body, mode.api):
            return replace(
                mode, scoring="top", alternatives=alternatives, served=_served(body, settings)
            )
        if settings.scoring == "top":
            raise BackendError(
                f"{settings.url}: the server lists no alternatives of the first token. Leave scoring=top out."
            )

    def read(body: dict[str, Any]) -> Mode:
        text_of(first_choice(body), mode.api, ())
        return replace(mode, served=_served(body, settings))

    return await client.ask(
        mode.path,
        body_for(mode, settings.model, _QUESTION, max_tokens=1),
        read,
        tries=min(_TRIES, settings.tries),
    )


async def _tried(
    client: Client,
    mode: Mode,
    settings: HttpSettings,
    *,
    continuation: str | None = None,
    alternatives: int = 0,
) -> Mapping[str, Any] | None:
    """Answer to a request for log-probabilities; None when the server refuses to give them."""
    sent = body_for(
        mode,
        settings.model,
        _QUESTION,
        max_tokens=1,
        alternatives=alternatives,
        continuation=continuation,
    )
    try:
        return await client.ask(
            mode.path, sent, lambda body: body, tries=min(_TRIES, settings.tries)
        )
    except Rejected as refusal:
        if refusal.status not in {400, 422} or "max_completion_tokens" in refusal.detail:
            raise
        return None


def _echoes(body: Mapping[str, Any]) -> bool:
    try:
        echo_score(first_choice(body), " A", 0)
    except (Passing, Refused):
        return False
    return True


def _lists(body: Mapping[str, Any], api: Literal["chat", "completions"]) -> bool:
    """Whether alternatives are listed; what they are does not matter here."""
    try:
        choice = first_choice(body)
    except (Passing, Refused):
        return False
    found = choice.get("logprobs")
    listed = (
        found.get("content" if api == "chat" else "top_logprobs")
        if isinstance(found, dict)
        else None
    )
    return (
        isinstance(listed, list)
        and bool(listed)
        and top_scores(choice, api, _names(listed[0], api)) is not None
    )


def _names(first: Any, api: Literal["chat", "completions"]) -> list[str]:
    """Tokens listed at the first position, one of each spelling."""
    tops = (
        first
        if api == "completions"
        else [top.get("token") for top in first.get("top_logprobs") or []]
        if isinstance(first, dict)
        else []
    )
    return list(dict.fromkeys(str(token).strip() for token in tops or []))[:1]


def _served(body: Mapping[str, Any], settings: HttpSettings) -> str:
    """Model that answered; another one than asked for is refused."""
    served = str(body.get("model") or "")
    if not settings.any_model and not same_model(settings.model, served):
        raise BackendError(
            f"{settings.url}: was asked for model {settings.model!r} and answers as {served!r}. Name that one, or accept it with the option any_model=true."
        )
    return served


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
