"""Options of a Transformers model: which there are."""

from __future__ import annotations

from evalkit.errors import BackendError
from evalkit.records import ModelSpec

__all__ = ["check_options"]

_OPTIONS = frozenset(
    {
        "allow_pickle",
        "allow_unknown",
        "attention",
        "compile",
        "device_map",
        "emulate",
        "max_length",
        "path",
        "token_budget",
        "trust_remote_code",
    }
)


def check_options(spec: ModelSpec) -> None:
    """Refuse options that mean nothing here.

    Raises
    ------
    BackendError
        Naming the option and what is accepted.
    """
    unknown = sorted(set(spec.options) - _OPTIONS)
    if unknown:
        raise BackendError(
            f"option {unknown[0]!r}: backend 'hf' does not know it; {', '.join(sorted(_OPTIONS))} "
            "are accepted. Remove it."
        )
    if spec.options.get("path", "auto") not in ("auto", "plain"):
        raise BackendError(
            f"option path: {spec.options['path']!r} is not known; auto or plain is accepted."
        )
    if spec.batch_size is not None and spec.batch_size < 1:
        raise BackendError(
            f"batch size: {spec.batch_size} is not a whole number above 0, and not automatic."
        )
