"""llama.cpp's and SGLang's own interfaces: choices of any length by the ids of their tokens. Exact.

The server makes the text of the prompt (llama.cpp, by its own chat template) and its token ids, and
gives the log-probabilities of named tokens behind ids. One request per inner node of the choices'
trie; the server's prefix cache holds the prompt. Not handled here: chat templates of SGLang, which
has no end that renders one.

References
----------
llama.cpp, tools/server/README.md: ``/apply-template``, ``/tokenize``, ``/completion`` (n_probs).
SGLang, docs of the native API: ``/tokenize``, ``/generate`` (token_ids_logprob).
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.backends.choice_trie import Ids, summed, wanted
from evalkit.backends.hf.chat import whole
from evalkit.backends.openai.client import Client
from evalkit.backends.openai.faults import ODD_TRIES, Passing, Refused
from evalkit.backends.template_kwargs import NAME
from evalkit.records import Request

__all__ = ["OWNERS", "ByTokens", "TokenScores"]

OWNERS: Mapping[str, str] = {"llamacpp": "llama.cpp", "sglang": "sglang"}
"""``owned_by`` in a server's list of models -> the interface it has."""
_FEW, _ALL = 512, 1_000_000
"""Most likely tokens asked of llama.cpp at first, and where a wanted one is not among them."""


@dataclass(frozen=True, slots=True)
class TokenScores:
    """Choices of one request."""

    logprobs: tuple[float, ...]
    """Per choice, nats, summed over its tokens."""
    token_counts: tuple[int, ...]
    """Tokens per choice."""
    prompt_tokens: int
    """Tokens of the prompt."""
    sent: str
    """Text of the prompt, behind the chat template."""
    boundary: bool
    """Whether some choice changed the tokens of the prompt's end; they are sliced as by lm-eval."""


class ByTokens:
    """Asks one server by token ids.

    Parameters
    ----------
    client
        Connection to it.
    interface
        ``llama.cpp`` or ``sglang``.
    chat
        Whether prompts go through the server's chat template.
    variables
        What that template is sent beside the messages, a JSON object; empty for nothing.
    """

    def __init__(self, client: Client, interface: str, *, chat: bool, variables: str = "") -> None:
        self._client = client
        self._llama = interface == "llama.cpp"
        self._chat = chat
        self._variables = {NAME: json.loads(variables)} if variables else {}
        self._model: Any = None

    async def scores(self, request: Request) -> TokenScores:
        """Return the log-probabilities of a request's continuations.

        Raises
        ------
        Refused
            When a continuation has no token of its own, or two are the same tokens.
        Passing, BackendError
            As `Client.ask`.
        """
        text = await self.rendered(request)
        context = text if self._chat else text.rstrip()
        space = text[len(context) :]
        tails = [
            space + (tail.removeprefix(" ") if self._chat else tail)
            for tail in request.continuations
        ]
        prompt, *joint = await self.encoded([context, *(context + tail for tail in tails)])
        choices = [ids[len(prompt) :] for ids in joint]
        _check(request.continuations, choices)
        return TokenScores(
            logprobs=summed(choices, await self._values(prompt, choices)),
            token_counts=tuple(map(len, choices)),
            prompt_tokens=len(prompt),
            sent=text if text != request.text else "",
            boundary=any(ids[: len(prompt)] != prompt for ids in joint),
        )

    async def _values(self, prompt: Ids, choices: Sequence[Ids]) -> dict[Ids, dict[int, float]]:
        """What is wanted at every node; the root first,
        so that the others find the prompt cached.
        """
        nodes = wanted(choices)
        first = await self.behind(prompt, nodes[()])
        later = [node for node in nodes if node]
        found = await asyncio.gather(
            *(self.behind((*prompt, *node), nodes[node]) for node in later)
        )
        return {(): first, **dict(zip(later, found, strict=True))}

    async def rendered(self, request: Request) -> str:
        """Return the text that a prompt becomes;
        the system message moves where the template drops it.
        """
        joined = f"{request.system}\n\n{request.text}" if request.system else request.text
        if not self._chat:
            return joined
        user = {"role": "user", "content": request.text}
        ways = (
            [[{"role": "system", "content": request.system}, user]] if request.system else []
        ) + [[{"role": "user", "content": joined}]]
        for messages in ways:
            body = {"messages": messages, **self._variables}
            text = await self._client.ask("/apply-template", body, _prompt)
            if whole(text, request.system, request.text):
                return text
        raise Refused("the chat template leaves out a part of the prompt")

    async def encoded(self, texts: Sequence[str]) -> list[Ids]:
        """Return the token ids that the server gives texts, with its start token."""
        if self._llama:
            bodies = [
                {"content": text, "add_special": True, "parse_special": True} for text in texts
            ]
            asked = (self._client.ask("/tokenize", body, _ids) for body in bodies)
            return list(await asyncio.gather(*asked))
        body = {"prompt": list(texts), "add_special_tokens": True}
        found = await self._client.ask("/tokenize", body, _lists_of_ids)
        if len(found) != len(texts):
            raise Passing("the server gives ids of other texts than were sent", tries=ODD_TRIES)
        return found

    async def behind(self, ids: Ids, tokens: Ids) -> dict[int, float]:
        """Return the log-probabilities, nats, of tokens behind ids."""
        if not self._llama:
            body = {
                "input_ids": list(ids),
                "sampling_params": {"max_new_tokens": 1, "temperature": 0},
                "return_logprob": True,
                "logprob_start_len": -1,
                "token_ids_logprob": list(tokens),
            }
            return _chosen(await self._client.ask("/generate", body, _named), tokens)
        for number in (_FEW, _ALL):
            body = {
                "prompt": list(ids),
                "n_predict": 1,
                "n_probs": number,
                "temperature": 0,
                "cache_prompt": True,
            }
            found = await self._client.ask("/completion", body, self._likeliest)
            if all(token in found for token in tokens):
                break
        return _chosen(found, tokens)

    def _likeliest(self, answer: Mapping[str, Any]) -> dict[int, float]:
        """Token ids and log-probabilities of llama.cpp's answer, always of one model."""
        model = answer.get("model")
        self._model = model if self._model is None else self._model
        if model != self._model:
            raise Refused(f"the server began to answer as {model!r} instead of {self._model!r}")
        places = answer.get("completion_probabilities")
        first = places[0] if isinstance(places, list) and places else None
        rows = first.get("top_logprobs") if isinstance(first, dict) else None
        return _numbers(
            (row.get("id"), row.get("logprob"))
            for row in (rows if isinstance(rows, list) else [])
            if isinstance(row, dict)
        )


