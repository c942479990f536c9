"""A task file from a table: which column is asked, which holds the answer, and what the answers are.

Columns are told by their names and by what stands in them; every guess is said, and the file is a
proposal for a person to read. Not handled: several tables, nested cells, languages other than by
their content.

References
----------
Yin et al. Dynosaur: a dynamic growth paradigm for instruction-tuning data curation, EMNLP 2023 (tasks
from the metadata of a table; the rules here are ours).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.catalog.library.writing import dump_yaml
from evalkit.catalog.opening import parse_json
from evalkit.catalog.readers.rows import as_text, table_rows
from evalkit.errors import UsageError

__all__ = ["Proposal", "propose"]

_IDS = re.compile(r"(?:id|ids|uid|uuid|key|index|idx|number|no|nr|row)\Z|.*_id\Z", re.IGNORECASE)
_TARGETS = re.compile(
    r"(?:target|answer|label|gold|output|class|category|team|reference|expected|completion|response"
    r"|answer_?key|correct|correct_answer|correct_option|ground_truth|y)\Z",
    re.IGNORECASE,
)
_CHOICES = re.compile(r"(?:choices|options|candidates|alternatives)\Z", re.IGNORECASE)
_ONE_CHOICE = re.compile(
    r"(?:[A-J]|(?:choice|option|opt|answer|ending|sol|mc)[_ ]?(?:[A-Ja-j]|\d))\Z", re.IGNORECASE
)
_FIELD = re.compile(r"[a-z_][a-z0-9_]*\Z")
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
    path: Path, *, name: str = "", target: str = "", columns: Sequence[str] = ()
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
        Columns of the instance; all other texts when empty.

    Raises
    ------
    UsageError
        When a column is not there, or which one holds the answers cannot be told.
    CatalogError
        When the file is no table.
    """
    rows = [row for _, row in table_rows(path)]
    if not rows:
        raise UsageError(f"{path}: has no rows; a table with a row per instance is needed.")
    names = list(dict.fromkeys(key for row in rows for key in row))
    for given in (*columns, *([target] if target else [])):
        if given not in names:
            raise UsageError(f"{path}: has no column {given!r}; it has {', '.join(names)}.")
    key = next((one for one in names if _IDS.match(one) and _unique(rows, one)), "")
    answers = target or _target_of(path, names, key)
    listed, single = _choice_columns(rows, names, answers, key)
    fields = list(columns) or [
        one for one in names if one not in {key, answers, single, *listed} and _is_text(rows, one)
    ]
    if not fields:
        raise UsageError(
            f"{path}: no column is left that could be asked about; columns: {', '.join(names)}. "
            "Name them with --columns."
        )
    task, told = _task(rows, path, name, key, answers, listed, single, fields)
    return Proposal(text=_HEAD + dump_yaml(task), told=tuple(told))


_HEAD = "# Made of a table: read every line. docs/tasks.md says what it means.\n"


