"""What every engine looks like from the corridor."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from evalkit.errors import BackendError
from evalkit.records import Ask, Hint, Response

__all__ = ["Ask", "Backend", "Hint", "old_protocol", "refuse_old_protocol"]


class Backend(Protocol):
    """An engine that answers requests; a worker, so it holds resources and never serialises.

    Constructors take one `evalkit.records.ModelSpec` and import their engine there, not at module
    level.
    """

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what it can do: ``choice``, ``generate``, ``chat``, ``logits``, ``embed``.

        ``unversioned``: equal fingerprints may hide another model, so answers serve no other run;
        ``told``: answers depend on the hint.
        """
        ...

    def fingerprint(self) -> Mapping[str, str]:
        """Return everything that can change a response.

        Weights, tokenizer, chat template, dtype, revision, options.

        Equal fingerprints mean interchangeable responses; the digest of it is half of the store's
        key.
        """
        ...

    def run(self, asks: Sequence[Ask]) -> Iterator[Sequence[Response]]:
        """Yield responses batch by batch, in any order, each request exactly once.

        A batch is committed as soon as it is yielded. A request that fails for good yields a
        response whose `error` says why; it never yields an empty or placeholder answer.
        """
        ...

    @property
    def stats(self) -> Mapping[str, Any]:
        """Return what was computed, spent and lost so far;
        read before `close`, into the manifest.
        """
        ...

    @property
    def device(self) -> str:
        """Return where it computes, such as ``cuda:0``; empty when it cannot tell."""
        ...

    def close(self) -> None:
        """Release weights and connections."""
        ...


def old_protocol(name: str, why: str) -> BackendError:
    """Return the error for a plug-in that was written for version 0.1.0."""
    return BackendError(
        f"backend {name!r}: {why}, as in evalkit 0.1.0; now `run` takes Asks, "
        "whose `request` is what it took before, and `stats` and `device` are required. "
        "Update the package it comes from, or see 'From version 0.1.0' in docs/extending.md."
    )


def refuse_old_protocol(backend: object, name: str) -> None:
    """Refuse a plug-in whose `run` takes requests, or which lacks `stats` or `device`.

    Raises
    ------
    BackendError
        When it does.
    """
    for part in ("stats", "device"):
        if not hasattr(backend, part):
            raise old_protocol(name, f"has no {part!r}")
    run: Any = getattr(backend, "run", None)
    taken = [str(one.annotation) for one in inspect.signature(run).parameters.values()]
    if any("Request" in annotation for annotation in taken):
        raise old_protocol(name, "its `run` takes Requests")
