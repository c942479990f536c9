"""Requests as bodies of the chat and completions APIs, and what their answers say.

Pure; no network.

Choices are scored in one of three ways:

``echo``
    Completions API: prompt and continuation are sent and echoed with the log-probability of every
    token. Exact.
``top``
    The first token's most likely alternatives. Used when every label is one letter or digit, or
    when every label stands among the alternatives as a whole token; a one-letter label that is not
    among them gets the lowest listed value, an upper bound, so the choice is right and its
    probability bounded.
``text``
    The server's text, which scoring parses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evalkit.backends.openai.faults import ODD_TRIES, Passing, Refused
from evalkit.records import Request

__all__ = [
    "Mode",
    "TopScores",
    "answer_limit",
    "body_for",
    "echo_score",
    "first_choice",
    "letters_only",
    "text_of",
    "tokens_used",
    "top_scores",
]

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
    scoring: Literal["echo", "top", "text"]
    """How choices are scored."""
    limit_name: str = "max_tokens"
    """Name of the field that limits generated tokens (newer chat models:
    ``max_completion_tokens``)."""
    alternatives: int = 0
    """Alternatives asked for per token."""
    served: str = ""
    """Model the server says it answers with."""

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
    """Return the body that asks one request, greedily.

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
    body: dict[str, Any] = {"model": model, "temperature": 0, mode.limit_name: max_tokens}
    if mode.api == "chat":
        system = [{"role": "system", "content": request.system}] if request.system else []
        body["messages"] = [*system, {"role": "user", "content": request.text}]
        if alternatives:
            body |= {"logprobs": True, "top_logprobs": alternatives}
    else:
        body["prompt"] = f"{request.system}\n\n{request.text}" if request.system else request.text
        if continuation is not None:
            body |= {"prompt": body["prompt"] + continuation, "echo": True, "logprobs": 1}
        elif alternatives:
            body["logprobs"] = alternatives
    if request.stop and continuation is None:
        body["stop"] = list(request.stop[:MOST_STOPS])
    return body


def first_choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first choice of an answer; raise Passing when there is none."""
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Passing("the answer holds no choices", tries=ODD_TRIES)
    if choices[0].get("finish_reason") == "content_filter":
        raise Refused("content filter")
    found: Mapping[str, Any] = choices[0]
    return found


def tokens_used(body: Mapping[str, Any]) -> tuple[int, int]:
    """Return prompt and generated tokens as the server counts them; 0 where it does not say."""
    usage = body.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    numbers = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    prompt, generated = (value if isinstance(value, int) and value >= 0 else 0 for value in numbers)
    return prompt, generated


def text_of(
    choice: Mapping[str, Any], api: str, stop: Sequence[str]
) -> tuple[str, Literal["", "stop", "length"]]:
    """Return the text of an answer, cut at the first stop text, and why it ended.

    A refusal in its own field is the model's answer. No text because the tokens ran out is an empty
    answer.

    Raises
    ------
    Passing
        When there is no text.
    """
    finish: Literal["", "stop", "length"] = _FINISHED.get(str(choice.get("finish_reason")), "")
    if api == "chat":
        message = choice.get("message")
        message = message if isinstance(message, dict) else {}
        content = message.get("content")
        if isinstance(content, list):
            content = "".join(
                str(part.get("text", "")) for part in content if isinstance(part, dict)
            )
        if content is None:
            content = message.get("refusal")
    else:
        content = choice.get("text")
    if content is None and finish == "length":
        content = ""
    if not isinstance(content, str):
        raise Passing("the answer holds no text", tries=ODD_TRIES)
    ends = [at for at in (content.find(text) for text in stop if text) if at >= 0]
    if ends:
        return content[: min(ends)], "stop"
    return content, finish


def echo_score(
    choice: Mapping[str, Any], continuation: str, prompt_tokens: int
) -> tuple[float, int, bool]:
    """Return log-probability (nats) and token count of a continuation, and whether a token crossed the boundary.

    The tokens of the continuation are the last ones whose texts join to it; a token that also holds
    the end of the prompt counts whole.

    Parameters
    ----------
    choice
        Choice with echoed log-probabilities.
    continuation
        Text at the end of the prompt that was sent.
    prompt_tokens
        Tokens of the prompt by the server's count; 0 when unknown.

    Raises
    ------
    Passing
        When the tokens do not join to the continuation or carry no number.
    """
    found = choice.get("logprobs")
    tokens = found.get("tokens") if isinstance(found, dict) else None
    values = found.get("token_logprobs") if isinstance(found, dict) else None
    if not isinstance(tokens, list) or not isinstance(values, list) or len(tokens) != len(values):
        raise Passing("the answer holds no log-probabilities of the prompt", tries=ODD_TRIES)
    texts = [str(token) for token in tokens]
    for end in dict.fromkeys((prompt_tokens or len(texts), len(texts) - 1, len(texts))):
        start = _start_of(texts[:end], continuation)
        if start is None:
            continue
        numbers = values[start:end]
        if all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
            return float(sum(numbers)), len(numbers), "".join(texts[start:end]) != continuation
    raise Passing("the echoed tokens do not end with the continuation", tries=ODD_TRIES)


def _start_of(texts: Sequence[str], continuation: str) -> int | None:
    """Index of the first token of the continuation that ends `texts`."""
    joined = ""
    for index in range(len(texts) - 1, 0, -1):
        joined = texts[index] + joined
        if len(joined) >= len(continuation):
            return index if joined.endswith(continuation) else None
    return None


def letters_only(labels: Sequence[str]) -> bool:
    """Return whether every label is one letter or digit, no two the same.

    One token in any vocabulary.

    >>> letters_only([" A", " B"]), letters_only([" (A)", " (B)"])
    (True, False)
    """
    plain = [label.strip() for label in labels]
    return len(set(plain)) == len(plain) and all(
        len(label) == 1 and label.isalnum() and label.isascii() for label in plain
    )


@dataclass(frozen=True, slots=True)
class TopScores:
    """Labels scored by the first token's alternatives."""

    logprobs: tuple[float, ...]
    """Per label, nats."""
    bounded: bool
    """Whether some label was not among the alternatives and got an upper bound."""


