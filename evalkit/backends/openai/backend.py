"""Any server with the OpenAI interface: ``openai:MODEL@http://host:port/v1[,option=value...]``.

Log-probabilities where the server gives them, generated text otherwise;
`evalkit.backends.openai.answers` says how, and ``docs/http_backend.md`` what happens on every
fault. Not handled here: images, tools, sampling, several keys.
"""

from __future__ import annotations

import asyncio
import os
import queue
import re
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from evalkit.backends.openai.alternatives import (
    THIN_SHARE,
    TopScores,
    letters_only,
    top_scores,
)
from evalkit.backends.openai.answers import (
    Mode,
    answer_limit,
    body_for,
    first_choice,
    text_of,
    tokens_used,
    version_of,
    yielded,
)
from evalkit.backends.openai.client import Client, readable_key
from evalkit.backends.openai.echo import echo_score
from evalkit.backends.openai.faults import Passing, Refused, Rejected, redacted
from evalkit.backends.openai.loop import Answers, cancelled, drained, serve
from evalkit.backends.openai.probe import find_mode, is_well, marks_of, notices_of, same_model
from evalkit.backends.openai.settings import PUBLIC_URL, read_settings
from evalkit.backends.openai.tokens import ByTokens
from evalkit.errors import BackendError
from evalkit.records import Ask, ModelSpec, Request, Response

__all__ = ["OpenAIBackend"]

T = TypeVar("T")


