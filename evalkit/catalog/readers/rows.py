"""Rows of any table file as dictionaries, and ids for instances that upstream gives none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from evalkit.catalog.files import csv_rows, json_lines, load_json
from evalkit.catalog.opening import (
    NamedTwice,
    lines_of,
    parquet_batches,
    parse_json,
    read_text,
    unpacked_name,
)
from evalkit.errors import CatalogError
from evalkit.records import digest

__all__ = ["ENCODINGS", "MAX_ROWS", "Layout", "as_text", "cell_text", "derived_id", "table_rows"]

MAX_ROWS = 1_000_000
"""Most rows of a file of instances."""
ENCODINGS = ("utf-8", "latin-1", "cp1252")
"""Encodings of a table of lines; of any other format it is UTF-8."""


@dataclass(frozen=True)
class Layout:
    """What a table file does not say itself."""

    header: tuple[str, ...] = ()
    """Names of the columns of a file without a header."""
    delimiter: str = ""
    """Text between cells; told by the ending when empty."""
    encoding: str = "utf-8"
    """One of `ENCODINGS`."""
    under: str = ""
    """Key of a JSON file under which its rows stand; found by itself when empty."""
    quoted: bool = True
    """Whether double quotes group cells, as in CSV; a file ending in .txt never has quotes."""


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
    """Return a cell as text, as `as_text`; raise CatalogError for one that holds a list, an
    object or bytes.
    """
    if value is None or isinstance(value, str | int | float | Decimal | date):
        return as_text(value)
    raise CatalogError(
        f"{where} holds {type(value).__name__} {str(value)[:40]!r}; a text, "
        "a number or true and false are accepted. Correct it."
    )


def table_rows(path: Path, layout: Layout | None = None) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield ``(line, row)`` of a table file of any format, told by its ending; see `_table_rows`.

    Raises
    ------
    CatalogError
        When the file is wrong, or holds more than `MAX_ROWS` rows.
    """
    for number, (line, row) in enumerate(_table_rows(path, layout or Layout()), 1):
        if number > MAX_ROWS:
            raise CatalogError(
                f"{path}:{line}: holds more than {MAX_ROWS} rows; a split of at most that many is "
                "accepted. Split it."
            )
        yield line, row