def top_scores(choice: Mapping[str, Any], api: str, labels: Sequence[str]) -> TopScores | None:
    """Return the labels' log-probabilities from the first token's alternatives, or None when they do not settle it.

    Alternatives that differ in white space alone are added up.
    """
    listed = _alternatives(choice, api)
    plain = [label.strip() for label in labels]
    if not listed or len(set(plain)) != len(plain):
        return None
    values: dict[str, list[float]] = {}
    for token, value in listed:
        values.setdefault(token.strip().strip("▁Ġ"), []).append(value)
    missing = [label for label in plain if label not in values]
    if len(missing) == len(plain) or (missing and not letters_only(labels)):
        return None
    floor = min(value for _, value in listed)
    return TopScores(
        tuple(_summed(values.get(label, [floor])) for label in plain), bounded=bool(missing)
    )


def _summed(values: Sequence[float]) -> float:
    """Log of the sum of probabilities given as logs."""
    top = max(values)
    return top + math.log(math.fsum(math.exp(value - top) for value in values))


def _alternatives(choice: Mapping[str, Any], api: str) -> list[tuple[str, float]]:
    """Token and log-probability of the first position's alternatives.

    Empty when the server gives none.
    """
    found = choice.get("logprobs")
    if not isinstance(found, dict):
        return []
    pairs: list[tuple[Any, Any]] = []
    if api == "chat":
        content = found.get("content")
        first = content[0] if isinstance(content, list) and content else {}
        tops = first.get("top_logprobs") if isinstance(first, dict) else None
        pairs = [
            (top.get("token"), top.get("logprob")) for top in tops or [] if isinstance(top, dict)
        ]
    else:
        tops = found.get("top_logprobs")
        pairs = (
            list(tops[0].items())
            if isinstance(tops, list) and tops and isinstance(tops[0], dict)
            else []
        )
    # subtle: a value of exactly 0 probability may come as -9999 or -inf; the latter has no place in
    # a sum
    return [
        (str(token), float(value))
        for token, value in pairs
        if isinstance(value, int | float) and math.isfinite(value)
    ]


def answer_limit(labels: Sequence[str], least: int) -> int:
    """Return the tokens a choice may be answered with as text.

    Room for the longest label at two letters a token.
    """
    return min(256, max(least, 2 + max(map(len, labels), default=0) // 2))
