"""evalkit: is this language model's score real, or an accident of how the question was worded?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from evalkit.notebook import load_run, run

__all__ = ["__version__", "load_run", "run"]


def __getattr__(name: str) -> Any:
    """Load the notebook functions on first use, so that ``import evalkit`` stays light."""
    if name in {"load_run", "run"}:
        from evalkit import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module 'evalkit' has no attribute {name!r}")
