"""Which column of a table is what: ids, answers, choices, the way to an answer, notes about a row.

Told by the end of a column's name, its case and its blanks apart, and by what stands in every row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.catalog.readers.nested import Listed, listed_choices
from evalkit.catalog.readers.rows import as_text
from evalkit.catalog.readers.targets import named_target
from evalkit.errors import CatalogError, UsageError

__all__ = [
    "READ",
    "Rows",
    "choice_columns",
    "choices_of",
    "flat",
    "is_id",
    "is_question",
    "is_text",
    "same_answers",
    "separator_of",
    "target_is",
    "target_of",
    "unasked",
    "unique",
]

Rows = Sequence[Mapping[str, Any]]
_IDS = re.compile(r"(?:id|ids|uid|uuid|qid|key|index|ind|idx|i_?index|number|no|nr|row)\Z|.*_id\Z")
_TARGETS = re.compile(
    r"(?:target|answer|label|gold|output|class|category|team|reference|expected|completion|response"
    r"|answer_?(?:key|idx|index)|labels|correct|correct_answers?|correct_option|ground_truth|y"
    r"|target_scores)\Z"
)
_TARGETS_TOO = re.compile(r"(?:l_?)?solutions?\Z|(?:.+_)?(?:answers?|label|target|truth)\Z")
"""Names that are taken only where none of the others is there."""
_CHOICES = re.compile(r"(?:choices|options|candidates|alternatives|endings|target_scores)\Z")
_ONE_CHOICE = re.compile(r"(?:[a-j]|(?:choice|option|opt|answer|ending|sol|mc)_?(?:[a-j]|\d))\Z")
_QUESTION = re.compile(r"(?:s_?)?question\Z|(?:question_)?stem\Z|query\Z")
_TELLS = re.compile(
    r"(?:l_?)?(?:rationales?|explanations?|solutions?|reasoning|equations?|alignments|proof|steps"
    r"|gold_.*|hint|decomposition|evidence|facts|cot|cot_content|chain_of_thought|justification"
    r"|(?:annotated_|linear_)?formula|potential_reason|complete_question)\Z"
)
"""Names of columns from which an answer can be read off."""
_ABOUT = re.compile(
    r"(?:source|src|type|level|difficulty|category|subject|subject_name|topic|domain|genre|year"
    r"|dataset|split|language|grade|question_concept|exam|.*_type|nbr_.*|.*_index)\Z"
)
"""Names of notes about a row, which no question of a benchmark shows."""
_ALWAYS_ABOUT = re.compile(
    r"(?:url|link|file_?name|document_name|metadata|licen[cs]e|template_number|grammar_check"
    r"|id_.*|.*_ids?)\Z"
)
"""Names of notes that nothing shows."""
_LETTER = re.compile(r"[A-Ja-j]\Z")
READ = {
    "text": "text",
    "letter": "letter",
    "label": "label",
    "index": "number from 0",
    "number": "number from 1",
    "mask": "1 in a mask",
}
"""How an answer names its choice -> in words."""
_SEPARATORS = (" | ", "|", "; ", ";", "\n")


def _end(column: str) -> str:
    """Return the end of a dotted path as names are compared: small letters, parted by ``_``.

    >>> _end("other.Answer Key"), _end("lSolutions")
    ('answer_key', 'l_solutions')
    """
    end = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.rpartition(".")[2])
    return re.sub(r"[^a-z0-9]+", "_", end.lower()).strip("_")


def is_id(column: str) -> bool:
    """Whether a column is called like one of ids."""
    return bool(_IDS.match(_end(column)))


def is_question(column: str) -> bool:
    """Whether a column is called like one of questions."""
    return bool(_QUESTION.match(_end(column)))


def unasked(columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the columns that tell the way to an answer,
    and the notes about a row beside a question.
    """
    telling = [one for one in columns if _TELLS.match(_end(one))]
    asked = any(is_question(one) for one in columns)
    notes = [
        one
        for one in columns
        if one not in telling
        and (_ALWAYS_ABOUT.match(_end(one)) or (asked and _ABOUT.match(_end(one))))
    ]
    return telling, notes


