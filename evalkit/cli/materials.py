"""What ``--tasks`` and its company name to train or measure on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalkit.records import Task
    from evalkit.tuning.pairs import Material

__all__ = ["materials_of"]


def materials_of(given: Mapping[str, Any]) -> list[Material]:
    """Return every task with its training and validation phrasings and instances.

    Parameters
    ----------
    given
        ``tasks``, ``sources``, ``phrasing_file``, ``split``, ``instances``, ``validation_share``,
        ``seed`` and ``data_dir``, as the options of these names.

    Raises
    ------
    UsageError
        When a task cannot be used so.
    """
    from evalkit import catalog
    from evalkit.errors import UsageError

    if not given["tasks"]:
        raise UsageError("--tasks: says what is trained on. Type 'evalkit ls tasks'.")
    tasks = catalog.list_tasks(
        tuple(part.strip() for part in given["tasks"].split(",") if part.strip())
    )
    return [_material(task, given) for task in tasks]


def _material(task: Task, given: Mapping[str, Any]) -> Material:
    from evalkit import catalog
    from evalkit.errors import UsageError
    from evalkit.runs.pick import pick_instances
    from evalkit.tuning.pairs import Material, divided, usable

    if given["split"] == task.split:
        raise UsageError(
            f"--split {task.split}: is the split that {task.id} is scored on; "
            "training on it would be leakage. Name another split."
        )
    sources = {part.strip() for part in (given["sources"] or "").split(",") if part.strip()}
    known = catalog.load_phrasings(task, extra=given["phrasing_file"], sources=sources)
    if absent := sorted(sources - {phrasing.source for phrasing in known}):
        there = ", ".join(sorted({phrasing.source for phrasing in known}))
        raise UsageError(
            f"--sources {','.join(absent)}: {task.id} has no phrasing of it; there are {there}, "
            "and those kept apart. Correct it."
        )
    phrasings = [
        phrasing
        for phrasing in known
        if phrasing.kind == "correct" and (not sources or phrasing.source in sources)
    ]
    training, validation = divided(
        task, phrasings, share=given["validation_share"], seed=given["seed"]
    )
    found = usable(task, catalog.load_instances(task, given["data_dir"], split=given["split"]))
    chosen = pick_instances(
        task, found, limit=min(given["instances"], len(found)), seed=given["seed"]
    )
    if len(chosen) < 4:
        raise UsageError(
            f"{task.id}: {len(chosen)} instances with an answer in split {given['split']!r}; "
            "4 or more are needed."
        )
    held = max(1, round(given["validation_share"] * len(chosen)))
    return Material(
        task=task,
        training=training,
        validation=validation,
        instances=tuple(chosen[held:]),
        held=tuple(chosen[:held]),
    )
