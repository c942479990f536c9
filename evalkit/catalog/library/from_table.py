"""A task file from a table: which column is asked, which holds the answer, and what the answers are.

Columns are told by their names and by what stands in them; every guess is said, and the file is a
proposal for a person to read. Objects inside a row are columns by their dotted paths; choices may be
a list, a list of objects, texts beside labels, or an object from letter to text; answers may be a mask
of 0 and 1 beside them. Not handled: several tables, languages other than by their content, programs.

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
from evalkit.catalog.readers.nested import Listed, listed_choices
from evalkit.catalog.readers.rows import as_text, table_rows
from evalkit.catalog.readers.targets import named_target
from evalkit.errors import CatalogError, UsageError

__all__ = ["Proposal", "propose"]

_IDS = re.compile(
    r"(?:id|ids|uid|uuid|qid|key|index|ind|idx|number|no|nr|row)\Z|.*_id\Z", re.IGNORECASE
)
_TARGETS = re.compile(
    r"(?:target|answer|label|gold|output|class|category|team|reference|expected|completion|response"
    r"|answer_?(?:key|idx|index)|labels|correct|correct_answer|correct_option|ground_truth|y)\Z",
    re.IGNORECASE,
)
_CHOICES = re.compile(r"(?:choices|options|candidates|alternatives|endings)\Z", re.IGNORECASE)
_ONE_CHOICE = re.compile(
    r"(?:[A-J]|(?:choice|option|opt|answer|ending|sol|mc)[_ ]?(?:[A-Ja-j]|\d))\Z", re.IGNORECASE
)
_QUESTION = re.compile(r"(?:question|stem)\Z", re.IGNORECASE)
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
    rows = [_flat(row) for _, row in table_rows(path)]
    if not rows:
        raise UsageError(f"{path}: has no rows; a table with a row per instance is needed.")
    names = list(dict.fromkeys(key for row in rows for key in row))
    for given in (*columns, *([target] if target else [])):
        if given not in names:
            raise UsageError(f"{path}: has no column {given!r}; it has {', '.join(names)}.")
    key = next((one for one in names if _IDS.match(one) and _unique(rows, one)), "")
    same = _same_answers(path, rows, names, key, target)
    answers = target or _target_of(path, names, key, same)
    listed, single = _choice_columns(rows, names, answers, key)
    taken = {key, answers, single, *listed, *same}
    fields = list(columns) or [
        one
        for one in names
        if one not in taken and not _IDS.match(_last(one)) and _is_text(rows, one)
    ]
    if not fields:
        raise UsageError(
            f"{path}: no column is left that could be asked about; columns: {', '.join(names)}. "
            "Name them with --columns."
        )
    task, told = _task(rows, path, name, key, answers, listed, single, fields)
    if told_too := [one for one in same if one not in {answers, *columns}]:
        told.append(f"not asked, since it tells the answer: {', '.join(told_too)}")
    return Proposal(text=_HEAD + dump_yaml(task), told=tuple(told))


_HEAD = "# Made of a table: read every line. docs/tasks.md says what it means.\n"


def _flat(row: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return a row with the values of objects inside it under dotted paths; choices stay whole.

    >>> _flat({"q": {"stem": "Q?", "choices": {"A": "x"}}})
    {'q.stem': 'Q?', 'q.choices': {'A': 'x'}}
    """
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping) and value and not _CHOICES.match(name):
            found |= _flat(value, f"{path}{name}.")
        else:
            found[f"{path}{name}"] = value
    return found


def _last(column: str) -> str:
    """Return the name at the end of a dotted path."""
    return column.rpartition(".")[2]


