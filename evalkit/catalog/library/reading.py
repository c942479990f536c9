"""A wording as the rules of the meaning check see it: its words and named answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from evalkit.catalog.library.instruction_words import ANSWERS
from evalkit.catalog.library.patterns import FUNCTION_WORDS, normalised_words, pieces_of

__all__ = ["Reading", "bare", "slot_names", "stem"]

_CAPITALS = re.compile(r"(?<![\w])[A-Z][A-Z_]+(?![\w])")
_SINGLE = re.compile(r"(?<![\w'’])[A-J](?![\w'’])")
_SENTENCE = re.compile(r"[.!?;:\n]+(?:\s|$)")
_QUOTED = re.compile(r"(?<!\w)['\"‘“]([^'\"’”\n]{1,40})['\"’”](?!\w)")
_LISTED = re.compile(
    r"(\w[\w-]*(?:\s*,\s*(?:\w[\w-]*))+),?\s+(?:or|and)\s+(\w[\w-]*)|(\w[\w-]*)\s+(?:or"
    r"|and)\s+(\w[\w-]*)"
)
_ORDERED = re.compile(
    r"\b(?:answer|reply|respond|output|write|say|call\w*"
    r"|put down)\s+(?:it\s+)?([a-z_-]{3,})(?=\s*(?:[;,.:]|\b(?:if|when|or|and|where|for)\b))",
    re.IGNORECASE,
)
_SLOT_NAME = re.compile(r"\{\{\s*(\w+)[^}]*\}\}")


def slot_names(text: str) -> list[str]:
    """Return the names of the slots of a text, in order."""
    return _SLOT_NAME.findall(text)


def bare(text: str, mark: str = r"\1") -> str:
    """Return a wording as a model reads it: slots as their names, or as `mark` has them, and all
    that separates words as one blank.
    """
    return " ".join(_SLOT_NAME.sub(mark, text).split())


def stem(word: str) -> str:
    """Return a word without its regular ending."""
    for ending in ("ies", "ing", "ed", "es", "ly", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


@dataclass(frozen=True)
class Reading:
    """One text as the rules see it."""

    text: str
    """Text of the phrasing."""
    labels: tuple[str, ...]
    """Label words of the task."""

    @cached_property
    def words(self) -> list[str]:
        """Words outside slots, contractions of ``not`` written out."""
        text = " ".join(pieces_of(self.text)).replace("n't", " not").replace("n’t", " not")
        return normalised_words(text)

    @cached_property
    def known(self) -> frozenset[str]:
        """The words, each once."""
        return frozenset(self.words)

    @cached_property
    def named(self) -> frozenset[str]:
        """Answers the text names: label words, quoted words, letters, words in capitals, answer
        words, and what is listed beside one.
        """
        folded = f" {' '.join(normalised_words(self.text))} "
        found = {
            " ".join(normalised_words(label))
            for label in self.labels
            if len(label) > 1 and f" {' '.join(normalised_words(label))} " in folded
        }
        found |= {" ".join(normalised_words(quoted)) for quoted in _QUOTED.findall(self.text)}
        found |= {word.lower() for word in _CAPITALS.findall(self.text)}
        found |= {
            letter
            for letter in _SINGLE.findall(self.text)
            if letter not in {"A", "I"} or letter in self.labels or _named_a(self.text)
        }
        known = (ANSWERS & self.known) | {word.lower() for word in _ORDERED.findall(self.text)}
        found |= known - FUNCTION_WORDS if len(known) > 1 else set()
        return frozenset(found | self._beside(found)) - {""}

    def _beside(self, answers: Iterable[str]) -> set[str]:
        """Return single words listed together with an answer."""
        beside: set[str] = set()
        for match in _LISTED.finditer(" ".join(pieces_of(self.text))):
            items = [
                " ".join(normalised_words(item))
                for part in match.groups()
                if part
                for item in part.split(",")
            ]
            first = next((place for place, item in enumerate(items) if item in answers), None)
            if first is not None:
                beside |= {item for item in items[first:] if item not in FUNCTION_WORDS}
        return beside

    @cached_property
    def sequence(self) -> list[str]:
        """All words in order, slots as their names."""
        return [word for clause in self.clauses for word in clause]

    @cached_property
    def clauses(self) -> list[list[str]]:
        """Words of every sentence, slots as their names, longer label words as one word."""
        text = _SLOT_NAME.sub(lambda match: f" {match.group(1)} ", self.text)
        return [
            normalised
            for part in _SENTENCE.split(text)
            if (normalised := _joined(part, self.labels))
        ]


def _named_a(text: str) -> bool:
    """Return whether a capital A is a letter to answer with rather than an article."""
    return bool(re.search(r"(?<!\w)['\"(]?A['\")]?(?:,|\s+(?:or|and)\s+['\"(]?B)", text))


def _joined(part: str, labels: Sequence[str]) -> list[str]:
    """Return the words of one sentence; a label of several words becomes one."""
    text = part.replace("n't", " not").replace("n’t", " not")
    for label in sorted((label for label in labels if " " in label or "_" in label), key=len)[::-1]:
        text = re.sub(
            rf"(?<!\w){re.escape(label)}(?!\w)", label.replace(" ", "").replace("_", ""), text
        )
    return normalised_words(text)
