"""How single edits fared in pairs that a person judged: the odds that a text with such an edit
asks something else.

What counts as one edit: a word put in or taken out (by its stem), and words that gave way to each
other. The odds of each are in ``edit_odds.txt``, written by benchmarks/meaning.py from labelled
pairs; an edit that no pair has says nothing.

References
----------
Log-odds of single signs as inputs of a logistic model: Wang, Manning. Baselines and Bigrams, ACL
2012.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from difflib import SequenceMatcher
from functools import lru_cache
from importlib.resources import files

from evalkit.catalog.library.reading import bare, stem

__all__ = ["FAMILIES", "edits_of", "odds_signals", "shipped_odds"]

FAMILIES = ("word in", "word out", "exchange")
"""Kinds of edits, in the order of `edits_of`."""
_WORD = re.compile(r"[^\W\d_]+|\d+")
_LONGEST = 2
"""Words at most in a stretch whose words are paired with those that gave way to them."""


@lru_cache(maxsize=8192)
def edits_of(original: str, candidate: str) -> tuple[float, tuple[tuple[str, ...], ...]]:
    """Return how near two texts are, in [0, 1], and their edits, one tuple per family."""
    first, second = (
        [word.lower() for word in _WORD.findall(bare(text))] for text in (original, candidate)
    )
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    first, second = ([stem(word) for word in words] for words in (first, second))
    exchanged = [
        f"{one}>{two}"
        for tag, start, end, from_, to in matcher.get_opcodes()
        if tag != "equal" and max(end - start, to - from_) <= _LONGEST
        for one in first[start:end]
        for two in second[from_:to]
    ]
    return matcher.ratio() ** 2, (
        tuple(f"+{word}" for word in Counter(second) - Counter(first)),
        tuple(f"-{word}" for word in Counter(first) - Counter(second)),
        tuple(exchanged),
    )


@lru_cache(maxsize=1)
def _table() -> dict[str, float]:
    text = (files("evalkit.catalog.library") / "edit_odds.txt").read_text(encoding="utf-8")
    lines = (line.rpartition("\t") for line in text.splitlines() if not line.startswith("%"))
    return {edit: float(odds) for edit, _, odds in lines}


def shipped_odds(edit: str) -> float:
    """Return the log-odds that a text with this edit asks something else; 0 when unknown."""
    return _table().get(edit, 0.0)


def odds_signals(
    original: str, candidate: str, odds: Callable[[str], float] = shipped_odds
) -> dict[str, float]:
    """Return per family the mean log-odds of its edits, not below 0; 0 where there are none.

    >>> odds_signals("Pick one.", "Pick one.")["word in"]
    0.0
    """
    _, families = edits_of(original, candidate)
    return {
        name: max(0.0, sum(map(odds, edits)) / len(edits)) if edits else 0.0
        for name, edits in zip(FAMILIES, families, strict=True)
    }
