"""What a judge is asked: is an answer right, or which of two is better.
Several wordings of our own.

Every wording is asked twice, with its options (or the two answers) in both orders, so that a judge
that prefers a place is found out. A judge sees the task as one phrasing puts it, not the phrasing
an answer was given under, so that equal answers are judged once and wording cannot sway it
directly.

Not handled here: asking (`evalkit.runs.judge`), reading verdicts (`evalkit.scoring.verdicts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.records import Request

__all__ = [
    "ANSWERS",
    "LONGEST",
    "PAIRS",
    "VERSION",
    "JudgeWording",
    "answer_question",
    "pair_question",
    "shortened",
]

VERSION = 1
"""Raised whenever a wording changes."""
LONGEST = 20_000
"""Characters of an answer that a judge is shown."""


@dataclass(frozen=True, slots=True)
class JudgeWording:
    """One way to ask a judge."""

    id: str
    """Its name."""
    opening: str
    """What it is told first."""
    heads: tuple[str, str, str]
    """Headings of the task, of the accepted answers, and of what is judged."""
    closing: str
    """What it is asked at the end, with ``{first}``, ``{second}`` (and ``{third}``)."""
    labels: tuple[str, ...]
    """Verdicts: right and wrong; or first answer, second answer, neither."""


ANSWERS = (
    JudgeWording(
        "plain",
        "Decide whether an answer to a task is right. "
        "What counts is its meaning; spelling, length and manner do not.",
        ("Task", "Accepted answers", "Answer to decide on"),
        "Reply with one word, {first} or {second}.",
        ("right", "wrong"),
    ),
    JudgeWording(
        "marking",
        "You are marking a test. A longer or more polite reply earns nothing extra.",
        ("What was set", "Key", "What the candidate wrote"),
        "Does the candidate's reply say what the key says? "
        "Write {first} or {second}, nothing else.",
        ("yes", "no"),
    ),
    JudgeWording(
        "referee",
        "A reply has to be let through or turned back. "
        "Let it through only when someone who relies on it would not be misled.",
        ("Request", "Known to be good", "Reply"),
        "Your ruling in a single word ({first} / {second}):",
        ("accept", "reject"),
    ),
    JudgeWording(
        "check",
        "Compare the output of a program with what was expected of it, by sense and not by letter.",
        ("Input", "Expected", "Output"),
        "Result of the comparison, either {first} or {second}:",
        ("pass", "fail"),
    ),
)
"""Wordings for single answers, in the order they are used."""
PAIRS = (
    JudgeWording(
        "plain",
        "Two answers were given to one task. Decide which is better. "
        "What counts is whether it is right; length and manner do not.",
        ("Task", "Accepted answers", "Answer {name}"),
        "Reply with one word: {first}, {second}, or {third} when neither is better.",
        ("A", "B", "tie"),
    ),
    JudgeWording(
        "marking",
        "You are marking a test that two candidates sat. A longer reply earns nothing extra.",
        ("What was set", "Key", "Candidate {name}"),
        "Whose reply comes closer to what was set? "
        "Write {first}, {second} or {third}, nothing else.",
        ("1", "2", "equal"),
    ),
    JudgeWording(
        "referee",
        "Someone has to rely on one of two replies. Say on which.",
        ("Request", "Known to be good", "The {name} reply"),
        "Your ruling in a single word ({first} / {second} / {third}):",
        ("first", "second", "either"),
    ),
)
"""Wordings for pairs of answers."""


def answer_question(
    wording: JudgeWording,
    task: str,
    references: Sequence[str],
    answer: str,
    *,
    swapped: bool,
    max_tokens: int,
) -> tuple[Request, tuple[str, ...]]:
    """Return the question whether one answer is right,
    and its verdicts in the order they are named.

    Parameters
    ----------
    wording
        One of `ANSWERS`.
    task
        The task with its data, as text.
    references
        Accepted answers; without any the judge is told of none.
    answer
        What is judged; `LONGEST` characters of it are shown.
    swapped
        Whether the verdict "wrong" is named first.
    max_tokens
        Most tokens of the verdict.
    """
    labels = wording.labels[::-1] if swapped else wording.labels
    parts = [(wording.heads[0], task), *_key(wording, references), (wording.heads[2], answer)]
    closing = wording.closing.format(first=labels[0], second=labels[1])
    return _request(wording, parts, closing, n_judged=1, max_tokens=max_tokens), labels


def pair_question(
    wording: JudgeWording,
    task: str,
    references: Sequence[str],
    answers: tuple[str, str],
    *,
    swapped: bool,
    max_tokens: int,
) -> tuple[Request, tuple[str, ...]]:
    """Return the question which of two answers is better, and the verdicts:
    first shown, second shown, neither.

    Parameters
    ----------
    wording
        One of `PAIRS`.
    task, references, max_tokens
        As for `answer_question`.
    answers
        The two answers.
    swapped
        Whether the second of them is shown first.
    """
    shown = answers[::-1] if swapped else answers
    first, second, third = wording.labels
    heads = [wording.heads[2].format(name=name) for name in (first, second)]
    parts = [
        (wording.heads[0], task),
        *_key(wording, references),
        *zip(heads, shown, strict=True),
    ]
    closing = wording.closing.format(first=first, second=second, third=third)
    return _request(wording, parts, closing, n_judged=2, max_tokens=max_tokens), wording.labels


def _key(wording: JudgeWording, references: Sequence[str]) -> list[tuple[str, str]]:
    known = [text for text in dict.fromkeys(references) if text.strip()]
    return [(wording.heads[1], "\n".join(known))] if known else []


def _request(
    wording: JudgeWording,
    parts: Sequence[tuple[str, str]],
    closing: str,
    *,
    n_judged: int,
    max_tokens: int,
) -> Request:
    """Put texts between fences that stand in none of them; what is judged may lose its middle."""
    shown = [(head, shortened(text)) for head, text in parts]
    fence = "-----"
    while any(fence in text for _, text in shown):
        fence += "-"
    blocks = [f"{head}:\n{fence}\n{text}\n{fence}" for head, text in shown]
    before = "\n\n".join([wording.opening, *blocks[:-n_judged], ""])
    judged = "\n\n".join(blocks[-n_judged:])
    return Request(
        kind="generate",
        text=f"{before}{judged}\n\n{closing}",
        body=(len(before), len(before) + len(judged)),
        max_tokens=max_tokens,
    )


def shortened(text: str) -> str:
    """Return a text without its middle where it is longer than `LONGEST`.

    >>> len(shortened("x" * 1_000_000)) < 20_100, shortened("short")
    (True, 'short')
    """
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]}\n[{len(text) - 2 * half:,} characters left out]\n{text[-half:]}"
