"""Metrics on generated text that compare answers after normalisation, and the parser that finds an answer in text.

Normalisation (version `NORMALISATION`): Unicode NFKC, zero-width and control characters removed,
case folded, runs of white space one space, ends stripped of space and of one layer of quotes, a
closing full stop dropped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from evalkit.scoring.cell import Answered, Verdict

__all__ = [
    "NORMALISATION",
    "exact_match",
    "find_label",
    "is_refusal",
    "label_match",
    "math_match",
    "normalise",
]

NORMALISATION = 1
"""Version of the rule; part of what a score means."""

_ZERO_WIDTH = dict.fromkeys([0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x00AD])
_QUOTES = {('"', '"'), ("'", "'"), ("`", "`"), ("“", "”"), ("‘", "’"), ("«", "»")}
_LEAD = re.compile(
    r"^(?:(?:so|thus|therefore|hence)[, ]+)?(?:the\s+)?(?:(?:final|correct|right|best)\s+)?(?:answer|label|option|choice|output)?\s*(?:is|:|=|->)\s*",
    re.I,
)


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


_REFUSAL = re.compile(
    r"^(?:(?:i['’]?m|i am)\s+(?:very\s+|so\s+)?(?:sorry|afraid|unable|not able)|sorry\b|(?:i|we)\s+(?:can['’]?t|cannot|can not|won['’]?t|will not)\s+(?:help|assist|answer|provide|do|comply)"
    r"|as an? (?:ai|language model)|(?:i|we) (?:must|have to) (?:decline|refuse)|i (?:do not|don['’]?t) (?:feel comfortable|have the ability))",
    re.I,
)


def is_refusal(text: str) -> bool:
    """Return whether a text opens like a refusal to answer.

    A list of openings, so it misses refusals in other words and languages; it is meant for a rate,
    not for a verdict on one answer.

    >>> is_refusal("I'm sorry, but I can't help with that."), is_refusal("Sorry is the answer"), is_refusal("no")
    (True, True, False)
    """
    return _REFUSAL.match(normalise(text)) is not None


def exact_match(answered: Answered) -> Verdict:
    """Return 1 when the first line of the normalised text equals a normalised reference, else 0.

    An empty text is unparsed.
    """
    text = answered.response.text
    if text is None:
        return Verdict(score=None, prediction=None, status="missing")
    said = normalise(text.strip().split("\n", 1)[0])
    if not said or (
        is_refusal(text)
        and not any(said == normalise(reference) for reference in answered.instance.references)
    ):
        return Verdict(score=0.0, prediction=None, status="unparsed")
    return Verdict(
        score=float(
            any(said == normalise(reference) for reference in answered.instance.references)
        ),
        prediction=said,
    )


def label_match(answered: Answered) -> Verdict:
    """Return 1 when the label found in the text is the target, 0 when it is another.

    No label found is unparsed.
    """
    text = answered.response.text
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

    Rules, in order, each on the normalised text, and each only when exactly one label fits: the
    whole text (or its first line) is the label or the choice text; it starts with the label, after
    a lead such as "the answer is"; exactly one label occurs in it as a whole word. A single letter
    counts as a whole word only in capitals or in brackets, so that the article "a" is not an
    answer.

    >>> find_label("The answer is (B).", ("A", "B"))
    1
    >>> find_label("a cat", ("A", "B")) is None
    True
    """
    first = text.strip().split("\n", 1)[0]
    forms = [{normalise(label), normalise(label.strip("()"))} for label in labels]
    for index, choice in enumerate(texts):
        if index < len(forms):
            forms[index].add(normalise(choice))
    for candidate in (normalise(first), normalise(_LEAD.sub("", first, count=1))):
        bare = candidate.strip("()[]*: ")
        hits = [index for index, form in enumerate(forms) if candidate in form or bare in form]
        if len(hits) == 1:
            return hits[0]
    lead = _LEAD.sub("", unicodedata.normalize("NFKC", first), count=1).strip()
    starts = [index for index, label in enumerate(labels) if _starts_with(lead, label)]
    if len(starts) == 1:
        return starts[0]
    inside = [index for index, label in enumerate(labels) if _occurs(text, label)]
    return inside[0] if len(inside) == 1 else None


def _starts_with(text: str, label: str) -> bool:
    bare = re.escape(label.strip("()"))
    flags = re.NOFLAG if len(label.strip("()")) == 1 else re.IGNORECASE
    return (
        re.match(
            rf"[\(\[\*]*{bare}(?:[\)\]\*\.:,;]|\s*$)"
            if len(label.strip("()")) == 1
            else rf"[\(\[\*\"']*{bare}\b",
            text,
            flags,
        )
        is not None
    )


def _occurs(text: str, label: str) -> bool:
    bare = re.escape(label.strip("()"))
    if len(label.strip("()")) == 1:
        return (
            re.search(
                rf"(?:[\(\[\*]{bare}[\)\]\*]|(?:answer|option|choice)\s*(?:is|:)?\s*{bare}\b)", text
            )
            is not None
        )
    return re.search(rf"(?<!\w){bare}(?!\w)", text, re.IGNORECASE) is not None


def math_match(answered: Answered) -> Verdict:
    """Return 1 when the first number in the text equals a reference as a rational number, else 0; no number falls back to exact match."""
    text = answered.response.text
    if text is None:
        return Verdict(score=None, prediction=None, status="missing")
    said = _number(text)
    if said is None:
        return exact_match(answered)
    right = any(said == _number(reference) for reference in answered.instance.references)
    return Verdict(score=float(right), prediction=str(said))


def _number(text: str) -> Fraction | None:
    found = re.search(
        r"[-+]?\d[\d,]*(?:\.\d+)?(?:\s*/\s*\d+)?",
        unicodedata.normalize("NFKC", text).replace("−", "-"),
    )
    if found is None:
        return None
    numerator, _, denominator = found.group().replace(",", "").replace(" ", "").partition("/")
    try:
        value = Fraction(Decimal(numerator))
        return value / int(denominator) if denominator else value
    except (InvalidOperation, ZeroDivisionError, ValueError):
        return None
