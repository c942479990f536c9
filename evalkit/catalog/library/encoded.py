"""What a sentence encoder says against a changed wording: whole texts, single words, clauses,
and the other wordings of the task.

The other wordings say what belongs to a task: a text that drifts off is farther from most of them
than the original is, whatever it shares with the original.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from evalkit.catalog.library.edits import Edited, bare, is_small
from evalkit.catalog.library.patterns import FUNCTION_WORDS
from evalkit.catalog.library.reading import alike, stem

if TYPE_CHECKING:
    from evalkit.phrasings.perturb.encoders import TextEncoder

__all__ = ["encoded_signals"]

_CLAUSE = re.compile(r"(?<=[.!?;:,\n])\s+|\n+|\s+(?=(?:and|but|or|if|when|unless|where|while)\b)")
_SHORT = 3
"""Words that a clause has at least; shorter ones join the clause before."""
_NEAREST = 5
"""Other wordings that a text is held against: the nearest."""
_OUT = 0.15
"""Added for a word that stands for nothing in the original."""
_READ = 60
"""Other wordings at most whose words a changed text is held against."""
_SMALL = 0.25
"""What a word without sense of its own weighs in a mean over words."""


def encoded_signals(
    encoder: TextEncoder, original: str, candidate: str, *, others: Sequence[str] = ()
) -> dict[str, float]:
    """Return how far apart an encoder holds two texts,
    and how much farther from the task's other wordings the changed one is.

    Each counts again in proportion to how near the texts are. A new word is held against the words
    it stands for, or against all words of the original where it stands for none.

    Parameters
    ----------
    encoder
        See `evalkit.phrasings.perturb.encoders.TextEncoder`.
    original, candidate
        Texts of the two phrasings.
    others
        Texts of other phrasings of the task; the two texts themselves count for nothing.
    """
    one, two = bare(original), bare(candidate)
    first, second = encoder([one, two])
    words, rows = encoder.words(one)
    new_words, new = encoder.words(two)
    near = SequenceMatcher(None, words, new_words, autojunk=False).ratio() ** 2
    known = [text for text in map(bare, others) if text not in (one, two)]
    found = {
        "whole apart": max(0.0, 1.0 - float(first @ second)),
        "word apart": _worst_word(words, rows, new_words, new),
        "words apart": _words_apart(rows, new),
        "wordings apart": _wordings_apart(encoder, known, first, second),
        **_clauses_apart(encoder, one, two, known),
        **_held_against_task(encoder, Edited(words, new_words), rows, new, known),
        "one exchange": _one_exchange(encoder, Edited(words, new_words)),
    }
    return found | {f"{name}, near": value * near for name, value in found.items()}


def _words_apart(rows: Any, new: Any) -> float:
    """Return one minus the mean cosine of every new word with the word of the original that is
    most like it.
    """
    if not len(rows) or not len(new):
        return 0.0
    return max(0.0, 1.0 - float((new @ rows.T).max(axis=1).mean()))


def _wordings_apart(encoder: TextEncoder, known: Sequence[str], first: Any, second: Any) -> float:
    """Return how much less like its nearest other wordings the changed text is, on average;
    0 without others.
    """
    import numpy as np

    if len(known) < _NEAREST:
        return 0.0
    rows = encoder(list(known))  # (wording, dimension)
    ours, theirs = (float(np.sort(rows @ row)[-_NEAREST:].mean()) for row in (first, second))
    return max(0.0, ours - theirs)


def _one_exchange(encoder: TextEncoder, pair: Edited) -> float:
    """Return one minus the cosine of a word, out of context,
    with its like where one stretch gave way to another and all else stayed.
    """
    if len(pair.edits) != 1:
        return 0.0
    _, start, end, from_, to = pair.edits[0]
    lost = [word for word in pair.first[start:end] if not is_small(word)]
    new = [word for word in pair.second[from_:to] if not is_small(word)]
    if not lost or not new:
        return 0.0
    return max(0.0, 1.0 - float((encoder(lost) @ encoder(new).T).max(axis=1).min()))


def _held_against_task(
    encoder: TextEncoder, pair: Edited, rows: Any, new: Any, known: Sequence[str]
) -> dict[str, float]:
    """Return how much farther the words are from those of the task's other wordings,
    and how far the farthest word is that none of them uses; 0 without others.
    """
    import numpy as np

    read = [encoder.words(text) for text in sorted(known)[:_READ]]
    if len(read) < _NEAREST or not len(rows) or not len(new):
        return {"drift": 0.0, "new to the task": 0.0}
    used = {word for words, _ in read for word in words}
    pool = np.concatenate([states for _, states in read]).T  # (dimension, word)
    ours, theirs = 1.0 - (rows @ pool).max(axis=1), 1.0 - (new @ pool).max(axis=1)
    means = [
        float(np.average(apart, weights=[_SMALL if is_small(word) else 1.0 for word in words]))
        for apart, words in ((ours, pair.first), (theirs, pair.second))
    ]
    strange = [float(theirs[place]) for place in pair.new if pair.second[place] not in used]
    return {
        "drift": max(0.0, means[1] - means[0]),
        "new to the task": max(strange, default=0.0),
    }


def _clauses_apart(
    encoder: TextEncoder, one: str, two: str, known: Sequence[str]
) -> dict[str, float]:
    """Return one minus the cosine of the clause lost,
    and of the one new to the task, that is least like any other.
    """
    import numpy as np

    ours, new = encoder(list(_clauses(one))), encoder(list(_clauses(two)))
    clauses = [clause for text in known for clause in _clauses(text)]
    pool = np.concatenate([ours, encoder(clauses)]) if clauses else ours
    return {
        "clause lost": max(0.0, 1.0 - float((ours @ new.T).max(axis=1).min())),
        "clause new": max(0.0, 1.0 - float((new @ pool.T).max(axis=1).min())),
    }


@lru_cache(maxsize=4096)
def _clauses(text: str) -> tuple[str, ...]:
    """Return the clauses of a text, none shorter than `_SHORT` words but for the first."""
    found: list[str] = []
    for part in _CLAUSE.split(text):
        clause = part.strip(" ,.;:\n")
        if found and len(clause.split()) < _SHORT:
            found[-1] = f"{found[-1]} {clause}".rstrip()
        elif clause:
            found.append(clause)
    return tuple(found) or (text,)


def _worst_word(words: Sequence[str], rows: Any, others: Sequence[str], new: Any) -> float:
    """Return one minus the cosine of the new word that is least like what it replaced."""
    worst = 0.0
    codes = SequenceMatcher(None, words, others, autojunk=False).get_opcodes()
    for tag, start, end, from_, to in codes:
        if tag == "equal":
            continue
        lost = [place for place in range(start, end) if words[place] not in FUNCTION_WORDS]
        for place in range(from_, to):
            word = others[place]
            if word in FUNCTION_WORDS or word in words:
                continue
            if any(alike(stem(word), stem(words[other])) for other in lost):
                continue
            against = rows[lost] if lost else rows
            if len(against):
                worst = max(worst, 1.0 - float((against @ new[place]).max()) + _OUT * (not lost))
    return worst
