"""Metrics on generated text that compare answers after normalisation.

Normalisation (version `NORMALISATION`): Unicode NFKC, zero-width and control characters removed,
case folded, runs of white space one space, ends stripped of space and of one layer of quotes, a
closing full stop dropped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from evalkit.scoring.metric import Answered, Verdict
from evalkit.scoring.reading.answer import read_answer
from evalkit.scoring.reading.mentions import stated_rest
from evalkit.scoring.reading.numbers import as_number, final_marks, read_number
from evalkit.scoring.reading.plain import plain

__all__ = [
    "NORMALISATION",
    "answer_contained",
    "exact_match",
    "find_label",
    "holds",
    "label_match",
    "math_match",
    "normalise",
]

NORMALISATION = 1
"""Version of the rule; part of what a score means."""

_ZERO_WIDTH = dict.fromkeys([0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x00AD])
_QUOTES = {('"', '"'), ("'", "'"), ("`", "`"), ("“", "”"), ("‘", "’"), ("«", "»")}


def normalise(text: str) -> str:
    """Return text as answers are compared.

    >>> normalise('  "Not  Entailed". ')
    'not entailed'
    """
    text = unicodedata.normalize("NFKC", text).translate(_ZERO_WIDTH)
    text = "".join(" " if unicodedata.category(char) == "Cc" else char for char in text)
    text = " ".join(text.split()).casefold()
    if len(text) > 1 and text.endswith("."):
        text = text[:-1].rstrip()
    if len(text) > 1 and (text[0], text[-1]) in _QUOTES:
        text = text[1:-1].strip()
    return text


def exact_match(answered: Answered) -> Verdict:
    """Return 1 when the first line of the normalised text equals a normalised reference, else 0.

    An empty text is unparsed.
    """
    text = answered.text
    if text is None:
        return Verdict(score=None, prediction=None, status="missing")
    said = normalise(text.strip().split("\n", 1)[0])
    right = bool(said) and any(
        said == normalise(reference) for reference in answered.instance.references
    )
    if not said:
        return Verdict(score=0.0, prediction=None, status="unparsed")
    return Verdict(score=float(right), prediction=said)


def answer_contained(answered: Answered) -> Verdict:
    """Return 1 when a reference stands in the first line of the answer as whole words, else 0.

    An empty text is unparsed. After the measure of N. Liu and others, "Lost in the Middle", 2023.
    """
    text = answered.text
    if text is None:
        return Verdict(score=None, prediction=None, status="missing")
    said = normalise(text.strip().split("\n", 1)[0])
    if not said:
        return Verdict(score=0.0, prediction=None, status="unparsed")
    right = any(holds(said, normalise(reference)) for reference in answered.instance.references)
    return Verdict(score=float(right), prediction=said)


def holds(text: str, words: str) -> bool:
    """Return whether words stand in a text whole, both normalised.

    >>> holds("it is new york", "new york"), holds("a yorker", "york")
    (True, False)
    """
    return bool(words) and re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None


def label_match(answered: Answered) -> Verdict:
    """Return 1 when the label found in the text is the target, 0 when it is another.

    No label found is unparsed. An open answer without choices is right when a reference is found
    in it.
    """
    text = answered.text
    if text is None:
        return Verdict(score=None, prediction=None, status="missing")
    choices = answered.instance.choices or answered.instance.references
    shown = find_label(text, answered.labels or choices, texts=choices)
    if shown is None:
        return Verdict(score=0.0, prediction=None, status="unparsed")
    chosen = choices[answered.choice_index(shown)]
    return Verdict(score=float(chosen in answered.instance.references), prediction=chosen)


def find_label(text: str, labels: Sequence[str], *, texts: Sequence[str] = ()) -> int | None:
    """Return the position of the one label that the text answers with, or None.

    `evalkit.scoring.reading` holds the rules; ``docs/parsing.md`` says how often they are right.

    >>> find_label("The answer is (B).", ("A", "B"))
    1
    >>> find_label("a cat", ("A", "B")) is None
    True
    """
    found = read_answer(text, labels, texts=texts)
    return None if found is None else found.label


def math_match(answered: Answered) -> Verdict:
    """Return 1 when the number that the text answers with equals a reference, else 0.

    Numbers are compared as rational numbers. A reference that is no number as a whole (``7b``,
    ``5:30 PM``, ``3, 4``, ``-4*s**2``) is compared as a text, white space apart.
    """
    text = answered.text
    if text is None:
        return Verdict(score=None, prediction=None, status="missing")
    references = answered.instance.references
    if any(_compact(candidate) in set(map(_compact, references)) for candidate in _said(text)):
        return Verdict(score=1.0, prediction=normalise(_said(text)[0]))
    number = read_number(text)
    if number is None:
        return exact_match(answered)
    right = any(
        told is not None and told.value == number.value for told in map(as_number, references)
    )
    return Verdict(score=float(right), prediction=number.shown)


def _said(text: str) -> list[str]:
    """What a text can mean as its answer: its final mark,
    else its first line and what follows "the answer is".
    """
    if marked := final_marks(text):
        return [marked[-1]]
    lines = plain(text).split("\n")
    return [
        text.strip().split("\n", 1)[0],
        lines[0],
        *(stated for line in lines if (stated := stated_rest(line))),
    ]


def _compact(text: str) -> str:
    """A text without white space, as answers that are no numbers are compared."""
    return "".join(normalise(text.replace("$", "")).split())
