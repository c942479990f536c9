"""``name:key=value,key=value`` after ``--mitigation``: read, checked, shown in one form."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from evalkit.errors import UsageError

__all__ = ["read_options", "shown", "under"]


def read_options(name: str, text: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a mitigation, each converted to the type of its default.

    Parameters
    ----------
    name
        Name of the mitigation, for messages.
    text
        ``key=value,key=value``; empty for the defaults.
    defaults
        Every option that is known.

    Raises
    ------
    UsageError
        When an option is unknown or its value has the wrong type.

    Examples
    --------
    >>> read_options("ensemble", "m=3", {"m": 5, "how": "mean"})
    {'m': 3, 'how': 'mean'}
    """
    options = dict(defaults)
    for pair in (part for part in text.split(",") if part.strip()):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or key not in defaults:
            close = get_close_matches(key, defaults, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise UsageError(
                f"--mitigation {name}: option {pair.strip()!r} is not known; {hint}accepted: "
                f"{', '.join(f'{k}={v}' for k, v in defaults.items())}."
            )
        try:
            options[key] = (
                type(defaults[key])(value)
                if not isinstance(defaults[key], bool)
                else value.lower() in {"true", "1", "yes"}
            )
        except ValueError:
            raise UsageError(
                f"--mitigation {name}: {key}={value} is not understood; a value like "
                f"{defaults[key]!r} is accepted."
            ) from None
    return options


def shown(name: str, options: Mapping[str, Any]) -> str:
    """Return name and options in one form, for fingerprints: equal mitigations read equal.

    >>> shown("prefix", {"b": 1, "a": "x"})
    'prefix:a=x,b=1'
    """
    return name + (
        ":" + ",".join(f"{key}={options[key]}" for key in sorted(options)) if options else ""
    )


def under(fingerprint: Mapping[str, str], label: str) -> dict[str, str]:
    """Return the fingerprint of a backend with a mitigation around it; several stand in order.

    >>> under({"mitigations": "recast"}, "calibrate")
    {'mitigations': 'recast | calibrate'}
    """
    before = fingerprint.get("mitigations", "")
    return {**fingerprint, "mitigations": f"{before} | {label}" if before else label}
