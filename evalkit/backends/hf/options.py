"""Options of a Transformers model: which there are."""

from __future__ import annotations

from evalkit.backends.template_kwargs import NAME, as_json, template_kwargs
from evalkit.errors import BackendError
from evalkit.records import ModelSpec

__all__ = ["allowance", "check_options", "thoughts_of"]

_OPTIONS = frozenset(
    {
        "allow_pickle",
        "allow_unknown",
        "attention",
        "chat_template_kwargs",
        "compile",
        "device_map",
        "emulate",
        "linears",
        "max_length",
        "path",
        "proof",
        "reasoning_tokens",
        "token_budget",
        "trust_remote_code",
    }
)
REASONING_TOKENS = 2048
"""Tokens granted to thoughts, as on served models."""


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
    for name, other in (("path", "plain"), ("linears", "blas"), ("proof", "always")):
        if spec.options.get(name, "auto") not in ("auto", other):
            raise BackendError(
                f"option {name}: {spec.options[name]!r} is not known; auto or {other} is accepted."
            )
    thoughts_of(spec)
    as_json(template_kwargs(spec.options.get(NAME)))
    if spec.batch_size is not None and spec.batch_size < 1:
        raise BackendError(
            f"batch size: {spec.batch_size} is not a whole number above 0, and not automatic."
        )


def thoughts_of(spec: ModelSpec) -> int:
    """Return the tokens granted to a model's thoughts beside its answer's own (option
    ``reasoning_tokens``).

    Raises
    ------
    BackendError
        When it is no whole number from 0 on.
    """
    given = str(spec.options.get("reasoning_tokens", REASONING_TOKENS)).strip()
    if not (given.isascii() and given.isdigit() and len(given) < 9):
        raise BackendError(
            f"option reasoning_tokens: {given[:60]!r} is not accepted; a whole number from 0 on is."
        )
    return int(given)


def allowance(tokens: int) -> list[str]:
    """Return the notice that thoughts do not count;
    none where the model is given no room for them.
    """
    if not tokens:
        return []
    return [
        f"The chat template speaks of thoughts: up to {tokens} tokens of them, where an answer has "
        "any, do not count against its limit (reasoning_tokens)."
    ]
