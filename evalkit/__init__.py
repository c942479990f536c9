"""evalkit: is this language model's score real, or an accident of how the question was worded?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from evalkit.runs.notebook import load_run, run

__all__ = ["__version__", "load_run", "run"]


def __getattr__(name: str) -> Any:
    """Load the notebook functions on first use, so that ``import evalkit`` stays light."""
    if name in {"load_run", "run"}:
        from evalkit.runs import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module 'evalkit' has no attribute {name!r}")


class _Moved:
    """Asked last, for what nobody else finds.

    An import of a module that moved says where it went.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        if name.startswith("evalkit."):
            from evalkit.records.moved import refuse_moved

            refuse_moved(name)


sys.meta_path.append(_Moved)
