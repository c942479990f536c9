"""Reader of the procedural benchmark.

Nothing is read, the instances are made from the task's seed.
"""

from __future__ import annotations

from pathlib import Path

from evalkit.catalog.procedural.generate import generate
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["read"]

OPTIONS = ("family", "instances", "knobs", "seed")


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the instances of a procedural task.

    Parameters
    ----------
    task
        Its ``source.options`` hold ``family`` and ``instances``, and may hold ``seed`` (0 without)
        and ``knobs``. Splits other than the one that is scored give at most 50 instances: they
        serve as shots.
    data_dir
        Not looked at.
    split
        Split of the family, see `evalkit.catalog.procedural.generate`.

    Raises
    ------
    CatalogError
        When an option is missing, unknown or of the wrong type, or the family cannot give so many
        instances.
    """
    where = f"task {task.id!r}"
    options = task.source.options
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise CatalogError(
            f"{where}: source option {', '.join(map(repr, unknown))} is not known; known are {', '.join(OPTIONS)}."
        )
    family, instances = options.get("family"), options.get("instances")
    seed, knobs = options.get("seed", 0), options.get("knobs", {})
    if not isinstance(family, str):
        raise CatalogError(
            f"{where}: source option 'family' is {family!r}; the name of a family is accepted."
        )
    if type(instances) is not int or instances < 1:
        raise CatalogError(
            f"{where}: source option 'instances' is {instances!r}; an integer from 1 is accepted."
        )
    if type(seed) is not int:
        raise CatalogError(f"{where}: source option 'seed' is {seed!r}; an integer is accepted.")
    if not isinstance(knobs, dict):
        raise CatalogError(
            f"{where}: source option 'knobs' is {knobs!r}; a mapping from knob to integer is accepted."
        )
    try:
        return generate(
            family,
            split,
            instances if split == task.split else min(instances, 50),
            seed=seed,
            knobs=knobs,
        )
    except CatalogError as error:
        raise CatalogError(f"{where}: {problem}" for problem in error.problems) from error
