"""Any CSV, TSV, text, JSON Lines, JSON or Parquet file with a row per instance, by a column mapping
in the task file.

::

    reader: table
    source:
      local: mine/questions.csv
      options:
        columns: {id: [set, key], question: text, choices: [a, b, c], target: answer}
        target_is: letter        # letter | index | number (from 1) | text | label | mask | first
        separator: "|"           # when one column holds all choices or references as text

A column may be a dotted path (``choices.text``), and that of a field a template of columns
(``"{{ premise }} So {{ claim }}?"``). A field without an entry under `columns` comes from the
column of its own name. In place of ``local``, ``options`` may hold the ``rows`` themselves: a list
of mappings, or split -> such a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from evalkit.catalog.files import locate
from evalkit.catalog.readers.nested import Listed, at, filled, listed_choices, several
from evalkit.catalog.readers.rows import ENCODINGS, Layout, cell_text, derived_id, table_rows
from evalkit.catalog.readers.targets import TARGETS, moved, named_target
from evalkit.catalog.source_check import check_source
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["read"]

_MOST_PROBLEMS = 20
_QUOTES = {"'", '"'}
_OWN = {
    "columns", "target_is", "separator", "names", "after", "only", "factors", "shuffle", "rows",
    "header", "delimiter", "encoding", "under", "quoted",
}  # fmt: skip
_OF_EVERY_SOURCE = {
    "also", "splits", "hub_splits", "github", "github_revision", "url",
}  # fmt: skip


@dataclass(frozen=True)
class _Mapping:
    """What the task file says of the columns."""

    columns: Mapping[str, Any]
    target_is: str
    separator: str | None
    names: Mapping[str, str]
    """Value of the target -> label."""
    after: str
    """Mark behind which the answer stands in its column."""
    factors: Mapping[str, str]
    """Factor -> column."""
    shuffle: bool
    """Whether choices are put in an order drawn from the row, because upstream's tells the
    answer.
    """


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return one instance per row that ``only`` keeps.

    Raises
    ------
    CatalogError
        When a named column is absent, a target names no choice or is missing, or a cell that must
        hold text is empty; several rows are named at once.
    """
    mapping = _mapping(task)
    only = _only(task)
    found: list[Instance] = []
    problems: list[str] = []
    for where, row in _rows(task, data_dir, split):
        try:
            if all(_plain(row, column, where) in values for column, values in only.items()):
                found.append(_instance(task, mapping, row, where=where, name=(split, len(found))))
        except CatalogError as error:
            problems += error.problems
            if len(problems) >= _MOST_PROBLEMS:
                break
    if problems:
        raise CatalogError(problems[:_MOST_PROBLEMS])
    return found


def _mapping(task: Task) -> _Mapping:
    options = task.source.options
    for where, message in check_source(task.source):
        if where[:2] == ("source", "options"):
            raise CatalogError(f"{task.id}: {message}")
    if unknown := [name for name in options if name not in _OWN | _OF_EVERY_SOURCE]:
        raise CatalogError(
            f"{task.id}: source.options.{unknown[0]} is not known to the reader table; accepted: "
            f"{', '.join(sorted(_OWN | _OF_EVERY_SOURCE))}. Correct it."
        )
    target_is = str(options.get("target_is", "text"))
    if target_is not in TARGETS:
        raise CatalogError(
            f"{task.id}: source.options.target_is is {target_is!r}; accepted: {', '.join(TARGETS)}."
        )
    names = options.get("names", {})
    if not isinstance(names, Mapping):
        names = dict(enumerate(names))
    return _Mapping(
        columns=options.get("columns", {}),
        target_is=target_is,
        separator=options.get("separator"),
        names={cell_text(key, task.id): str(value) for key, value in names.items()},
        after=options.get("after", ""),
        factors=options.get("factors", {}),
        shuffle=bool(options.get("shuffle", False)),
    )


def _only(task: Task) -> dict[str, list[str]]:
    """Return column -> values of the rows that are read."""
    told = task.source.options.get("only", {})
    return {
        column: [
            cell_text(value, task.id)
            for value in (values if isinstance(values, list | tuple) else [values])
        ]
        for column, values in told.items()
    }


def _layout(task: Task, split: str) -> Layout:
    options = task.source.options
    known = {item.name for item in fields(Layout)}
    told = {name: value for name, value in options.items() if name in known}
    if told.get("encoding", "utf-8") not in ENCODINGS:
        raise CatalogError(
            f"{task.id}: source.options.encoding is {told['encoding']!r}; accepted: "
            f"{', '.join(ENCODINGS)}."
        )
    told["header"] = tuple(told.get("header", ()))
    renamed = options.get("splits", {}).get(split, split)
    told["under"] = str(told.get("under", "")).replace("{split}", renamed)
    return Layout(**told)


