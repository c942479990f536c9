"""What a sentence encoder says against a changed wording: its words against those of the original,
and text and words against the other wordings of the task.

The other wordings say what belongs to a task: a text that drifts off is farther from most of them
than the original is, whatever it shares with the original.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from evalkit.catalog.library.edits import Edited, bare
from evalkit.catalog.library.patterns import FUNCTION_WORDS
from evalkit.catalog.library.reading import alike, stem

if TYPE_CHECKING:
    from evalkit.phrasings.perturb.encoders import TextEncoder

__all__ = ["encoded_signals"]

_NEAREST = 5
"""Other wordings that a text is held against: the nearest."""
_OUT = 0.15
"""Added for a word that stands for nothing in the original."""
_READ = 60
"""Other wordings at most whose words a changed text is held against."""


def encoded_signals(
    encoder: TextEncoder, original: str, candidate: str, *, others: Sequence[str] = ()
) -> dict[str, float]:
    """Return how far from the original an encoder holds the words of the changed text,
    and how much farther from the task's other wordings the text and its new words.

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
        "wordings apart": _wordings_apart(encoder, known, first, second),
        "word apart": _worst_word(words, rows, new_words, new),
        "words apart": _words_apart(rows, new),
        "new to the task": _new_to_task(encoder, Edited(words, new_words), new, known),
    }
    return found | {f"{name}, near": value * near for name, value in found.items()}


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


def _new_to_task(encoder: TextEncoder, pair: Edited, new: Any, known: Sequence[str]) -> float:
    """Return how far the farthest new word is that no other wording of the task uses;
    0 without others.
    """
    import numpy as np

    read = [encoder.words(text) for text in sorted(known)[:_READ]]
    if len(read) < _NEAREST:
        return 0.0
    used = {word for words, _ in read for word in words}
    strange = [place for place in pair.new if pair.second[place] not in used]
    if not strange:
        return 0.0
    pool = np.concatenate([states for _, states in read]).T  # (dimension, word)
    return max(0.0, 1.0 - float((new[strange] @ pool).max(axis=1).min()))


def _words_apart(rows: Any, new: Any) -> float:
    """Return one minus the mean cosine of every new word with the word of the original that is
    most like it.
    """
    if not len(rows) or not len(new):
        return 0.0
    return max(0.0, 1.0 - float((new @ rows.T).max(axis=1).mean()))


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
