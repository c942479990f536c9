"""Which choice a published answer names: by letter, place, text, label, a mask,
or by being the first.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.catalog.readers.nested import Listed
from evalkit.catalog.readers.rows import cell_text
from evalkit.errors import CatalogError

__all__ = ["TARGETS", "moved", "named_target"]

TARGETS = ("letter", "index", "number", "text", "label", "mask", "first")
_INDEX = re.compile(r"[0-9]{1,6}\Z")
_BRACKETS = re.compile(r"\(?([A-Za-z0-9])[).:]\Z")
"""An answer such as ``(B)`` or ``B.``."""
_HIDDEN = frozenset({"", "-1", "?"})
"""What stands where publishers keep an answer to themselves."""


def named_target(
    value: Any, listed: Listed, kind: str, where: str, *, names: Mapping[str, str] | None = None
) -> int:
    """Return the index of the choice that an answer names.

    Parameters
    ----------
    value
        Content of the answer's column; nothing for ``first``.
    listed
        Texts of the choices and the labels the file gives them.
    kind
        One of `TARGETS`: ``letter`` counts from A, or is one of the labels where there are some;
        ``mask`` is a list with one 1 among 0, or an object from each choice to its 0 or 1.
    where
        Start of a message.
    names
        Answer as the file writes it -> label or text, for answers that are codes.

    Raises
    ------
    CatalogError
        When the answer is missing or hidden, or names no choice.
    """
    texts, labels = listed
    if kind == "first":
        return _sure(0, texts, "the first", kind, where)
    if kind == "mask":
        return _masked(value, texts, where)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    answer = cell_text(value, f"{where}: the answer")
    text = answer.strip()
    if names:
        if text not in names and _same(text, texts) < 0:
            raise CatalogError(
                f"{where}: answer {answer[:60]!r} has no name; source.options.names has "
                f"{', '.join(names)}.{_if_hidden(text)} Correct the cell or names."
            )
        text, kind = names.get(text, text), "text"
    if kind in ("letter", "label") and (bare := _BRACKETS.match(text)):
        text = bare[1]
    if kind in ("letter", "label") and labels:
        return _sure(_same(text, labels), texts, answer, "label", where)
    index = -1
    if kind == "letter" and len(text) == 1:
        index = ord(text.upper()) - ord("A")
    elif kind in ("index", "number") and _INDEX.match(text):
        index = int(text) - (kind == "number")
    elif kind == "text":
        index = _same(text, texts)
    return _sure(index, texts, answer, kind, where)


def _same(text: str, among: Sequence[str]) -> int:
    """Return where a text stands, whatever its case where only one is alike;
    -1 where it does not.
    """
    for place, other in enumerate(among):
        if other.strip() == text:
            return place
    alike = [at for at, other in enumerate(among) if other.strip().casefold() == text.casefold()]
    return alike[0] if len(alike) == 1 else -1  # upstream writes true where prompts ask for True


def _sure(index: int, texts: Sequence[str], answer: str, kind: str, where: str) -> int:
    if not 0 <= index < len(texts) or not texts[index].strip():
        raise CatalogError(
            f"{where}: target {answer[:60]!r} names none of {len(texts)} choices (read as "
            f"{kind}).{_if_hidden(answer.strip())} Correct the cell or target_is."
        )
    return index


def _if_hidden(text: str) -> str:
    """Return what to say of an answer that publishers hide."""
    if text not in _HIDDEN:
        return ""
    return " Answers of this split may be hidden by its publishers; use a split with answers."


def _masked(value: Any, texts: Sequence[str], where: str) -> int:
    if isinstance(value, Mapping):
        value = list(value.values())
    marks = [str(mark) for mark in value] if isinstance(value, list) else []
    if len(marks) != len(texts) or sorted(set(marks)) != ["0", "1"] or marks.count("1") != 1:
        raise CatalogError(
            f"{where}: target {str(value)[:60]!r} is no list of one 1 and {len(texts) - 1} times "
            "0, one for each choice (read as mask). Correct the cell or target_is."
        )
    return _sure(marks.index("1"), texts, "1", "mask", where)


def moved(places: Sequence[int], content: Sequence[str]) -> list[int]:
    """Return places in an order drawn from the content of their row, the same on every machine.

    >>> moved([0, 1, 2, 3], ("a question",))
    [0, 2, 1, 3]
    """

    def drawn(place: int) -> bytes:
        return hashlib.sha256("\x1f".join([*content, str(place)]).encode()).digest()

    return sorted(places, key=drawn)
