"""``--score-by``: the same items and phrasings asked so that another rule can score them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evalkit.errors import UsageError
from evalkit.phrasings.templates import slots
from evalkit.records import Phrasing, Task

__all__ = ["ASKED", "asked_by"]

ASKED = ("own", "byte", "read", "letter", "text")
"""What can be asked: the task's own way; choices per byte of their text; choices written and read;
every choice by its letter; every choice by its text."""
TOKENS = 32
"""Most tokens of a choice that is written."""


def asked_by(
    task: Task, phrasings: Sequence[Phrasing], rule: str
) -> tuple[Task, list[Phrasing], list[str]]:
    """Return task and phrasings as a rule asks them, and what could not be asked so.

    Tasks without choices stay as they are.

    Parameters
    ----------
    task, phrasings
        As chosen.
    rule
        One of `ASKED`.

    Raises
    ------
    UsageError
        When no phrasing of a task can be asked so.
    """
    if rule == "own" or task.kind != "choice":
        return task, list(phrasings), []
    if rule == "byte":
        return replace(task, metric="choice_accuracy_norm"), list(phrasings), []
    if rule == "read":
        return replace(task, written=True, max_tokens=TOKENS, stop=()), list(phrasings), []
    if rule == "text":
        return task, [replace(one, label_space="text") for one in phrasings], []
    kept = [_lettered(one) for one in phrasings if _can_letter(one)]
    if not kept:
        raise UsageError(
            f"{task.id}: --score-by letter: none of its {len(phrasings)} phrasings has a place "
            "for lettered choices. Leave the task out."
        )
    left = len(phrasings) - len(kept)
    note = (
        f"{task.id}: left out {left} of {len(phrasings)} phrasings, without a place for lettered "
        "choices"
    )
    return task, kept, [note] if left else []


def _can_letter(phrasing: Phrasing) -> bool:
    return (
        phrasing.label_space == "letters"
        or phrasing.position != "inline"
        or "choices" in slots(phrasing.text)
    )


def _lettered(phrasing: Phrasing) -> Phrasing:
    layout = "lettered" if phrasing.layout in {"none", "bulleted"} else phrasing.layout
    return replace(phrasing, label_space="letters", layout=layout)
