"""A task file from a table: which column is asked, which holds the answer,
and what the answers are.

Columns are told by their names and by what stands in them; every guess is said, and the file is a
proposal for a person to read. Objects inside a row are columns by their dotted paths; choices may
be a list, a list of objects, texts beside labels, or an object from letter to text; answers may be
a mask of 0 and 1 beside them. Not handled: several tables, languages other than by their content,
programs.

References
----------
Yin et al. Dynosaur: a dynamic growth paradigm for instruction-tuning data curation, EMNLP 2023
(tasks from the metadata of a table; the rules here are ours).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.catalog.files import load_json
from evalkit.catalog.library.table_columns import (
    READ,
    Rows,
    choice_columns,
    choices_of,
    flat,
    is_id,
    is_question,
    is_text,
    same_answers,
    separator_of,
    target_is,
    target_of,
    unasked,
    unique,
)
from evalkit.catalog.library.writing import dump_yaml
from evalkit.catalog.readers.rows import Layout, as_text, table_rows
from evalkit.errors import CatalogError, UsageError

__all__ = ["Proposal", "propose"]

_FIELD = re.compile(r"[a-z_][a-z0-9_]*\Z")
_NUMBER = re.compile(r"[-+]?[$]?[0-9][0-9,]*(?:\.[0-9]+)?%?\Z")
_MARK = "####"
"""What stands before the answer in texts that end with it, as GSM8K writes them."""
_MOST_LABELS = 20
"""Most different answers that are taken as fixed labels."""
_LEAST_USE = 3
"""How often a fixed label must be used on average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A task file that reads a table."""

    text: str
    """The file."""
    told: tuple[str, ...]
    """What was taken for what, a line each."""


def propose(
    path: Path,
    *,
    name: str = "",
    target: str = "",
    columns: Sequence[str] = (),
    header: Sequence[str] = (),
) -> Proposal:
    """Return a task file for a table.

    Parameters
    ----------
    path
        CSV, TSV, JSON Lines, JSON or Parquet.
    name
        Name of the task; that of the file when empty.
    target
        Column of the answers; told by its name when empty.
    columns
        Columns of the instance; when empty, all other texts but those that tell the answer or the
        way to it, and beside a question those that are notes about the row.
    header
        Names of the columns of a file whose first line does not name them.

    Raises
    ------
    UsageError
        When a column is not there, or which one holds the answers cannot be told.
    CatalogError
        When the file is no table.
    """
    rows, layout = _read(path, header)
    if not rows:
        raise UsageError(f"{path}: has no rows; a table with a row per instance is needed.")
    names = list(dict.fromkeys(key for row in rows for key in row))
    for given in (*columns, *([target] if target else [])):
        if given not in names:
            raise UsageError(f"{path}: has no column {given!r}; it has {', '.join(names)}.")
    key = next((one for one in names if is_id(one) and unique(rows, one)), "")
    same = same_answers(path, rows, names, key, target)
    answers = target or target_of(path, rows, names, key, same)
    listed, single = choice_columns(rows, names, answers, key)
    taken = {key, answers, single, *listed, *same}
    texts = [one for one in names if one not in taken and not is_id(one) and is_text(rows, one)]
    telling, notes = ([], []) if columns else unasked(texts)
    fields = list(columns) or [one for one in texts if one not in {*telling, *notes}]
    if not fields:
        raise UsageError(
            f"{path}: no column is left that could be asked about; columns: {', '.join(names)}. "
            "Name them with --columns."
        )
    task, told = _task(rows, path, name, key, answers, listed, single, fields)
    task["source"]["options"] |= layout
    told += [f"read with {option}: {value}" for option, value in layout.items()]
    telling = [*(one for one in same if one not in {answers, *columns}), *telling]
    told += _repeated(rows, [*fields, *listed, *([single] if single else [])], answers)
    if telling:
        told.append(f"not asked, since it tells the answer: {', '.join(telling)}")
    if notes:
        told.append(f"not asked, a note about the row: {', '.join(notes)}")
    return Proposal(text=_HEAD + dump_yaml(task), told=tuple(told))


_HEAD = "# Made of a table: read every line. docs/tasks.md says what it means.\n"


def _read(path: Path, header: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the rows of a table, and what the reader must be told to read them.

    Where it cannot be read as its ending says: with quotes as ordinary letters, with another mark
    between cells, or under the one key of a JSON document that holds a list of objects.
    """
    if ".txt" in path.suffixes:
        raise UsageError(
            f"{path}: is a text file, which does not say what stands between its cells. "
            "Give it the ending .csv or .tsv."
        )
    given = {"header": list(header)} if header else {}
    if header and not {".csv", ".tsv"} & set(path.suffixes):
        raise UsageError(
            f"--header: {path} names its columns in every row; it is for CSV and TSV whose first "
            "line does not. Leave it out."
        )
    tries: list[dict[str, Any]] = [{}]
    if ".tsv" in path.suffixes or ".csv" in path.suffixes:
        tries += [{"quoted": False}, {"delimiter": ";"}, {"delimiter": "\t"}, {"delimiter": "|"}]
    elif path.suffix == ".json":
        tries += _keys_of_rows(path)
    first: CatalogError | None = None
    narrow: tuple[list[dict[str, Any]], dict[str, Any]] | None = None
    for one in tries:
        told = {**one, **given}
        try:
            layout = Layout(**{**told, "header": tuple(header)})
            rows = [flat(row) for _, row in table_rows(path, layout)]
        except CatalogError as error:
            first = first or error
            continue
        if rows and len(rows[0]) > 1:
            return rows, told
        narrow = narrow or (None if first else (rows, told))
    if narrow:
        return narrow
    raise first or UsageError(f"{path}: has no rows.")


