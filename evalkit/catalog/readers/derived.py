"""What readers of made instances share: their options, how many they draw,
and the tasks that tasks are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from evalkit.catalog.instances import load_instances
from evalkit.catalog.tasks import bases_of
from evalkit.errors import CatalogError
from evalkit.records import Instance, Phrasing, Task

__all__ = ["base_instances", "checked_options", "chosen", "distinct", "wordings_and_instances"]

Made = TypeVar("Made")
MOST = 10_000
"""Instances that can be asked for."""
TRIES = 40
"""Draws that one instance may take until it is a new one."""


def base_instances(task: Task, data_dir: Path | None, split: str) -> list[tuple[Task, Instance]]:
    """Return the instances that a task is made of, each with its task.

    Parameters
    ----------
    task
        Its ``source.options.of`` names tasks.
    data_dir
        Where their data lie.
    split
        The split of the derived task that is scored reads the scored split of every base, any other
        the base's own shot split.

    Raises
    ------
    CatalogError
        When it names no task.
    """
    bases = bases_of(task)
    if not bases:
        raise CatalogError(
            f"task {task.id!r}: source option 'of' is missing; ids or patterns of tasks are "
            "accepted."
        )
    found = []
    for base in bases:
        wanted = base.split if split == task.split else base.shot_split
        if wanted is not None:
            found += [(base, one) for one in load_instances(base, data_dir, split=wanted)]
    return found


def checked_options(task: Task, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a source, each of the type of its default.

    Raises
    ------
    CatalogError
        When one is unknown or of another type.
    """
    where, given = f"task {task.id!r}", task.source.options
    if unknown := sorted(set(given) - set(defaults)):
        raise CatalogError(
            f"{where}: source option {', '.join(map(repr, unknown))} is not known; "
            f"known are {', '.join(defaults)}."
        )
    found = {**defaults, **given}
    for name, value in found.items():
        default = defaults[name]
        fits = type(value) is type(default) or (isinstance(default, float) and type(value) is int)
        if default is not None and not fits:
            kind = {"int": "a whole number", "float": "a number", "str": "a text", "list": "a list"}
            raise CatalogError(
                f"{where}: source option {name!r} is {value!r}; "
                f"{kind.get(type(default).__name__, 'a mapping')} is accepted."
            )
    return found


def chosen(task: Task, name: str, values: Sequence[Any], known: Sequence[Any]) -> list[Any]:
    """Return the values of an option that names some of several.

    Raises
    ------
    CatalogError
        When one is not known, or there is none.
    """
    strange = [value for value in values if value not in known]
    if strange or not values:
        raise CatalogError(
            f"task {task.id!r}: source option {name!r} holds "
            f"{strange[0] if strange else 'nothing'!r}; accepted: {', '.join(map(str, known))}."
        )
    return list(dict.fromkeys(values))


def distinct(
    task: Task,
    size: int,
    make: Callable[[], Made],
    key: Callable[[Made], Hashable],
    *,
    more: int = 0,
) -> list[Made]:
    """Return the first `size` different things that are drawn, and `more` behind them.

    Raises
    ------
    CatalogError
        When `size`, the option ``instances`` of the source, is out of range.
    """
    found: dict[Hashable, Made] = {}
    for _ in range(TRIES * (size + more) if 1 <= size <= MOST else 0):
        made = make()
        found.setdefault(key(made), made)
        if len(found) == size + more:
            return list(found.values())
    most = max(len(found) - more, 1) if found else MOST
    raise CatalogError(
        f"task {task.id!r}: source option 'instances' is {size}; 1 to {most} is accepted."
    )


def wordings_and_instances(
    task: Task, data_dir: Path | None, split: str
) -> dict[str, tuple[list[str], list[Instance]]]:
    """Return base id -> its plain wordings, and its instances.

    Raises
    ------
    CatalogError
        When a base has no wording that can stand as an instruction among others.
    """
    found: dict[str, tuple[list[str], list[Instance]]] = {}
    for base, one in base_instances(task, data_dir, split):
        if base.id not in found:
            found[base.id] = ([phrasing.text for phrasing in _plain_wordings(task, base)], [])
        found[base.id][1].append(one)
    return found


def _plain_wordings(task: Task, base: Task) -> list[Phrasing]:
    """Plain phrasings before the data, answered in words, without slots and listed choices."""
    from evalkit.catalog.phrasings import load_phrasings

    found = [phrasing for phrasing in load_phrasings(base) if _stands_alone(base, phrasing)]
    if not found:
        raise CatalogError(
            f"task {task.id!r}: {base.id} has no plain wording that can stand among other "
            "instructions (before the data, answered in words, without slots and listed "
            "choices). Name another task."
        )
    return found


def _stands_alone(base: Task, phrasing: Phrasing) -> bool:
    unlisted = base.kind == "generate" or phrasing.layout == "none"
    return (
        phrasing.kind == "correct"
        and phrasing.position == "before"
        and phrasing.label_space == "text"
        and phrasing.meaning.status != "doubtful"
        and phrasing.stratum in ("plain", "")
        and unlisted
        and "{" not in phrasing.text
    )
