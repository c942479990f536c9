"""Requests as bodies of the chat and completions APIs, and what their answers say.

Pure; no network.

Choices are scored in one of four ways:

``tokens``
    Interfaces of llama.cpp and SGLang: by token ids. Exact; see `evalkit.backends.openai.tokens`.
``echo``
    Completions API: prompt and continuation are sent and echoed with the log-probability of every
    token. Exact.
    `evalkit.backends.openai.echo` finds the tokens of the continuation.
``top``
    The first token's most likely alternatives; `evalkit.backends.openai.alternatives` reads them.
``text``
    The server's text, which scoring parses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from evalkit.backends.openai.faults import ODD_TRIES, Passing, Refused
from evalkit.backends.openai.settings import HttpSettings
from evalkit.backends.template_kwargs import NAME
from evalkit.records import Request, seed_of
from evalkit.records.reasoning import cut_at, joined_reasoning, split_reasoning

__all__ = [
    "Mode",
    "answer_limit",
    "body_for",
    "first_choice",
    "reasons",
    "text_of",
    "tokens_used",
    "version_of",
    "yielded",
]

_MOST_TOKENS = 10**9
"""Counts of tokens from here on are no counts."""
MOST_STOPS = 4
"""Stop texts the API takes; further ones are cut here."""
_FINISHED: Mapping[str, Literal["stop", "length"]] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """What a server turned out to be able to do; part of the fingerprint."""

    api: Literal["chat", "completions"]
    """Which of the two APIs is asked."""
    scoring: Literal["tokens", "echo", "top", "text"]
    """How choices are scored."""
    interface: str = ""
    """Server's own interface behind the scoring by tokens; empty for none."""
    limit_name: str = "max_tokens"
    """Name of the field that limits generated tokens (newer chat models:
    ``max_completion_tokens``)."""
    alternatives: int = 0
    """Alternatives asked for per token."""
    served: str = ""
    """Model the server says it answers with."""
    version: str = ""
    """What tells one version of the served model from another; empty where the server does not."""
    temperature: bool = True
    """Whether the server takes a temperature; else answers are drawn as it likes."""
    seed: bool = True
    """Whether the server takes a seed for answers that are drawn, as far as it was asked."""
    stops: Literal["all", "visible", "none"] = "all"
    """Stop texts that the server takes, as far as it was asked: all, those of more than white
    space, or none. The others are looked for in the answer alone."""
    reasons: bool = False
    """Whether the model thinks before it answers."""
    variables: str = ""
    """Variables that the chat template is sent, a JSON object; empty for none."""
    effort: str = ""
    """How much the model is asked to think; empty for the server's default."""

    def room(self, tokens: int, settings: HttpSettings) -> int:
        """Return the tokens asked for when the answer itself may have `tokens`."""
        return tokens + settings.reasoning_tokens if self.reasons else tokens

    @property
    def path(self) -> str:
        """Return the end of the address."""
        return "chat/completions" if self.api == "chat" else "completions"


def body_for(
    mode: Mode,
    model: str,
    request: Request,
    *,
    max_tokens: int,
    alternatives: int = 0,
    continuation: str | None = None,
) -> dict[str, Any]:
    """Return the body that asks one request.

    Parameters
    ----------
    mode, model
        What is asked how.
    request
        The request.
    max_tokens
        Most tokens generated.
    alternatives
        Most likely tokens wanted beside the first; 0 for none.
    continuation
        Continuation to echo with log-probabilities; None to generate.
    """
    body: dict[str, Any] = {"model": model, mode.limit_name: max_tokens}
    if mode.temperature:
        body["temperature"] = request.temperature or 0
        if request.top_p < 1:
            body["top_p"] = request.top_p
        if request.temperature and mode.seed:
            body["seed"] = seed_of(request)
    if mode.api == "chat":
        system = [{"role": "system", "content": request.system}] if request.system else []
        body["messages"] = [*system, {"role": "user", "content": request.text}]
        if mode.effort:
            body["reasoning_effort"] = mode.effort
        if mode.variables:
            body[NAME] = json.loads(mode.variables)
        if alternatives:
            body |= {"logprobs": True, "top_logprobs": alternatives}
    else:
        body["prompt"] = f"{request.system}\n\n{request.text}" if request.system else request.text
        if continuation is not None:
            body |= {"prompt": body["prompt"] + continuation, "echo": True, "logprobs": 1}
        elif alternatives:
            body["logprobs"] = alternatives
    # subtle: a stop text would end the thoughts as well; it is looked for in the answer instead
    if continuation is None and not mode.reasons and mode.stops != "none":
        stops = [stop for stop in request.stop if mode.stops == "all" or stop.strip()]
        if stops:
            body["stop"] = stops[:MOST_STOPS]
    return body


