"""evalkit: is this language model's score real, or an accident of how the question was worded?"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from evalkit.errors import EvalkitError
    from evalkit.records import ModelSpec, Phrasing, Response, Suite, Task
    from evalkit.runs.notebook import load_run, run
    from evalkit.runs.results import analyse, compare, gate

__all__ = [
    "EvalkitError",
    "ModelSpec",
    "Phrasing",
    "Response",
    "Suite",
    "Task",
    "__version__",
    "analyse",
    "compare",
    "gate",
    "load_run",
    "run",
]

_ROOMS = {
    "EvalkitError": "errors",
    **dict.fromkeys(("ModelSpec", "Phrasing", "Response", "Suite", "Task"), "records"),
    **dict.fromkeys(("load_run", "run"), "runs.notebook"),
    **dict.fromkeys(("analyse", "compare", "gate"), "runs.results"),
}
"""Name -> where it stands; imported on first use, so that ``import evalkit`` stays light."""


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'evalkit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"evalkit.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)


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
