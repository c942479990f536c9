"""SuperNI task files of both schemas."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.catalog import dataset_phrasings, load_instances
from evalkit.errors import CatalogError
from evalkit.phrasings.templates import render

NEW = {
    "Definition": ["Name the {{ thing }}."],
    "Positive Examples": [{"input": "p", "output": "q", "explanation": "because"}],
    "Instances": [
        {"id": f"task1-{n}", "input": f"in {n}", "output": [f"out {n}", "other"]}
        for n in range(130)
    ],
}
OLD = {
    "Definition": "Name it.",
    "Positive Examples": [],
    "Instances": [{"input": "a", "output": "b"}, {"input": "a", "output": ["c"]}],
}


def read(task_over, content: object, tmp_path: Path, split: str | None = None):
    """Return task and instances."""
    task = task_over("superni", "x.json", content, kind="generate", metric="rouge_l")
    return task, load_instances(task, tmp_path, split)


def test_the_first_hundred_instances_are_scored(task_over, tmp_path: Path) -> None:
    """As in the published evaluation; ids are upstream's."""
    _, items = read(task_over, NEW, tmp_path)

    assert ([items[0].id, items[-1].id], len(items)) == (["task1-0", "task1-99"], 100)
    assert items[0].references == ("out 0", "other")


def test_old_files_have_text_outputs_and_no_ids(task_over, tmp_path: Path) -> None:
    """Ids come from position and content, references from a single text."""
    _, items = read(task_over, OLD, tmp_path)

    assert [item.references for item in items] == [("b",), ("c",)]
    assert len({item.id for item in items}) == 2


def test_twenty_five_references_are_kept(task_over, tmp_path: Path) -> None:
    """Every reference counts for the score."""
    content = {
        "Definition": ["x"],
        "Instances": [{"id": "i", "input": "a", "output": [str(n) for n in range(25)]}],
    }

    assert len(read(task_over, content, tmp_path)[1][0].references) == 25


def test_worked_instances_serve_as_shots(task_over, tmp_path: Path) -> None:
    """They are a split of their own and not limited to the published count."""
    _, items = read(task_over, NEW, tmp_path, "positive_examples")

    assert [(item.fields["question"], item.references) for item in items] == [("p", ("q",))]


@pytest.mark.parametrize("content", [NEW, OLD], ids=["list", "text"])
def test_the_definition_is_a_phrasing_of_niv2(
    content: dict[str, object], task_over, tmp_path: Path
) -> None:
    """It renders to the published words, braces included."""
    task, _ = read(task_over, content, tmp_path)

    (phrasing,) = dataset_phrasings(task, tmp_path)

    published = content["Definition"]
    assert (phrasing.id, phrasing.source) == ("niv2-t", "niv2")
    assert render(phrasing.text, {}) == (published if isinstance(published, str) else published[0])


def test_other_tasks_bring_no_phrasings(task_over, tmp_path: Path) -> None:
    """Only SuperNI publishes an instruction with its data."""
    assert dataset_phrasings(task_over("mmlu", "x.csv", "q,a,b,c,d,A\n"), tmp_path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"Instances": {}}, "holds no list 'Instances'"),
        ([1], "holds list; a SuperNI task file"),
        ({"Instances": [{"output": ["x"]}]}, "test 1 has no text 'input'"),
        ({"Instances": [{"input": "x", "output": []}]}, r"test 1 has output \[\]"),
        (
            {"Instances": [{"id": "a", "input": "x", "output": "y"}] * 2},
            "instance 'a' stands twice",
        ),
    ],
)
def test_what_is_not_superni_is_refused(
    content: object, message: str, task_over, tmp_path: Path
) -> None:
    """The message says what is expected."""
    with pytest.raises(CatalogError, match=message):
        read(task_over, content, tmp_path)


def test_a_file_without_definition_has_no_phrasing(task_over, tmp_path: Path) -> None:
    """Nothing is made up."""
    task, _ = read(task_over, {"Instances": [{"input": "x", "output": "y"}]}, tmp_path)

    with pytest.raises(CatalogError, match="has no 'Definition'"):
        dataset_phrasings(task, tmp_path)
