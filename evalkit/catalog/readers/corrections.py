"""Reader of made sentences with planted mistakes; nothing is read."""

from __future__ import annotations

from pathlib import Path

from evalkit.catalog.procedural.corrections import correction
from evalkit.catalog.procedural.draft import Draws
from evalkit.catalog.readers.derived import checked_options, distinct
from evalkit.records import Instance, Task

__all__ = ["read"]

SHOTS = 50


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return sentences with mistakes and without, each with its correction.

    Parameters
    ----------
    task
        Its ``source.options`` may hold ``instances`` (100) and ``seed``.
    data_dir
        Not looked at.
    split
        Splits share no sentence.

    Raises
    ------
    CatalogError
        When an option is wrong.
    """
    options = checked_options(task, {"instances": 100, "seed": 0})
    size = options["instances"]
    draws = Draws(f"evalkit/corrections/{options['seed']}")
    drafts = distinct(
        task, size, lambda: correction(draws), lambda draft: draft.question, more=SHOTS
    )
    chosen, name = (drafts[:size], "sentence") if split == task.split else (drafts[size:], "shot")
    return [
        Instance(
            id=f"{name}-{number:04d}",
            fields={"question": one.question, "source": one.question},
            references=(one.answer,),
        )
        for number, one in enumerate(chosen, 1)
    ]
