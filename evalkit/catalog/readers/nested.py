"""Values inside a row: dotted paths, choices in every shape that published files keep them in,
lists written as text.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.catalog.opening import NamedTwice, parse_json
from evalkit.catalog.readers.rows import cell_text
from evalkit.errors import CatalogError

__all__ = ["Listed", "at", "filled", "listed_choices", "several"]

_SLOT = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_LONGEST_LIST = 1_000_000
"""Characters of a list written as Python writes it."""
_LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_TEXTS = ("text", "texts", "choices", "value", "content")
_LABELS = ("label", "labels", "key", "id")
_LETTERED = re.compile(r"\s*\(?(?P<letter>[A-Z])[).:](?P<text>.*)\Z", re.DOTALL)
Listed = tuple[tuple[str, ...], tuple[str, ...]]
"""Texts of choices, and the labels that the file gives them (none where it gives none)."""


def at(row: Mapping[str, Any], path: str, where: str) -> Any:
    """Return the value at a path of a row.

    The column of that very name, else each part between dots in turn: a key of an object, a place
    (from 0) of a list; any other part over a list gives the list of what each of its items has.
    Of paths parted by `` | `` the first that the row has.

    Raises
    ------
    CatalogError
        When nothing is there; names what there is.

    Examples
    --------
    >>> at({"q": {"choices": [{"text": "a"}, {"text": "b"}]}}, "q.choices.text", "")
    ['a', 'b']
    """
    if path in row:
        return row[path]
    first, *others = path.split(" | ")
    if others:
        try:
            return at(row, first, where)
        except CatalogError:
            return at(row, " | ".join(others), where)
    value: Any = row
    walked = ""
    for part in path.split("."):
        value = _step(value, part, path, walked, where)
        walked = f"{walked}.{part}" if walked else part
    return value


def _step(value: Any, part: str, path: str, walked: str, where: str) -> Any:
    if isinstance(value, Mapping):
        if part in value:
            return value[part]
        inside = f"{walked!r} of it has" if walked else "it has"
        raise CatalogError(
            f"{where}: has no column {path!r}; {inside} "
            f"{', '.join(map(str, value))[:300] or 'none'}. Correct source.options.columns."
        )
    if isinstance(value, list):
        if part.isdecimal() and len(part) < 7:
            if int(part) < len(value):
                return value[int(part)]
            raise CatalogError(
                f"{where}: column {path!r}: {walked!r} has {len(value)} items, the one at {part} "
                "(from 0) is asked for. Correct source.options.columns."
            )
        return [_step(item, part, path, walked, where) for item in value]
    raise CatalogError(
        f"{where}: column {path!r}: {walked!r} holds {type(value).__name__} "
        f"{str(value)[:40]!r}, which has no {part!r}. Correct source.options.columns."
    )


def filled(row: Mapping[str, Any], told: str, where: str) -> str:
    """Return the text of a column, or of a template whose slots are columns.

    >>> filled({"a": "x", "b": {"c": 2}}, "A: {{ a }} B: {{ b.c }}", "")
    'A: x B: 2'
    """
    if "{{" not in told or told in row:
        return _joined(at(row, told, where), f"{where}: column {told!r}")
    return _SLOT.sub(
        lambda slot: _joined(at(row, slot[1], where), f"{where}: column {slot[1]!r}"), told
    )


def _joined(value: Any, where: str) -> str:
    """Return a cell as text; a list of texts, such as the paragraphs of a passage, as its lines."""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return cell_text(value, where)


def several(value: Any, separator: str | None, where: str) -> tuple[str, ...]:
    """Return the texts of a cell that holds several.

    A list, text of a list as JSON or Python write it, or text with a separator.

    Raises
    ------
    CatalogError
        When a list holds something else than texts, or its text cannot be read.
    """
    if isinstance(value, list):
        return tuple(cell_text(item, f"{where}: a list") for item in value)
    text = cell_text(value, f"{where}: the cell")
    if separator:
        return tuple(part.strip() for part in text.split(separator))
    if text.lstrip().startswith(("[", "{")) and (found := _written(text, where)) is not None:
        if isinstance(found, list):
            return tuple(cell_text(item, f"{where}: a list") for item in found)
        return tuple(cell_text(item, f"{where}: an object") for item in found.values())
    return (text,)


def _written(text: str, where: str) -> Any:
    """Return the list or object that a text writes;
    None where an object's brace begins a plain text.
    """
    try:
        return parse_json(text)
    except NamedTwice as error:
        raise CatalogError(f"{where}: {error}") from error
    except (json.JSONDecodeError, RecursionError) as error:
        problem = str(error)
    try:
        value = _python(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError) as error:
        if text.lstrip().startswith("{"):
            return None
        raise CatalogError(
            f"{where}: {text[:40]!r} is not a list in JSON ({problem}) nor as Python writes one "
            f"({str(error).splitlines()[0][:80]}). Set source.options.separator."
        ) from error
    if isinstance(value, list | dict):
        return value
    return None


def _python(text: str) -> Any:
    """Return what a Python literal means; texts side by side,
    as numpy prints an array, are refused.
    """
    if len(text) > _LONGEST_LIST:
        raise ValueError(f"it has more than {_LONGEST_LIST} characters")
    before = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.STRING and before == tokenize.STRING:
            raise ValueError("no commas stand between its texts, as numpy prints an array")
        if token.type not in (tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT):
            before = token.type
    return ast.literal_eval(text.strip())


def listed_choices(value: Any, separator: str | None, where: str) -> Listed:
    """Return the choices that a cell holds, in whatever shape.

    A list of texts; an object from label to text; an object of a list of texts and a list of labels
    (``{"text": [...], "label": [...]}``); a list of objects with a text and a label; or text, as
    `several` reads it, or as one line ``(A) red (B) blue``. Texts that all begin with their own
    letter are read without it.

    Examples
    --------
    >>> listed_choices({"A": "yes", "B": "no"}, None, "")
    (('yes', 'no'), ('A', 'B'))
    >>> listed_choices({"text": ["yes", "no"], "label": ["1", "2"]}, None, "")
    (('yes', 'no'), ('1', '2'))
    """
    if isinstance(value, str) and not separator and value.lstrip().startswith(("[", "{")):
        value = _written(value, where) or value
    if isinstance(value, Mapping):
        return _of_object(value, where)
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        text, label = _named(value[0], _TEXTS), _named(value[0], _LABELS)
        if text and all(text in item for item in value):
            texts = tuple(cell_text(item[text], f"{where}: choice {text!r}") for item in value)
            return texts, _labels([item.get(label) for item in value] if label else [], where)
        raise CatalogError(
            f"{where}: choices are objects with {', '.join(value[0])}; a text under one of "
            f"{', '.join(_TEXTS)} is expected. Name the path, such as choices.NAME."
        )
    if isinstance(value, str) and not separator and (parts := _inline(value)):
        return parts
    return _without_letters(several(value, separator, f"{where}: choices"))


def _without_letters(texts: tuple[str, ...]) -> Listed:
    """Return choices that all begin with their own letter without it, and the letters as labels.

    >>> _without_letters(("(A) red", "(B)blue"))
    (('red', 'blue'), ('A', 'B'))
    >>> _without_letters(("A. Smith", "C. Jones"))
    (('A. Smith', 'C. Jones'), ())
    """
    parts = [_LETTERED.match(text) for text in texts]
    found = [part for part in parts if part and part["text"].strip()]
    letters = tuple(part["letter"] for part in found)
    if len(texts) < 2 or letters != _LETTERS[: len(texts)]:
        return texts, ()
    return tuple(part["text"].strip() for part in found), letters


def _inline(text: str) -> Listed | None:
    """Return the choices of a line such as ``(A) red (B) blue``; None where it is none.

    >>> _inline("(A) red (B) blue")
    (('red', 'blue'), ('A', 'B'))
    """
    rest, texts = text.strip().removeprefix("(A)"), []
    if rest == text.strip():
        return None
    for letter in _LETTERS[1:]:
        mark = re.search(rf"\s\({letter}\)(?=\s|\w)", rest)
        if mark is None:
            break
        texts.append(rest[: mark.start()].strip())
        rest = rest[mark.end() :]
    texts.append(rest.strip())
    return (tuple(texts), _LETTERS[: len(texts)]) if len(texts) > 1 and all(texts) else None


def _of_object(value: Mapping[str, Any], where: str) -> Listed:
    text, label = _named(value, _TEXTS), _named(value, _LABELS)
    if text and isinstance(value[text], list):
        texts = several(value[text], None, f"{where}: choices.{text}")
        labels = value[label] if label and isinstance(value[label], list) else []
        if labels and len(labels) != len(texts):
            raise CatalogError(
                f"{where}: choices have {len(texts)} texts and {len(labels)} labels; as many are "
                "expected. Correct the row."
            )
        return texts, _labels(labels, where)
    # a column of Parquet holds every letter that any row has, empty where this one has not
    held = {str(key): item for key, item in value.items() if item is not None}
    texts = tuple(cell_text(item, f"{where}: choice {key!r}") for key, item in held.items())
    return texts, tuple(held)


def _named(value: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((name for name in names if name in value), "")


def _labels(values: Sequence[Any], where: str) -> tuple[str, ...]:
    return tuple(cell_text(value, f"{where}: label of a choice") for value in values)
