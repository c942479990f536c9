"""Answering where one can and declining where one cannot: the metric,
and what is measured beside it.
"""

from __future__ import annotations

from collections.abc import Mapping

from evalkit.scoring.metric import Answered, Verdict
from evalkit.scoring.reading.refusals import refusal_of
from evalkit.scoring.text import holds, normalise

__all__ = ["answer_or_decline", "declines", "declining"]

WORDS = frozenset({"unanswerable", "no answer"})
"""First lines that decline in so many words, and are the references of such items."""


def declines(text: str) -> bool:
    """Return whether a text gives no answer: it refuses, abstains, or says that there is none.

    >>> declines("Unanswerable."), declines("I don't know."), declines("Lorvane")
    (True, True, False)
    """
    first = normalise(text.strip().split("\n", 1)[0]).strip(" .!*\"'")
    return first in WORDS or bool(refusal_of(text))


def answer_or_decline(answered: Answered) -> Verdict:
    """Return 1 when the text declines where a reference does,
    or holds a reference where none does, else 0.

    A text that declines and yet holds the answer has answered.
    """
    text = answered.text
    if text is None:
        return Verdict(score=None, prediction=None, status="missing")
    if not text.strip():
        return Verdict(score=0.0, prediction=None, status="unparsed")
    references = answered.instance.references
    declined = declines(text)
    if any(map(declines, references)):
        return Verdict(score=float(declined), prediction=_said(text, declined))
    right = any(holds(normalise(text), normalise(reference)) for reference in references)
    if declined and not right:
        return Verdict(score=0.0, prediction="declined", state="refused")
    return Verdict(score=float(right), prediction=_said(text, False))


def _said(text: str, declined: bool) -> str:
    return "declined" if declined else normalise(text)[:200]


def declining(answered: Answered, verdict: Verdict) -> Mapping[str, float]:
    """Whether the text declines; where it ought not to, an abstention or refusal too many."""
    text = answered.text
    if text is None:
        return {}
    right = any(map(declines, answered.instance.references))
    return {"declined": float(declines(text) if right else verdict.state == "refused")}
