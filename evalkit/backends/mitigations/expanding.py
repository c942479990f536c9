"""A backend that asks other requests in place of each request, and puts their responses together.

`ExpandingBackend` is the one worker behind every mitigation that needs no look inside the engine:
two functions say what is asked and how the answers combine. Inner requests are unique and go to the
engine together, so that it can share work between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

from evalkit.backends.base import Backend
from evalkit.backends.mitigations.options import under
from evalkit.errors import BackendError
from evalkit.records import Alternates, Ask, Request, Response

__all__ = ["ExpandingBackend", "with_body"]


def first(request: Request, responses: Sequence[Response]) -> Response:
    """Return the only response, for what is asked in place of a request once."""
    return responses[0]


def with_body(request: Request, text: str) -> Request:
    """Return the request with another text in place of the question."""
    start, end = request.body
    return replace(
        request,
        text=request.text[:start] + text + request.text[end:],
        body=(start, start + len(text)),
    )


class ExpandingBackend:
    """A mitigation around a backend.

    Parameters
    ----------
    inner
        The backend.
    label
        Name and options in one form; enters the fingerprint.
    expand
        (request, alternates) -> what is asked in its place; alternates are the same instance in
        other words.
    combine
        (request, responses in the order asked) -> the response.
    needs
        Capabilities of the inner backend it cannot do without.
    alternates
        How many alternates `expand` wants.

    Raises
    ------
    BackendError
        When the inner backend lacks what the mitigation needs.
    """

    def __init__(
        self,
        inner: Backend,
        label: str,
        expand: Callable[[Request, Sequence[Request]], Sequence[Request]],
        combine: Callable[[Request, Sequence[Response]], Response] = first,
        *,
        needs: frozenset[str] = frozenset(),
        alternates: int = 0,
    ) -> None:
        lacking = needs - inner.capabilities
        if lacking:
            raise BackendError(
                f"--mitigation {label}: the backend cannot "
                f"{' and '.join(sorted(lacking))}, which it needs. "
                "Use another backend or leave the mitigation out."
            )
        self._inner = inner
        self._label, self._expand, self._combine = label, expand, combine
        self._alternates = alternates
        self._asked = self._answered = 0

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what the inner backend can do, less its inner workings."""
        return self._inner.capabilities - {"logits", "embed"}

    @property
    def stats(self) -> dict[str, Any]:
        """Return the inner counters, and how many requests the engine got per request asked for.

        The cost of the mitigation.
        """
        return {
            **self._inner.stats,
            f"cost of {self._label}": self._asked / self._answered if self._answered else None,
        }

    @property
    def notices(self) -> Sequence[str]:
        """Return what the inner backend wants to have said."""
        return getattr(self._inner, "notices", ())

    @property
    def device(self) -> str:
        """Return the device of the inner backend."""
        return self._inner.device

    def fingerprint(self) -> Mapping[str, str]:
        """Return the inner fingerprint and the mitigation; several stand in order."""
        return under(self._inner.fingerprint(), self._label)

    def run(self, asks: Sequence[Ask]) -> Iterator[Sequence[Response]]:
        """Yield combined responses as soon as all parts of them are there."""
        parts = {ask.request.key: self._parts(ask) for ask in asks}
        waiting: dict[str, list[Request]] = {}
        for ask in asks:
            for part in parts[ask.request.key]:
                waiting.setdefault(part.request.key, []).append(ask.request)
        unique = {part.request.key: part for asked in parts.values() for part in asked}
        self._asked += len(unique)
        self._answered += len(asks)
        here: dict[str, Response] = {}
        for batch in self._inner.run(list(unique.values())):
            for response in batch:
                here[response.key] = response
            ready = {
                request.key: request
                for response in batch
                for request in waiting.pop(response.key, [])
            }
            finished = [
                self._combined(request, [here[part.request.key] for part in parts[key]])
                for key, request in ready.items()
                if all(part.request.key in here for part in parts[key])
            ]
            if finished:
                yield finished

    def _parts(self, ask: Ask) -> list[Ask]:
        """Return what is asked in place of a request.

        A part is about the cell of its request, or of the alternate it is; the inner backend gets
        the same part of the alternates beside it.
        """
        others = ask.alternates[: self._alternates]
        hints = {other.request.key: other.hint for other in others}
        asked = self._expand(ask.request, [other.request for other in others])

        def alike() -> list[list[Ask]]:
            found = [self._parts(other) for other in ask.alternates]
            return [parts for parts in found if len(parts) == len(asked)]

        return [
            Ask(part, hints.get(part.key, ask.hint), Alternates(alike, itemgetter(place)))
            for place, part in enumerate(asked)
        ]

    def _combined(self, request: Request, responses: Sequence[Response]) -> Response:
        """Combine; one failed part fails the whole, so that no half answer passes for one."""
        failed = next((response for response in responses if response.error), None)
        if failed is not None:
            return Response(key=request.key, finish_reason="error", error=failed.error)
        combined = self._combine(request, responses)
        tokens = sum(response.prompt_tokens for response in responses)
        return replace(
            combined,
            key=request.key,
            prompt_tokens=tokens,
            truncated=any(response.truncated for response in responses),
        )

    def close(self) -> None:
        """Close the inner backend."""
        self._inner.close()
