"""JSON -> record, strictly: every field there, of its type, and none that is not known.

The types are those of the record's own annotations, so that a record is declared once.

Not handled here: what a value means (a digest that is none, an interval of 300 %).
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

__all__ = ["ShapeError", "record_of"]

T = TypeVar("T")
_Reader = Callable[[Any], Any]
LONGEST = 60
"""Characters of a wrong value that are shown."""
_ABSENT = object()
_PLAIN: dict[Any, str] = {str: "text", int: "a whole number", bool: "true or false"}


class ShapeError(ValueError):
    """A value is not of the type its field has; says which field, what it is, what is accepted."""

    def __init__(self, value: Any, accepted: str) -> None:
        super().__init__()
        self.path: tuple[str, ...] = ()
        shown = "not there" if value is _ABSENT else repr(value)
        self.value = shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}..."
        self.accepted = accepted

    def below(self, name: object) -> ShapeError:
        """Return the same error, found one level further down."""
        self.path = (str(name), *self.path)
        return self

    def __str__(self) -> str:
        return f"{'.'.join(self.path) or 'the whole'} is {self.value}; {self.accepted} is expected"


def record_of(kind: type[T], value: Any) -> T:
    """Return the record that a JSON value spells.

    Parameters
    ----------
    kind
        A dataclass whose fields are text, numbers, tuples, mappings, other dataclasses, or unions
        of these.
    value
        As `json.loads` returns it: lists stand for tuples.

    Raises
    ------
    ShapeError
        When a field is absent (and has no default), is not known, or is of another type.

    Examples
    --------
    >>> from evalkit.records import Source
    >>> record_of(Source, {"local": 3})
    Traceback (most recent call last):
    evalkit.records.reading.ShapeError: local is 3; text is expected
    """
    reader: Callable[[Any], T] = _reader(cast(Any, kind))
    return reader(value)


@cache
def _reader(kind: Any) -> _Reader:
    """Return what reads one type; made once, since a run holds thousands of rows of few types."""
    if kind is Any:
        return lambda value: value
    if kind in _PLAIN:
        return _plain(kind)
    if kind is float:
        return _number
    if kind is None or kind is type(None):
        return _nothing
    if dataclasses.is_dataclass(kind):
        return _record(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return _one_of(arguments)
    if origin in {Union, types.UnionType}:
        return _any_of(arguments)
    if origin is tuple:
        return _tuple(arguments)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(arguments[1])
    raise TypeError(f"a record cannot be read into a field of type {kind!r}")


def _plain(kind: Any) -> _Reader:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise ShapeError(value, _PLAIN[kind])
        return value

    return read


def _number(value: Any) -> float:
    if type(value) not in {int, float}:
        raise ShapeError(value, "a number")
    return float(value)


def _nothing(value: Any) -> None:
    if value is not None:
        raise ShapeError(value, "null")


def _one_of(accepted: tuple[Any, ...]) -> _Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, str) or value not in accepted:
            raise ShapeError(value, f"one of {', '.join(map(str, accepted))}")
        return value

    return read


def _any_of(kinds: tuple[Any, ...]) -> _Reader:
    readers = [_reader(kind) for kind in kinds]

    def read(value: Any) -> Any:
        errors = []
        for reader in readers:
            try:
                return reader(value)
            except ShapeError as error:
                errors.append(error)
        deepest = max(errors, key=lambda error: len(error.path))
        if deepest.path:
            raise deepest
        raise ShapeError(value, " or ".join(error.accepted for error in errors))

    return read


def _tuple(kinds: tuple[Any, ...]) -> _Reader:
    endless = len(kinds) == 2 and kinds[1] is Ellipsis
    readers = [_reader(kind) for kind in kinds[: 1 if endless else None]]

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise ShapeError(value, "a list")
        if not endless and len(value) != len(readers):
            raise ShapeError(value, f"a list of {len(readers)}")
        found = []
        for place, item in enumerate(value):
            try:
                found.append(readers[0 if endless else place](item))
            except ShapeError as error:
                raise error.below(place) from None
        return tuple(found)

    return read


def _mapping(kind: Any) -> _Reader:
    reader = _reader(kind)

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ShapeError(value, "an object")
        found = {}
        for name, item in value.items():
            try:
                found[name] = reader(item)
            except ShapeError as error:
                raise error.below(name) from None
        return found

    return read


def _record(kind: Any) -> _Reader:
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    readers = {name: _reader(hints[name]) for name in fields}
    needed = {
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise ShapeError(value, "an object")
        found = {}
        for name, item in value.items():
            if name not in readers:
                raise ShapeError(item, "no such field (a later evalkit may know it)").below(name)
            try:
                found[name] = readers[name](item)
            except ShapeError as error:
                raise error.below(name) from None
        for name in fields:
            if name in needed and name not in found:
                raise ShapeError(_ABSENT, "a value").below(name)
        return kind(**found)

    return read