def _rows(task: Task, data_dir: Path | None, split: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield where each row of a split stands, and the row."""
    rows = task.source.options.get("rows")
    if rows is None:
        layout = _layout(task, split)
        for path in locate(task, data_dir, split).paths:
            for line, row in table_rows(path, layout):
                yield f"{path}:{line}", row
        return
    by_split = rows if isinstance(rows, Mapping) else {task.split: rows}
    if split not in by_split:
        raise CatalogError(
            f"{task.id}: source.options.rows has no split {split!r}; it has {', '.join(by_split)}."
            " Give the rows as split -> list."
        )
    for number, row in enumerate(by_split[split], 1):
        yield f"{task.id}: row {number} of {split!r}", row


def _plain(row: Mapping[str, Any], column: str, where: str) -> str:
    """Return a cell that holds one text, number or truth value."""
    return cell_text(at(row, column, where), f"{where}: column {column!r}")


def _choices(task: Task, mapping: _Mapping, row: Mapping[str, Any], where: str) -> Listed:
    """Return the texts of the choices, an empty one where the row does not have it,
    and their labels.
    """
    columns = mapping.columns.get("choices")
    if columns is None:
        return task.labels, ()
    if isinstance(columns, list | tuple):
        return tuple(_plain(row, str(column), where) for column in columns), ()
    value = at(row, str(columns), where)
    if mapping.target_is == "mask" and isinstance(value, Mapping):
        value = list(value)  # choice -> 0 or 1
    texts, labels = listed_choices(value, mapping.separator, where)
    if (named := mapping.columns.get("labels")) is not None:
        labels = several(at(row, str(named), where), mapping.separator, f"{where}: labels")
        if len(labels) != len(texts):
            raise CatalogError(
                f"{where}: has {len(texts)} choices and {len(labels)} labels; as many are "
                "expected. Correct the row, or columns."
            )
    return texts, labels


def _instance(
    task: Task, mapping: _Mapping, row: Mapping[str, Any], *, where: str, name: tuple[str, int]
) -> Instance:
    told = {
        field: filled(row, str(mapping.columns.get(field, field)), where) for field in task.fields
    }
    texts, labels = _choices(task, mapping, row, where)
    column = str(mapping.columns.get("target", "target"))
    target: int | None = None
    if task.kind == "choice":
        value = None if mapping.target_is == "first" else at(row, column, where)
        index = named_target(value, (texts, labels), mapping.target_is, where, names=mapping.names)
        kept = [place for place, text in enumerate(texts) if text.strip()]  # empty is no choice
        order = moved(kept, (*told.values(), *texts)) if mapping.shuffle else kept
        choices = tuple(texts[place] for place in order)
        target = order.index(index)
        references: tuple[str, ...] = (texts[index],)
    else:
        choices = tuple(text for text in texts if text.strip())
        value = at(row, column, where)
        if task.metric == "math_match" and not mapping.separator and _plain_text(value):
            value = [value]  # [3, 4] is an interval there, not two answers
        references = _references(mapping, value, where, column)
    own = _id(mapping, row, where)
    return Instance(
        id=derived_id(*name, *told.values(), *choices, *references) if own is None else own,
        fields=told,
        choices=choices,
        target=target,
        references=references,
        factors={key: _plain(row, str(place), where) for key, place in mapping.factors.items()},
        where=where,
    )


def _plain_text(value: Any) -> bool:
    """Whether a cell is a text without quotes, so no list of texts as JSON or Python write it."""
    return isinstance(value, str) and not _QUOTES & set(value)


def _references(mapping: _Mapping, value: Any, where: str, column: str) -> tuple[str, ...]:
    """Return the accepted answers; those behind a mark without what stands before it."""
    found = several(value, mapping.separator, where)
    if mapping.names:
        found = tuple(mapping.names.get(text, text) for text in found)
    if not mapping.after:
        return found
    for text in found:
        if mapping.after not in text:
            raise CatalogError(
                f"{where}: column {column!r} has no {mapping.after!r}, behind which the answer "
                f"stands: {text[-40:]!r}. Correct the row, or source.options.after."
            )
    return tuple(text.rpartition(mapping.after)[2].strip() for text in found)


def _id(mapping: _Mapping, row: Mapping[str, Any], where: str) -> str | None:
    """Return upstream's id, several columns joined; None where the task names none."""
    key = mapping.columns.get("id")
    if key is None:
        return None
    if isinstance(key, list | tuple):
        return "/".join(_plain(row, str(column), where) for column in key)
    return _plain(row, str(key), where)
