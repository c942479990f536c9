"""What holds for instances of any format, and the digest of a task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.catalog import available_tasks, list_tasks, load_instances, load_task
from evalkit.errors import CatalogError, DataMissingError
from evalkit.records import Instance, Task

TASK = Task(name="t", benchmark="b", reader="table")
ITEM = Instance(id="i", fields={"question": "Q"}, choices=("a", "b"), target=0, references=("a",))


def reading(monkeypatch: pytest.MonkeyPatch, *items: Instance) -> None:
    """Make every reader return these instances."""
    monkeypatch.setattr(
        "evalkit.catalog.instances.READERS.load",
        lambda name: lambda task, data_dir, split: list(items),
    )


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ((), "b/t: no instances were read"),
        ((ITEM, ITEM), "instance 'i' stands twice"),
        ((replace(ITEM, target=2),), "has target 2; accepted: 0 to 1"),
        ((replace(ITEM, target=-1),), "has target -1"),
        ((replace(ITEM, choices=()),), "has 0 choices"),
        ((replace(ITEM, references=()),), "has no accepted answer"),
        ((replace(ITEM, fields={"text": "Q"}),), "has no field 'question'; it has text"),
    ],
)
def test_unusable_instances_are_refused(
    items: tuple[Instance, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No score is ever made from them."""
    reading(monkeypatch, *items)

    with pytest.raises(CatalogError, match=message):
        load_instances(TASK)


def test_the_published_number_is_checked_on_the_scored_split_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Shots come from a split of another size."""
    reading(monkeypatch, ITEM)
    task = replace(TASK, n_instances=2, split="test")

    with pytest.raises(CatalogError, match="'test' has 1 instances where 2 are published"):
        load_instances(task)
    assert load_instances(task, split="dev") == [ITEM]


def test_absent_data_is_named_with_places_and_remedy(tmp_path: Path) -> None:
    """The message says what was looked for, where, and what gets it."""
    with pytest.raises(DataMissingError) as caught:
        load_instances(load_task("bbh/navigate"), tmp_path)

    assert str(caught.value) == (
        f"bbh/navigate: data is not on this machine; looked for {tmp_path}/bbh/bbh/navigate.json, "
        f"or {tmp_path}/BIG-Bench-Hard/bbh/navigate.json. Type: evalkit data fetch bbh"
    )


def test_a_data_directory_that_is_not_there_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named by option or environment."""
    with pytest.raises(
        DataMissingError, match=r"nowhere: data directory is not there \(from --data-dir\)"
    ):
        load_instances(load_task("bbh/navigate"), tmp_path / "nowhere")
    monkeypatch.setenv("EVALKIT_DATA", str(tmp_path / "gone"))
    with pytest.raises(
        DataMissingError, match=r"gone: data directory is not there \(from EVALKIT_DATA\)"
    ):
        load_instances(load_task("bbh/navigate"))


def test_a_clone_of_the_upstream_repository_is_found(tmp_path: Path) -> None:
    """BIG-Bench-Hard cloned under its own name serves as well."""
    (tmp_path / "BIG-Bench-Hard/bbh").mkdir(parents=True)
    (tmp_path / "BIG-Bench-Hard/bbh/navigate.json").write_text(
        '{"examples": [{"input": "x", "target": "Yes"}]}'
    )

    assert (
        load_instances(replace(load_task("bbh/navigate"), n_instances=None), tmp_path)[0].target
        == 0
    )


def test_available_tasks_are_told_from_absent_ones(tmp_path: Path) -> None:
    """Embedded tasks are always there; of files that a task needs together none may lack."""
    (tmp_path / "bbh/bbh").mkdir(parents=True)
    (tmp_path / "bbh/bbh/navigate.json").write_text("{}")
    (tmp_path / "mmlu/test").mkdir(parents=True)
    (tmp_path / "mmlu/test/anatomy_test.csv").write_text("")

    present, absent = available_tasks(
        list_tasks(
            ["bbh/navigate", "bbh/snarks", "promptbench/mmlu", "mmlu/anatomy", "procedural/rewrite"]
        ),
        tmp_path,
    )

    assert [task.id for task in present] == ["bbh/navigate", "mmlu/anatomy", "procedural/rewrite"]
    assert [task.id for task, _ in absent] == ["bbh/snarks", "promptbench/mmlu"]
    assert "and 54 more" in absent[1][1]
