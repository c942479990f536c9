"""Which phrasings could stand in which rows.

Exact word-pair overlap, vectorised over chunks of rows.

There are thousands of phrasings and millions of rows, so the phrasings' word pairs are the index
and rows stream past it. A copy with up to E edited words keeps all but 2E of its word pairs,
wherever it stands in a longer row; a row that shows fewer cannot hold a near copy. This is an exact
filter for hard edits, where MinHash would estimate the likeness of whole texts, which an
instruction inside a long row hardly moves (docs/decisions/0006-seen-detector.md has both measured).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.catalog.library.patterns import Pattern, normalised_words

__all__ = ["Chunk", "Index", "chunk_of"]

Ints = np.ndarray[Any, np.dtype[np.int64]]
_TABLE_BITS = 22
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_HOT_SHARE = 0.02
"""Word pairs in a larger share of rows than this are not looked up, as long as a pattern keeps
enough others."""
_EDITS = 0.2
"""Share of a pattern's words that may be edited in a near copy (rounded up)."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A few thousand rows as word numbers."""

    codes: Ints
    """Word pairs of all rows, 0 where one of the words is in no pattern; shape (pair,)."""
    rows: Ints
    """Row of each pair; shape (pair,)."""


def chunk_of(texts: Sequence[str], vocabulary: dict[str, int]) -> Chunk:
    """Return the word pairs of rows.

    Parameters
    ----------
    texts
        Text per row.
    vocabulary
        Word -> number from 1.
    """
    words: list[str] = []
    lengths = np.empty(len(texts), dtype=np.int64)
    for number, text in enumerate(texts):
        found = normalised_words(text)
        lengths[number] = len(found)
        words += found
    get = vocabulary.get
    ids = np.fromiter((get(word, 0) for word in words), dtype=np.int64, count=len(words))  # (word,)
    rows = np.repeat(np.arange(len(texts)), lengths)
    if len(ids) < 2:
        return Chunk(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    whole = (rows[1:] == rows[:-1]) & (ids[1:] > 0) & (ids[:-1] > 0)
    return Chunk(_code(ids[:-1][whole], ids[1:][whole], len(vocabulary)), rows[1:][whole])


def _code(first: Ints, second: Ints, size: int) -> Ints:
    return first * (size + 1) + second


class Index:
    """Word pairs of patterns -> patterns.

    Parameters
    ----------
    patterns
        What is looked for.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self.patterns = patterns
        self.vocabulary = {
            word: number
            for number, word in enumerate(sorted({w for p in patterns for w in p.words}), start=1)
        }
        self._pairs: list[Ints] = []
        for pattern in patterns:
            parts = [self._piece_codes(piece) for piece in pattern.pieces]
            self._pairs.append(
                np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64)
            )
        self._codes = np.zeros(0, dtype=np.int64)

    def _piece_codes(self, piece: Sequence[str]) -> Ints:
        ids = np.array([self.vocabulary[word] for word in piece], dtype=np.int64)
        return _code(ids[:-1], ids[1:], len(self.vocabulary))

    def fit(self, sample: Chunk, *, n_rows: int) -> None:
        """Choose the word pairs that are looked up, from how common they are in a sample of
        `n_rows` rows.

        Each pattern keeps the pairs that are not hot, and at least the 2E + 1 rarest. It is a
        candidate for a row that has at least (kept - 2E) of the kept ones, and no fewer than one.
        """
        seen, counts = np.unique(sample.codes, return_counts=True)
        kept: list[Ints] = []
        least = np.ones(len(self.patterns), dtype=np.int64)
        for number, pairs in enumerate(self._pairs):
            edits = int(np.ceil(_EDITS * len(self.patterns[number].words)))
            common = np.zeros(len(pairs), dtype=np.int64)
            if len(seen):
                place = np.minimum(np.searchsorted(seen, pairs), len(seen) - 1)
                common = np.where(seen[place] == pairs, counts[place], 0)
            order = np.argsort(common, kind="stable")
            cool = int(np.searchsorted(common[order], max(1, _HOT_SHARE * n_rows), side="right"))
            take = min(len(pairs), max(cool, 2 * edits + 1))
            kept.append(pairs[order[:take]])
            least[number] = max(1, take - 2 * edits)
        self._least = least
        codes = np.concatenate(kept) if kept else np.zeros(0, dtype=np.int64)
        owners = np.repeat(np.arange(len(kept)), [len(pairs) for pairs in kept])
        order = np.argsort(codes, kind="stable")
        self._codes, starts = np.unique(codes[order], return_index=True)
        self._owners = owners[order]
        self._starts = np.append(starts, len(owners))
        self._table = np.zeros(1 << _TABLE_BITS, dtype=bool)
        self._table[self._slot(self._codes)] = True

    @staticmethod
    def _slot(codes: Ints) -> Ints:
        return ((codes.astype(np.uint64) * _MULTIPLIER) >> np.uint64(64 - _TABLE_BITS)).astype(
            np.int64
        )

    def candidates(self, chunk: Chunk) -> tuple[Ints, Ints]:
        """Return (row, pattern number) of every pair that shows enough of the pattern's word
        pairs, sorted by row.
        """
        empty = np.zeros(0, dtype=np.int64)
        if not len(self._codes) or not len(chunk.codes):
            return empty, empty
        hit = self._table[self._slot(chunk.codes)]
        codes, rows = chunk.codes[hit], chunk.rows[hit]
        place = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        real = self._codes[place] == codes
        place, rows = place[real], rows[real]
        if not len(place):
            return empty, empty
        once = np.unique(rows * len(self._codes) + place)  # a pair that a row repeats counts once
        rows, place = np.divmod(once, len(self._codes))
        sizes = self._starts[place + 1] - self._starts[place]
        offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        owners = self._owners[np.repeat(self._starts[place], sizes) + offsets]
        keys, counts = np.unique(
            np.repeat(rows, sizes) * len(self.patterns) + owners, return_counts=True
        )
        found_rows, found = np.divmod(keys, len(self.patterns))
        enough = counts >= self._least[found]
        return found_rows[enough], found[enough]
