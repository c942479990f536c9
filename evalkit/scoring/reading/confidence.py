"""How sure a text says that it is of its answer."""

from __future__ import annotations

import re

__all__ = ["stated_confidence"]

_NUMBER = r"(\d{1,3}(?:[.,]\d+)?)\s*(%|percent\b|/\s*100\b|/\s*10\b)?"
_SAID = (
    re.compile(
        rf"\b(?:confidence|certainty|probability)\b[^\d\n.]{{0,30}}{_NUMBER}", re.IGNORECASE
    ),
    re.compile(rf"{_NUMBER}\s*(?:sure|certain|confident)\b", re.IGNORECASE),
    re.compile(rf"\b(?:sure|certain|confident)\b[^\d\n.]{{0,12}}{_NUMBER}", re.IGNORECASE),
)


def stated_confidence(text: str) -> float | None:
    """Return the confidence that a text states last, in [0, 1]; None where it states none.

    A number without a sign counts as a fraction up to 1 and as per cent above; out of range is
    none.

    Examples
    --------
    >>> stated_confidence("Paris. Confidence: 85%"), stated_confidence("I am 70 % sure: B")
    (0.85, 0.7)
    >>> stated_confidence("Paris (confidence 8/10)"), stated_confidence("100 people")
    (0.8, None)
    """
    lowered = text.lower()
    if not any(word in lowered for word in ("confiden", "certain", "sure", "probability")):
        return None
    found = [
        match
        for place, pattern in enumerate(_SAID)
        for match in pattern.finditer(text)
        if place == 0 or match[2]  # "sure of 7" is no confidence
    ]
    if not found:
        return None
    last = max(found, key=lambda match: match.start(1))
    value, unit = float(last[1].replace(",", ".")), (last[2] or "").replace(" ", "").lower()
    if unit == "/10":
        value /= 10
    elif unit or value > 1:
        value /= 100
    return value if 0 <= value <= 1 else None
