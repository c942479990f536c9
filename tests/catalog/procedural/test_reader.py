"""The reader of procedural tasks and the shipped task files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evalkit.catalog.instances import load_instances
from evalkit.catalog.procedural.generate import FAMILIES
from evalkit.catalog.readers.procedural import read
from evalkit.catalog.tasks import list_tasks, load_task
from evalkit.errors import CatalogError
from evalkit.records import Source, Task


def with_options(**options: Any) -> Task:
    """Return the rewrite task with other source options."""
    return replace(load_task("procedural/rewrite"), source=Source(options=options))


def test_every_family_has_its_tasks() -> None:
    """Each family has a task of held-out instances and,
    where it has rules, one of held-out rules.
    """
    expected = {f"procedural/{name}" for name in FAMILIES} | {
        f"procedural/{name}_heldout" for name, family in FAMILIES.items() if family.has_rules
    }

    assert {task.id for task in list_tasks(["procedural/*"])} == expected


@pytest.mark.parametrize("task", list_tasks(["procedural/*"]), ids=lambda task: str(task.id))
def test_shipped_tasks_agree_with_their_family(task: Task) -> None:
    """Kind, fields and labels of the file are those of the generator,
    and it gives the 250 instances promised.
    """
    family = FAMILIES[task.source.options["family"]]

    assert (task.kind, task.fields, task.labels) == (
        family.kind,
        ("question", *family.slots),
        family.labels,
    )
    assert task.split == ("test_rule" if task.name.endswith("_heldout") else "test_instance")
    assert len(load_instances(task)) == task.n_instances == 250


def test_seen_and_held_out_rules_share_no_instance() -> None:
    """A family's two tasks have no instance id in common."""
    for name, family in FAMILIES.items():
        if family.has_rules:
            ids = {instance.id for instance in load_instances(load_task(f"procedural/{name}"))}
            assert ids.isdisjoint(
                instance.id for instance in load_instances(load_task(f"procedural/{name}_heldout"))
            )


def test_shots_come_from_the_validation_split() -> None:
    """At most fifty shots are made, none of them a scored instance."""
    task = load_task("procedural/calendar")
    shots = read(task, None, "validation")

    assert len(shots) == 50
    assert {shot.id for shot in shots}.isdisjoint(
        instance.id for instance in read(task, None, task.split)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"instances": 5},
            (
                "task 'procedural/rewrite': source option 'family' is None; "
                "the name of a family is accepted."
            ),
        ),
        (
            {"family": "rewrite"},
            "source option 'instances' is None; an integer from 1 is accepted.",
        ),
        (
            {"family": "rewrite", "instances": True},
            "source option 'instances' is True; an integer from 1 is accepted.",
        ),
        (
            {"family": "rewrite", "instances": 5, "seed": "x"},
            "source option 'seed' is 'x'; an integer is accepted.",
        ),
        (
            {"family": "rewrite", "instances": 5, "knobs": [1]},
            "source option 'knobs' is [1]; a mapping from knob to integer is accepted.",
        ),
        (
            {"family": "rewrite", "instances": 5, "speed": 1},
            (
                "source option 'speed' is not known; known are family, instances, knobs, noop, "
                "rules, samples, seed, skew."
            ),
        ),
        (
            {"family": "chess", "instances": 5},
            "task 'procedural/rewrite': procedural family 'chess': not known;",
        ),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    """Each mistake in a task's options gives a message with the task and the value."""
    with pytest.raises(CatalogError) as caught:
        read(with_options(**options), None, "test_instance")

    assert message in str(caught.value)