def _unique(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    values = [as_text(row.get(column)) for row in rows]
    return len(set(values)) == len(values) and "" not in values


def _is_text(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    """Whether a column holds a filled text in every row."""
    return all(isinstance(row.get(column), str | int | float) for row in rows) and all(
        as_text(row.get(column)).strip() for row in rows
    )


def _target_of(path: Path, names: Sequence[str], key: str) -> str:
    found = [one for one in names if _TARGETS.match(one) and one != key]
    if len(found) == 1:
        return found[0]
    many = (
        f"{', '.join(found)} may hold them" if found else "none is called answer, label or the like"
    )
    raise UsageError(
        f"{path}: which column holds the answers cannot be told: {many}; columns: "
        f"{', '.join(names)}. Say it with --target COLUMN."
    )


def _choice_columns(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], answers: str, key: str
) -> tuple[list[str], str]:
    """Return the columns of which each holds one choice, or the one that holds them all."""
    single = next((one for one in names if _CHOICES.match(one) and one != answers), "")
    listed = [one for one in names if _ONE_CHOICE.match(one) and one not in {answers, key}]
    return (listed if len(listed) > 1 and not single else []), single


def _task(
    rows: Sequence[Mapping[str, Any]],
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
    values = [as_text(row.get(answers)).strip() for row in rows]
    labels = sorted(set(values))
    if listed or single:
        columns["choices"] = list(listed) or single
        separator = "" if listed else _separator(rows, single)
        if separator:
            options["separator"] = separator
        choices = [_choices(row, listed, single, separator) for row in rows]
        options["target_is"] = _target_is(values, choices, path)
        told += [
            f"choices: {', '.join(listed) or single}",
            f"the answer is the {_READ[options['target_is']]} of the right choice",
        ]
        task |= {"kind": "choice", "metric": "choice_accuracy"}
    elif (
        len(labels) <= _MOST_LABELS and len(values) >= _LEAST_USE * len(labels) and len(labels) > 1
    ):
        task |= {"kind": "choice", "labels": labels, "metric": "choice_accuracy"}
        told.append(f"labels: {', '.join(labels)}")
    else:
        task |= {"kind": "generate", "metric": "exact_match"}
        told.append(f"free text: {len(labels):,} different answers in {len(values):,} rows")
    what = "the right choice" if task["kind"] == "choice" else f"the {answers.replace('_', ' ')}"
    task["description"] = f"Give {what} for {_spoken(fields)}."
    return task, told


def _fields(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dict[str, str]:
    """Field of the task -> column; the one with the longest texts is the question."""
    main = max(columns, key=lambda column: sum(len(as_text(row.get(column))) for row in rows))
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


def _spoken(columns: Sequence[str]) -> str:
    names = [f"the {column.replace('_', ' ').lower()}" for column in columns]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


_SEPARATORS = (" | ", "|", "; ", ";", "\n")
_READ = {"text": "text", "letter": "letter", "index": "number from 0", "number": "number from 1"}


def _separator(rows: Sequence[Mapping[str, Any]], column: str) -> str:
    """What parts the choices of one cell; empty for lists."""
    texts = [row.get(column) for row in rows]
    if not all(isinstance(text, str) and not text.lstrip().startswith("[") for text in texts):
        return ""
    return next((mark for mark in _SEPARATORS if all(mark in str(text) for text in texts)), "")


def _choices(
    row: Mapping[str, Any], listed: Sequence[str], single: str, separator: str
) -> list[str]:
    if listed:
        return [as_text(row.get(column)).strip() for column in listed]
    value = row.get(single)
    if isinstance(value, str):
        value = value.split(separator) if separator else parse_json(value)
    return [as_text(one).strip() for one in value] if isinstance(value, list) else []


def _target_is(values: Sequence[str], choices: Sequence[Sequence[str]], path: Path) -> str:
    """How the answers name their choice: the one reading that fits every row."""

    def fits(kind: str) -> bool:
        for value, mine in zip(values, choices, strict=True):
            if kind == "text":
                right = value in mine
            elif kind == "letter":
                right = len(value) == 1 and 0 <= ord(value.upper()) - ord("A") < len(mine)
            else:
                place = int(value) - (kind == "number") if value.isdigit() else -1
                right = 0 <= place < len(mine)
            if not right:
                return False
        return True

    fitting = [kind for kind in ("text", "letter", "index", "number") if fits(kind)]
    if {"index", "number"} <= set(fitting) and "0" not in values:
        most = max(len(mine) for mine in choices)
        fitting = ["number"] if str(most) in values else fitting
    if not fitting:
        raise UsageError(
            f"{path}: the answers name no choice in some row, neither by text, letter nor number. "
            "Write the task file by hand; docs/tasks.md says how."
        )
    if "index" in fitting and "number" in fitting and fitting[0] == "index":
        raise UsageError(
            f"{path}: whether the answers count choices from 0 or from 1 cannot be told from "
            f"{len(values):,} rows. Write the task file by hand, with target_is."
        )
    return fitting[0]
