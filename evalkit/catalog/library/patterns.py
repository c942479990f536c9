"""A phrasing as something to look for: its words in order, slots as wildcards.

Words are compared normalised: Unicode NFKC, invisible characters dropped, case folded, punctuation
and underscores as blanks. Scripts without spaces count each character as a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from evalkit.records import Phrasing

__all__ = ["FUNCTION_WORDS", "Pattern", "make_patterns", "normalised_words", "pieces_of"]

_BLOCK = re.compile(
    r"\{%-?\s*(?:if|for)\b.*?\{%-?\s*end(?:if|for)\s*-?%\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL
)
_SLOT = re.compile(r"\{\{.*?\}\}|\{[^{}\n]{0,60}\}", re.DOTALL)
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)
_ASCII = bytes(
    code
    if chr(code).isascii() and chr(code).isalnum() and not chr(code).isupper()
    else code + 32
    if 65 <= code <= 90
    else 32
    for code in range(256)
)
_INVISIBLE = dict.fromkeys((173, 8203, 8204, 8205, 8288, 65279))
_FUNCTION = """
a an the this that these those and or but so if of in on at by for from to with as is are was were
be been it its your you please which what whether do does did can could will would should may might
then there here s t
"""
FUNCTION_WORDS = frozenset(_FUNCTION.split())
"""Words that weigh half: a copy with another article is still a copy."""


def normalised_words(text: str) -> list[str]:
    """Return the words of `text`, normalised.

    >>> normalised_words("Don't  GUESS: pick_one!")
    ['don', 't', 'guess', 'pick', 'one']
    """
    if text.isascii():
        return text.encode("ascii").translate(_ASCII).decode("ascii").split()
    return _WORD.findall(unicodedata.normalize("NFKC", text).translate(_INVISIBLE).casefold())


def pieces_of(text: str) -> list[str]:
    """Return the literal stretches of a phrasing text between slots.

    Conditional and looped parts are wildcards too.
    """
    return [piece for part in _BLOCK.split(text) for piece in _SLOT.split(part)]


@dataclass(frozen=True, slots=True)
class Pattern:
    """What is looked for on behalf of one or more phrasings that differ in case, punctuation or
    layout only.
    """

    phrasing_ids: tuple[str, ...]
    """Phrasings with these words."""
    pieces: tuple[tuple[str, ...], ...]
    """Words of every literal stretch, in order."""
    open_start: bool
    """Whether a slot stands before the first word."""
    open_end: bool
    """Whether a slot stands after the last word."""
    literals: tuple[tuple[str, ...], ...]
    """Per phrasing, its literal stretches as written, edges trimmed: what an exact copy holds in
    order."""

    @property
    def words(self) -> tuple[str, ...]:
        """Return all words, stretches joined."""
        return tuple(word for piece in self.pieces for word in piece)

    @property
    def weight(self) -> float:
        """Return the number of words, function words counted half."""
        return sum(0.5 if word in FUNCTION_WORDS else 1.0 for word in self.words)


def make_patterns(phrasings: Iterable[Phrasing]) -> list[Pattern]:
    """Return one pattern per distinct sequence of words, in order of first use."""
    found: dict[tuple[Any, ...], list[Phrasing]] = {}
    for phrasing in phrasings:
        stretches = [tuple(normalised_words(piece)) for piece in pieces_of(phrasing.text)]
        pieces = tuple(words for words in stretches if words)
        found.setdefault(
            (pieces, bool(pieces) and not stretches[0], bool(pieces) and not stretches[-1]), []
        ).append(phrasing)
    return [
        Pattern(
            tuple(phrasing.id for phrasing in group),
            pieces,
            start,
            end,
            tuple(map(_literals, group)),
        )
        for (pieces, start, end), group in found.items()
    ]


def _literals(phrasing: Phrasing) -> tuple[str, ...]:
    """Return the literal stretches of a phrasing as written, edges trimmed."""
    return tuple(literal for piece in pieces_of(phrasing.text) if (literal := piece.strip()))