class OpenAIBackend:
    """A served model as a backend.

    Parameters
    ----------
    spec
        `ModelSpec.name` is model and address; options are those of
        `evalkit.backends.openai.settings.HttpSettings`. A chat template ``auto`` means the chat
        API, where the server applies its own.

    Raises
    ------
    BackendError
        When the address or an option is wrong, the server cannot be reached, or it refuses key or
        model.
    ExtraMissingError
        When httpx or tenacity is not installed.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.settings = read_settings(spec)
        name = self.settings.key_env
        self._key = readable_key(os.environ.get(name, ""), name)
        if len(self._key) >= 8 and self._key in self.settings.url:
            raise BackendError(
                f"openai: the address holds the key of {name}, which would stand in messages and "
                "in the manifest. Leave it out of the address; it is sent in a header."
            )
        if not self._key and self.settings.url == PUBLIC_URL:
            raise BackendError(
                f"{PUBLIC_URL}: needs a key; the environment variable {name} is empty. "
                "Set it, or name another server: openai:MODEL@URL."
            )
        self._seen = dict.fromkeys(
            ("requests", "failed", "scored_by_text", "bounded", "thin", "boundary"), 0
        )
        self._seeds = {"sent": 0, "refused": 0}
        self._versions: dict[str, int] = {}
        self._excused: set[str] = set()
        self._straight = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="evalkit-openai", daemon=True
        )
        self._thread.start()
        try:
            self._client = self._wait(self._made())
            self._mode = self._wait(
                find_mode(self._client, self.settings, chat=spec.chat_template == "auto")
            )
            self._tokens = ByTokens(
                self._client,
                self._mode.interface,
                chat=self._mode.api == "chat",
                variables=self._mode.variables,
            )
        # whatever it is, Ctrl-C too, the connection and its thread are closed; it goes on upwards
        except BaseException:
            self.close()
            raise

    async def _made(self) -> Client:
        return Client(self.settings, self._key)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop's thread and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what it can do; ``unversioned`` unless the server tells versions of its model
        apart and all answers came from one.
        """
        version = self._mode.version
        versioned = bool(version) and not set(self._versions) - {version}
        return frozenset(
            {"choice", "generate"}
            | ({"chat"} if self._mode.api == "chat" else set())
            | (set() if versioned else {"unversioned"})
        )

    @property
    def mode(self) -> Mode:
        """Return what the server turned out to be able to do."""
        return self._mode

    @property
    def stats(self) -> Mapping[str, Any]:
        """Return what was sent, spent and lost so far.

        ``attempts``, ``retries``, ``rate_limited``, ``waited`` (seconds), ``prompt_tokens``,
        ``generated_tokens``, ``seeds`` (answers drawn with a seed, ``sent``, and without one
        because the server takes none, ``refused``), ``cost`` where prices are known;
        ``scored_by_text`` counts choices answered by text, ``bounded`` those where a label's
        probability is a bound, ``thin`` those whose labels hold less than half of the probability;
        ``versions`` counts answers by the version of the model that they name.
        """
        return {
            **self._seen,
            **self._client.stats(),
            "api": self._mode.api,
            "scoring": self._mode.scoring,
            "served": self._mode.served,
            "versions": dict(self._versions),
            **({"seeds": dict(self._seeds)} if any(self._seeds.values()) else {}),
        }

    @property
    def notices(self) -> list[str]:
        """Return what a reader of the numbers must know of the way the server is asked."""
        return notices_of(self._mode, self.settings)

    def fingerprint(self) -> Mapping[str, str]:
        """Return everything that can change a response and is known.

        Model as served, its version, and the way of asking. Where the server stands is no part of
        it: a model that moves to another port is the same model.
        """
        return marks_of(self._mode, self.settings)

    @property
    def device(self) -> str:
        """Return nothing: the server does not say what it runs on."""
        return ""

    def run(self, asks: Sequence[Ask]) -> Iterator[Sequence[Response]]:
        """Yield responses as they come; an empty batch when nothing came for a while.

        Raises
        ------
        BackendError
            When the server refuses us, or too many requests in a row fail.
        """
        answers: Answers = queue.SimpleQueue()
        serving = asyncio.run_coroutine_threadsafe(
            serve(
                [ask.request for ask in asks],
                answers,
                respond=self._response,
                concurrency=self.settings.concurrency,
            ),
            self._loop,
        )
        try:
            while True:
                batch, end = drained(answers)
                yield batch
                if isinstance(end, BaseException):
                    raise end
                if end:
                    return
        finally:
            serving.cancel()

    async def _response(self, request: Request) -> Response:
        """Answer one request; what fails for good is said, never made up."""
        self._seen["requests"] += 1
        try:
            response = await (
                self._choice(request)
                if request.kind == "choice"
                else self._text(request, request.max_tokens)
            )
        except Rejected as fault:
            return self._lost(request, await self._excuse(request, fault))
        except (Passing, Refused) as fault:
            return self._lost(request, fault)
        self._straight = 0
        return response

    async def _excuse(self, request: Request, fault: Rejected) -> Refused:
        """Tell a bad request from a bad server:
        by a short known question, asked once per kind of refusal.
        """
        if fault.certain:
            return fault.for_one(fault.detail)
        kind = f"{request.kind} {fault.status} {re.sub('[0-9]+', '#', fault.detail)[:80]}"
        if kind not in self._excused:
            choice = request.kind == "choice"
            if not fault.doubtful or not await is_well(
                self._client, self._mode, self.settings, choice=choice
            ):
                raise fault
            self._excused.add(kind)
        return fault.for_one(fault.detail)

    def _lost(self, request: Request, fault: Passing | Refused) -> Response:
        """Response without an answer; opens the circuit when the server seems to be gone."""
        self._seen["failed"] += 1
        if isinstance(fault, Passing):
            self._straight += 1
            if self._straight >= self.settings.circuit:
                raise BackendError(
                    f"{self.settings.url}: {self._straight} requests in a row failed, "
                    f"the last with: {fault.reason}. "
                    "What was answered is stored; type the same command again when the server is "
                    "back."
                )
        return Response(
            key=request.key, finish_reason="error", error=redacted(fault.reason, self._key)
        )

    async def _asked(
        self, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T]
    ) -> tuple[T, int]:
        """What `read` makes of the first choice of an answer, and the prompt's tokens."""

        def whole(answer: Mapping[str, Any]) -> tuple[T, int]:
            self._check_served(answer)
            return read(first_choice(answer)), tokens_used(answer)[0]

        return await self._client.ask(self._mode.path, body, whole)

    def _check_served(self, answer: Mapping[str, Any]) -> None:
        """Count versions, and end the run when the answers are not all of one model."""
        if version := version_of(answer):
            self._versions[version] = self._versions.get(version, 0) + 1
        served, known = str(answer.get("model") or ""), self._mode.served
        same = served == known if served and known else same_model(self.settings.model, served)
        if not same and not self.settings.any_model:
            raise BackendError(
                f"{self.settings.url}: began to answer as {served!r} where it was "
                f"{known or self.settings.model!r} before, so the answers are not of one model. "
                "Name the model exactly, or accept it with the option any_model=true."
            )

    async def _text(self, request: Request, max_tokens: int) -> Response:
        """Generated text."""
        room = self._mode.room(max_tokens, self.settings)
        body = body_for(self._mode, self.settings.model, request, max_tokens=room)
        try:
            (text, finish), prompt_tokens = await self._asked(
                body, lambda choice: text_of(choice, request.stop)
            )
        except Rejected as refusal:
            mode = yielded(self._mode, body, refusal.detail)
            if mode is None:
                raise
            self._mode = mode
            return await self._text(request, max_tokens)
        self._seeds["sent" if "seed" in body else "refused"] += bool(request.temperature)
        return Response(
            key=request.key,
            text=redacted(text, self._key),
            finish_reason=finish,
            prompt_tokens=prompt_tokens,
        )

    async def _choice(self, request: Request) -> Response:
        """Log-probabilities of the continuations, or the text the server answers with."""
        if self._mode.scoring == "tokens":
            return await self._by_tokens(request)
        if self._mode.scoring == "echo":
            return await self._echoed(request)
        labels = request.continuations
        limit = answer_limit(labels, self.settings.answer_tokens)
        if self._mode.scoring == "text":
            return await self._said(request, limit)
        only = letters_only(labels)
        body = body_for(
            self._mode,
            self.settings.model,
            request,
            max_tokens=1 if only else limit,
            alternatives=self._mode.alternatives,
        )
        found, prompt_tokens = await self._asked(
            body, lambda choice: top_scores(choice, labels) or text_of(choice, ())
        )
        if isinstance(found, TopScores):
            self._seen["bounded"] += found.bounded
            self._seen["thin"] += found.share < THIN_SHARE
            counts = (1,) * len(labels)
            return Response(
                key=request.key,
                logprobs=found.logprobs,
                token_counts=counts,
                prompt_tokens=prompt_tokens,
            )
        if only:  # one token was asked for: too short to be read as an answer
            return await self._said(request, limit)
        self._seen["scored_by_text"] += 1
        return Response(
            key=request.key,
            text=redacted(found[0], self._key),
            finish_reason=found[1],
            prompt_tokens=prompt_tokens,
        )

    async def _by_tokens(self, request: Request) -> Response:
        """Exact log-probabilities by the ids of the choices' tokens."""
        found = await self._tokens.scores(request)
        self._seen["boundary"] += found.boundary
        return Response(
            key=request.key,
            logprobs=found.logprobs,
            token_counts=found.token_counts,
            prompt_tokens=found.prompt_tokens,
            sent=found.sent,
            boundary=found.boundary,
        )

    async def _said(self, request: Request, limit: int) -> Response:
        """Text in answer to a choice, which scoring parses."""
        self._seen["scored_by_text"] += 1
        return await self._text(request, limit)

    async def _echoed(self, request: Request) -> Response:
        """Exact log-probabilities: one echo per continuation.

        White space that ends the prompt goes to the continuation.
        """
        moved = request.text[len(request.text.rstrip()) :]
        scores: list[tuple[float, int, bool]] = []
        prompt_tokens = 0
        for continuation in request.continuations:
            body = body_for(
                self._mode, self.settings.model, request, max_tokens=1, continuation=continuation
            )
            tail, sent = moved + continuation, body["prompt"]

            def read(
                answer: Mapping[str, Any], sent: str = sent, tail: str = tail
            ) -> tuple[tuple[float, int, bool], int]:
                self._check_served(answer)
                return echo_score(first_choice(answer), sent, tail), tokens_used(answer)[0]

            score, whole = await self._client.ask(self._mode.path, body, read)
            scores.append(score)
            prompt_tokens = max(prompt_tokens, whole - score[1], 0)
        boundary = any(crossed for _, _, crossed in scores)
        self._seen["boundary"] += boundary
        return Response(
            key=request.key,
            logprobs=tuple(value for value, _, _ in scores),
            token_counts=tuple(count for _, count, _ in scores),
            prompt_tokens=prompt_tokens,
            boundary=boundary,
        )

    def close(self) -> None:
        """Close connections and end the thread."""
        if self._loop.is_closed():
            return
        if hasattr(self, "_client"):
            self._wait(self._client.close())
        self._wait(cancelled())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
