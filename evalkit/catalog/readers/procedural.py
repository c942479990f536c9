"""Reader of the procedural benchmark.

Nothing is read, the instances are made from the task's seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.catalog.procedural.generate import by_rules, generate
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["read"]

OPTIONS = ("family", "instances", "knobs", "noop", "rules", "samples", "seed", "skew")


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the instances of a procedural task.

    Parameters
    ----------
    task
        Its ``source.options`` hold ``family`` and ``instances``, and may hold ``seed`` (0 without)
        and ``knobs``; or, in place of ``instances``, ``rules`` and ``samples`` of each, with
        ``noop`` and ``skew`` (see `evalkit.catalog.procedural.generate.by_rules`). Splits other
        than the one that is scored give at most 50 instances: they serve as shots.
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
            f"{where}: source option {', '.join(map(repr, unknown))} is not known; "
            f"known are {', '.join(OPTIONS)}."
        )
    family, instances = options.get("family"), options.get("instances")
    seed, knobs = options.get("seed", 0), options.get("knobs", {})
    if not isinstance(family, str):
        raise CatalogError(
            f"{where}: source option 'family' is {family!r}; the name of a family is accepted."
        )
    if "rules" in options or "samples" in options:
        return _by_rules(where, options, split if split == task.split else "validation")
    if type(instances) is not int or instances < 1:
        raise CatalogError(
            f"{where}: source option 'instances' is {instances!r}; an integer from 1 is accepted."
        )
    if type(seed) is not int:
        raise CatalogError(f"{where}: source option 'seed' is {seed!r}; an integer is accepted.")
    if not isinstance(knobs, dict):
        raise CatalogError(
            f"{where}: source option 'knobs' is {knobs!r}; a mapping from knob to integer is "
            "accepted."
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


def _by_rules(where: str, options: Mapping[str, Any], split: str) -> list[Instance]:
    """Return instances of a number of rules, a number of each."""
    given = {"noop": 0.25, "skew": 0.0, "seed": 0, "knobs": {}, **options}
    for name in ("rules", "samples"):
        if type(given.get(name)) is not int or given[name] < 1:
            raise CatalogError(
                f"{where}: source option {name!r} is {given.get(name)!r}; "
                "an integer from 1 is accepted, rules and samples together."
            )
    for name, most in (("noop", 1.0), ("skew", 5.0)):
        value = given[name]
        if type(value) not in (int, float) or not 0 <= value <= most:
            raise CatalogError(
                f"{where}: source option {name!r} is {value!r}; a number from 0 to {most:g} is "
                "accepted."
            )
    if "instances" in options:
        raise CatalogError(
            f"{where}: source option 'instances' stands beside rules and samples, "
            "which give their own number. Leave it out."
        )
    try:
        return by_rules(
            given["family"],
            split,
            rules=given["rules"],
            samples=given["samples"],
            noop=given["noop"],
            skew=given["skew"],
            seed=given["seed"],
            knobs=given["knobs"],
        )
    except CatalogError as error:
        raise CatalogError(f"{where}: {problem}" for problem in error.problems) from error
