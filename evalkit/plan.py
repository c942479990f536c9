"""Room 3: prompts -> unique requests, and which request answers which cell. Pure.

Two cells with the same text (a perturbation that changed nothing for this instance, a repeated question, two suites that
overlap) are one request. Sharing of token prefixes is the backend's business: it knows the tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evalkit.records import Prompt, Request

__all__ = ["Plan", "make_plan", "request_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Unique requests and the map from cells to them."""

    requests: tuple[Request, ...]
    """Each request once, in order of first use."""
    index: tuple[int, ...]
    """For every prompt, the position of its request."""

    @property
    def keys(self) -> list[str]:
        """Return the key of every unique request."""
        return [request.key for request in self.requests]


def request_of(prompt: Prompt) -> Request:
    """Return what a backend is asked for one prompt."""
    return Request(
        kind=prompt.kind,
        text=prompt.text,
        system=prompt.system,
        continuations=prompt.continuations,
        body=prompt.body,
        max_tokens=prompt.max_tokens,
        stop=prompt.stop,
    )


def make_plan(prompts: Iterable[Prompt]) -> Plan:
    """Return the unique requests of prompts.

    Parameters
    ----------
    prompts
        In cell order: phrasing by phrasing, instances in task order.
    """
    position: dict[Request, int] = {}
    index = [position.setdefault(request_of(prompt), len(position)) for prompt in prompts]
    return Plan(requests=tuple(position), index=tuple(index))
