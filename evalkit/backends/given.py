"""A model given as an object in Python: a backend of the user's own, a function of a request,
or a Transformers model.

A function is asked one request at a time and returns text, or a `Response` with log-probabilities.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

from evalkit.backends.base import Ask, Backend, refuse_old_protocol
from evalkit.errors import BackendError, UsageError
from evalkit.records import ModelSpec, Request, Response, digest

__all__ = ["FunctionBackend", "Lent", "as_backend", "spec_of"]

Function: TypeAlias = Callable[[Request], "str | Response"]
PROTOCOL = ("capabilities", "fingerprint", "run", "close")
"""What tells a backend from a function."""


class FunctionBackend:
    """A function of a request as a backend.

    Parameters
    ----------
    function
        Takes a `Request` and returns text, from which a choice is read by its label, or a
        `Response` with the request's ``key``.

    Notes
    -----
    What a function computes cannot be told from outside, and may change between two calls. So its
    fingerprint is drawn anew for every run: its answers are never taken for those of another run.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._asked = 0
        self._drawn = uuid.uuid4().hex
        self.spec = ModelSpec(
            backend="function",
            name=f"{_name(function)}-{self._drawn[:12]}",
            label=_name(function),
        )
        self.device = ""

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what it can do."""
        return frozenset({"choice", "generate", "chat"})

    @property
    def stats(self) -> Mapping[str, Any]:
        """Return the number of requests asked."""
        return {"requests": self._asked}

    def fingerprint(self) -> Mapping[str, str]:
        """Return the name of the function and what was drawn for this run."""
        return {"backend": "function", "name": _name(self._function), "drawn": self._drawn}

    def run(self, asks: Sequence[Ask]) -> Iterator[Sequence[Response]]:
        """Yield one response at a time; what the function raises goes on upwards.

        Raises
        ------
        BackendError
            When the function returns something else than text or a response to its request.
        """
        for ask in asks:
            self._asked += 1
            yield [_answered(ask.request, self._function(ask.request), _name(self._function))]

    def close(self) -> None:
        """Hold nothing."""


def _answered(request: Request, said: Any, name: str) -> Response:
    if isinstance(said, Response) and said.key == request.key:
        return said
    if not isinstance(said, str):
        what = "a response with another key" if isinstance(said, Response) else repr(said)[:60]
        raise BackendError(
            f"{name}: returned {what}; text, or evalkit.Response(key=request.key, ...), "
            "is accepted."
        )
    ends = [said.index(stop) for stop in request.stop if stop and stop in said]
    return Response(key=request.key, text=said[: min(ends)] if ends else said, finish_reason="stop")


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__)).strip("<>")


class Lent:
    """A backend that belongs to the caller: everything is handed on, but it is left open.

    Parameters
    ----------
    backend
        The caller's.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def close(self) -> None:
        """Leave it to its owner."""


def as_backend(model: Any, **reading: Any) -> Backend:
    """Return a model given as an object as a backend.

    Parameters
    ----------
    model
        A backend, which stays open afterwards; a function of a `Request`; or a pair of a
        Transformers model and its tokenizer, which stay as they are.
    **reading
        ``batch_size`` and ``chat_template`` of a Transformers model; nothing to the others.

    Raises
    ------
    UsageError
        When it is none of them.
    BackendError
        When it is a backend as evalkit 0.1.0 had them, or the model cannot be asked in memory.
    """
    if isinstance(model, tuple) and len(model) == 2:
        from evalkit.backends.hf.held import HeldModel

        return HeldModel(*model, **reading)
    if all(hasattr(model, name) for name in PROTOCOL) and not isinstance(model, type):
        refuse_old_protocol(model, type(model).__name__)
        return cast(Backend, Lent(model))
    if hasattr(model, "save_pretrained"):
        raise UsageError(
            f"--model: a {type(model).__name__} alone says nothing about its tokenizer. "
            "Give both, as evalkit.run((model, tokenizer), ...), or name the directory they are in."
        )
    if not callable(model) or isinstance(model, type):
        raise UsageError(
            f"--model: {model!r} is not understood; accepted: text such as 'demo', "
            f"evalkit.ModelSpec, a backend ({', '.join(PROTOCOL)}), a function of a request, "
            "or a pair (model, tokenizer) of Transformers."
        )
    return FunctionBackend(model)


def spec_of(backend: Backend) -> ModelSpec:
    """Return what a run says of a model given as an object: its own ``spec``,
    or one made of its fingerprint.
    """
    spec = getattr(backend, "spec", None)
    if isinstance(spec, ModelSpec):
        return spec
    inner = getattr(backend, "_backend", backend)
    name = type(inner).__name__
    mark = digest(dict(sorted(backend.fingerprint().items())), length=12)
    return ModelSpec(backend=name, name=f"{name}-{mark}", label=name)
