"""The published files themselves, where EVALKIT_DATA holds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.catalog import (
    available_tasks,
    dataset_phrasings,
    list_tasks,
    load_instances,
    load_phrasings,
    load_task,
)
from evalkit.phrasings.prompts import render_prompt

pytestmark = pytest.mark.data


@pytest.mark.parametrize("benchmark", ["mmlu", "bbh", "superni", "bigbench"])
def test_every_task_whose_data_is_here_loads(benchmark: str, data_dir: Path) -> None:
    """With the published number of instances, unique ids,
    and a target or reference each (checked on load).
    """
    present, _ = available_tasks(list_tasks([benchmark]), data_dir)

    sizes = {task.id: len(load_instances(task, data_dir)) for task in present}

    assert sizes, f"EVALKIT_DATA holds nothing of {benchmark}"
    assert {name: size for name, size in sizes.items() if size == 0} == {}


def test_literal_none_cells_stay_texts(data_dir: Path) -> None:
    """Test rows with the cell None: a table library would make it a missing value."""
    present, _ = available_tasks(list_tasks(["mmlu"]), data_dir)

    cells = [
        cell
        for task in present
        for item in load_instances(task, data_dir)
        for cell in (item.fields["question"], *item.choices)
    ]

    assert cells.count("None") > 0
    assert all(isinstance(cell, str) and cell for cell in cells)


def test_shots_and_validation_rows_are_read(data_dir: Path) -> None:
    """Five shots a subject."""
    assert [
        len(load_instances(load_task("mmlu/anatomy"), data_dir, split))
        for split in ("dev", "val", "test")
    ] == [5, 14, 135]


def test_both_carriers_of_the_shots_agree(data_dir: Path) -> None:
    """The CSV with header and codes holds the same questions as the one with letters."""
    from dataclasses import replace

    task = load_task("mmlu/anatomy")
    coded = replace(
        task, source=replace(task.source, local="mmlu/dev_with_header/anatomy_dev.csv", options={})
    )

    assert load_instances(coded, data_dir, "dev") == load_instances(task, data_dir, "dev")


def test_rendered_prompts_agree_with_the_csv(data_dir: Path) -> None:
    """Validation rows taken from prompts are the same questions."""
    from dataclasses import replace

    task = load_task("mmlu/abstract_algebra")
    prompts = replace(
        task,
        source=replace(task.source, local="mmlu/val_jsonl/zero_shot_mmlu_val.json", options={}),
    )

    taken, read = (load_instances(one, data_dir, "val") for one in (prompts, task))

    assert [(item.fields["question"], item.target) for item in taken] == [
        (item.fields["question"], item.target) for item in read
    ]


def test_bbh_choices_are_what_upstream_lists(data_dir: Path) -> None:
    """Every choice of every instance stands in upstream's text, and so does every label."""
    present, _ = available_tasks(list_tasks(["bbh"]), data_dir)

    lost = [
        (task.id, item.id)
        for task in present
        if task.choices_shown
        for item in load_instances(task, data_dir)
        for choice in item.choices
        if choice not in item.fields["input"]
    ]

    assert lost == []


def test_definitions_are_phrasings(data_dir: Path) -> None:
    """One per SuperNI task whose file is here."""
    present, _ = available_tasks(list_tasks(["superni"]), data_dir)

    assert {
        phrasing.source for task in present for phrasing in dataset_phrasings(task, data_dir)
    } == {"niv2"}


def test_every_phrasing_of_every_task_makes_a_prompt_of_its_first_instance(data_dir: Path) -> None:
    """Task files, phrasings and instances fit together."""
    present, _ = available_tasks(
        list_tasks(["mmlu/anatomy", "bbh", "superni", "bigbench"]), data_dir
    )

    for task in present:
        instance = load_instances(task, data_dir)[0]
        for phrasing in [*load_phrasings(task), *dataset_phrasings(task, data_dir)]:
            assert render_prompt(task, phrasing, instance).text
