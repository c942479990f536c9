"""Sentences that say nothing.

Random handles and addresses, and tautologies, put after a sentence of the instruction.

References
----------
Ribeiro, Wu, Guestrin, Singh. Beyond accuracy: behavioral testing with CheckList, ACL 2020 (random
handles and URLs). Naik et al. Stress test evaluation for natural language inference, COLING 2018
(tautologies). The sentences are ours.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from evalkit.phrasings.perturb.spans import protected_spans
from evalkit.phrasings.perturb.spec import Impossible, Option, Options, Perturbation
from evalkit.records import Phrasing

if TYPE_CHECKING:
    import numpy as np

__all__ = ["KINDS", "SENTENCE", "TAUTOLOGIES", "sentence"]

KINDS = ("handle", "url", "tautology")
TAUTOLOGIES = (
    "Two is two.",
    "What is so is so.",
    "A day lasts as long as a day.",
    "Water is water.",
    "Every circle is a circle.",
    "If it rains, then it rains.",
    "Either it is noon or it is not noon.",
    "Red things are red.",
)
"""Sentences true whatever the task."""
_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_SENTENCE_END = re.compile(r"(?<=[.!?])(?=\s|$)")


def _token(rng: np.random.Generator, length: int) -> str:
    return "".join(_ALPHABET[int(i)] for i in rng.integers(len(_ALPHABET), size=length))


def _noise(kind: str, rng: np.random.Generator) -> str:
    if kind == "handle":
        return f"@{_token(rng, 8)}"
    if kind == "url":
        return f"https://example.org/{_token(rng, 8)}"
    return TAUTOLOGIES[int(rng.integers(len(TAUTOLOGIES)))]


def _places(text: str, words: tuple[str, ...]) -> list[int]:
    """Positions outside protected parts after a sentence,
    and the end of a text that has none or ends freely.
    """
    kept = protected_spans(text, words)
    ends = {match.start() for match in _SENTENCE_END.finditer(text)}
    end = len(text.rstrip())
    if not any(start < end <= stop for start, stop in kept) and text[:end][-1:] not in {":", ""}:
        ends.add(end)
    return sorted(place for place in ends if not any(start < place < stop for start, stop in kept))


def sentence(
    phrasing: Phrasing, rng: np.random.Generator, options: Options
) -> Phrasing | Impossible:
    """Return the phrasing with `count` handles, addresses or tautologies, each after one of its
    sentences.

    Wordings in other languages than English get no tautology, which is an English sentence.
    A text with no sentence end outside slots and a colon or slot at its end has no such place.
    """
    text, english = phrasing.text, phrasing.language == "en"
    if options["kind"] == "tautology" and not english:
        return Impossible(f"is in {phrasing.language!r}, and tautologies are English")
    kinds = KINDS if english else KINDS[:-1]
    for _ in range(options["count"]):
        places = _places(text, options["protected_words"])
        if not places:
            return Impossible("has no sentence end outside slots where a sentence could be added")
        kind = options["kind"] if options["kind"] != "any" else kinds[int(rng.integers(len(kinds)))]
        place = places[-1] if options["place"] == "end" else places[int(rng.integers(len(places)))]
        text = f"{text[:place]} {_noise(kind, rng)}{text[place:]}"
    return replace(phrasing, text=text)


SENTENCE = Perturbation(
    edit=sentence,
    doc="A random handle, a random address or a tautology added after a sentence.",
    options={
        "kind": Option(default="any", doc="What is added.", accepted=("any", *KINDS)),
        "count": Option(default=1, doc="How many are added.", low=1, high=20),
        "place": Option(
            default="end", doc="After the last sentence, or after any.", accepted=("end", "any")
        ),
    },
)
