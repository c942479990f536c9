"""Rows of any table file as dictionaries, and ids for instances that upstream gives none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from evalkit.catalog.files import csv_rows, json_lines, load_json
from evalkit.catalog.opening import parquet_batches, unpacked_name
from evalkit.errors import CatalogError
from evalkit.records import digest

__all__ = ["MAX_ROWS", "as_text", "cell_text", "derived_id", "table_rows"]

MAX_ROWS = 1_000_000
"""Most rows of a file of instances."""


def derived_id(split: str, position: int, *content: str) -> str:
    """Return the id of an instance that upstream gives none.

    Split, position and a digest of its content.

    Examples
    --------
    >>> derived_id("test", 7, "What is 1 + 1?", "2")
    'test-00007-81720194'
    """
    return f"{split}-{position:05d}-{digest(list(content), length=8)}"


def as_text(value: Any) -> str:
    """Return a cell as text.

    Texts as they are, booleans as JSON writes them, whole floats without a point; nothing for None
    and for a number that is not one (tables write a missing number so).

    >>> as_text(True), as_text(2.0), as_text(float("nan"))
    ('true', '2', '')
    """
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def cell_text(value: Any, where: str) -> str:
    """Return a cell as text, as `as_text`; raise CatalogError for one that holds a list, an object or bytes."""
    if value is None or isinstance(value, str | int | float | Decimal | date):
        return as_text(value)
    raise CatalogError(
        f"{where} holds {type(value).__name__} {str(value)[:40]!r}; a text, "
        "a number or true and false are accepted. Correct it."
    )


def table_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield ``(line, row)`` of a table file of any format, told by its ending; see `_table_rows`.

    Raises
    ------
    CatalogError
        When the file is wrong, or holds more than `MAX_ROWS` rows.
    """
    for number, (line, row) in enumerate(_table_rows(path), 1):
        if number > MAX_ROWS:
            raise CatalogError(
                f"{path}:{line}: holds more than {MAX_ROWS} rows; a split of at most that many is "
                "accepted. Split it."
            )
        yield line, row


def _table_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield ``(line, row)`` of a CSV or TSV with header, JSON Lines, JSON list or Parquet file, told by its ending.

    Lines count from 1; for Parquet and a JSON list they are positions.
    """
    suffix = Path(unpacked_name(path)).suffix
    if suffix in (".csv", ".tsv"):
        yield from _csv(path, "\t" if suffix == ".tsv" else ",")
    elif suffix in (".jsonl", ".ndjson"):
        for line, value in json_lines(path):
            yield line, _mapping(path, line, value)
    elif suffix == ".json":
        value = load_json(path)
        if isinstance(value, dict) and isinstance(value.get("data"), list):
            value = value["data"]
        if not isinstance(value, list):
            raise CatalogError(
                f"{path}:1: holds no list of rows; a JSON list of objects (or one under 'data') "
                "is expected."
            )
        for line, item in enumerate(value, 1):
            yield line, _mapping(path, line, item)
    elif suffix == ".parquet":
        yield from _parquet(path)
    else:
        raise CatalogError(
            f"{path}: ending {suffix!r} is not known; accepted: .csv, .tsv, .jsonl, .json, "
            ".parquet, and .gz or .zst behind any but the last. Rename or convert it."
        )


def _mapping(path: Path, line: int, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise CatalogError(
            f"{path}:{line}: holds {type(value).__name__}, an object with named columns is "
            "expected."
        )
    return value


def _csv(path: Path, delimiter: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    header: list[str] | None = None
    for line, cells in csv_rows(path, delimiter=delimiter):
        if header is None:
            header = cells
            if len(set(header)) != len(header):
                raise CatalogError(
                    f"{path}:{line}: header {header} names a column twice. Rename one."
                )
        elif len(cells) != len(header):
            raise CatalogError(
                f"{path}:{line}: has {len(cells)} cells, the header has {len(header)}. "
                "Quote cells that hold the delimiter."
            )
        else:
            yield line, dict(zip(header, cells, strict=True))


def _parquet(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    rows = (row for batch in parquet_batches(path, most=MAX_ROWS) for row in batch.to_pylist())
    yield from enumerate(rows, 1)
