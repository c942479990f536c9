r"""A text -> the one number it answers with, or none.

A number is whole: ``7b`` (digits of another base), ``5:30``, ``1a3`` and the entries of ``3, 4``
are none. Read are signs, thousands in groups of three, decimal points with or without a digit
before them, fractions (``1/2``, ``½``, ``1 1/2``, ``\frac{1}{2}``) and powers of ten (``1e3``,
``1.5 \times 10^3``); currencies, per cent and units beside a number are left out. Of several
numbers the one that is marked or stated as the answer counts, then the one that fills a line, then
the one behind the last ``=``, then the last.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from evalkit.scoring.reading import rules
from evalkit.scoring.reading.mentions import WORD, leads_to, stated_rest
from evalkit.scoring.reading.plain import plain, within_reach

__all__ = ["Number", "as_number", "final_marks", "read_number"]

_LARGEST_EXPONENT = 4000
"""Powers of ten beyond it are compared as texts: their digits would not fit into memory."""
_PLACES = 10_000
"""Bits up to which a number is shown as digits; larger ones are shown as they were written."""
_UNITS = (
    r"(?:%|°[CF]?|cm|mm|km|nm|m|kg|mg|g|lbs?|oz|ft|in|mi|mph|kmh|km/h|m/s|ml|l|hz|khz|mhz|ghz|kb"
    r"|mb|gb|tb|kw|kwh|w|v|ms|s|sec|min|h|hrs?|days?|years?|yrs?|usd|eur|cents?|th|st|nd|rd)"
)
_DIGITS = r"(?:\d{1,3}(?:(?:,\d{3})+|(?: \d{3})+|(?:'\d{3})+)(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_SCALES = {
    "thousand": 3, "million": 6, "billion": 9, "trillion": 12,
    "千": 3, "万": 4, "萬": 4, "만": 4, "亿": 8, "億": 8, "억": 8,
}  # fmt: skip
"""Words behind a number -> powers of ten."""
_NUMBER = re.compile(
    rf"(?<![{WORD}.^√])(?<!\*\*)(?<!\w[-/])(?<!\d:)(?P<sign>[-+](?=[\d.$€£]))?[$€£]?(?P<whole>{_DIGITS})"
    r"(?:[eE](?P<power>[-+]?\d+)|\s?(?:×|x|\*|\\times|\\cdot)\s?10\s?(?:\^"
    r"|\*\*)\s?\{?(?P<ten>[-+]?\d+)\}?)?"
    rf"(?:\s?(?P<scale>{'|'.join(_SCALES)}))?"
    rf"(?:\s?/\s?(?P<under>{_DIGITS})|\s(?P<top>\d+)/(?P<bottom>\d+))?"
    rf"(?:{_UNITS}(?!\w))?(?![{WORD}:√]|\.\d|,\d|\s?(?:\*\*|\^|\*)\s?[\w(])",
    re.IGNORECASE,
)
_EUROPEAN = re.compile(r"(?<![\d.,])(\d{1,3}(?:\.\d{3})+),(\d{1,2})(?!\d)")
_FRACTION = re.compile(
    r"((?<![\w)}])-\s*)?\\[dt]?frac\s*(?:\{([^{}]+)\}|(\d))\s*(?:\{([^{}]+)\}|(\d))"
)
_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = re.compile(
    rf"\b(?:(?P<tens>{'|'.join(_TENS)})(?:[ -](?P<unit>{'|'.join(_ONES[1:10])}))?"
    rf"|(?P<ones>{'|'.join(_ONES)}))\b",
    re.IGNORECASE,
)
_SPELLED = 12
"""Words of a text up to which its one number may be spelled out."""
_LEADS = re.compile(r"(?:[=≈]|\b(?:so|thus|hence|therefore)\b(?: [^\W\d]+){0,4})\s*[$€£]?$")
_LIST = re.compile(r"\s*(?:,\s*(?:and|or)?|;|\band\b|\bor\b(?:\s*\w\s*=)?|&)\s*")
_TERMS = re.compile(r"\s*[-+*/^×÷]\s*")


@dataclass(frozen=True, slots=True)
class Number:
    """A number that was read."""

    value: Fraction
    """Its value, exact."""
    shown: str
    """How it is shown."""


def _folded(text: str) -> str:
    """Text with one sign for minus and fractions on one line."""
    spelled = []
    for char in text:
        told = unicodedata.decomposition(char)
        spelled.append(f" {unicodedata.normalize('NFKC', char)}" if "<fraction>" in told else char)
    folded = unicodedata.normalize("NFKC", "".join(spelled)).replace("⁄", "/").replace("−", "-")
    folded = re.sub(r"\\sqrt\s*\{?", "√", folded)
    folded = _EUROPEAN.sub(lambda found: f"{found[1].replace('.', '')}.{found[2]}", folded)
    folded = re.sub(r"\\[,!;: ]|(?<=\d)\{,\}(?=\d)|\\(?=[%$])", "", folded)
    return _FRACTION.sub(
        lambda found: f" {found[1] or ''}{found[2] or found[3]}/{found[4] or found[5]} ", folded
    )


def read_number(text: str) -> Number | None:
    """Return the number that a text answers with; None when there is none,
    or several stand in a list.

    >>> [str(read_number(text).value) for text in ("2 + 3 = 5", ".5", "1e3", "x = 12 cm", "-1 1/2")]
    ['5', '1/2', '1000', '12', '-3/2']
    >>> [read_number(text) for text in ("7b", "5:30 PM", "3, 4", "none")]
    [None, None, None, None]
    """
    text = within_reach(text)
    if marked := final_marks(text):
        return as_number(marked[-1]) or _chosen(plain(_folded(marked[-1])))
    words = plain(_folded(text))
    return _chosen(words) if any(map(str.isdecimal, words)) else _in_words(words)


def _in_words(text: str) -> Number | None:
    """The number that a text without digits is, or states, in English words up to 99."""
    said = stated_rest(text) or text
    values = set()
    for found in _WORDS.finditer(said) if len(said.split()) <= _SPELLED else ():
        tens, ones = (
            (found["tens"] or "").lower(),
            (found["unit"] or found["ones"] or "zero").lower(),
        )
        if tens or ones != "one" or found.group() == said.strip(" ."):
            values.add(10 * (_TENS.index(tens) + 2 if tens else 0) + _ONES.index(ones))
    return Number(Fraction(value := values.pop()), str(value)) if len(values) == 1 else None


def final_marks(text: str) -> list[str]:
    r"""Return what stands in the final marks of a text, such as ``\boxed{}``, in order."""
    found = [
        (match.start(), match.group(1))
        for pattern in rules.FINAL_MARKS.values()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]
    return [content for _, content in sorted(found)]


def as_number(text: str) -> Number | None:
    """Return the number that a text is as a whole, with a unit at most;
    None when it is anything else.
    """
    words = plain(_folded(text)).strip().removesuffix(".").strip()
    found = _NUMBER.search(words)
    if found is None or words[: found.start()].strip():
        return None
    rest = words[found.end() :].strip()
    return _value(found) if re.fullmatch(r"[^\W\d_]{0,20}(?: [^\W\d_]{1,20}){0,2}", rest) else None


def _chosen(text: str) -> Number | None:
    """The number that counts among those of a text."""
    found = list(_NUMBER.finditer(text))
    stated = [match for match in found if leads_to(text, match.start())]
    if stated:
        return _alone(text, stated[-1], found)
    lines = [as_number(line) for line in text.split("\n")]
    filling = [number for number in lines if number is not None]
    if len({number.value for number in filling}) == 1:
        return filling[0]
    equal = [match for match in found if _LEADS.search(text[: match.start()])]
    chosen = equal or found
    return _alone(text, chosen[-1], found) if chosen else None


def _alone(text: str, match: re.Match[str], found: Sequence[re.Match[str]]) -> Number | None:
    """Value of a number; None where it stands in a list, is a term,
    or a longer one cannot be read.
    """
    place = list(found).index(match)
    for left, right in ((place - 1, place), (place, place + 1)):
        if left >= 0 and right < len(found):
            between = text[found[left].end() : found[right].start()]
            if _LIST.fullmatch(between) or _TERMS.fullmatch(between):
                return None
    behind = re.match(r"\s*(?:,|and\b|or\b|to\b|[-–—])\s*[-+]?\d", text[match.end() :])
    return None if behind else _value(match)


def _value(found: re.Match[str]) -> Number | None:
    try:
        value = Fraction(Decimal(re.sub("[, ']", "", found["whole"])))
        power = int((found["power"] or found["ten"] or "0")[:12])
        power += _SCALES.get((found["scale"] or "").lower(), 0)
        if abs(power) > _LARGEST_EXPONENT:
            return None
        value *= Fraction(10) ** power
        if found["under"]:
            value /= Fraction(Decimal(re.sub("[, ']", "", found["under"])))
        if found["top"]:
            value += Fraction(Decimal(found["top"])) / Fraction(Decimal(found["bottom"]))
    except (InvalidOperation, ZeroDivisionError, ValueError):
        return None
    value = -value if found["sign"] == "-" else value
    large = max(value.numerator.bit_length(), value.denominator.bit_length()) > _PLACES
    return Number(value, found.group().strip() if large else str(value))
