"""A backend that asks other requests in place of each request, and puts their responses together.

`ExpandingBackend` is the one worker behind every mitigation that needs no look inside the engine:
the two functions `Expansion` holds say what is asked and how the answers combine. Inner requests
are unique and go to the engine together, so that it can share work between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from evalkit.backends.base import Backend
from evalkit.errors import BackendError
from evalkit.records import Alternates, Ask, Request, Response

__all__ = ["ExpandingBackend", "Expansion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """What a mitigation does to requests."""

    label: str
    """Name and options in one form; enters the fingerprint."""
    needs: frozenset[str]
    """Capabilities of the inner backend it cannot do without."""
    expand: Callable[[Request, Sequence[Request]], Sequence[Request]]
    """(request, alternates) -> what is asked in its place; alternates are the same instance in
    other words."""
    combine: Callable[[Request, Sequence[Response]], Response]
    """(request, responses in the order asked) -> the response."""
    alternates: int = 0
    """How many alternates `expand` wants."""


class ExpandingBackend:
    """A mitigation around a backend.

    Parameters
    ----------
    inner
        The backend.
    expansion
        What is done.

    Raises
    ------
    BackendError
        When the inner backend lacks what the mitigation needs.
    """

    def __init__(self, inner: Backend, expansion: Expansion) -> None:
        lacking = expansion.needs - inner.capabilities
        if lacking:
            raise BackendError(
                f"--mitigation {expansion.label}: the backend cannot "
                f"{' and '.join(sorted(lacking))}, which it needs. "
                "Use another backend or leave the mitigation out."
            )
        self._inner = inner
        self._expansion = expansion
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
            f"cost of {self._expansion.label}": self._asked / self._answered
            if self._answered
            else None,
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
        inner = dict(self._inner.fingerprint())
        before = inner.pop("mitigations", "")
        return {
            **inner,
            "mitigations": f"{before} | {self._expansion.label}"
            if before
            else self._expansion.label,
        }

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
        others = ask.alternates[: self._expansion.alternates]
        hints = {other.request.key: other.hint for other in others}
        asked = self._expansion.expand(ask.request, [other.request for other in others])

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
        combined = self._expansion.combine(request, responses)
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
