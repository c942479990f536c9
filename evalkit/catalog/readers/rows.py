"""Rows of any table file as dictionaries, and ids for instances that upstream gives none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.catalog.files import csv_rows, json_lines, load_json
from evalkit.errors import CatalogError, ExtraMissingError
from evalkit.records import digest

__all__ = ["as_text", "derived_id", "table_rows"]


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
    """Return a cell as text: texts as they are, booleans and None as JSON writes them, whole floats without a point."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def table_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield ``(line, row)`` of a CSV or TSV with header, JSON Lines, JSON list or Parquet file, told by its ending.

    Lines count from 1; for Parquet and a JSON list they are positions.
    """
    suffix = path.suffix.lower()
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
                f"{path}:1: holds no list of rows; a JSON list of objects (or one under 'data') is expected."
            )
        for line, item in enumerate(value, 1):
            yield line, _mapping(path, line, item)
    elif suffix == ".parquet":
        yield from _parquet(path)
    else:
        raise CatalogError(
            f"{path}: ending {suffix!r} is not known; accepted: .csv, .tsv, .jsonl, .json, .parquet. Rename or convert it."
        )


def _mapping(path: Path, line: int, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise CatalogError(
            f"{path}:{line}: holds {type(value).__name__}, an object with named columns is expected."
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
                f"{path}:{line}: has {len(cells)} cells, the header has {len(header)}. Quote cells that hold the delimiter."
            )
        else:
            yield line, dict(zip(header, cells, strict=True))


def _parquet(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise ExtraMissingError(f"{path}: reading Parquet", "hf") from error
    try:
        table = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        raise CatalogError(
            f"{path}: is not a Parquet file: {str(error).splitlines()[0]}. Get it again."
        ) from error
    yield from enumerate(table.to_pylist(), 1)
