"""Words spelt another way that can be read back exactly: pig latin and leetspeak.

Pig latin here marks the seam with a hyphen (``hello`` -> ``ello-hay``, ``apple`` -> ``apple-ay``),
which makes it invertible; the unmarked form is not (``ashay`` is ``shash`` or ``ash`` + ``ay``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from evalkit.phrasings.perturb.spans import free_words, protected_spans, rewrite_free, substitute
from evalkit.phrasings.perturb.spec import Impossible, Options, Perturbation
from evalkit.records import Phrasing

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "CIPHERS",
    "LEET",
    "PIG_LATIN",
    "decode",
    "encode",
    "from_leet",
    "from_pig_latin",
    "leet",
    "pig_latin",
    "to_leet",
    "to_pig_latin",
]

_ONSET = re.compile(r"((?:[^aeiouy\W]*qu|[^aeiou\W][^aeiouy\W]*)?)(.+)", re.IGNORECASE)
_ENCODED = re.compile(r"(?<![\w\-'’])([^\W\d_]+(?:['’][^\W\d_]+)*)-([^\W\d_]*)(ay|AY)(?![\w\-])")
_LEET = str.maketrans("aeiost", "431057")
_UNLEET = str.maketrans("431057", "aeiost")


def to_pig_latin(word: str) -> str:
    """Return one word in hyphenated pig latin; capitals at the start stay at the start.

    >>> [to_pig_latin(word) for word in ("hello", "Apple", "Quick", "STRONG", "I")]
    ['ello-hay', 'Apple-ay', 'Ick-quay', 'ONG-STRAY', 'I-ay']
    """
    match = _ONSET.fullmatch(word)
    onset, rest = (match.group(1), match.group(2)) if match else ("", word)
    if word.isupper() and len(word) > 1:
        return f"{rest}-{onset}AY"
    if onset and word[0].isupper() and word[1:].islower():
        return f"{rest[0].upper()}{rest[1:]}-{onset.lower()}ay"
    return f"{rest}-{onset}ay"


def from_pig_latin(text: str) -> str:
    """Return `text` with every word of hyphenated pig latin read back.

    >>> from_pig_latin("Ello-hay, ONG-STRAY apple-ay!")
    'Hello, STRONG apple!'
    """

    def back(match: re.Match[str]) -> str:
        rest, onset, _ = match.groups()
        if (
            onset
            and rest[0].isupper()
            and (rest[1:].islower() or len(rest) == 1)
            and onset.islower()
        ):
            return f"{onset[0].upper()}{onset[1:]}{rest[0].lower()}{rest[1:]}"
        return f"{onset}{rest}"

    return _ENCODED.sub(back, text)


def to_leet(text: str) -> str:
    """Return `text` with a, e, i, o, s, t written as digits.

    Capitals stay, so that it can be read back.
    """
    return text.translate(_LEET)


def from_leet(text: str) -> str:
    """Return `text` with the digits of leetspeak written as letters again."""
    return text.translate(_UNLEET)


_TOKEN = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_ALGEBRA = re.compile(r"\d+[A-Za-z]|[A-Za-z]\d+")
"""What a number with a unit or a variable looks like (``4x``, ``10m``, ``x1``)."""
_VOWEL = re.compile(r"[aeiouy]", re.IGNORECASE)


def _as_leet(word: str) -> str:
    """Return a word in leetspeak, or itself where a reader could take the result for a number."""
    made = to_leet(word)
    safe = (
        word.isascii()
        and word.isalpha()
        and len(word) > 2
        and not made.isdigit()
        and not _ALGEBRA.fullmatch(made)
    )
    return made if safe else word


def _as_pig_latin(word: str) -> str:
    """Return a word in pig latin, or itself where it could not be read back."""
    safe = word.isascii() and word.isalpha() and bool(_VOWEL.search(word)) and _plain(word)
    made = to_pig_latin(word) if safe else word
    return made if from_pig_latin(made) == word else word


_CIPHERS: dict[str, tuple[Callable[[str], str], Callable[[str], str]]] = {
    "leet": (_as_leet, from_leet),
    "pig-latin": (_as_pig_latin, from_pig_latin),
}
CIPHERS = tuple(_CIPHERS)
"""Names of ciphers that work word by word and can be read back."""


def encode(text: str, cipher: str) -> str:
    """Return `text` with every word in a cipher that `decode` is sure to read back;
    others stay as they are.

    Numbers, words with digits or hyphens, and words whose cipher looks like a number are left
    alone.

    >>> encode("Sort the 12 words a10 by age", "leet"), encode("Sort 12 words", "pig-latin")
    ('S0r7 7h3 12 w0rd5 a10 by 4g3', 'Ort-say 12 ords-way')
    """
    there, _ = _CIPHERS[cipher]
    return _TOKEN.sub(lambda found: there(found.group()), text)


def decode(text: str, cipher: str, *, source: str = "") -> str:
    """Return `text` with every word that `encode` can have made written plainly.

    Parameters
    ----------
    text
        What a model answered, in the cipher, plainly, or mixed.
    cipher
        One of `CIPHERS`.
    source
        The text that was encoded: words that stood in it as they are now are left alone.

    Examples
    --------
    >>> decode("w0rd5 0 1 3 6, 4x", "leet"), decode("ords-way, x-ray", "pig-latin")
    ('words 0 1 3 6, 4x', 'words, x-ray')
    """
    there, back = _CIPHERS[cipher]
    own = set(_TOKEN.findall(source))

    def plainly(found: re.Match[str]) -> str:
        token = found.group()
        word = back(token)
        return word if token not in own and word != token and there(word) == token else token

    return _TOKEN.sub(plainly, text)


def pig_latin(
    phrasing: Phrasing, rng: np.random.Generator, options: Options
) -> Phrasing | Impossible:
    """Return the phrasing in pig latin, slots and label words as they are.

    Refused when it could not be read back.
    """
    words = [
        word for word in free_words(phrasing.text, options["protected_words"]) if _plain(word.text)
    ]
    if not words:
        return Impossible("has no editable word outside slots and label words")
    text = substitute(phrasing.text, {word: to_pig_latin(word.text) for word in words})
    if rewrite_free(text, from_pig_latin, options["protected_words"]) != phrasing.text:
        return Impossible(
            "cannot be read back: a word such as 'x-ray' would be taken for pig latin"
        )
    return replace(phrasing, text=text)


def _plain(word: str) -> bool:
    """Whether a word has no hyphen and its capitals can be put back.

    None, the first letter only, or all.
    """
    return "-" not in word and (
        word.islower() or word.isupper() or (word[0].isupper() and word[1:].islower())
    )


def leet(phrasing: Phrasing, rng: np.random.Generator, options: Options) -> Phrasing | Impossible:
    """Return the phrasing in leetspeak, slots and label words as they are.

    Refused when it holds digits of its own, or when a word would look like a label.
    """
    text = rewrite_free(phrasing.text, to_leet, options["protected_words"])
    if text == phrasing.text:
        return Impossible("has no lower-case a, e, i, o, s or t outside slots and label words")
    if rewrite_free(phrasing.text, from_leet, options["protected_words"]) != phrasing.text:
        digits = "".join(
            sorted(set(_outside(phrasing.text, options["protected_words"])) & set("431057"))
        )
        return Impossible(f"cannot be read back: it already holds the digits {digits}")
    if rewrite_free(text, from_leet, options["protected_words"]) != phrasing.text:
        return Impossible("cannot be read back: a word would be taken for a label, as a for 4")
    return replace(phrasing, text=text)


def _outside(text: str, words: tuple[str, ...]) -> str:
    """Return what is not protected, joined."""
    parts, position = [], 0
    for start, end in protected_spans(text, words):
        parts.append(text[position:start])
        position = end
    return "".join([*parts, text[position:]])


PIG_LATIN = Perturbation(
    edit=pig_latin, doc="Every word in hyphenated pig latin; `from_pig_latin` reads it back."
)
LEET = Perturbation(edit=leet, doc="Six letters written as digits; `from_leet` reads it back.")
