"""A metric: does the answer have as many letters as the reference?"""

from __future__ import annotations

from evalkit.scoring import Answered, Verdict

__all__ = ["same_length"]


def same_length(answered: Answered) -> Verdict:
    """Return 1 when the answer is as long as some reference, else 0;
    an empty answer is unparsed.
    """
    text = answered.response.text
    if text is None:
        return Verdict(score=None, prediction=None, status="missing")
    said = text.strip()
    if not said:
        return Verdict(score=0.0, prediction=None, status="unparsed")
    return Verdict(
        score=float(any(len(said) == len(reference) for reference in answered.instance.references)),
        prediction=said,
    )