def _keys_of_rows(path: Path) -> list[dict[str, Any]]:
    """Return the key of a JSON document under which rows stand, where there is one such key.

    Raises
    ------
    UsageError
        When the document is the published file of a benchmark that has a reader of its own.
    """
    try:
        content = load_json(path)
    except CatalogError:  # JSON Lines under another name: said by the reader of rows
        return []
    if not isinstance(content, Mapping):
        return []
    for keys, reader in _OWN_READERS:
        if keys <= set(content):
            raise UsageError(
                f"{path}: has the layout that the reader {reader} reads. Write a task file with "
                f"'reader: {reader}' and 'source: {{local: {path.name}}}'; docs/tasks.md says how."
            )
    found = [
        key
        for key, value in content.items()
        if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value)
    ]
    return [{"under": found[0]}] if len(found) == 1 and found != ["data"] else []


_OWN_READERS = (
    ({"Definition", "Instances"}, "superni"),
    ({"examples", "canary", "name"}, "bigbench"),
    ({"version", "data"}, "squad"),
)
"""Keys of a published document, and who reads it."""


def _task(
    rows: Rows,
    path: Path,
    name: str,
    key: str,
    answers: str,
    listed: Sequence[str],
    single: str,
    fields: Sequence[str],
) -> tuple[dict[str, Any], list[str]]:
    """Return the task and what was taken for what."""
    named = _fields(rows, fields)
    columns: dict[str, Any] = {"id": key} if key else {}
    columns |= {field: column for field, column in named.items() if field != column}
    columns["target"] = answers
    options: dict[str, Any] = {"columns": columns}
    task: dict[str, Any] = {
        "name": re.sub(r"[^a-z0-9]+", "_", (name or path.stem).lower()).strip("_") or "task",
        "benchmark": "mine",
        "reader": "table",
        "source": {"local": path.name, "options": options},
    }
    if list(named) != ["question"]:
        task["fields"] = list(named)
    told = [f"asked: {', '.join(fields)}", f"answer: {answers}", *([f"id: {key}"] if key else [])]
    values = [_shown(row.get(answers)).strip() for row in rows]
    labels = sorted(set(values))
    if listed or single:
        columns["choices"] = list(listed) or single
        separator = "" if listed else separator_of(rows, single)
        if separator:
            options["separator"] = separator
        choices = [choices_of(row, listed, single, separator) for row in rows]
        kind, right = target_is([row.get(answers) for row in rows], choices, path)
        options["target_is"] = kind
        told += [
            f"choices: {', '.join(listed) or single}",
            f"the answer is the {READ[kind]} of the right choice",
        ]
        if len(rows) > 1 and not any(right):
            options["shuffle"] = True
            told.append("the right choice always stands first: choices are put in an order drawn")
        task |= {"kind": "choice", "metric": "choice_accuracy"}
    elif (
        len(labels) <= _MOST_LABELS and len(values) >= _LEAST_USE * len(labels) and len(labels) > 1
    ):
        task |= {"kind": "choice", "labels": labels, "metric": "choice_accuracy"}
        told.append(f"labels: {', '.join(labels)}")
    else:
        task |= {"kind": "generate", "metric": "exact_match"}
        if all(_MARK in value for value in values):
            options["after"] = _MARK
            values = [value.rpartition(_MARK)[2].strip() for value in values]
            told.append(f"the answer stands behind {_MARK}")
        if 2 * sum(_NUMBER.match(value) is not None for value in values) >= len(values):
            task["metric"] = "math_match"
            told.append("the answers are numbers, all or most")
        elif any("\n" in value.strip().replace("\\n", "\n") for value in values):
            task["metric"] = "rouge_l"
            told.append("the answers have several lines: compared by ROUGE-L")
        numbers = [(len(set(values)), "different answer"), (len(values), "row")]
        several = [f"{number:,} {what}{'s' * (number != 1)}" for number, what in numbers]
        told.append(f"free text: {' in '.join(several)}")
    what = "the right choice" if task["kind"] == "choice" else _spoken([answers])
    task["description"] = f"Give {what} for {_spoken(fields)}."
    return task, told


def _fields(rows: Rows, columns: Sequence[str]) -> dict[str, str]:
    """Field of the task -> column; the question is the one of that name,
    else that of the longest texts.
    """
    main = next((one for one in columns if is_question(one)), "") or max(
        columns, key=lambda column: sum(len(as_text(row.get(column))) for row in rows)
    )
    found = {"question": main}
    for column in columns:
        if column == main:
            continue
        field = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
        field = field if _FIELD.match(field) else f"column_{len(found) + 1}"
        while field in found:
            field += "_"
        found[field] = column
    return found


def _repeated(rows: Rows, asked: Sequence[str], answers: str) -> list[str]:
    """Say which rows ask what an earlier one asks: with its answer, or with another."""
    first: dict[tuple[str, ...], str] = {}
    again: list[int] = []
    other: list[int] = []
    for place, row in enumerate(rows, 1):
        what, answer = tuple(_shown(row.get(one)) for one in asked), _shown(row.get(answers))
        if what in first:
            (again if first[what] == answer else other).append(place)
        first.setdefault(what, answer)
    says = ((again, "the same"), (other, "the same with another answer, so nobody gets both right"))
    return [
        f"asked twice, {said}: row {', '.join(map(str, places[:5]))}"
        f"{f' and {len(places) - 5:,} more' * (len(places) > 5)}"
        for places, said in says
        if places
    ]


def _spoken(columns: Sequence[str]) -> str:
    names = [f"the {re.sub('[_.]', ' ', column).lower()}" for column in columns]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _shown(value: Any) -> str:
    """Return an answer as text; the only item of a list for the list."""
    if isinstance(value, list) and len(value) == 1:
        return as_text(value[0])
    return as_text(value)
