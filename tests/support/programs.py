"""Programs of the repository that are no part of the package, as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

__all__ = ["ROOT", "program"]

ROOT = Path(__file__).parents[2]


def program(path: str) -> ModuleType:
    """Return a program, such as ``tools/wrap_prose.py``, as a module.

    Parameters
    ----------
    path
        From the root of the repository.
    """
    name = path.removesuffix(".py").replace("/", "_")
    spec = importlib.util.spec_from_file_location(name, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its dataclasses look for their module there
    spec.loader.exec_module(module)
    return module
