"""Rows that stand in the task itself, in place of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import evalkit
from evalkit.catalog import load_instances
from evalkit.errors import CatalogError
from evalkit.records import Source, Task

ROWS = [
    {"question": "Capital of France?", "target": "Paris", "id": 1},
    {"question": "Capital of Italy?", "target": "Rome", "id": 2},
]


def task(rows: Any, **changes: Any) -> Task:
    """Return a task that holds its rows."""
    source = Source(options={"rows": rows, "columns": {"id": "id"}})
    return Task(
        name="capitals",
        benchmark="mine",
        reader="table",
        source=source,
        labels=("Paris", "Rome", "Vienna"),
        **changes,
    )


def test_rows_are_read_as_those_of_a_file(tmp_path: Path) -> None:
    """Instance by instance, but for where they stand."""
    (tmp_path / "t.csv").write_text(
        "id,question,target\n1,Capital of France?,Paris\n2,Capital of Italy?,Rome\n"
    )
    filed = Task(
        name="capitals",
        benchmark="mine",
        reader="table",
        source=Source(local="t.csv", options={"columns": {"id": "id"}}),
        labels=("Paris", "Rome", "Vienna"),
    )

    def read(one: Task) -> list[tuple[Any, ...]]:
        return [(i.id, i.fields, i.choices, i.target) for i in load_instances(one, tmp_path)]

    assert read(task(ROWS)) == read(filed)
    assert [one.where for one in load_instances(task(ROWS))] == [
        "mine/capitals: row 1 of 'test'",
        "mine/capitals: row 2 of 'test'",
    ]


def test_each_split_has_its_rows() -> None:
    """Shots come from their own split; a list is the scored split's."""
    both = task({"test": ROWS[:1], "train": ROWS[1:]}, shot_split="train")

    assert [one.id for one in load_instances(both)] == ["1"]
    assert [one.id for one in load_instances(both, split="train")] == ["2"]
    with pytest.raises(CatalogError, match=r"rows has no split 'train'; it has test\. Give"):
        load_instances(task(ROWS), split="train")


def test_a_run_with_other_rows_is_another_run(tmp_path: Path) -> None:
    """And is not gone on with; the same rows are."""
    asked: dict[str, Any] = {"quiet": True, "no_report": True, "out": tmp_path / "run"}
    wordings = ["Answer: {{ question }}", "{{ question }}"]

    for _ in range(2):
        run = evalkit.run("scripted:perfect", tasks=[task(ROWS)], phrasings=wordings, **asked)
        assert list(run.scores.score) == [1.0] * 4
    with pytest.raises(evalkit.EvalkitError, match="holds another run"):
        evalkit.run("scripted:perfect", tasks=[task(ROWS[:1])], phrasings=wordings, **asked)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([3], r"^mine/capitals: source\.options\.rows is \[3\]; accepted: a list of mappings"),
        ("ab", r"rows is \"ab\"; accepted: a list of mappings"),
        ({"test": {"question": "x"}}, "accepted: a list of mappings"),
        ([{"question": object(), "target": "Rome", "id": 1}], "accepted: a list of mappings"),
        ([{"question": float("nan"), "target": "Rome", "id": 1}], "accepted: a list of mappings"),
        ([], "no instances were read"),
        ([*ROWS, ROWS[0]], r"row 3 of 'test': mine/capitals: instance '1' stands twice, first in"),
        ([{"question": "x", "id": 1}], r"row 1 of 'test': has no column 'target'; it has question"),
        ([{**ROWS[0], "target": "Oslo"}], "target 'Oslo' names none of 3 choices"),
    ],
)
def test_wrong_rows_are_named(rows: Any, message: str) -> None:
    """Which one, what is wrong, what is accepted."""
    with pytest.raises(CatalogError, match=message):
        load_instances(task(rows))


def test_rows_beside_a_file_are_refused(tmp_path: Path) -> None:
    """Nobody could tell which of them is asked."""
    file = tmp_path / "t.yaml"
    file.write_text(
        "name: a\nbenchmark: mine\nreader: table\nlabels: [x, y]\n"
        "source: {local: a.csv, options: {rows: [{question: q, target: x}]}}\n"
    )

    with pytest.raises(CatalogError, match="rows stands beside the name of a file"):
        evalkit.run("scripted:perfect", tasks=[str(file)], quiet=True)