def _table_rows(path: Path, layout: Layout) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield ``(line, row)`` of a CSV, TSV, text, JSON Lines, JSON or Parquet file, told by its
    ending.

    Lines count from 1; for Parquet and JSON they are positions.
    """
    suffix = Path(unpacked_name(path)).suffix
    if suffix in (".csv", ".tsv"):
        yield from _csv(path, layout, "\t" if suffix == ".tsv" else ",")
    elif suffix == ".txt":
        yield from _split_lines(path, layout)
    elif suffix in (".jsonl", ".ndjson"):
        for line, value in json_lines(path):
            yield line, _mapping(path, line, value)
    elif suffix == ".json":
        rows = json_lines(path) if _is_lines(path) else enumerate(_json_rows(path, layout), 1)
        for line, item in rows:
            yield line, _mapping(path, line, item)
    elif suffix == ".parquet":
        yield from _parquet(path)
    else:
        raise CatalogError(
            f"{path}: ending {suffix!r} is not known; accepted: .csv, .tsv, .txt, .jsonl, .json, "
            ".parquet, and .gz or .zst behind any but the last. Rename or convert it."
        )


def _is_lines(path: Path) -> bool:
    """Whether a file called .json holds JSON Lines: its first line is an object,
    and more follows.
    """
    found = (line.strip() for _, line in lines_of(path, longest=1 << 30, most=None))
    filled = (line for line in found if line)
    first = next(filled, b"").removeprefix(b"\xef\xbb\xbf")
    if not first.startswith(b"{") or next(filled, None) is None:
        return False
    try:
        return isinstance(parse_json(first), dict)
    except NamedTwice:  # said with its line when the rows are read
        return True
    except (ValueError, RecursionError):
        return False


def _json_rows(path: Path, layout: Layout) -> list[Any]:
    """Return the rows of a JSON document.

    A list of objects, one under a key (``data`` unless the layout names another), an object of
    objects (the key becomes the column ``key``), or columns (lists, or pandas' objects from
    ``"0"`` on).
    """
    value = load_json(path)
    for key in filter(None, layout.under.split(".")):
        if not isinstance(value, dict) or key not in value:
            there = ", ".join(map(str, value)) if isinstance(value, dict) else "no keys"
            raise CatalogError(
                f"{path}:1: has nothing under {layout.under!r}; it has {there[:200]}. "
                "Correct source.options.under."
            )
        value = value[key]
    if not layout.under and isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
    if isinstance(value, dict) and value:
        value = _from_columns(value) or _from_keys(value) or value
    if not isinstance(value, list):
        raise CatalogError(
            f"{path}:1: holds no list of rows; a JSON list of objects (or one under 'data', or "
            "under the key that source.options.under names) is expected."
        )
    return value


def _from_columns(value: Mapping[str, Any]) -> list[Any]:
    """Return rows of an object of columns of one length; empty when it is none."""
    columns = list(value.values())
    if all(isinstance(column, dict) for column in columns):
        wanted = [str(at) for at in range(len(columns[0]))]
        if not wanted or any(list(column) != wanted for column in columns):
            return []
        columns = [list(column.values()) for column in columns]
    if not all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
        return []
    if any(isinstance(item, dict) for column in columns for item in column):
        return []  # one list of objects or more: splits, not columns
    return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]


def _from_keys(value: Mapping[str, Any]) -> list[Any]:
    """Return rows of an object of objects, the key as column ``key``; empty when it is none."""
    if not all(isinstance(row, dict) for row in value.values()):
        return []
    return [{"key": key, **row} for key, row in value.items()]


def _mapping(path: Path, line: int, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise CatalogError(
            f"{path}:{line}: holds {type(value).__name__}, an object with named columns is "
            "expected."
        )
    return value


def _csv(
    path: Path, layout: Layout, delimiter: str, *, after: int = 0
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield rows of CSV as spreadsheets write it.

    A first line ``sep=;`` says what is between cells, columns without a name at the end are empty,
    and lines of empty cells are no rows.
    """
    header, unnamed = list(layout.header) or None, 0
    for line, cells in csv_rows(
        path,
        delimiter=layout.delimiter or delimiter,
        quoted=layout.quoted,
        encoding=layout.encoding,
    ):
        if line <= after or not any(cell.strip() for cell in cells):
            continue
        if not after and line == 1 and cells[0].lower().startswith("sep=") and not any(cells[1:]):
            said = replace(layout, delimiter=cells[0][4:5] or layout.delimiter or delimiter)
            yield from _csv(path, said, delimiter, after=line)
            return
        if header is None:
            header = cells
            while header[-2:] == ["", ""] or (unnamed and not header[-1]):
                header, unnamed = header[:-1], unnamed + 1
            if len(set(header)) != len(header):
                raise CatalogError(
                    f"{path}:{line}: header {header} names a column twice. Rename one."
                )
        elif cells == header:
            raise CatalogError(
                f"{path}:{line}: is the header again, as where files were put together. "
                "Take the line away."
            )
        elif len(cells) != len(header) + unnamed:
            raise CatalogError(
                f"{path}:{line}: has {len(cells)} cells, the header has {len(header) + unnamed}. "
                "Quote cells that hold the delimiter."
            )
        elif any(cells[len(header) :]):
            raise CatalogError(
                f"{path}:{line}: {cells[len(header) :]} stand in columns without a name. Name them "
                "in the first line, and take away lines above the names."
            )
        else:
            yield line, dict(zip(header, cells[: len(header)], strict=True))


def _split_lines(path: Path, layout: Layout) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield rows of a text file without header: cells are split off from the end of a line.

    So the first column may hold the delimiter.
    """
    if not layout.header or not layout.delimiter:
        raise CatalogError(
            f"{path}: is a text file, which does not say its columns; source.options.header and "
            "source.options.delimiter are expected. Add them."
        )
    text = read_text(path, encoding=layout.encoding)
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        cells = content.removesuffix("\r").rsplit(layout.delimiter, len(layout.header) - 1)
        if len(cells) != len(layout.header):
            raise CatalogError(
                f"{path}:{line}: has {len(cells)} cells, {len(layout.header)} are expected "
                f"({', '.join(layout.header)}). Correct the line, or header."
            )
        yield line, dict(zip(layout.header, cells, strict=True))


def _parquet(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    rows = (row for batch in parquet_batches(path, most=MAX_ROWS) for row in batch.to_pylist())
    yield from enumerate(rows, 1)
