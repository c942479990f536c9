"""Finding tasks and suites."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from evalkit.catalog import list_suites, list_tasks, load_suite, load_task, task_ids
from evalkit.errors import CatalogError

SUPERNI_CATEGORIES = {
    "Textual Entailment": 24, "Title Generation": 18, "Coreference Resolution": 14, "Answerability Classification": 13,  # noqa: E501
    "Question Rewriting": 11, "Data to Text": 9, "Word Analogy": 8, "Cause Effect Classification": 7,  # noqa: E501
    "Dialogue Act Recognition": 7, "Keyword Tagging": 5, "Overlap Extraction": 2, "Grammar Error Correction": 1,  # noqa: E501
}  # fmt: skip


def test_every_published_task_has_a_file() -> None:
    """57 MMLU subjects, 27 BBH subtasks, 119 SuperNI test tasks, the PromptBench set and six
    BIG-bench tasks.
    """
    counts = Counter(task_id.partition("/")[0] for task_id in task_ids())

    assert {name: counts[name] for name in ("mmlu", "bbh", "superni", "promptbench", "bigbench")} == {  # noqa: E501
        "mmlu": 57, "bbh": 27, "superni": 119, "promptbench": 16, "bigbench": 20,
    }  # fmt: skip


def test_published_counts_add_up() -> None:
    """MMLU's test split has 14,042 questions (57 subjects) and BBH 6,511 (27 subtasks),
    as published.
    """
    assert [
        sum(task.n_instances or 0 for task in list_tasks([name])) for name in ("mmlu", "bbh")
    ] == [14_042, 6_511]


def test_superni_categories_have_the_published_sizes() -> None:
    """Twelve categories over the 119 test tasks (Wang et al. 2022, figure 4)."""
    assert Counter(task.category for task in list_tasks(["superni"])) == SUPERNI_CATEGORIES


def test_every_shipped_task_states_licence_citation_and_description() -> None:
    """Nothing ships without saying where it comes from."""
    silent = [
        task.id
        for task in list_tasks()
        if not (task.licence and task.citation and task.description)
    ]

    assert silent == []


@pytest.mark.parametrize(
    ("pattern", "number"),
    [
        ("mmlu/*", 57),
        ("bbh", 27),
        ("bbh/navigate", 1),
        ("navigate", 1),
        ("mmlu/high_school_*", 14),
        ("*/word_sorting", 1),
    ],
)
def test_patterns_name_tasks(pattern: str, number: int) -> None:
    """Ids, patterns, benchmarks and bare names are understood."""
    assert len(list_tasks([pattern])) == number


def test_a_task_named_twice_comes_once_and_in_order() -> None:
    """The order of the patterns is kept."""
    assert [task.id for task in list_tasks(["bbh/navigate", "bbh/navigate", "mmlu/anatomy"])] == [
        "bbh/navigate",
        "mmlu/anatomy",
    ]


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("mmul", "'mmlu'"),
        ("mmlu/anatomi", "'mmlu/anatomy'"),
        ("navgate", "'bbh/navigate'"),
        ("bhb/navigate", "'bbh/navigate'"),
    ],
)
def test_a_typo_gets_the_closest_task(pattern: str, hint: str) -> None:
    """The message holds what was typed and what may have been meant."""
    with pytest.raises(CatalogError) as caught:
        list_tasks([pattern])

    assert str(caught.value).startswith(f"task {pattern!r} is not known; did you mean {hint}")


def test_all_unknown_patterns_are_named_together() -> None:
    """Two typos make two messages."""
    with pytest.raises(CatalogError) as caught:
        list_tasks(["mmul", "xyz", "bbh"])

    assert len(caught.value.problems) == 2


def test_a_name_that_two_benchmarks_have_must_be_spelt_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A bare name is accepted only when it is clear."""
    for benchmark in ("a", "b"):
        (tmp_path / benchmark).mkdir()
        (tmp_path / benchmark / "x.yaml").write_text(
            f"name: x\nbenchmark: {benchmark}\nreader: table\n"
        )
    monkeypatch.setattr("evalkit.catalog.tasks.data_root", lambda kind: tmp_path)

    with pytest.raises(CatalogError, match="task 'x': several benchmarks have it: a/x, b/x"):
        list_tasks(["x"])


def test_a_task_file_of_the_user_is_read_by_its_path(tmp_path: Path) -> None:
    """A data file beside the task file is found there."""
    (tmp_path / "rows.csv").write_text("question,target\nx,y\n")
    (tmp_path / "mine.yaml").write_text(
        "name: own\nbenchmark: mine\nreader: table\nkind: generate\nmetric: exact_match\nsource: "
        "{local: rows.csv}\n"
    )

    task = load_task(str(tmp_path / "mine.yaml"))

    assert (task.id, task.source.local) == ("mine/own", str(tmp_path / "rows.csv"))
    assert list_tasks([str(tmp_path / "mine.yaml")]) == [task]


def test_a_missing_task_file_is_one_message(tmp_path: Path) -> None:
    """The path and what to do are in it."""
    with pytest.raises(
        CatalogError, match=r"nothing\.yaml: task file cannot be read: No such file"
    ):
        load_task(str(tmp_path / "nothing.yaml"))


def test_every_suite_names_tasks_that_exist() -> None:
    """Each shipped suite resolves to at least one task,
    and says what it measures and after whom.
    """
    suites = list_suites()

    assert len(suites) >= 9
    assert all(list_tasks(suite.tasks) for suite in suites)
    assert [suite.name for suite in suites if not (suite.measures and suite.citation)] == []


def test_robustness_is_the_four_benchmarks() -> None:
    """The suite of the main job has 57 + 27 + 119 + 16 tasks."""
    assert len(list_tasks(load_suite("robustness").tasks)) == 219


def test_an_unknown_suite_gets_the_closest_name() -> None:
    """All known suites are listed."""
    with pytest.raises(
        CatalogError,
        match=r"suite 'robustnes' is not known; did you mean 'robustness'\? Known: bbh, bias, bigbench",  # noqa: E501
    ):
        load_suite("robustnes")


def test_a_suite_file_that_names_no_task_is_wrong_on_that_line(tmp_path: Path) -> None:
    """Tasks of a suite file are looked up when it is read."""
    path = tmp_path / "s.yaml"
    path.write_text("name: s\ntasks:\n  - bbh/navigate\n  - bbh/navigat\n")

    with pytest.raises(
        CatalogError,
        match=r"s\.yaml:4: task 'bbh/navigat' is not known; did you mean 'bbh/navigate'",
    ):
        load_suite(str(path))


def test_answers_of_labelled_tasks_are_words() -> None:
    """Yes and no are texts in every task file."""
    assert {task.labels for task in list_tasks(["bbh"]) if task.labels} == {
        ("True", "False"), ("Yes", "No"), ("yes", "no"), ("valid", "invalid"),
    }  # fmt: skip