def yielded(mode: Mode, body: Mapping[str, Any], said: str) -> Mode | None:
    """Return the mode without the seed or the stop texts of a body that a refusal names;
    None where it names neither.

    Parameters
    ----------
    mode, body
        How the server is asked, and what was sent.
    said
        What the server said of it.
    """
    if "seed" in body and "seed" in said.lower():
        return replace(mode, seed=False)
    if "stop" in body and re.search(r"\bstop(?:_sequences?)?\b", said.lower()):
        blank = not all(stop.strip() for stop in body["stop"])
        return replace(mode, stops="visible" if blank else "none")
    return None


def first_choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first choice of an answer; raise Passing when there is none."""
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Passing("the answer holds no choices", tries=ODD_TRIES)
    # several were not asked for; where they come all the same, the first is not always at the front
    found: Mapping[str, Any] = next(
        (one for one in choices if isinstance(one, dict) and one.get("index") == 0), choices[0]
    )
    if found.get("finish_reason") == "content_filter":
        raise Refused("content filter")
    return found


def tokens_used(body: Mapping[str, Any]) -> tuple[int, int]:
    """Return prompt and generated tokens as the server counts them; 0 where it does not say."""
    usage = body.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    numbers = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    prompt, generated = (
        value if isinstance(value, int) and 0 <= value < _MOST_TOKENS else 0 for value in numbers
    )
    return prompt, generated


def text_of(
    choice: Mapping[str, Any], stop: Sequence[str]
) -> tuple[str, Literal["", "stop", "length"]]:
    """Return the text of an answer, cut at the first stop text, and why it ended.

    Thoughts that come in a field of their own stand before the answer in ``<think>`` marks, so that
    they are kept and `evalkit.records.reasoning.split_reasoning` takes them off. A refusal in its
    own field is the model's answer. No text because the tokens ran out, or beside thoughts, is an
    empty answer.

    Raises
    ------
    Passing
        When there is no text.
    """
    finish: Literal["", "stop", "length"] = _FINISHED.get(str(choice.get("finish_reason")), "")
    thoughts, content = _spoken(choice)
    if content is None and (finish == "length" or thoughts):
        content = ""
    if not isinstance(content, str):
        raise Passing("the answer holds no text", tries=ODD_TRIES)
    content, ended = cut_at(content, stop)
    if ended:
        finish = "stop"
    return joined_reasoning(thoughts, content), finish


def _spoken(choice: Mapping[str, Any]) -> tuple[str, Any]:
    """Thoughts in fields of their own, and what the answer says; None when it says nothing."""
    message = choice.get("message")
    if not isinstance(message, dict):
        return "", choice.get("text")
    thoughts = [message.get(name) for name in ("reasoning_content", "reasoning", "thinking")]
    content = message.get("content")
    if isinstance(content, list):
        parts = [{"text": part} if isinstance(part, str) else part for part in content]
        parts = [part for part in parts if isinstance(part, dict)]
        thoughts += [_inner(part["thinking"]) for part in parts if "thinking" in part]
        said = [part["text"] for part in parts if isinstance(part.get("text"), str)]
        content = "".join(said) if said else None
    if content is None:
        content = message.get("refusal")
    return next((text for text in thoughts if isinstance(text, str) and text.strip()), ""), content


def _inner(thinking: Any) -> str:
    """Text of a part that holds thoughts, as text or as parts again."""
    if isinstance(thinking, list):
        return "".join(str(part.get("text", "")) for part in thinking if isinstance(part, dict))
    return str(thinking)


def reasons(body: Mapping[str, Any]) -> bool:
    """Return whether an answer shows that the model thinks before it answers."""
    choice = first_choice(body)
    thoughts, content = _spoken(choice)
    usage = body.get("usage")
    details = usage.get("completion_tokens_details") if isinstance(usage, dict) else None
    counted = details.get("reasoning_tokens") if isinstance(details, dict) else None
    inside = isinstance(content, str) and split_reasoning(content)[0]
    return bool(thoughts or inside or counted)


_BUILD = re.compile(r"b\d{3,}(-[0-9a-f]+)?|fp_ollama|(?:[a-z]+-)?v?\d+\.\d+.*")
"""Fingerprints of a server program (llama.cpp, Ollama, text-generation-inference): they stay when
the weights change."""


def version_of(body: Mapping[str, Any]) -> str:
    """Return what an answer says about the version of the model; empty when nothing.

    >>> [version_of({"system_fingerprint": text}) for text in ("fp_1f", "b4321-0abc12", None)]
    ['fp_1f', '', '']
    """
    told = body.get("system_fingerprint")
    return told if isinstance(told, str) and not _BUILD.fullmatch(told) else ""


def answer_limit(labels: Sequence[str], least: int) -> int:
    """Return the tokens a choice may be answered with as text.

    Room for the longest label at two letters a token.
    """
    return min(256, max(least, 2 + max(map(len, labels), default=0) // 2))
