"""How probable it is that a changed wording still asks the same: the signals, weighed.

A logistic combination whose weights were fitted on labelled pairs (benchmarks/meaning.py; error rates
in docs/meaning.md). No weight may speak for a text, only against it, so a near copy is never refused
for being near. Without an encoder it needs nothing but the texts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from evalkit.catalog.library.patterns import FUNCTION_WORDS
from evalkit.catalog.library.reading import alike, stem
from evalkit.catalog.library.signals import read_pair

if TYPE_CHECKING:
    from evalkit.phrasings.perturb.encoders import TextEncoder

__all__ = ["GOALS", "Fit", "encoded_signals", "features", "fit_named", "probability"]

GOALS = ("few refused", "balanced", "few passed")
"""What a threshold is chosen for: at most 5 % of good texts refused, equal error rates, at most 5 %
of bad ones passed, all on pairs that the weights were not fitted to."""
_SLOT = re.compile(r"\{\{\s*(\w+).*?\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Weights of one combination."""

    start: float
    """Log-odds of a text without any sign against it."""
    weights: Mapping[str, float]
    """What one more of each signal takes off the log-odds."""
    thresholds: Mapping[str, float]
    """Least probability that passes, per goal of `GOALS`."""


@lru_cache(maxsize=1)
def _fits() -> dict[str, Fit]:
    from evalkit.catalog.yaml_file import parse_yaml

    text = (files("evalkit.catalog.library") / "weights.yaml").read_text(encoding="utf-8")
    return {
        name: Fit(start=fit["start"], weights=fit["weights"], thresholds=fit["thresholds"])
        for name, fit in parse_yaml(text, "weights.yaml").value.items()
    }


def fit_named(name: str) -> Fit:
    """Return the combination ``rules`` (texts only) or ``encoder`` (rules and all-MiniLM-L6-v2)."""
    return _fits()[name]


def encoded_signals(encoder: TextEncoder, original: str, candidate: str) -> dict[str, float]:
    """Return how far apart an encoder holds two texts: as a whole, and the worst new word.

    A new word is held against the words it stands for, or against all words of the original where
    it stands for none.
    """
    one, two = (_SLOT.sub(r"\1", text).strip() for text in (original, candidate))
    first, second = encoder([one, two])
    words, rows = encoder.words(one)
    others, new = encoder.words(two)
    near = SequenceMatcher(None, words, others, autojunk=False).ratio() ** 2
    apart = _worst_word(words, rows, others, new)
    whole = max(0.0, 1.0 - float(first @ second))
    return {"whole apart": whole, "word apart": apart, "word apart, near": apart * near}


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


_OUT = 0.15
"""Added for a word that stands for nothing in the original."""


def features(
    original: str,
    candidate: str,
    labels: Sequence[str] = (),
    *,
    others: Sequence[str] = (),
    encoder: TextEncoder | None = None,
) -> dict[str, float]:
    """Return all signals of a pair, those of the encoder included when there is one."""
    found = read_pair(original, candidate, labels, others=others)
    return found if encoder is None else found | encoded_signals(encoder, original, candidate)


def probability(fit: Fit, values: Mapping[str, float]) -> float:
    """Return the probability that the meaning was kept, in [0, 1], for signals of one pair."""
    odds = fit.start - sum(weight * values[name] for name, weight in fit.weights.items())
    return 1.0 / (1.0 + math.exp(-odds))
