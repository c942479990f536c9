"""Where the wordings of a user's own task come from, and what to say when none is there or one does
not fit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from evalkit.catalog.phrasings import phrasing_files_beside, read_phrasing_file
from evalkit.errors import UsageError
from evalkit.records import Instance, Phrasing, Task
from evalkit.runs.settings import Settings

__all__ = ["beside_notes", "letters_notes", "none_left"]

_LETTERS = re.compile(r"\bA\)?(?:(?:,? (?:or|and|to) |, ?|/|-|–)\(?[B-Z]\b\)?)+")
"""A list of letters to answer with: A or B; A, B, C or D; (A)/(B); A to J."""


def beside_notes(tasks: Sequence[Task], settings: Settings) -> list[str]:
    """Return which phrasing files are read because they lie beside a task, a line each."""
    if settings.phrasings or settings.phrasing_files:
        return []
    return [
        f"{task.id}: phrasings of {path.name}, which lies beside the task"
        for task in tasks
        for path in phrasing_files_beside(task)
    ]


def letters_notes(
    task: Task, phrasings: Sequence[Phrasing], instances: Sequence[Instance]
) -> list[str]:
    """Return which wordings name letters that are not those of every instance, a line each.

    Examples
    --------
    >>> task = Task(name="t", benchmark="b", reader="table")
    >>> wording = Phrasing(id="x", text="Is it A, B or C?", label_space="letters", source="own")
    >>> letters_notes(task, [wording], [Instance(id="i", fields={}, choices=("p", "q"))])
    ['x: names letters up to C, and 1 of 1 instances of b/t have another number of options']
    """
    notes = []
    for one in phrasings:
        named = _LETTERS.search(one.text) if one.label_space == "letters" else None
        if named is None or one.perturbation:
            continue
        last = max(re.findall("[A-Z]", named.group()))
        other = sum(len(item.choices) != ord(last) - ord("A") + 1 for item in instances)
        if other:
            notes.append(
                f"{one.id}: names letters up to {last}, and {other} of {len(instances)} instances "
                f"of {task.id} have another number of options"
            )
    return notes


def none_left(settings: Settings, task: Task, found: Sequence[Phrasing]) -> UsageError:
    """Return the error of a task that is left without a phrasing.

    Parameters
    ----------
    settings
        What was asked for.
    task
        The task.
    found
        Its phrasings before any choice.
    """
    suite = settings.suite
    if found:
        return UsageError(
            f"{task.id}: no phrasing is left of {len(found)} (kinds {', '.join(suite.kinds)}; "
            f"sources {', '.join(suite.sources) or 'all'}; strata "
            f"{', '.join(suite.strata) or 'all'}). Type 'evalkit ls phrasings --task {task.id}'."
        )
    files = settings.phrasing_files or phrasing_files_beside(task, of_any=True)
    missed = [said for path in files if (said := _missed(path, task))]
    if missed:
        return UsageError(
            f"{task.id}: has no phrasing: {'; '.join(missed)}. Write {task.id} under 'tasks' there."
        )
    return UsageError(
        f"{task.id}: has no phrasing. Name a file of them with --phrasing-file, or type "
        f"'evalkit phrasings new TASKFILE --out {task.name}_phrasings.yaml' to begin one: beside "
        "the task's table it is found by itself."
    )


def _missed(path: Path, task: Task) -> str:
    """What a phrasing file is for, when it is for other tasks."""
    held = read_phrasing_file(path)
    named = sorted({pattern for phrasing in held for pattern in phrasing.tasks})
    close = get_close_matches(task.id, named, n=1, cutoff=0.7)
    meant = close[0] if close else ", ".join(named[:3]) + (", ..." if len(named) > 3 else "")
    return f"{path} holds {len(held)} for {meant}" if named else ""
