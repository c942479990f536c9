"""Phrasing files, and whether a model has seen a phrasing."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.catalog import list_tasks, load_model, load_phrasings, load_task, relation
from evalkit.catalog.phrasings import read_phrasing_file
from evalkit.errors import CatalogError
from evalkit.records import ModelSpec, Phrasing

TASK = load_task("mmlu/anatomy")


def write(folder: Path, text: str) -> Path:
    """Write a phrasing file."""
    path = folder / "p.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_task_can_be_asked_in_ten_phrasings_of_our_own() -> None:
    """No task ships with fewer than ten."""
    few = {
        task.id: len(found)
        for task in list_tasks()
        if len(found := [p for p in load_phrasings(task) if p.source.startswith("evalkit")]) < 10
    }

    assert few == {}


def test_a_bare_list_and_a_mapping_are_both_accepted(tmp_path: Path) -> None:
    """Defaults of the mapping fill what an entry leaves out."""
    bare = read_phrasing_file(write(tmp_path, "- {id: a, text: Pick., source: mine}\n"))
    full = read_phrasing_file(
        write(
            tmp_path,
            "tasks: [mmlu/*]\ndefaults: {source: mine, layout: inline}\nphrasings:\n  - {id: a, "
            "text: Pick.}\n",
        )
    )

    assert bare == [Phrasing(id="a", text="Pick.", source="mine")]
    assert full == [
        Phrasing(id="a", text="Pick.", source="mine", layout="inline", tasks=("mmlu/*",))
    ]


def test_extra_files_count_for_the_tasks_they_name(tmp_path: Path) -> None:
    """A pattern that does not match leaves a phrasing out; none at all takes it in."""
    path = write(
        tmp_path,
        "- {id: zz-1, text: A., source: m, tasks: [bbh/*]}\n- {id: zz-2, text: B., source: "
        "m}\n- {id: zz-3, text: C., source: m, tasks: [mmlu/*]}\n",
    )

    added = {p.id for p in load_phrasings(TASK, extra=[path])} - {
        p.id for p in load_phrasings(TASK)
    }

    assert added == {"zz-2", "zz-3"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "- {id: a, text: x, source: y}\n- {id: a, text: z, source: y}\n",
            "p.yaml:2: id 'a' stands here again, first at",
        ),
        ("phrasings: []\n", "p.yaml:1: holds no phrasings"),
        ("- {id: a, text: x}\n", "p.yaml:1: 'source' is missing"),
        (
            "defaults: {sorce: x}\nphrasings: [{id: a, text: x, source: y}]\n",
            "p.yaml:1: key 'sorce' is not known",
        ),
        ("prasings: []\n", "p.yaml:1: key 'prasings' is not known"),
        ("just text\n", "p.yaml:1: a list of phrasings"),
        (
            "tasks: mmlu/*\nphrasings: [{id: a, text: x, source: y}]\n",
            "p.yaml:1: 'tasks' is 'mmlu/*'; accepted: a list.",
        ),
    ],
)
def test_a_wrong_file_says_where(text: str, message: str, tmp_path: Path) -> None:
    """File and line come first."""
    with pytest.raises(CatalogError) as caught:
        read_phrasing_file(write(tmp_path, text))

    assert message in str(caught.value)


def test_an_id_of_two_files_is_refused(tmp_path: Path) -> None:
    """Both places are named."""
    first = load_phrasings(TASK)[0].id

    with pytest.raises(
        CatalogError,
        match=rf"id '{first}' stands here again, first at paraphrases/mmlu/general\.yaml:",
    ):
        load_phrasings(TASK, extra=[write(tmp_path, f"- {{id: {first}, text: x, source: y}}\n")])


def test_a_slot_the_task_does_not_fill_is_refused(tmp_path: Path) -> None:
    """The message lists the slots there are."""
    path = write(tmp_path, "- {id: a, text: 'Read {{ context }}.', source: y}\n")

    with pytest.raises(
        CatalogError,
        match=r"mmlu/anatomy has no slot context; it fills category, choices, question, subject",
    ):
        load_phrasings(TASK, extra=[path])


@pytest.mark.parametrize(
    ("tuned_on", "source", "task", "expected"),
    [
        (None, "flan", "mmlu/anatomy", "unknown"),
        ((), "flan", "mmlu/anatomy", "unseen"),
        (("flan", "p3"), "flan", "mmlu/anatomy", "seen"),
        (("flan",), "evalkit", "mmlu/anatomy", "unseen"),
        (("niv2@!superni/*",), "niv2", "superni/task190_snli_classification", "unseen"),
        (("niv2@!superni/*",), "niv2", "mmlu/anatomy", "seen"),
        (("niv2@mmlu/*",), "niv2", "bbh/navigate", "unseen"),
        (("p3", "niv2@!mmlu/*"), "niv2", "superni/task190_snli_classification", "seen"),
    ],
)
def test_seen_is_a_relation_of_phrasing_model_and_task(
    tuned_on: tuple[str, ...] | None, source: str, task: str, expected: str
) -> None:
    """The source decides, except for tasks that tuning held out."""
    model = ModelSpec(backend="hf", name="m", tuned_on=tuned_on)

    assert relation(Phrasing(id="a", text="x", source=source), model, load_task(task)) == expected


def test_definitions_of_test_tasks_are_unseen_for_tk_instruct_and_seen_for_flan_t5() -> None:
    """Tk-Instruct held the 119 test tasks out; the Flan 2022 collection did not."""
    phrasing, task = (
        Phrasing(id="a", text="x", source="niv2"),
        load_task("superni/task190_snli_classification"),
    )

    models = [load_model(name) for name in ("allenai/tk-instruct-3b-def", "google/flan-t5-small")]

    assert [relation(phrasing, model, task) for model in models] == ["unseen", "seen"]
