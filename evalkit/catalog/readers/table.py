"""Any CSV, TSV, JSON Lines, JSON or Parquet file with a row per instance, by a column mapping in the task file.

::

    reader: table
    source:
      local: mine/questions.csv
      options:
        columns: {id: key, question: text, choices: [a, b, c], target: answer}
        target_is: letter        # letter | index | number (from 1) | text
        separator: "|"           # when one column holds all choices or references as text

A field without an entry under `columns` comes from the column of its own name. In place of
``local``, ``options`` may hold the ``rows`` themselves: a list of mappings, or split -> such a list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.catalog.files import locate
from evalkit.catalog.opening import parse_json
from evalkit.catalog.readers.rows import cell_text, derived_id, table_rows
from evalkit.catalog.source_check import check_source
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["read"]

_TARGETS = ("letter", "index", "number", "text")
_INDEX = re.compile(r"[0-9]{1,6}\Z")


@dataclass(frozen=True)
class _Mapping:
    """What the task file says of the columns."""

    columns: Mapping[str, Any]
    target_is: str
    separator: str | None


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return one instance per row.

    Raises
    ------
    CatalogError
        When a named column is absent, a target names no choice, or a cell that must hold text is
        empty.
    """
    options = task.source.options
    mapping = _Mapping(
        options.get("columns", {}), str(options.get("target_is", "text")), options.get("separator")
    )
    if mapping.target_is not in _TARGETS:
        raise CatalogError(
            f"{task.id}: source.options.target_is is {mapping.target_is!r}; accepted: "
            f"{', '.join(_TARGETS)}."
        )
    return [
        _instance(task, mapping, row, where=where, name=(split, position))
        for position, (where, row) in enumerate(_rows(task, data_dir, split))
    ]


def _rows(task: Task, data_dir: Path | None, split: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield where each row of a split stands, and the row."""
    rows = task.source.options.get("rows")
    if rows is None:
        for path in locate(task, data_dir, split).paths:
            for line, row in table_rows(path):
                yield f"{path}:{line}", row
        return
    for where, message in check_source(task.source):
        if where == ("source", "options", "rows"):
            raise CatalogError(f"{task.id}: {message}")
    by_split = rows if isinstance(rows, Mapping) else {task.split: rows}
    if split not in by_split:
        raise CatalogError(
            f"{task.id}: source.options.rows has no split {split!r}; it has {', '.join(by_split)}."
            " Give the rows as split -> list."
        )
    for number, row in enumerate(by_split[split], 1):
        yield f"{task.id}: row {number} of {split!r}", row


def _cell(row: Mapping[str, Any], column: str, where: str) -> Any:
    if column not in row:
        raise CatalogError(
            f"{where}: has no column {column!r}; it has {', '.join(row)}. "
            "Correct source.options.columns."
        )
    return row[column]


def _text(row: Mapping[str, Any], column: str, where: str) -> str:
    """Return a cell that holds one text, number or truth value."""
    return cell_text(_cell(row, column, where), f"{where}: column {column!r}")


def _several(value: Any, separator: str | None, where: str) -> tuple[str, ...]:
    """Return the texts of a cell that holds several.

    A list, JSON text of one, or text with a separator.
    """
    if isinstance(value, list):
        return tuple(cell_text(item, f"{where}: a list") for item in value)
    text = cell_text(value, f"{where}: the cell")
    if separator:
        return tuple(part.strip() for part in text.split(separator))
    if text.lstrip().startswith("["):
        try:
            return tuple(cell_text(item, f"{where}: a list") for item in parse_json(text))
        except (json.JSONDecodeError, RecursionError) as error:
            raise CatalogError(
                f"{where}: {text[:40]!r} is not a list in JSON: {error}. "
                "Set source.options.separator."
            ) from error
    return (text,)


def _instance(
    task: Task, mapping: _Mapping, row: Mapping[str, Any], *, where: str, name: tuple[str, int]
) -> Instance:
    fields = {
        field: _text(row, str(mapping.columns.get(field, field)), where) for field in task.fields
    }
    columns = mapping.columns.get("choices")
    listed = task.labels
    if isinstance(columns, list):
        listed = tuple(_text(row, str(column), where) for column in columns)
    elif columns is not None:
        listed = _several(_cell(row, str(columns), where), mapping.separator, where)
    column = str(mapping.columns.get("target", "target"))
    target: int | None = None
    references: tuple[str, ...] = ()
    choices = tuple(choice for choice in listed if choice.strip())  # an empty cell is no choice
    if task.kind == "choice":
        index = _target(_text(row, column, where), listed, mapping.target_is, where)
        target = sum(bool(choice.strip()) for choice in listed[:index])
        references = (listed[index],)
    else:
        references = _several(_cell(row, column, where), mapping.separator, where)
    key = mapping.columns.get("id")
    own = (
        derived_id(*name, *fields.values(), *choices, *references)
        if key is None
        else _text(row, str(key), where)
    )
    return Instance(
        id=own, fields=fields, choices=choices, target=target, references=references, where=where
    )


def _target(answer: str, choices: tuple[str, ...], kind: str, where: str) -> int:
    """Return the index of the choice an answer names."""
    index = -1
    text = answer.strip()
    if kind == "letter" and len(text) == 1:
        index = ord(text.upper()) - ord("A")
    elif kind in ("index", "number") and _INDEX.match(text):
        index = int(text) - (kind == "number")
    elif kind == "text":
        index = next((at for at, choice in enumerate(choices) if choice.strip() == text), -1)
        alike = [
            at for at, choice in enumerate(choices) if choice.strip().casefold() == text.casefold()
        ]
        index = (
            alike[0] if index < 0 and len(alike) == 1 else index
        )  # upstream writes true where prompts ask for True
    if not 0 <= index < len(choices) or not choices[index].strip():
        raise CatalogError(
            f"{where}: target {answer[:60]!r} names none of {len(choices)} choices (read as "
            f"{kind}). Correct the cell or target_is."
        )
    return index
