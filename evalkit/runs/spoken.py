"""Messages of a call in Python: options named as its keywords, not as they are typed."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from evalkit.errors import CatalogError, EvalkitError
from evalkit.runs.options import OPTIONS

__all__ = ["in_python", "spoken"]

P = ParamSpec("P")
T = TypeVar("T")


def spoken(function: Callable[P, T]) -> Callable[P, T]:
    """Let the errors of a function name its keywords as they stand in a call: ``limit``,
    not ``--limit``.
    """
    names = set(inspect.signature(function).parameters)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except EvalkitError as error:
            error.args = (in_python(str(error), names),)
            if isinstance(error, CatalogError):
                error.problems = tuple(in_python(problem, names) for problem in error.problems)
            raise

    return call


def in_python(message: str, names: set[str]) -> str:
    """Return a message with options as keywords; a command that may be typed stays as it is.

    Examples
    --------
    >>> in_python("--limit: 0 is not possible", {"limit"})
    'limit: 0 is not possible'
    >>> in_python(
    ...     "Type 'evalkit run --limit 3', or add --available or --budget 0.1.",
    ...     {"limit", "available", "budget"},
    ... )
    "Type 'evalkit run --limit 3', or add available=True or budget=0.1."
    """
    table = {option.name: option for option in OPTIONS}

    def keyword(found: re.Match[str]) -> str:
        name, rest = (found["name"] or "").replace("-", "_"), found["rest"] or ""
        option, value = table.get(name), rest.strip()
        if name not in names:
            return found[0]
        if value[:1].isdigit():
            return f"{name}={value}"
        if option is not None and value in option.accepted:
            return f"{name}={value!r}"
        return (
            f"{name}=True{rest}" if option and option.kind is bool and rest != ":" else name + rest
        )

    return re.sub(
        r"'evalkit [^']*'|(?<![\w-])--(?P<name>[a-z][a-z_-]*)(?P<rest>:| (?:\d+(?:\.\d+)?"
        r"|[a-z]+)\b)?",
        keyword,
        message,
    )
