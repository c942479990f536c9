"""Which files of a collection's folder are read, and which upstream task each is of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from evalkit.errors import UsageError

__all__ = ["files_of", "upstream_of"]

FILES = {"promptsource": "templates.yaml", "flan": "templates.py", "superni": "task*.json"}
"""Importer -> which files of a folder it reads; other importers: every file."""


def files_of(paths: Iterable[Path], importer: str) -> Iterator[tuple[Path, bool]]:
    """Yield the files to read, and whether each was found in a folder.

    Raises
    ------
    UsageError
        When a folder holds none.
    """
    for path in paths:
        if not path.is_dir():
            yield path, False
            continue
        found = sorted(one for one in path.rglob(FILES.get(importer, "*")) if one.is_file())
        if not found:
            raise UsageError(
                f"{path}: holds no {FILES.get(importer, 'file')}. "
                "Name the folder that upstream's files lie in."
            )
        yield from ((one, True) for one in found)


def upstream_of(path: Path, importer: str) -> str:
    """Return the upstream task that a file is of; empty where a file holds many."""
    if importer == "superni" and path.suffix == ".json":
        return path.stem
    if importer == "promptsource":
        folders = path.absolute().parts[:-1]
        return "/".join(
            folders[folders.index("templates") + 1 :] if "templates" in folders else folders[-1:]
        )
    return ""
