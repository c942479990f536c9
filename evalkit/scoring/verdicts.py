"""A judge's text -> its verdict; what is no verdict is None, never a no.

Not handled here: what the judge is asked (`evalkit.phrasings.judging`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.records.reasoning import split_reasoning
from evalkit.scoring.text import find_label

__all__ = ["JudgeVerdict", "JudgedCell", "read_pair", "read_verdict"]


@dataclass(frozen=True, slots=True)
class JudgeVerdict:
    """What one question to a judge came to."""

    wording: str
    """Id of its wording."""
    swapped: bool
    """Whether its options, or the two answers, stood in the other order."""
    value: float | None
    """1: right, or the first answer is better; 0: wrong, or the second; 0.5: neither. None where
    the judge's answer is no verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCell:
    """One answer, or one pair of answers to the same question, and what a judge said of it."""

    task: str
    """Task id."""
    phrasing_id: str
    """Phrasing that the answer was given under."""
    instance_id: str
    """Instance."""
    key: str
    """Key of the request that the answer is to."""
    words: int
    """Words of the answer."""
    score: float | None
    """Score by the metric of the task."""
    other_words: int | None = None
    """Words of the answer it was compared with; None where it was judged alone."""
    other_score: float | None = None
    """Score of that one."""
    verdicts: tuple[JudgeVerdict, ...]
    """One per wording and order that the judge answered at all."""

    @property
    def value(self) -> float | None:
        """Return the mean of its verdicts; None without any."""
        found = [one.value for one in self.verdicts if one.value is not None]
        return sum(found) / len(found) if found else None


def read_verdict(text: str, labels: Sequence[str], *, swapped: bool) -> float | None:
    """Return 1 for right, 0 for wrong, None where a judge said neither.

    Parameters
    ----------
    text
        What the judge wrote.
    labels
        The two verdicts in the order they were named.
    swapped
        Whether the verdict "wrong" was named first.

    Examples
    --------
    >>> read_verdict("**Right.**", ("right", "wrong"), swapped=False)
    1.0
    >>> read_verdict("It is hard to say.", ("right", "wrong"), swapped=False) is None
    True
    """
    place = _place(text, labels)
    return None if place is None else float((place == 0) != swapped)


def read_pair(text: str, labels: Sequence[str], *, swapped: bool) -> float | None:
    """Return 1 when the first answer is better, 0 for the second, 0.5 for neither, None where a
    judge said nothing of it.

    Parameters
    ----------
    text, labels
        As for `read_verdict`; the third label is "neither".
    swapped
        Whether the second answer was shown first.

    Examples
    --------
    >>> (
    ...     read_pair("A", ("A", "B", "tie"), swapped=True),
    ...     read_pair("tie", ("A", "B", "tie"), swapped=True),
    ... )
    (0.0, 0.5)
    """
    place = _place(text, labels)
    if place is None:
        return None
    return 0.5 if place == 2 else float((place == 0) != swapped)


def _place(text: str, labels: Sequence[str]) -> int | None:
    return find_label(split_reasoning(text)[1], labels)
