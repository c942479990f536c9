"""Signs that a changed wording asks something else: small rules over words, each with a count.

Every signal is a number of suspicious things, 0 when there are none, and is read from the two
texts and the task's label words alone. `evalkit.catalog.library.fitted`
weighs them; none decides alone. Not handled: anything that needs knowledge of the world, and
languages other than English.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

from evalkit.catalog.library.instruction_words import NEGATIONS, NUMBERS
from evalkit.catalog.library.patterns import FUNCTION_WORDS, normalised_words
from evalkit.catalog.library.reading import Reading, slot_names, stem

__all__ = ["SIGNALS", "read_pair"]

_MOST = 3.0
"""Largest value of a signal: a fourth suspicious word adds nothing."""
_CLAUSE = re.compile(r"[.!?;:,\n]+")
_SLOT = re.compile(r"\{\{.*?\}\}", re.DOTALL)


@dataclass(frozen=True)
class _Pair:
    """The two texts."""

    first: Reading
    second: Reading

    @cached_property
    def edits(self) -> list[tuple[list[str], list[str]]]:
        """Stretches of words that gave way to others, slots as their names."""
        one, two = self.first.sequence, self.second.sequence
        codes = SequenceMatcher(None, one, two, autojunk=False).get_opcodes()
        return [(one[a:b], two[c:d]) for tag, a, b, c, d in codes if tag != "equal"]

    @cached_property
    def closeness(self) -> float:
        """Share of words that stand in both texts in the same order."""
        one, two = self.first.sequence, self.second.sequence
        return SequenceMatcher(None, one, two, autojunk=False).ratio()


def _difference(first: Iterable[str], second: Iterable[str]) -> float:
    return float(len(set(first) ^ set(second)))


def _slots(pair: _Pair) -> float:
    """Slots that one text has and the other lacks."""
    return _difference(slot_names(pair.first.text), slot_names(pair.second.text))


def _answers_lost(pair: _Pair) -> float:
    """Answers named in the original and absent from the changed text, as words too."""
    folded = f" {' '.join(normalised_words(pair.second.text))} "
    return float(
        sum(f" {answer.lower()} " not in folded for answer in pair.first.named - pair.second.named)
    )


def _answers_new(pair: _Pair) -> float:
    """Answers named in the changed text only, and absent from the original as words too."""
    folded = f" {' '.join(normalised_words(pair.first.text))} "
    return float(
        sum(f" {answer.lower()} " not in folded for answer in pair.second.named - pair.first.named)
    )


def _numbers(pair: _Pair) -> float:
    """Numbers, in digits or words, that one text has and the other lacks;
    one and first do not count.
    """

    def values(reading: Reading) -> set[int]:
        found = {NUMBERS[word] for word in reading.words if word in NUMBERS}
        found |= {int(word) for word in reading.words if word.isdigit() and len(word) < 9}
        return found - {1}

    return float(len(values(pair.first) ^ values(pair.second)))


def _negation(pair: _Pair) -> float:
    """1 when the numbers of negating words differ in parity, or one of them is 0."""

    def count(reading: Reading) -> int:
        words = [word for word in reading.words if word in NEGATIONS - {*reading.named}]
        whether = " or not " in f" {' '.join(reading.words)} "
        return len(words) - int(whether and "not" in words)

    one, two = count(pair.first), count(pair.second)
    return float(one % 2 != two % 2) + float((one > 0) != (two > 0))


def _content(words: Iterable[str]) -> list[str]:
    """Return the stems of the words that are no function words."""
    return [stem(word) for word in words if word not in FUNCTION_WORDS]


def _swapped(pair: _Pair) -> float:
    """Words that took each other's place: X gave way to Y here and Y to X there."""
    pairs = [(set(_content(one)), set(_content(two))) for one, two in pair.edits]
    return float(
        sum(
            bool(one & four) and bool(two & three) and not one & two
            for index, (one, two) in enumerate(pairs)
            for three, four in pairs[:index]
        )
    )


def _reordered(pair: _Pair) -> float:
    """1 when both texts have the same words in another order, and not just their clauses."""
    one, two = pair.first, pair.second
    if sorted(one.sequence) != sorted(two.sequence) or one.sequence == two.sequence:
        return 0.0
    parts = [
        sorted(
            tuple(normalised_words(part)) for part in _CLAUSE.split(_SLOT.sub("\n", reading.text))
        )
        for reading in (one, two)
    ]
    slots = [slot_names(reading.text) for reading in (one, two)]
    return float(parts[0] != parts[1] or (len(slots[0]) > 1 and slots[0] != slots[1]))


def _longer(pair: _Pair) -> float:
    """Share by which the changed text is longer."""
    return max(0.0, (len(pair.second.words) + 4) / (len(pair.first.words) + 4) - 1)


SIGNALS: dict[str, Callable[[_Pair], float]] = {
    "slots": _slots,
    "answers lost": _answers_lost,
    "answers new": _answers_new,
    "numbers": _numbers,
    "negation": _negation,
    "swapped": _swapped,
    "reordered": _reordered,
    "longer": _longer,
}
"""What is counted, by name."""


def read_pair(original: str, candidate: str, labels: Sequence[str] = ()) -> dict[str, float]:
    """Return every signal of a pair of texts, and each times the square of how near the texts are.

    A sign weighs more in a near copy: there nothing else can explain it.

    Parameters
    ----------
    original, candidate
        Texts of the two phrasings.
    labels
        Label words of the task.
    """
    words = tuple(labels)
    pair = _Pair(Reading(original, words), Reading(candidate, words))
    found = {name: min(signal(pair), _MOST) for name, signal in SIGNALS.items()}
    near = pair.closeness**2
    return found | {f"{name}, near": value * near for name, value in found.items()}
