"""What ``--tasks`` and its company name to train or measure on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalkit.records import Phrasing, Task
    from evalkit.tuning.pairs import Material

__all__ = ["held_out", "held_out_suite", "materials_of", "sources_of"]

HELD_SHARE = 0.3
"""Share of phrasings that is held out where no sources are named."""


def materials_of(given: Mapping[str, Any]) -> list[Material]:
    """Return every task with its training and validation phrasings and instances.

    Parameters
    ----------
    given
        ``tasks``, ``sources``, ``hold_out``, ``phrasing_file``, ``split``, ``instances``,
        ``validation_share``, ``seed`` and ``data_dir``, as the options of these names.

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
        task, _kept(phrasings, given), share=given["validation_share"], seed=given["seed"]
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


def _kept(phrasings: Sequence[Phrasing], given: Mapping[str, Any]) -> list[Phrasing]:
    """Return the phrasings without those held out; the same for every seed,
    so that arms are asked the same.
    """
    from evalkit.records import digest

    share = _share(given)
    ordered = sorted(phrasings, key=lambda phrasing: digest(["held out", phrasing.id]))
    held = {phrasing.id for phrasing in ordered[: round(share * len(ordered))]}
    return [phrasing for phrasing in phrasings if phrasing.id not in held]


def _share(given: Mapping[str, Any]) -> float:
    """Return the share of phrasings that is held out."""
    if given["hold_out"] is None:
        return 0.0 if given["sources"] else HELD_SHARE
    return float(given["hold_out"])


def held_out(
    report: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the sources that nothing was trained on;
    where there are none, the phrasings to leave out.

    Both are empty where every phrasing of some task was trained on.

    Parameters
    ----------
    report
        What a training saved: ``tasks``, ``training``, ``validation``.
    given
        ``phrasing_file``, ``sources`` and ``hold_out``, as their options.
    """
    from evalkit import catalog

    used = {*report["training"], *report["validation"]}
    known = {
        name: [
            phrasing
            for phrasing in catalog.load_phrasings(
                catalog.load_task(name), extra=given["phrasing_file"]
            )
            if phrasing.kind == "correct"
        ]
        for name in report["tasks"]
    }
    every = [phrasing for phrasings in known.values() for phrasing in phrasings]
    trained = {phrasing.source for phrasing in every if phrasing.id in used}
    if sources := {phrasing.source for phrasing in every} - trained:
        return tuple(sorted(sources)), ()
    left = all(any(one.id not in used for one in phrasings) for phrasings in known.values())
    return (), tuple(sorted(used)) if left and _share(given) else ()


def sources_of(task: str, given: Mapping[str, Any]) -> set[str]:
    """Return the sources of the correct phrasings of a task."""
    from evalkit import catalog

    known = catalog.load_phrasings(catalog.load_task(task), extra=given["phrasing_file"])
    return {phrasing.source for phrasing in known if phrasing.kind == "correct"}


def held_out_suite(report: Mapping[str, Any], given: Mapping[str, Any]) -> Path | None:
    """Write a suite of the trained tasks in phrasings that were held out, beside ``--out``;
    None where none was.

    Parameters
    ----------
    report, given
        As for `held_out`; and ``out``.
    """
    from evalkit.store.atomic import write_atomic

    sources, without = held_out(report, given)
    if not sources and not without:
        return None
    out = given["out"].absolute()
    path: Path = out.with_name(f"{out.name}-held-out.yaml")
    lists = {"tasks": report["tasks"], "sources": sources, "without": without}
    lines = ["name: held-out", "description: Phrasings that were not trained on."]
    for name, entries in lists.items():
        if entries:
            lines += [f"{name}:", *(f"  - {json.dumps(entry)}" for entry in entries)]
    write_atomic(path, "\n".join(lines) + "\n")
    return path
