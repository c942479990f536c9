"""A backend that asks other requests in place of each request, and puts their responses together.

`ExpandingBackend` is the one worker behind every mitigation that needs no look inside the engine:
the two functions `Expansion` holds say what is asked and how the answers combine. Inner requests
are unique and go to the engine together, so that it can share work between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalkit.backends.base import Backend
from evalkit.errors import BackendError
from evalkit.records import Request, Response

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
                f"--mitigation {expansion.label}: the backend cannot {' and '.join(sorted(lacking))}, which it needs. Use another backend or leave the mitigation out."
            )
        self._inner = inner
        self._expansion = expansion
        self._hints: dict[str, Any] = {}
        self._alternates: dict[str, tuple[Request, ...]] = {}
        self._asked = self._answered = 0

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what the inner backend can do, less its inner workings.

        ``alternates`` when other phrasings are wanted.
        """
        kept = self._inner.capabilities - {"logits", "embed"}
        return kept | (
            {"alternates"} if self._expansion.alternates or "alternates" in kept else set()
        )

    @property
    def n_alternates(self) -> int:
        """Return how many alternates are wanted."""
        return max(self._expansion.alternates, getattr(self._inner, "n_alternates", 0))

    @property
    def stats(self) -> dict[str, Any]:
        """Return the inner counters, and how many requests the engine got per request asked for.

        The cost of the mitigation.
        """
        inner = dict(getattr(self._inner, "stats", None) or {})
        return {
            **inner,
            f"cost of {self._expansion.label}": self._asked / self._answered
            if self._answered
            else None,
        }

    @property
    def device(self) -> str:
        """Return the device of the inner backend."""
        return str(getattr(self._inner, "device", ""))

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

    def learn(self, hints: Mapping[str, Any]) -> None:
        """Take in what scripted behaviours may know."""
        self._hints.update(hints)

    def relate(self, alternates: Mapping[str, tuple[Request, ...]]) -> None:
        """Take in the same instance in other words, by request key."""
        self._alternates.update(alternates)

    def run(self, requests: Sequence[Request]) -> Iterator[Sequence[Response]]:
        """Yield combined responses as soon as all parts of them are there."""
        parts: dict[str, list[Request]] = {}
        waiting: dict[str, list[Request]] = {}
        for request in requests:
            others = self._alternates.pop(request.key, ())[: self._expansion.alternates]
            asked = list(self._expansion.expand(request, others))
            parts[request.key] = asked
            for part in asked:
                waiting.setdefault(part.key, []).append(request)
        unique = list({part.key: part for asked in parts.values() for part in asked}.values())
        self._explain(parts, unique)
        self._asked += len(unique)
        self._answered += len(requests)
        here: dict[str, Response] = {}
        for batch in self._inner.run(unique):
            for response in batch:
                here[response.key] = response
            ready = {
                request.key: request
                for response in batch
                for request in waiting.pop(response.key, [])
            }
            finished = [
                request
                for request in ready.values()
                if all(part.key in here for part in parts[request.key])
            ]
            if finished:
                yield [
                    self._combined(request, [here[part.key] for part in parts[request.key]])
                    for request in finished
                ]

    def _explain(self, parts: Mapping[str, Sequence[Request]], unique: Sequence[Request]) -> None:
        """Hand hints and alternates on: a part is about the same cell as its request."""
        if "oracle" in self._inner.capabilities:
            hints = {
                part.key: self._hints.get(part.key, self._hints[key])
                for key, asked in parts.items()
                for part in asked
                if key in self._hints
            }
            self._inner.learn(hints)  # type: ignore[attr-defined]  # offered by the capability

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
