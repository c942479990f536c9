"""Slips of the keyboard: insert, delete, swap, neighbouring key, look-alike letter.

One edit per chosen word.

The first letter is kept, since readers lean on it and DeepWordBug-style attacks keep it too.

References
----------
Gao, Lanchantin, Soffa, Qi. Black-box generation of adversarial text sequences (DeepWordBug), 2018.
Zhu et al. PromptRobust (PromptBench), 2023, section 2.2: the character, word, sentence, semantic
ladder.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from evalkit.phrasings.perturb.spans import Word, free_words, substitute
from evalkit.phrasings.perturb.spec import Impossible, Option, Options, Perturbation
from evalkit.records import Phrasing

if TYPE_CHECKING:
    import numpy as np

__all__ = ["CHARACTER", "HOMOGLYPHS", "KINDS", "NEIGHBOURS", "character"]

KINDS = ("insert", "delete", "swap", "keyboard", "homoglyph")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    """Letters beside or diagonally below and above each key of a QWERTY keyboard."""
    place = {
        letter: (row, column + 0.5 * row)
        for row, letters in enumerate(_ROWS)
        for column, letter in enumerate(letters)
    }
    return {
        key: "".join(
            other
            for other, (r, c) in place.items()
            if other != key and abs(r - row) <= 1 and abs(c - column) <= 1
        )
        for key, (row, column) in place.items()
    }


NEIGHBOURS = _neighbours()
"""Letter -> letters on adjoining keys."""
HOMOGLYPHS = dict(zip("aceijopsxyABCEHIJKMOPSTXY", "асеіјорѕхуАВСЕНІЈКМОРЅТХУ", strict=True))
"""Latin letter -> Cyrillic letter that looks the same."""


def _pick(rng: np.random.Generator, letters: str) -> str:
    return letters[int(rng.integers(len(letters)))]


def _positions(word: str, kind: str) -> list[int]:
    """Places after the first letter where an edit of this kind changes the word."""
    inner = range(1, len(word))
    if kind == "delete":
        return [i for i in inner if len(word) > 3 and word[i].isalpha()]
    if kind == "swap":
        return [
            i
            for i in inner
            if i + 1 < len(word)
            and word[i] != word[i + 1]
            and word[i].isalpha()
            and word[i + 1].isalpha()
        ]
    if kind == "keyboard":
        return [i for i in inner if word[i].lower() in NEIGHBOURS]
    if kind == "homoglyph":
        return [i for i in inner if word[i] in HOMOGLYPHS]
    return [i for i in inner if word[i].isalpha()]


def _edit(word: str, kind: str, rng: np.random.Generator) -> str:
    places = _positions(word, kind)
    i = places[int(rng.integers(len(places)))]
    if kind == "delete":
        return word[:i] + word[i + 1 :]
    if kind == "swap":
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    if kind == "homoglyph":
        return word[:i] + HOMOGLYPHS[word[i]] + word[i + 1 :]
    if kind == "keyboard":
        letter = _pick(rng, NEIGHBOURS[word[i].lower()])
        return word[:i] + (letter.upper() if word[i].isupper() else letter) + word[i + 1 :]
    letter = _pick(rng, NEIGHBOURS.get(word[i].lower(), "aeiou"))
    return word[:i] + (letter.upper() if word.isupper() else letter) + word[i:]


def character(
    phrasing: Phrasing, rng: np.random.Generator, options: Options
) -> Phrasing | Impossible:
    """Return the phrasing with a slip in a share `rate` of its words (at least one).

    Parameters
    ----------
    phrasing
        What is edited.
    rng
        Source of randomness.
    options
        ``kind`` (one of `KINDS`, or ``any``), ``rate`` (share of editable words), ``least``
        (letters a word must have), ``protected_words``.
    """
    kind = options["kind"]
    kinds = KINDS if kind == "any" else (kind,)
    words = free_words(phrasing.text, options["protected_words"], least=options["least"])
    choices: list[tuple[Word, list[str]]] = [
        (word, [k for k in kinds if _positions(word.text, k)]) for word in words
    ]
    able = [(word, fitting) for word, fitting in choices if fitting]
    if not able:
        return Impossible(
            f"no word of at least {options['least']} letters outside slots and label words can "
            f"take an edit of kind {kind!r}"
        )
    count = max(1, round(options["rate"] * len(able)))
    chosen = rng.choice(len(able), size=min(count, len(able)), replace=False)
    edits = {}
    for index in sorted(int(i) for i in chosen):
        word, fitting = able[index]
        edits[word] = _edit(word.text, fitting[int(rng.integers(len(fitting)))], rng)
    return replace(phrasing, text=substitute(phrasing.text, edits))


CHARACTER = Perturbation(
    edit=character,
    doc=(
        "A typing slip (insert, delete, swap, neighbouring key) or a look-alike letter in a share "
        "of the words."
    ),
    options={
        "kind": Option(default="any", doc="Kind of slip.", accepted=("any", *KINDS)),
        "rate": Option(
            default=0.1, doc="Share of editable words that get one edit; at least one word does."
        ),
        "least": Option(default=4, doc="Letters a word must have to be edited.", low=2, high=20),
    },
)
