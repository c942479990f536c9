"""What was edited between two wordings: words put in, taken out and exchanged,
and edits of small words alone.

A careful rewording exchanges content words for their like; an edit that touches no content word is
a slip of grammar or turns the sense (``and`` to ``or``), and one that only takes words out loses a
condition.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

from evalkit.catalog.library.patterns import FUNCTION_WORDS
from evalkit.catalog.library.reading import alike, stem

__all__ = ["EDIT_SIGNALS", "Edited", "bare", "edit_signals", "is_small", "words_of"]

EDIT_SIGNALS = ("small words", "taken out")
"""Names of what `edit_signals` counts."""
_SLOT = re.compile(r"\{\{\s*(\w+).*?\}\}", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+|\d+")
_DENY = "not no never none nothing neither nor without cannot"
_STEER = """
all each every any some most both either only alone just least first last second third next previous
one two three four five more less fewer many few single several another other others whole half
whatever whichever always sometimes often usually if unless when where while except within before
after until provided even though although because since instead rather
"""
_DENIALS = frozenset(_DENY.split())
_STEERING = _DENIALS | frozenset(_STEER.split())
"""Small words that may carry the sense of an instruction."""
_MOST = 4.0


def bare(text: str) -> str:
    """Return a wording as an encoder reads it: slots as their names."""
    return _SLOT.sub(r"\1", text).strip()


def words_of(text: str) -> list[str]:
    """Return the words of a wording in lower case, slots as their names."""
    return [word.lower() for word in _WORD.findall(bare(text))]


def is_small(word: str) -> bool:
    """Return whether a word carries no sense of its own:
    a function word that neither denies, counts nor conditions.
    """
    return word in FUNCTION_WORDS and word not in _STEERING


@dataclass(frozen=True)
class Edited:
    """Two wordings as words, and what was edited."""

    first: Sequence[str]
    second: Sequence[str]

    @cached_property
    def edits(self) -> list[tuple[str, int, int, int, int]]:
        """Stretches that differ, as `difflib` names them."""
        codes = SequenceMatcher(None, self.first, self.second, autojunk=False).get_opcodes()
        return [code for code in codes if code[0] != "equal"]

    @cached_property
    def closeness(self) -> float:
        """Share of words that stand in both texts in the same order."""
        return SequenceMatcher(None, self.first, self.second, autojunk=False).ratio()

    @cached_property
    def lost(self) -> list[int]:
        """Places of the content words of the first text that nothing in the second stands for."""
        return _without_counterpart(self.first, self.second)

    @cached_property
    def new(self) -> list[int]:
        """Places of the content words of the second text that nothing in the first stands for."""
        return _without_counterpart(self.second, self.first)


def _without_counterpart(words: Sequence[str], others: Sequence[str]) -> list[int]:
    stems = {stem(word) for word in others}
    return [
        place
        for place, word in enumerate(words)
        if not is_small(word)
        and stem(word) not in stems
        and not any(alike(stem(word), other) for other in stems)
    ]


def edit_signals(original: str, candidate: str) -> dict[str, float]:
    """Return the signs of `EDIT_SIGNALS`, each at most 4,
    and each times the square of how near the texts are.
    """
    pair = Edited(words_of(original), words_of(candidate))
    alone = bool(pair.edits) and not pair.lost and not pair.new
    taken_out = (pair.first[start:end] for tag, start, end, _, _ in pair.edits if tag == "delete")
    counts = (
        len(pair.edits) if alone else 0,
        max((sum(not is_small(word) for word in words) for words in taken_out), default=0),
    )
    found = {
        name: min(float(count), _MOST) for name, count in zip(EDIT_SIGNALS, counts, strict=True)
    }
    near = pair.closeness**2
    return found | {f"{name}, near": value * near for name, value in found.items()}
