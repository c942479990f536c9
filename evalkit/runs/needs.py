"""What a run will need to score its answers is asked for before anything is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from types import MappingProxyType

from evalkit.errors import ExtraMissingError
from evalkit.records import Task

__all__ = ["refuse_lacking"]

_NEEDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "metric 'chrf'": ("sacrebleu", "hf"),
        "metric 'sentence_bleu'": ("sacrebleu", "hf"),
        "measure 'language'": ("lingua", "rules"),
    }
)
"""What scores -> the package it uses, and the extra that brings it."""


def refuse_lacking(tasks: Sequence[Task]) -> None:
    """Raise when the answers of a task could not be scored here.

    Raises
    ------
    ExtraMissingError
        With the command that installs what is missing.
    """
    for task in tasks:
        for what in (f"metric {task.metric!r}", *(f"measure {one!r}" for one in task.measures)):
            package, extra = _NEEDS.get(what, ("", ""))
            if package and find_spec(package) is None:
                raise ExtraMissingError(f"{task.id}: {what}", extra)
