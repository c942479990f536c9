"""JSON of logs, whole or by lines, within limits and with a place in every message."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit.catalog.files import json_lines, load_json
from evalkit.errors import CatalogError, TableError

__all__ = ["MOST_BYTES", "json_of", "lines_of"]

MOST_BYTES = 1 << 30
"""Largest file that is read at once."""


def json_of(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises
    ------
    TableError
        When it is larger than 1 GiB, cut short or no JSON.
    """
    try:
        return load_json(path)
    except CatalogError as error:
        raise TableError(str(error)) from error


def lines_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line, record) of a file of JSON lines.

    Raises
    ------
    TableError
        When a line is no JSON object.
    """
    try:
        yield from json_lines(path)
    except CatalogError as error:
        raise TableError(str(error)) from error
