"""A request on its way to an engine, with what belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

from evalkit.records.cells import Request

__all__ = ["Alternates", "Ask", "Hint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What a scripted behaviour may know about one request."""

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
    right: tuple[int, ...] = ()
    """Positions of all continuations that are right."""
    lure: str = ""
    """Answer that something in the prompt misleads to; empty where nothing does."""
    lured: int | None = None
    """Its position among the continuations; None where it is none of them."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request with what some engines want to know beside it; only `request` reaches a model."""

    request: Request
    """What is asked."""
    hint: Hint | None = None
    """What is right, for scripted behaviours; None outside a run."""
    alternates: Sequence[Ask] = ()
    """The same instance under the other correct phrasings of the run, for mitigations that ask
    several wordings; rendered when they are read, so read the first few only."""


class Alternates(Sequence[Ask]):
    """Asks that are found when the first is read and made when each is; a tuple once pickled.

    Parameters
    ----------
    find
        Finds what they are made of.
    make
        Makes one.
    """

    def __init__(self, find: Callable[[], Sequence[Any]], make: Callable[[Any], Ask]) -> None:
        self._find, self._make = find, make

    @cached_property
    def _found(self) -> Sequence[Any]:
        return self._find()

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, index: int) -> Ask: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Ask]: ...
    def __getitem__(self, index: int | slice) -> Ask | Sequence[Ask]:
        if isinstance(index, slice):
            return [self._make(one) for one in self._found[index]]
        return self._make(self._found[index])

    def __reduce__(self) -> tuple[type, tuple[list[Ask]]]:
        return tuple, (list(self),)
