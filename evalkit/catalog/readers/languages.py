"""Reader of problems made here in several languages; nothing is read,
and ids are the same in every language.
"""

from __future__ import annotations

from pathlib import Path

from evalkit.catalog.procedural.draft import Draws
from evalkit.catalog.procedural.languages import FAMILIES, LANGUAGES
from evalkit.catalog.readers.derived import checked_options, distinct
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["read"]

SHOTS = 50
"""Most instances of a split that is not scored."""


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the instances of a family in the language of the task's input.

    Parameters
    ----------
    task
        Its ``source.options`` hold ``family``, and may hold ``instances`` (100 without) and
        ``seed``; its ``languages`` is one of `LANGUAGES`.
    data_dir
        Not looked at.
    split
        Splits share no problem.

    Raises
    ------
    CatalogError
        When the family or the language is not known, or so many problems cannot be made.
    """
    options = checked_options(task, {"family": "", "instances": 100, "seed": 0})
    family, size, seed = options["family"], options["instances"], options["seed"]
    if family not in FAMILIES:
        raise CatalogError(
            f"task {task.id!r}: source option 'family' is {family!r}; accepted: "
            f"{', '.join(FAMILIES)}."
        )
    if len(task.languages) != 1 or task.languages[0] not in LANGUAGES:
        raise CatalogError(
            f"task {task.id!r}: languages is {list(task.languages)!r}; one of "
            f"{', '.join(LANGUAGES)} is accepted."
        )
    scored = split == task.split
    count = size if scored else min(size, SHOTS)
    make, draws = FAMILIES[family], Draws(f"evalkit/languages/{family}/{seed}")
    drafts = distinct(
        task, size, lambda: make(task.languages[0], draws), lambda draft: draft.question, more=SHOTS
    )
    chosen = drafts[:count] if scored else drafts[size : size + count]
    first = 1 if scored else size + 1
    return [
        Instance(
            id=f"{family}-{first + number:04d}",
            fields={"question": draft.question, "language": task.languages[0]},
            choices=draft.choices,
            target=draft.choices.index(draft.answer) if draft.choices else None,
            references=(draft.answer,),
        )
        for number, draft in enumerate(chosen)
    ]
