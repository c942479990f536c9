"""Versions of Python and of the libraries that can move a number."""

from __future__ import annotations

import platform
from importlib import metadata

__all__ = ["library_versions"]

_LIBRARIES = (
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "jinja2",
    "nltk",
    "sacrebleu",
    "torch",
    "transformers",
    "tokenizers",
    "lm_eval",
    "vllm",
    "ray",
    "peft",
)


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that can move a number,
    where installed.
    """
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
