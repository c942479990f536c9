"""Where shipped data lie and where runs go; nothing else in evalkit computes such a path."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from evalkit.errors import EnvironmentFault

__all__ = ["cache_dir", "data_root", "default_runs_dir"]


def data_root(kind: str) -> Path:
    """Return the folder of shipped data of one kind.

    Parameters
    ----------
    kind
        ``tasks``, ``paraphrases``, ``reports`` or ``models``.

    Raises
    ------
    EnvironmentFault
        When the installation carries no such folder.
    """
    package = Path(str(files("evalkit")))
    installed = package / "_data" / kind
    if installed.is_dir():
        return installed
    beside = package.parent / kind
    if (package.parent / "pyproject.toml").is_file() and beside.is_dir():
        return beside
    raise EnvironmentFault(
        f"{installed}: shipped data {kind!r} is not there; the installation is damaged. Type: pip install --force-reinstall evalkit"
    )


def cache_dir() -> Path:
    """Return the folder of evalkit's own cache: ``EVALKIT_HOME`` or the platform's cache folder."""
    home = os.environ.get("EVALKIT_HOME")
    if home:
        return Path(home).expanduser()
    from platformdirs import user_cache_path

    return Path(user_cache_path("evalkit", appauthor=False))


def default_runs_dir() -> Path:
    """Return ``reports/runs`` under the current directory, where runs go without ``--out``."""
    return Path("reports") / "runs"
