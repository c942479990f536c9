"""Rows of a tuning set as texts: JSONL, JSON, CSV and Parquet files, or a data set of the hub."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from evalkit.catalog.opening import (
    MAX_LINE,
    lines_of,
    opened,
    parquet_batches,
    parse_json,
    read_bytes,
)
from evalkit.errors import CatalogError, DataMissingError, ExtraMissingError, UsageError

__all__ = ["MAX_LINE", "flatten", "training_files", "training_rows"]

MAX_TRAINING_BYTES = 1024**4
"""Most that a file of a tuning set may hold, unpacked: it is read row by row and never held."""
_MAX_DEPTH = 20


def flatten(
    value: Any, fields: frozenset[str] = frozenset(), *, inside: bool = False, depth: int = 0
) -> Iterator[str]:
    """Yield the texts of a row in order, however deep they lie (chat messages, lists of turns).

    Parameters
    ----------
    value
        Row, or a part of one.
    fields
        Only texts at or below a key of these names; empty for all.
    inside
        Whether a key above was among `fields`.
    depth
        Levels above; below twenty nothing is looked for.
    """
    if isinstance(value, str):
        if inside or not fields:
            yield value
    elif depth < _MAX_DEPTH:
        if isinstance(value, dict):
            for key, item in value.items():
                yield from flatten(item, fields, inside=inside or key in fields, depth=depth + 1)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from flatten(item, fields, inside=inside, depth=depth + 1)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    return lines_of(path, limit=MAX_TRAINING_BYTES, longest=MAX_LINE, most=None)


def _json_lines(path: Path) -> Iterator[Any]:
    for number, line in _lines(path):
        if line.strip():
            try:
                yield parse_json(line)
            except (ValueError, RecursionError) as error:
                raise UsageError(
                    f"{path}:{number}: is not JSON: {error}. "
                    "One JSON object per line is accepted; correct it."
                ) from error


def _json(path: Path) -> Iterator[Any]:
    """Rows of a JSON file: a list, or an object with one list in it.

    A file of JSON lines under this name works too.
    """
    with opened(path, limit=MAX_TRAINING_BYTES) as file:
        start = file.read(4096).lstrip()[:1]
    if start != b"[":
        first = next(_json_lines_or_nothing(path), None)
        if first is not None:
            yield from _json_lines(path)
            return
    try:
        value = parse_json(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path}: is not JSON: {error}. A list of rows or JSON lines are accepted; correct it."
        ) from error
    lists = (
        [value]
        if isinstance(value, list)
        else [item for item in value.values() if isinstance(item, list)]
        if isinstance(value, dict)
        else []
    )
    if len(lists) != 1:
        raise UsageError(
            f"{path}: holds {len(lists)} lists at its top; one list of rows is accepted. "
            "Write the rows as JSON lines."
        )
    yield from lists[0]


def _json_lines_or_nothing(path: Path) -> Iterator[Any]:
    """Rows while the first line is a whole JSON object; nothing when it is not."""
    for _, line in _lines(path):
        try:
            yield parse_json(line)
        except (ValueError, RecursionError):
            return


def _table(path: Path, separator: str) -> Iterator[Any]:
    csv.field_size_limit(MAX_LINE)
    texts = (line.decode("utf-8") for _, line in _lines(path))
    try:
        for row in csv.DictReader(texts, delimiter=separator):
            yield {
                name.removeprefix("\ufeff") if name else name: cell for name, cell in row.items()
            }
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path}: is not a table in UTF-8: {error}. "
            "Save it as UTF-8 CSV, JSON lines or Parquet."
        ) from error


def _parquet(path: Path, fields: frozenset[str]) -> Iterator[Any]:
    from pyarrow import ArrowException, parquet

    try:
        names = [name for name in parquet.read_schema(path).names if name in fields]
    except (ArrowException, OSError):
        names = []  # the reader below says what is wrong
    for batch in parquet_batches(path, columns=names or None, limit=MAX_TRAINING_BYTES):
        yield from batch.to_pylist()


def _hub(name: str, split: str) -> Iterator[Any]:
    """Rows of a hub data set, streamed; ``name:config`` names a configuration."""
    try:
        import datasets
    except ImportError as error:
        raise ExtraMissingError(f"hub data set {name!r}", "hf") from error
    path, _, config = name.partition(":")
    try:
        yield from datasets.load_dataset(path, config or None, split=split, streaming=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise DataMissingError(
            f"hub data set {name!r}, split {split!r}: cannot be read: {error}. "
            "Check id, split and network."
        ) from error


def training_files(source: str) -> list[Path]:
    """Return the files `source` names.

    One file, or the known files of a folder in order of name; empty for a hub id.
    """
    path = Path(source)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = sorted(item for item in path.rglob("*") if item.is_file() and _kind(item))
        if not found:
            raise DataMissingError(
                f"{path}: holds no .jsonl, .json, .csv, .tsv or .parquet file. "
                "Name the folder of the tuning set."
            )
        return found
    return []


def _kind(path: Path) -> str:
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    suffix = suffixes[-1].lower() if suffixes else ""
    return suffix if suffix in {".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet"} else ""


def _rows(path: Path, fields: frozenset[str]) -> Iterable[Any]:
    kind = _kind(path)
    if kind == ".parquet":
        return _parquet(path, fields)
    if kind in {".csv", ".tsv"}:
        return _table(path, "," if kind == ".csv" else "\t")
    return _json(path) if kind == ".json" else _json_lines(path)


def _said(rows: Iterable[Any]) -> Iterator[Any]:
    """Yield rows; what is wrong with a file is an error of the option that names it."""
    try:
        yield from rows
    except CatalogError as error:
        raise UsageError(str(error)) from error


def training_rows(
    source: str, *, fields: Sequence[str] = (), split: str = "train"
) -> Iterator[tuple[str, str]]:
    """Yield (where, text) of every row of a tuning set; the texts of a row are joined by line ends.

    Parameters
    ----------
    source
        File (``.jsonl``, ``.json``, ``.csv``, ``.tsv``, ``.parquet``, any of them ``.gz`` but
        Parquet), folder of such files, or hub id (``name`` or ``name:config``).
    fields
        Names of the fields that are read, at any depth; empty for every text.
    split
        Split of a hub data set.

    Raises
    ------
    UsageError
        When a file is malformed (the line is named), or no row has any of `fields`.
    DataMissingError
        When there is neither file, folder nor hub data set of this name.
    """
    wanted = frozenset(fields)
    files = training_files(source)
    if not files and (
        source.startswith((".", "/", "~"))
        or source.endswith((".jsonl", ".json", ".parquet", ".csv"))
    ):
        raise DataMissingError(
            f"{source}: no such file or folder. Name a file, a folder or a hub data set."
        )
    count, empty = 0, True
    keys: set[str] = set()
    parts: Iterable[tuple[str, Iterable[Any]]] = [
        (str(path), _rows(path, wanted)) for path in files
    ] or [(source, _hub(source, split))]
    for name, rows in parts:
        for number, row in enumerate(_said(rows), start=1):
            count += 1
            text = "\n".join(flatten(row, wanted))
            if text:
                empty = False
            elif empty and isinstance(row, dict):
                keys |= set(map(str, row))
            yield f"{name}:{number}", text
    if count and empty:
        asked = f"field {', '.join(fields)}" if fields else "text"
        raise UsageError(
            f"{source}: none of {count} rows has {asked}; fields there: "
            f"{', '.join(sorted(keys)) or 'none'}. Name one of them."
        )
