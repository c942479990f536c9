"""A model that reads nothing: it prefers the longest choice,
and writes the longest word of the prompt.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from evalkit.errors import BackendError
from evalkit.records import Ask, ModelSpec, Request, Response

__all__ = ["LongestBackend"]

UNITS = {"letters": len, "words": lambda text: len(text.split())}


class LongestBackend:
    """``longest:letters`` or ``longest:words``.

    Parameters
    ----------
    spec
        `ModelSpec.name` is what stands after the colon.

    Raises
    ------
    BackendError
        When it is no unit of length.
    """

    capabilities = frozenset({"choice", "generate"})
    device = ""

    def __init__(self, spec: ModelSpec) -> None:
        if spec.name not in UNITS:
            raise BackendError(
                f"longest: unit {spec.name!r} is not known; accepted: {', '.join(UNITS)}. "
                "Type longest:letters."
            )
        self.unit = spec.name
        self.stats = {"answered": 0}

    def fingerprint(self) -> Mapping[str, str]:
        """Return everything that can change a response;
        a change of the rule below must raise the version.
        """
        return {"backend": "longest", "unit": self.unit, "version": "1"}

    def run(self, asks: Sequence[Ask]) -> Iterator[Sequence[Response]]:
        """Yield responses in batches of 100; each batch is stored before the next is asked for."""
        for start in range(0, len(asks), 100):
            batch = [self._answer(ask.request) for ask in asks[start : start + 100]]
            self.stats["answered"] += len(batch)
            yield batch

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _answer(self, request: Request) -> Response:
        measure = UNITS[self.unit]
        if request.kind == "generate":
            return Response(
                key=request.key, text=max(request.text.split(), key=measure), finish_reason="stop"
            )
        lengths = [measure(text) for text in request.continuations]
        total = math.log(sum(math.exp(length - max(lengths)) for length in lengths)) + max(lengths)
        return Response(
            key=request.key,
            logprobs=tuple(length - total for length in lengths),
            token_counts=(1,) * len(lengths),
        )