def _unique(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    values = [as_text(row.get(column)) for row in rows]
    return len(set(values)) == len(values) and "" not in values


def _is_text(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    """Whether a column holds a filled text in every row."""
    return all(isinstance(row.get(column), str | int | float) for row in rows) and all(
        as_text(row.get(column)).strip() for row in rows
    )


def _same_answers(
    path: Path, rows: Sequence[Mapping[str, Any]], names: Sequence[str], key: str, target: str
) -> list[str]:
    """Return the columns that name one and the same choice in every row; none where they disagree."""
    found = [one for one in names if one == target or (_TARGETS.match(_last(one)) and one != key)]
    told = {one: _named_by(path, rows, names, one, key) for one in found}
    fitting = [one for one in found if told[one]]
    first = target if target in fitting else next(iter(fitting), "")
    same = [one for one in fitting if told[one] == told[first]]
    return same if target or len(same) == len(fitting) else []


def _target_of(path: Path, names: Sequence[str], key: str, same: Sequence[str]) -> str:
    """Return the column of the answers: the first of those that say the same, else the only one so called."""
    found = same or [one for one in names if _TARGETS.match(_last(one)) and one != key]
    if same or len(found) == 1:
        return found[0]
    many = (
        f"{', '.join(found)} may hold them" if found else "none is called answer, label or the like"
    )
    raise UsageError(
        f"{path}: which column holds the answers cannot be told: {many}; columns: "
        f"{', '.join(names)}. Say it with --target COLUMN."
    )


def _named_by(
    path: Path, rows: Sequence[Mapping[str, Any]], names: Sequence[str], answers: str, key: str
) -> list[int]:
    """Return which choice every row's answer names when a column holds the answers; empty where it names none."""
    listed, single = _choice_columns(rows, names, answers, key)
    if not (listed or single):
        return []
    choices = [_choices(row, listed, single, _separator(rows, single)) for row in rows]
    try:
        return _target_is([row.get(answers) for row in rows], choices, path)[1]
    except UsageError:
        return []


def _choice_columns(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], answers: str, key: str
) -> tuple[list[str], str]:
    """Return the columns of which each holds one choice, or the one that holds them all."""
    beside = [one for one in names if _CHOICES.match(_last(one)) and one != answers]
    under = answers.rpartition(".")[0]
    single = next((one for one in beside if one.rpartition(".")[0] == under), "")
    single = single or next(iter(beside), "")
    listed = [one for one in names if _ONE_CHOICE.match(_last(one)) and one not in {answers, key}]
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
        kind, right = _target_is([row.get(answers) for row in rows], choices, path)
        options["target_is"] = kind
        told += [
            f"choices: {', '.join(listed) or single}",
            f"the answer is the {_READ[kind]} of the right choice",
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
        told.append(f"free text: {len(labels):,} different answers in {len(values):,} rows")
    what = "the right choice" if task["kind"] == "choice" else f"the {answers.replace('_', ' ')}"
    task["description"] = f"Give {what} for {_spoken(fields)}."
    return task, told


def _fields(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dict[str, str]:
    """Field of the task -> column; the question is the one of that name, else that of the longest texts."""
    main = next((one for one in columns if _QUESTION.match(_last(one))), "") or max(
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


def _spoken(columns: Sequence[str]) -> str:
    names = [f"the {re.sub('[_.]', ' ', column).lower()}" for column in columns]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


_SEPARATORS = (" | ", "|", "; ", ";", "\n")
_READ = {
    "text": "text",
    "letter": "letter",
    "label": "label",
    "index": "number from 0",
    "number": "number from 1",
    "mask": "1 in a mask",
}


def _separator(rows: Sequence[Mapping[str, Any]], column: str) -> str:
    """What parts the choices of one cell; empty for lists and objects."""
    texts = [row.get(column) for row in rows]
    if not all(
        isinstance(text, str) and not text.lstrip().startswith(("[", "{")) for text in texts
    ):
        return ""
    return next((mark for mark in _SEPARATORS if all(mark in str(text) for text in texts)), "")


def _choices(row: Mapping[str, Any], listed: Sequence[str], single: str, separator: str) -> Listed:
    """Return the texts of a row's choices and the labels that it gives them; none where it has none."""
    if listed:
        return tuple(as_text(row.get(column)).strip() for column in listed), ()
    try:
        return listed_choices(row.get(single), separator or None, single)
    except CatalogError:
        return (), ()


def _target_is(
    values: Sequence[Any], choices: Sequence[Listed], path: Path
) -> tuple[str, list[int]]:
    """How the answers name their choice, the one reading that fits every row, and which choices they are."""
    fitting: dict[str, list[int]] = {}
    for kind in _READ:
        if kind == "label" and not all(labels for _, labels in choices):
            continue
        try:
            fitting[kind] = [
                named_target(value, mine, kind, "")
                for value, mine in zip(values, choices, strict=True)
            ]
        except CatalogError:
            continue
    told = {as_text(value) for value in values if not isinstance(value, list)}
    if {"index", "number"} <= set(fitting) and "0" not in told:
        most = max(len(texts) for texts, _ in choices)
        if str(most) in told:
            del fitting["index"]
    if not fitting:
        raise UsageError(
            f"{path}: the answers name no choice in some row, neither by text, letter, label, mask "
            "nor number. Write the task file by hand; docs/tasks.md says how."
        )
    kind = next(iter(fitting))
    if kind == "index" and "number" in fitting:
        raise UsageError(
            f"{path}: whether the answers count choices from 0 or from 1 cannot be told from "
            f"{len(values):,} rows. Write the task file by hand, with target_is."
        )
    return kind, fitting[kind]
