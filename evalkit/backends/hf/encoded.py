"""A request as token ids, what a model has room for, and the responses that come of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from evalkit.records import Request, Response

__all__ = ["Encoded", "Limits", "portions"]

T = TypeVar("T")
Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a model has room for."""

    prompt: int
    """Most tokens it may see at once; of a prompt, where an encoder reads it."""
    answer: int | None = None
    """Positions of an encoder-decoder's decoder; None for no limit."""
    vocabulary: int | None = None
    """Rows of the embedding; None when it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking(Request):
    """A request whose thoughts do not count as its answer; `max_tokens` holds both."""

    thoughts: int = 0
    """Most tokens of thoughts."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request as token ids."""

    request: Request
    """What was asked."""
    context: Ids = ()
    """Ids of the prompt."""
    tails: tuple[Ids, ...] = ()
    """Ids of every continuation; empty for generation."""
    sent: str = ""
    """Text really sent; empty when it is the request's own."""
    truncated: bool = False
    """Whether the body lost its middle."""
    boundary: bool = False
    """Whether the prompt's ids are not the beginning of the joint ids of some continuation."""
    error: str = ""
    """Why it cannot be asked; empty when it can."""
    most: int | None = None
    """Most tokens that a decoder has positions for; None for no limit."""
    thoughts: int = 0
    """Tokens granted to thoughts beside the answer's own."""

    @property
    def bounded(self) -> Request:
        """Return the request with no more tokens to generate than there are positions,
        and room for thoughts.
        """
        request = self.request
        if self.thoughts:
            given = {item.name: getattr(request, item.name) for item in fields(request)}
            given["max_tokens"] = request.max_tokens + self.thoughts
            return Thinking(**given, thoughts=self.thoughts)
        if self.most is None or request.max_tokens <= self.most:
            return request
        return replace(request, max_tokens=self.most)

    def response(self, **found: Any) -> Response:
        """Return the response with what is known of the prompt."""
        return Response(
            key=self.request.key,
            sent=self.sent,
            truncated=self.truncated,
            boundary=self.boundary,
            prompt_tokens=len(self.context),
            **found,
        )

    def failure(self, error: str) -> Response:
        """Return the response that says why there is no answer."""
        reason = "error" if self.request.kind == "generate" else ""
        return self.response(error=error, finish_reason=reason)

    def scored(self, values: Sequence[float]) -> Response:
        """Return the response to a choice; what is not finite is an error, never a number."""
        if not all(map(math.isfinite, values)):
            return self.failure("nan")
        counts = tuple(map(len, self.tails))
        return self.response(logprobs=tuple(map(float, values)), token_counts=counts)


def portions(
    values: Sequence[T], sizes: Iterable[int], *, characters: int, items: int
) -> Iterator[Sequence[T]]:
    """Yield runs of `values` of at most `items` each and,
    but for single ones, at most `characters` by their `sizes`.

    Examples
    --------
    >>> list(portions("abcd", [3, 1, 1, 9], characters=4, items=3))
    ['ab', 'c', 'd']
    """
    start = total = 0
    for place, size in enumerate(sizes):
        if place > start and (total + size > characters or place - start == items):
            yield values[start:place]
            start, total = place, 0
        total += size
    if start < len(values):
        yield values[start:]