def _check(choices: Sequence[str], ids: Sequence[Ids]) -> None:
    """Refuse choices that are no tokens, or the same ones."""
    said: dict[Ids, str] = {}
    for choice, tail in zip(choices, ids, strict=True):
        if not tail:
            raise Refused(f"continuation {choice!r} has no token of its own")
        if said.setdefault(tail, choice) != choice:
            raise Refused(f"choices {said[tail]!r} and {choice!r} are the same tokens")


def _chosen(found: Mapping[int, float], tokens: Ids) -> dict[int, float]:
    if any(token not in found for token in tokens):
        raise Refused("the server gives no log-probability of a choice's token")
    return {token: found[token] for token in tokens}


def _prompt(answer: Mapping[str, Any]) -> str:
    if not isinstance(text := answer.get("prompt"), str):
        raise Passing("the server renders no prompt", tries=ODD_TRIES)
    return text


def _ids(answer: Mapping[str, Any]) -> Ids:
    return _as_ids(answer.get("tokens"))


def _lists_of_ids(answer: Mapping[str, Any]) -> list[Ids]:
    found = answer.get("tokens")
    return [_as_ids(row) for row in (found if isinstance(found, list) else [])]


def _as_ids(found: Any) -> Ids:
    if not isinstance(found, list) or not all(type(token) is int for token in found):
        raise Passing("the server gives no token ids", tries=ODD_TRIES)
    return tuple(found)


def _named(answer: Mapping[str, Any]) -> dict[int, float]:
    """Token ids and log-probabilities of SGLang's answer: rows of (log-probability, id, text)."""
    told = answer.get("meta_info")
    places = told.get("output_token_ids_logprobs") if isinstance(told, dict) else None
    rows = places[0] if isinstance(places, list) and places else None
    return _numbers(
        (row[1], row[0])
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, list) and len(row) > 1
    )


def _numbers(pairs: Any) -> dict[int, float]:
    """Pairs of which both are what they should be."""
    return {
        token: float(value)
        for token, value in pairs
        if type(token) is int
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value <= 1e-3
    }
