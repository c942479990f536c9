"""Transformers models as a backend.

A ladder of files, walked through in docs/engine.md: `plain` is what everything must equal, then
`tree`, `layout`, `packed` and `reading` do it with less work, and `backend` is what is seen of it.
"""

from typing import Any

__all__ = ["HFBackend"]


def __getattr__(name: str) -> Any:
    """Give `HFBackend`, which stood in a module of this name in version 0.1.0, when it is asked
    for.
    """
    if name == "HFBackend":
        from evalkit.backends.hf.backend import HFBackend

        return HFBackend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
