"""Where shipped data lie and where runs go; nothing else in evalkit computes such a path."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path, PurePosixPath, PureWindowsPath

from evalkit.errors import CatalogError, EnvironmentFault

__all__ = ["cache_dir", "data_root", "default_runs_dir", "inside", "leads_out"]


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
        f"{installed}: shipped data {kind!r} is not there; the installation is damaged. "
        "Type: pip install --force-reinstall evalkit"
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


def leads_out(name: str) -> str:
    """Return what is wrong with a file name that a data file gives;
    empty when it stays below a folder.

    >>> leads_out("mmlu/test/a.csv"), leads_out("../a.csv")
    ('', "holds '..'")
    """
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor:
        return "is absolute"
    if ".." in PurePosixPath(name).parts or ".." in PureWindowsPath(name).parts:
        return "holds '..'"
    return "" if name.isprintable() else "holds a control character"


def inside(root: Path, name: str, *, where: str) -> Path:
    """Return where a file that a data file names lies below a folder.

    Parameters
    ----------
    root
        The folder, such as the data directory. It may itself be a link.
    name
        Name of the file, from a task file or another file that was not written here.
    where
        What names it, for the start of the message.

    Raises
    ------
    CatalogError
        When the name is absolute or holds ``..``, or a link on the way leads out of the folder.
    """
    place = root / name
    advice = f"a file below {root} is accepted. Put it there, or name its folder with --data-dir."
    if wrong := leads_out(name):
        raise CatalogError(f"{where}: file name {name[:200]!r} {wrong}; {advice}")
    try:
        place.exists()
        end = place.resolve()
        stays = end.is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise CatalogError(
            f"{where}: file name {name[:200]!r} cannot be used: "
            f"{getattr(error, 'strerror', None) or error}; {advice}"
        ) from error
    if not stays:
        raise CatalogError(f"{where}: {place} leads out of its folder to {end}; {advice}")
    return place
