"""Reader of made sentences with planted mistakes; nothing is read."""

from __future__ import annotations

from pathlib import Path

from evalkit.catalog.procedural.corrections import correction
from evalkit.catalog.procedural.draft import Draft, Draws
from evalkit.catalog.readers.derived import checked_options
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["read"]

MOST = 2000
"""Most sentences of a task."""
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
    if not 1 <= size <= MOST:
        raise CatalogError(
            f"task {task.id!r}: source option 'instances' is {size!r}; 1 to {MOST} is accepted."
        )
    draws = Draws(f"evalkit/corrections/{options['seed']}")
    met: dict[str, Draft] = {}
    while len(met) < size + SHOTS:
        draft = correction(draws)
        met.setdefault(draft.question, draft)
    drafts = list(met.values())
    chosen, name = (drafts[:size], "sentence") if split == task.split else (drafts[size:], "shot")
    return [
        Instance(
            id=f"{name}-{number:04d}",
            fields={"question": one.question, "source": one.question},
            references=(one.answer,),
        )
        for number, one in enumerate(chosen, 1)
    ]
