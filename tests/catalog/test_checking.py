"""Telling files apart and checking them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.catalog.checking import check_paths, kind_of, shipped_files
from evalkit.catalog.policies import read_policy_file
from evalkit.errors import CatalogError


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"name": "x", "benchmark": "b", "reader": "table"}, "task"),
        ({"name": "x", "tasks": ["bbh/*"], "limit": 3}, "suite"),
        ({"name": "x", "tasks": ["bbh/*"], "phrasings": 3}, "suite"),
        ({"tasks": ["bbh/*"], "phrasings": [{"id": "a"}]}, "phrasings"),
        ({"name": "x", "benchmark": "b", "reader": "table", "phrasings": ["general"]}, "task"),
        ([{"id": "a"}], "phrasings"),
        ({"backend": "hf", "name": "x"}, "model"),
        ({"models": []}, "known models"),
        ({"foo": 1}, None),
        ("text", None),
    ],
)
def test_the_kind_of_a_file_is_told_by_what_it_holds(value: object, kind: str | None) -> None:
    """File names do not matter."""
    assert kind_of(value) == kind


def test_everything_that_ships_is_valid() -> None:
    """Task, suite, phrasing and model files of the package."""
    kinds, problems = check_paths(shipped_files())

    assert problems == []
    assert set(kinds.values()) >= {"task", "suite", "phrasings", "known models"}


def test_mistakes_of_all_files_come_together(tmp_path: Path) -> None:
    """A folder is checked whole; an id that two files have is a mistake too."""
    (tmp_path / "a.yaml").write_text("- {id: q1, text: x, source: y}\n")
    (tmp_path / "b.yaml").write_text("- {id: q1, text: z, source: y}\n")
    (tmp_path / "c.yaml").write_text("name: x\nbenchmark: b\nreader: tabel\n")
    (tmp_path / "d.yaml").write_text("foo: 1\n")
    (tmp_path / "e.yml").write_text("a: [\n")

    kinds, problems = check_paths([tmp_path])

    assert [kinds[tmp_path / name] for name in ("a.yaml", "c.yaml", "d.yaml", "e.yml")] == [
        "phrasings",
        "task",
        "unknown",
        "unknown",
    ]
    assert len(problems) == 4
    assert [
        problem
        for problem in problems
        if "c.yaml:3: reader 'tabel' is not known; did you mean 'table'?" in problem
    ]
    assert [problem for problem in problems if "b.yaml" in problem and "a.yaml too" in problem]


def test_a_policy_is_read_by_the_reader_of_the_gate(tmp_path: Path) -> None:
    """What `check` accepts the gate accepts, since both read policies with one function."""
    (tmp_path / "p.yaml").write_text("name: p\nrules: []\n")

    kinds, problems = check_paths([tmp_path])

    assert kinds == {tmp_path / "p.yaml": "policy"}
    assert [problem.partition(";")[0] for problem in problems] == [
        f"{tmp_path}/p.yaml:2: rules is empty"
    ]
    with pytest.raises(CatalogError, match="rules is empty"):
        read_policy_file(tmp_path / "p.yaml")


def test_paths_that_are_not_there_are_all_named(tmp_path: Path) -> None:
    """An empty folder is no success."""
    with pytest.raises(CatalogError) as caught:
        check_paths([tmp_path, tmp_path / "x.yaml"])

    assert [problem.partition(": ")[2] for problem in caught.value.problems] == [
        "holds no YAML file (.yaml, .yml). Check the path.",
        "is not there. Check the path.",
    ]
