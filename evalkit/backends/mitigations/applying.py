"""Mitigations put around a model, in the order given: the one door for local runs and for workers.

A mitigation acts on a *backend* (callable of backend and options) or on the *model* before it is
loaded (callable of `ModelSpec` and options with the attribute ``acts_on = "model"``). What needs
the engine's inner workings must stand before what only rewrites requests; `opened` says so when it
does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from evalkit.backends.base import Backend, refuse_old_protocol
from evalkit.errors import BackendError, UsageError
from evalkit.records import ModelSpec
from evalkit.registry import BACKENDS, MITIGATIONS

if TYPE_CHECKING:
    from evalkit.backends.hf.backend import HFBackend

__all__ = ["acting_on_model", "inner_workings", "opened"]

F = TypeVar("F", bound=Callable[..., Any])


def acting_on_model(function: F) -> F:
    """Mark a mitigation that takes and returns a model specification."""
    function.acts_on = "model"  # type: ignore[attr-defined]  # an attribute on a function
    return function


def inner_workings(backend: Backend, label: str) -> HFBackend:
    """Return the backend as one whose model can be reached.

    Raises
    ------
    BackendError
        When it cannot: another engine, or a mitigation that hides it stands before.
    """
    if "logits" not in backend.capabilities:
        raise BackendError(
            f"--mitigation {label}: needs the logits of the model, which this backend does not "
            "give; a Transformers model (backend hf) does. "
            "If it is one, put this mitigation before those that stand around the backend."
        )
    return cast("HFBackend", backend)


def opened(
    spec: ModelSpec, mitigations: Sequence[str], *, backend: Backend | None = None
) -> Backend:
    """Return the backend of a model with its mitigations around it, innermost first.

    Parameters
    ----------
    spec
        The model.
    mitigations
        ``NAME`` or ``NAME:key=value,...``.
    backend
        The model's, when it is open already.

    Raises
    ------
    UsageError
        When a mitigation that makes another model stands behind one that acts on a loaded one.
    BackendError
        When the backend lacks what a mitigation needs.
    """
    before = "" if backend is None else "the model, which is loaded already"
    for text in mitigations:
        name, _, options = text.partition(":")
        act = MITIGATIONS.load(name)
        if getattr(act, "acts_on", "backend") == "model":
            if backend is not None:
                raise UsageError(
                    f"--mitigation {name}: makes another model, so it must stand before {before}. "
                    "Change the order."
                )
            spec = act(spec, options)
            continue
        if backend is None:
            backend = _loaded(spec)
        try:
            backend = act(backend, options)
        # whatever it is, Ctrl-C too, the model is released; it goes on upwards
        except BaseException:
            backend.close()
            raise
        before = name
    return backend if backend is not None else _loaded(spec)


def _loaded(spec: ModelSpec) -> Backend:
    """Return the engine of a model, refused when it was written for version 0.1.0."""
    backend: Backend = BACKENDS.load(spec.backend)(spec)
    try:
        refuse_old_protocol(backend, spec.backend)
    except BackendError:
        backend.close()
        raise
    return backend
