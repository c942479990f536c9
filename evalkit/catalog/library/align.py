"""How closely a row holds a phrasing.

The cheapest way to edit the phrasing into a stretch of the row.

Costs: a word left out, put in or exchanged 1; a function word 1/2; a misspelling (one letter left
out, put in, exchanged or swapped, words of four letters and more) 1/4; text in place of a slot
nothing. Likeness = 1 - cost / weight of the phrasing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.catalog.library.patterns import FUNCTION_WORDS, Pattern

__all__ = ["Aligner", "Alignment", "misspelt"]

_TYPO = 0.25
_MEMO = 1_000_000
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Best place of a phrasing in a row."""

    likeness: float
    """1 for the same words; at most 1, and negative values are cut to 0."""
    start: int
    """First word of the stretch in the row."""
    end: int
    """Word after the stretch."""


def misspelt(word: str) -> set[str]:
    """Return `word` with one letter left out, every way, and itself.

    Two words that share one are one slip apart (or a swap).
    """
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


class Aligner:
    """Aligns patterns with rows; remembers which words are misspellings of which.

    Parameters
    ----------
    patterns
        What is looked for.
    vocabulary
        Word of a pattern -> number from 1.
    """

    def __init__(self, patterns: Sequence[Pattern], vocabulary: dict[str, int]) -> None:
        self._vocabulary = vocabulary
        self._variants: dict[str, list[str]] = {}
        for word in vocabulary:
            if len(word) >= 4:
                for variant in misspelt(word):
                    self._variants.setdefault(variant, []).append(word)
        self._memo: dict[str, tuple[int, ...]] = {}
        self._steps = [self._pattern_steps(pattern) for pattern in patterns]
        self._weights = [pattern.weight for pattern in patterns]

    def _pattern_steps(self, pattern: Pattern) -> list[tuple[int, float]]:
        """Numbers and weights of a pattern's words; number -1 for a slot between stretches."""
        steps: list[tuple[int, float]] = []
        for piece in pattern.pieces:
            if steps:
                steps.append((-1, 0.0))
            steps += [
                (self._vocabulary[word], 0.5 if word in FUNCTION_WORDS else 1.0) for word in piece
            ]
        return steps

    def _meant(self, word: str) -> tuple[int, ...]:
        """Return the numbers of pattern words that `word` may be a misspelling of (at most two,
        itself left out).
        """
        found = self._memo.get(word)
        if found is None:
            near: dict[str, None] = {}
            if len(word) >= 4 and not word.isdigit():
                for variant in misspelt(word):
                    for other in self._variants.get(variant, ()):
                        if other != word and abs(len(other) - len(word)) <= 1:
                            near.setdefault(other)
            found = tuple(self._vocabulary[other] for other in sorted(near)[:2])
            if len(self._memo) < _MEMO:
                self._memo[word] = found
        return found

    def row_words(self, words: Sequence[str]) -> tuple[frozenset[int], frozenset[int]]:
        """Return the numbers of the pattern words a row holds, and of those it holds misspelt."""
        get = self._vocabulary.get
        return frozenset(get(word, 0) for word in words), frozenset(
            other for word in words for other in self._meant(word)
        )

    def bound(self, number: int, row: tuple[frozenset[int], frozenset[int]]) -> float:
        """Return a likeness that pattern `number` cannot exceed in a row, from the words the row
        lacks, wherever they stand.
        """
        held, meant = row
        lost = sum(
            weight if wanted not in meant else _TYPO * weight
            for wanted, weight in self._steps[number]
            if wanted > 0 and wanted not in held
        )
        return 1.0 - lost / self._weights[number]

    def align(self, number: int, words: Sequence[str]) -> Alignment:
        """Return the best place of pattern `number` among the words of a row."""
        steps = self._steps[number]
        get = self._vocabulary.get
        ids = np.fromiter((get(word, 0) for word in words), dtype=np.int64, count=len(words))
        meant = np.zeros((2, len(words)), dtype=np.int64)
        for position, word in enumerate(words):
            for slot, other in enumerate(self._meant(word)):
                meant[slot, position] = other
        weights = np.array([0.5 if word in FUNCTION_WORDS else 1.0 for word in words])
        reach = np.concatenate(
            ([0.0], np.cumsum(weights))
        )  # cost of putting in all words up to a position
        row: Floats = np.zeros(
            len(words) + 1
        )  # row[j]: cheapest edit of the phrasing so far that ends before word j
        origin = np.arange(len(words) + 1)
        places = np.arange(len(words) + 1)
        for wanted, weight in steps:
            if wanted < 0:
                best = np.minimum.accumulate(row)
                source = np.maximum.accumulate(np.where(row == best, places, 0))
                row, origin = best, origin[source]
                continue
            cost = np.where(
                ids == wanted,
                0.0,
                np.where(
                    (meant == wanted).any(axis=0), _TYPO * weight, np.maximum(weights, weight)
                ),
            )
            step = row + weight
            moved = row[:-1] + cost
            better = moved <= step[1:]
            step[1:] = np.where(better, moved, step[1:])
            came = origin.copy()
            came[1:] = np.where(better, origin[:-1], came[1:])
            slack = step - reach
            best = np.minimum.accumulate(slack)
            source = np.maximum.accumulate(np.where(slack <= best + 1e-12, places, 0))
            row, origin = best + reach, came[source]
        end = int(np.argmin(row))
        weight = self._weights[number]
        likeness = max(0.0, 1.0 - float(row[end]) / weight) if weight else 0.0
        return Alignment(likeness, int(origin[end]), end)
