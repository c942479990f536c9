"""What every engine looks like from the corridor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from evalkit.records import Request, Response

__all__ = ["Backend", "Hint"]


class Backend(Protocol):
    """An engine that answers requests; a worker, so it holds resources and never serialises.

    Constructors take one `evalkit.records.ModelSpec` and import their engine there, not at module
    level.
    """

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what it can do: ``choice``, ``generate``, ``chat``, ``logits``, ``embed``."""
        ...

    def fingerprint(self) -> Mapping[str, str]:
        """Return everything that can change a response.

        Weights, tokenizer, chat template, dtype, revision, options.

        Equal fingerprints mean interchangeable responses; the digest of it is half of the store's
        key.
        """
        ...

    def run(self, requests: Sequence[Request]) -> Iterator[Sequence[Response]]:
        """Yield responses batch by batch, in any order, each request exactly once.

        A batch is committed as soon as it is yielded. A request that fails for good yields a
        response whose `error` says why; it never yields an empty or placeholder answer.
        """
        ...

    def close(self) -> None:
        """Release weights and connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What a behaviour may know about one request."""

    phrasing_id: str
    """Phrasing of the cell."""
    instance_id: str
    """Instance of the cell."""
    task: str
    """Task of the cell."""
    seen: str
    """Relation of the phrasing to the model."""
    kind: str
    """Kind of the phrasing."""
    target: int | None
    """Position of the target among the continuations."""
    labels: tuple[str, ...]
    """Labels shown."""
    reference: str
    """A right answer as text."""
