"""In which language an answer is written, told by lingua among the languages that evalkit has
wordings in.

Among a few languages lingua is right on short sentences, among its 75 it is not: "Arregló su
bicicleta." is Catalan then. An answer in a further language is taken for the nearest of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import nan
from typing import Any

from evalkit.errors import ExtraMissingError
from evalkit.scoring.metric import Answered, Verdict

__all__ = ["OFFERED", "language", "language_of"]

OFFERED = ("ar", "de", "en", "es", "fr", "zh")
"""Languages that are always told apart, ISO 639-1."""
LEAST = 4
"""Fewest letters of a text whose language is told; one Chinese character counts as two."""


def language(answered: Answered, verdict: Verdict) -> Mapping[str, float]:
    """Whether an answer is in the language of its instance (field ``language``),
    and in that of its instruction.

    Nothing is said of an answer with fewer than `LEAST` letters; of the instruction's language only
    where it is not the instance's.
    """
    text, expected = answered.text, answered.instance.fields.get("language", "")
    silent = {"language_agrees": nan, "language_of_instruction": nan}
    if text is None or not expected:
        return silent
    told = answered.language
    found = language_of(text, frozenset({*OFFERED, expected, *([told] if told else [])}))
    if not found:
        return silent
    return {
        "language_agrees": float(found == expected),
        "language_of_instruction": float(found == told) if told not in ("", expected) else nan,
    }


def language_of(text: str, among: frozenset[str] = frozenset(OFFERED)) -> str:
    """Return the ISO 639-1 code of a text's language; empty when it has too few letters to tell.

    Parameters
    ----------
    text
        What was answered.
    among
        Codes of the languages it may be in.

    Raises
    ------
    ExtraMissingError
        When lingua is not installed.
    """
    letters = [letter for letter in text if letter.isalpha()]
    if len(letters) + sum("\u4e00" <= letter <= "\u9fff" for letter in letters) < LEAST:
        return ""
    found = _detector(among).detect_language_of(text)
    return "" if found is None else str(found.iso_code_639_1.name.lower())


@lru_cache(maxsize=8)
def _detector(among: frozenset[str]) -> Any:
    try:
        from lingua import IsoCode639_1, LanguageDetectorBuilder
    except ImportError:
        raise ExtraMissingError("measure 'language'", "rules") from None
    codes = [getattr(IsoCode639_1, name.upper(), None) for name in sorted(among)]
    known = [code for code in codes if code is not None]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*known).build()