def flat(row: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return a row with the values of objects inside it under dotted paths; choices stay whole.

    >>> flat({"q": {"stem": "Q?", "choices": {"A": "x"}}})
    {'q.stem': 'Q?', 'q.choices': {'A': 'x'}}
    """
    found: dict[str, Any] = {}
    for name, value in row.items():
        whole = _CHOICES.match(_end(name)) or _lettered(value) or _marked(value)
        if isinstance(value, Mapping) and value and not whole:
            found |= flat(value, f"{path}{name}.")
        else:
            found[f"{path}{name}"] = value
    return found


def _lettered(value: Any) -> bool:
    """Whether an object goes from letters to texts."""
    return (
        isinstance(value, Mapping)
        and len(value) > 1
        and all(_LETTER.match(str(key)) for key in value)
        and all(isinstance(text, str | None) for text in value.values())
    )


def _marked(value: Any) -> bool:
    """Whether an object gives every text a 0 or 1, one of them 1."""
    return (
        isinstance(value, Mapping)
        and len(value) > 1
        and sorted(map(str, value.values())) == ["0"] * (len(value) - 1) + ["1"]
    )


def unique(rows: Rows, column: str) -> bool:
    """Whether every row has another value there, and all have one."""
    values = [as_text(row.get(column)) for row in rows if not isinstance(row.get(column), list)]
    return len(set(values)) == len(rows) and "" not in values


def is_text(rows: Rows, column: str) -> bool:
    """Whether a column holds a filled text in every row."""
    return all(isinstance(row.get(column), str | int | float) for row in rows) and all(
        as_text(row.get(column)).strip() for row in rows
    )


def _candidates(rows: Rows, names: Sequence[str], key: str) -> list[str]:
    """Return the columns that are called like answers and are not empty everywhere."""
    for pattern in (_TARGETS, _TARGETS_TOO):
        found = [one for one in names if pattern.match(_end(one)) and one != key]
        if found := [one for one in found if _filled_anywhere(rows, one)]:
            return found
    return []


def _filled_anywhere(rows: Rows, column: str) -> bool:
    return any(row.get(column) not in (None, "") for row in rows)


def same_answers(path: Path, rows: Rows, names: Sequence[str], key: str, target: str) -> list[str]:
    """Return the columns that name one and the same choice in every row;
    none where they disagree.
    """
    found = _candidates(rows, names, key)
    found = [target, *found] if target and target not in found else found
    told = {one: _named_by(path, rows, names, one, key) for one in found}
    fitting = [one for one in found if told[one]]
    first = target if target in fitting else next(iter(fitting), "")
    same = [one for one in fitting if told[one] == told[first]]
    return same if target or len(same) == len(fitting) else []


def target_of(path: Path, rows: Rows, names: Sequence[str], key: str, same: Sequence[str]) -> str:
    """Return the column of the answers: the first of those that say the same,
    else the only one so called.

    Raises
    ------
    UsageError
        When none or several may hold them.
    """
    found = list(same) or _candidates(rows, names, key)
    if same or len(found) == 1:
        return found[0]
    many = (
        f"{', '.join(found)} may hold them" if found else "none is called answer, label or the like"
    )
    raise UsageError(
        f"{path}: which column holds the answers cannot be told: {many}; columns: "
        f"{', '.join(name[:60] for name in names)}. Say it with --target COLUMN, or with --header "
        "where the first line names no columns."
    )


def _named_by(path: Path, rows: Rows, names: Sequence[str], answers: str, key: str) -> list[int]:
    """Return which choice every row's answer names when a column holds the answers;
    empty where it names none.
    """
    listed, single = choice_columns(rows, names, answers, key)
    if not (listed or single):
        return []
    choices = [choices_of(row, listed, single, separator_of(rows, single)) for row in rows]
    try:
        return target_is([row.get(answers) for row in rows], choices, path)[1]
    except UsageError:
        return []


def choice_columns(
    rows: Rows, names: Sequence[str], answers: str, key: str
) -> tuple[list[str], str]:
    """Return the columns of which each holds one choice, or the one that holds them all.

    Where no name says it, the only column that holds a list of two texts or more, or an object from
    letters to texts, in every row.
    """
    if all(_marked(row.get(answers)) for row in rows):
        return [], answers
    beside = [
        one
        for one in names
        if _CHOICES.match(_end(one)) and one != answers and _filled_anywhere(rows, one)
    ]
    under = answers.rpartition(".")[0]
    single = next((one for one in beside if one.rpartition(".")[0] == under), "")
    single = single or next(iter(beside), "")
    listed = [one for one in names if _ONE_CHOICE.match(_end(one)) and one not in {answers, key}]
    if single or len(listed) > 1:
        return ([] if single else listed), single
    alike = [
        one for one in names if one != answers and all(_holds_choices(row, one) for row in rows)
    ]
    return [], alike[0] if len(alike) == 1 else ""


def _holds_choices(row: Mapping[str, Any], column: str) -> bool:
    value = row.get(column)
    texts = (
        isinstance(value, list) and len(value) > 1 and all(isinstance(one, str) for one in value)
    )
    return texts or _lettered(value)


def separator_of(rows: Rows, column: str) -> str:
    """What parts the choices of one cell; empty for lists and objects."""
    texts = [row.get(column) for row in rows]
    if not all(
        isinstance(text, str) and not text.lstrip().startswith(("[", "{", "(")) for text in texts
    ):
        return ""
    return next((mark for mark in _SEPARATORS if all(mark in str(text) for text in texts)), "")


def choices_of(
    row: Mapping[str, Any], listed: Sequence[str], single: str, separator: str
) -> Listed:
    """Return the texts of a row's choices and the labels that it gives them;
    none where it has none.
    """
    if listed:
        return tuple(as_text(row.get(column)).strip() for column in listed), ()
    value = row.get(single)
    if isinstance(value, Mapping) and _marked(value):
        value = list(value)
    try:
        return listed_choices(value, separator or None, single)
    except CatalogError:
        return (), ()


def target_is(
    values: Sequence[Any], choices: Sequence[Listed], path: Path
) -> tuple[str, list[int]]:
    """How the answers name their choice, the one reading that fits every row,
    and which choices they are.

    Raises
    ------
    UsageError
        When no reading fits, or two do that name different choices.
    """
    fitting: dict[str, list[int]] = {}
    for kind in READ:
        if kind == "label" and not all(labels for _, labels in choices):
            continue
        try:
            fitting[kind] = [
                named_target(value, mine, kind, "")
                for value, mine in zip(values, choices, strict=True)
            ]
        except CatalogError:
            continue
    told = {as_text(value) for value in values if not isinstance(value, list | dict)}
    if {"index", "number"} <= set(fitting) and "0" not in told:
        most = max(len(texts) for texts, _ in choices)
        if str(most) in told:
            del fitting["index"]
    if not fitting:
        raise UsageError(_unread(values, path))
    kind = next(iter(fitting))
    if kind == "index" and "number" in fitting:
        raise UsageError(
            f"{path}: whether the answers count choices from 0 or from 1 cannot be told from "
            f"{len(values):,} rows. Write the task file by hand, with target_is."
        )
    return kind, fitting[kind]


def _unread(values: Sequence[Any], path: Path) -> str:
    """What to say of answers that name no choice."""
    lists = [value for value in values if isinstance(value, list) and len(value) > 1]
    many = sum(not {"0", "1"} >= set(map(str, value)) for value in lists)
    if many:
        return (
            f"{path}: {many:,} of {len(values):,} rows have several right choices; a choice task "
            "has one. Keep the other rows in a file of their own."
        )
    return (
        f"{path}: the answers name no choice in some row, neither by text, letter, label, mask "
        "nor number. Write the task file by hand; docs/tasks.md says how."
    )
