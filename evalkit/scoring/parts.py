"""Answers in numbered parts: one line a part, ``1. x``."""

from __future__ import annotations

import re

from evalkit.scoring.metric import Answered, Verdict
from evalkit.scoring.text import normalise

__all__ = ["all_parts", "numbered"]

_PART = re.compile(r"^\s*(?:[*_#>-]+\s*)?[(\[]?(\d{1,2})[)\].:]+[*_]*[ \t]*(.*)$")


def numbered(text: str) -> dict[int, str]:
    r"""Return part number -> part of a text with numbered lines; a text without numbers is part 1.

    A number that stands twice counts the first time; a part keeps what follows it on its line.

    >>> numbered("Sure:\n1. red\n2) 7"), numbered("red")
    ({1: 'red', 2: '7'}, {1: 'red'})
    """
    found: dict[int, str] = {}
    for line in text.splitlines():
        match = _PART.match(line)
        if match:
            found.setdefault(int(match[1]), match[2].strip())
    if not found and text.strip():
        return {1: text.strip().splitlines()[0].strip()}
    return found


def all_parts(answered: Answered) -> Verdict:
    """Return 1 when every part is right after normalisation and there is no part too many, else 0.

    A text without an answer is unparsed.
    """
    text = answered.text
    if text is None:
        return Verdict(score=None, prediction=None, status="missing")
    said = {place: normalise(part) for place, part in numbered(text).items()}
    if not said:
        return Verdict(score=0.0, prediction=None, status="unparsed")
    wanted = [
        {place: normalise(part) for place, part in numbered(reference).items()}
        for reference in answered.instance.references
    ]
    shown = " | ".join(part for _, part in sorted(said.items()))
    return Verdict(score=float(said in wanted), prediction=shown)
