"""The questions that an interval may answer, each with its words.

A question says what is taken as given and what is a draw. Every interval and every p answers one,
and its words stand beside it wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias, cast

__all__ = [
    "NAMES",
    "WORDS",
    "Asked",
    "Named",
    "Within",
    "asked",
    "of_differences",
    "question_of",
    "within",
]

Asked: TypeAlias = Literal["these", "phrasings", "normal", "tasks"]
"""What may be asked."""
Named: TypeAlias = Literal["these", "phrasings", "normal", "tasks", "fixed", "random"]
"""The same with the names of version 0.1: ``fixed`` is ``these``, ``random`` is ``phrasings``."""
Within: TypeAlias = Literal["fixed", "random"]
"""What is asked of one task: its phrasings as they are, or as draws with normal effects."""

NAMES: tuple[Named, ...] = ("phrasings", "these", "normal", "tasks", "random", "fixed")
"""Names a user may give, the default first."""
WORDS: Mapping[str, str] = MappingProxyType(
    {
        "these": "these tasks and phrasings on new instances",
        "phrasings": "these tasks under new phrasings, whatever the effects of wording are",
        "normal": "these tasks under new phrasings, effects of wording taken as normal",
        "tasks": "tasks like these under new phrasings, effects of wording taken as normal",
        "cells": "these tasks, phrasings and instances, all cells",
    }
)
"""Question -> its words; ``cells`` is what a sparse run answers."""


def asked(name: str) -> Asked:
    """Return the question of a name.

    Raises
    ------
    ValueError
        When there is none of that name.

    Examples
    --------
    >>> asked("fixed"), asked("tasks")
    ('these', 'tasks')
    """
    if name not in NAMES:
        raise ValueError(f"question is {name!r}; accepted: {', '.join(NAMES)}. Name one of them.")
    return cast(Asked, {"fixed": "these", "random": "phrasings"}.get(name, name))


def within(question: Asked) -> Within:
    """Return what a question asks of one task.

    Notes
    -----
    ``phrasings`` is answered by the intervals of `evalkit.stats.intervals.bounded`; what has none
    of these is about the phrasings as they are.

    Examples
    --------
    >>> within("these"), within("phrasings"), within("normal"), within("tasks")
    ('fixed', 'fixed', 'random', 'random')
    """
    return "fixed" if question in {"these", "phrasings"} else "random"


def of_differences(question: Asked) -> Asked:
    """Return the question that differences of two models answer when this one is asked.

    Notes
    -----
    Nothing holds for new phrasings whatever their effects are that few phrasings would not make
    useless: one in ten that breaks in one model only is missed by ten phrasings every third time.

    Examples
    --------
    >>> of_differences("phrasings"), of_differences("normal")
    ('these', 'normal')
    """
    return "these" if question == "phrasings" else question


def question_of(over: str) -> str:
    """Return the words of the question that an interval answers, by what was random in it;
    empty for none.

    Examples
    --------
    >>> question_of("phrasings+instances")
    'these tasks under new phrasings, effects of wording taken as normal'
    """
    if not over:
        return ""
    if over.startswith("cells"):
        return WORDS["cells"]
    if over.startswith("any "):
        return WORDS["phrasings"]
    parts = over.split("+")
    if "tasks" in parts:
        return WORDS["tasks"]
    return WORDS["normal"] if any("phrasing" in part for part in parts) else WORDS["these"]
