"""What ``--tasks`` and its company name to train or measure on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalkit.records import Task
    from evalkit.tuning.pairs import Material

__all__ = ["held_out_suite", "held_sources", "materials_of"]


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


def held_sources(report: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the sources of correct phrasings of the tasks of which none was trained or validated on.

    Parameters
    ----------
    report
        What a training saved: ``tasks``, ``training``, ``validation``.
    given
        ``phrasing_file``, as its option.
    """
    from evalkit import catalog

    used = {*report["training"], *report["validation"]}
    known = [
        phrasing
        for name in report["tasks"]
        for phrasing in catalog.load_phrasings(
            catalog.load_task(name), extra=given["phrasing_file"]
        )
        if phrasing.kind == "correct"
    ]
    trained = {phrasing.source for phrasing in known if phrasing.id in used}
    return tuple(sorted({phrasing.source for phrasing in known} - trained))


def held_out_suite(report: Mapping[str, Any], given: Mapping[str, Any]) -> Path | None:
    """Write a suite of the trained tasks in phrasings that were held out, beside ``--out``; None where none was.

    Parameters
    ----------
    report, given
        As for `held_sources`; and ``out``.
    """
    from evalkit.store.atomic import write_atomic

    sources = held_sources(report, given)
    if not sources:
        return None
    out = given["out"].absolute()
    path: Path = out.with_name(f"{out.name}-held-out.yaml")
    lists = {"tasks": report["tasks"], "sources": sources}
    lines = ["name: held-out", "description: Phrasings that were not trained on."]
    for name, entries in lists.items():
        lines += [f"{name}:", *(f"  - {json.dumps(entry)}" for entry in entries)]
    write_atomic(path, "\n".join(lines) + "\n")
    return path
