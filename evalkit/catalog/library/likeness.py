"""How alike texts are by ROUGE-L, and which of many may be near duplicates,
without comparing all pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from evalkit.phrasings.subsequence import lcs_length

__all__ = ["close_pairs", "rouge_l"]


def rouge_l(first: Sequence[str], second: Sequence[str]) -> float:
    """Return the ROUGE-L F measure of two word sequences: 2 LCS / (length + length).

    1 for two empty ones.

    References
    ----------
    Lin. ROUGE: a package for automatic evaluation of summaries, 2004, section 3.2 (beta = 1).
    """
    if not first or not second:
        return float(not first and not second)
    return 2 * lcs_length(first, second) / (len(first) + len(second))


def close_pairs(texts: Sequence[list[str]], likeness: float) -> Iterator[tuple[int, list[int]]]:
    """Yield each text's number with the earlier ones that may be as alike as that.

    Prefix filter: for an F of t (`likeness`), a text of n words keeps more than n t / (2 - t) of
    them, so its n
    - n t / (2 - t) + 1 rarest words and those of the other, in one common order, share a word.
    Nothing is missed; rare words make it fast.
    """
    counts: dict[tuple[str, int], int] = {}
    numbered: list[list[tuple[str, int]]] = []
    for words in texts:
        met: dict[str, int] = {}
        tokens = []
        for word in words:
            met[word] = met.get(word, 0) + 1
            tokens.append((word, met[word]))
        numbered.append(tokens)
        for token in tokens:
            counts[token] = counts.get(token, 0) + 1
    index: dict[tuple[str, int], list[int]] = {}
    for number, tokens in enumerate(numbered):
        tokens.sort(key=lambda token: (counts[token], token))
        length = len(tokens)
        prefix = tokens[: length - math.ceil(length * likeness / (2 - likeness) - 1e-9) + 1]
        yield number, sorted({other for token in prefix for other in index.get(token, ())})
        for token in prefix:
            index.setdefault(token, []).append(number)
