"""Instances of a task: load them through its reader, check them, name them by a digest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalkit.catalog.files import data_directory, locate
from evalkit.errors import CatalogError, DataMissingError
from evalkit.records import Instance, Phrasing, Task
from evalkit.registry import READERS

__all__ = ["available_tasks", "dataset_phrasings", "load_instances"]

_EMBEDDED = frozenset({"lm_eval", "procedural"})
"""Readers whose instances are made by evalkit or by another library and need no files of ours."""


def load_instances(
    task: Task, data_dir: Path | None = None, split: str | None = None
) -> list[Instance]:
    """Return the instances of one split of a task, in upstream order.

    Parameters
    ----------
    task
        The task; its reader parses the files.
    data_dir
        Data directory; ``EVALKIT_DATA``, then the cache folder, when None.
    split
        Split to read; the scored split when None.

    Raises
    ------
    DataMissingError
        When the files are not on this machine.
    CatalogError
        When they are wrong: not parseable, no instance, an id twice, a target out of range, or
        another number of instances than published.
    """
    wanted = split or task.split
    instances: list[Instance] = READERS.load(task.reader)(task, data_dir, wanted)
    problems = _problems(task, instances)
    if task.n_instances is not None and wanted == task.split and len(instances) != task.n_instances:
        problems.append(
            f"{task.id}: {wanted!r} has {len(instances)} instances where {task.n_instances} are published. "
            f"Get the data again, or leave 'n_instances' out of your own task file if it differs on purpose."
        )
    if problems:
        raise CatalogError(problems[:20])
    return instances


def _problems(task: Task, instances: Sequence[Instance]) -> list[str]:
    """Return what is wrong with instances whatever format they came from."""
    if not instances:
        return [
            f"{task.id}: no instances were read; at least one is expected. Check 'source' and the data."
        ]
    problems: list[str] = []
    met: set[str] = set()
    for instance in instances:
        where = f"{task.id}: instance {instance.id!r}"
        if instance.id in met:
            problems.append(f"{where} stands twice; ids are unique within a task. Rename one.")
        met.add(instance.id)
        if "question" not in instance.fields:
            problems.append(
                f"{where} has no field 'question'; it has {', '.join(instance.fields) or 'none'}. Correct the column mapping."
            )
        if task.kind == "choice" and len(instance.choices) < 2:
            problems.append(
                f"{where} has {len(instance.choices)} choices; two or more are expected of a choice task."
            )
        if instance.target is not None and not 0 <= instance.target < len(instance.choices):
            problems.append(
                f"{where} has target {instance.target}; accepted: 0 to {len(instance.choices) - 1}."
            )
        if not instance.references:
            problems.append(f"{where} has no accepted answer. Add one.")
    return problems


def available_tasks(
    tasks: Sequence[Task], data_dir: Path | None = None
) -> tuple[list[Task], list[tuple[Task, str]]]:
    """Return the tasks whose data is on this machine, and the others each with the reason.

    Files are looked for, not read; tasks of embedded benchmarks are always present.
    """
    data_directory(data_dir)
    present: list[Task] = []
    absent: list[tuple[Task, str]] = []
    for task in tasks:
        try:
            if task.reader not in _EMBEDDED:
                locate(task, data_dir, task.split)
            present.append(task)
        except DataMissingError as error:
            absent.append((task, str(error)))
    return present, absent


def dataset_phrasings(task: Task, data_dir: Path | None = None) -> list[Phrasing]:
    """Return the phrasings that come with the data themselves, such as a SuperNI definition.

    Empty for most tasks.

    Raises
    ------
    DataMissingError
        When the files are not on this machine.
    """
    if task.reader != "superni":
        return []
    from evalkit.catalog.readers.superni import definition

    return [definition(task, data_dir)]
