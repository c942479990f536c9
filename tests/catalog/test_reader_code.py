"""HumanEval and MBPP as upstream ships them, and the problems made from a seed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from evalkit.catalog import load_task, read_instances
from evalkit.catalog.readers import code_made
from evalkit.catalog.readers.code import read
from evalkit.errors import CatalogError

HUMANEVAL = {
    "task_id": "HumanEval/900",
    "prompt": (
        'from typing import List\n\n\ndef twice(xs: List[int]) -> List[int]:\n    """ Double '
        'every number\n    >>> twice([1])\n    [2]\n    """\n'
    ),
    "entry_point": "twice",
    "canonical_solution": "    return [2 * x for x in xs]\n",
    "test": "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate([1]) == [2]\n",
}
MBPP = {
    "text": "Write a function to add two numbers.",
    "code": "def add(a, b):\r\n    return a + b",
    "task_id": 11,
    "test_setup_code": "",
    "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"],
    "challenge_test_list": [],
}
SANITIZED = {
    "source_file": "x",
    "task_id": 12,
    "prompt": "Write a function to halve a number.",
    "code": "def half(a):\n    return a / 2",
    "test_imports": ["import math"],
    "test_list": ["assert math.isclose(half(1), 0.5)"],
}


def instances(tmp_path: Path, name: str, rows: list, *, task: str, split: str = "test") -> list:
    """Read rows written as upstream writes them."""
    folder = tmp_path / "code"
    folder.mkdir(exist_ok=True)
    text = json.dumps(rows) if name.endswith(".json") else "\n".join(map(json.dumps, rows)) + "\n"
    data = text.encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return read(load_task(f"code/{task}"), tmp_path, split)


@pytest.mark.parametrize("name", ["HumanEval.jsonl", "HumanEval.jsonl.gz"])
def test_humaneval_is_read_plain_and_packed(tmp_path: Path, name: str) -> None:
    """Signature, docstring, tests and the whole reference solution."""
    (one,) = instances(tmp_path, name, [HUMANEVAL], task="humaneval")

    assert one.id == "HumanEval/900"
    assert one.fields["signature"] == "def twice(xs: List[int]) -> List[int]:"
    assert one.fields["question"].startswith("Double every number")
    assert one.fields["tests"].endswith("check(twice)\n")
    assert one.references == (HUMANEVAL["prompt"] + HUMANEVAL["canonical_solution"],)


def test_a_docstring_behind_an_import_is_the_question_too(tmp_path: Path) -> None:
    """One problem of HumanEval imports inside the function, before its text."""
    row = HUMANEVAL | {"prompt": 'def twice(xs):\n    import math\n    """Double."""\n'}
    (one,) = instances(tmp_path, "HumanEval.jsonl", [row], task="humaneval")

    assert one.fields["question"] == "Double."


def test_mbpp_is_read_in_both_forms_and_split_by_number(tmp_path: Path) -> None:
    """500 of the numbers are the test split; the sanitized form brings imports."""
    rows = [MBPP, MBPP | {"task_id": 3}]
    (one,) = instances(tmp_path, "mbpp.jsonl", rows, task="mbpp")
    assert (one.id, one.fields["example"]) == ("MBPP/11", "assert add(1, 2) == 3")
    assert "\r" not in one.references[0]
    (shot,) = instances(tmp_path, "mbpp.jsonl", rows, task="mbpp", split="prompt")
    assert shot.id == "MBPP/3"

    (tmp_path / "code" / "mbpp.jsonl").unlink()
    (one,) = instances(tmp_path, "sanitized-mbpp.json", [SANITIZED], task="mbpp")
    assert one.fields["helpers"] == "import math"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"question": "?"}, "neither 'entry_point'"),
        (HUMANEVAL | {"prompt": "def twice(:"}, "no beginning of a program"),
        (
            HUMANEVAL | {"prompt": "def twice(x):\n    pass\n"},
            "no function 'twice' with a docstring",
        ),
        (HUMANEVAL | {"test": None}, "'test' is None"),
        (MBPP | {"test_list": []}, "'test_list' is empty"),
        (MBPP | {"test_list": "assert"}, "a list of texts"),
        (MBPP | {"task_id": "11"}, "a whole number"),
    ],
)
def test_a_row_of_another_kind_is_named_with_its_line(
    tmp_path: Path, row: dict, words: str
) -> None:
    """The message says which file, which line and what is expected."""
    with pytest.raises(CatalogError, match=words) as error:
        instances(tmp_path, "HumanEval.jsonl", [row], task="humaneval")
    assert "HumanEval.jsonl:1" in str(error.value)


def test_made_problems_are_right_by_their_own_solution() -> None:
    """Every reference passes every test of its problem: the steps and their code agree."""
    found, _ = read_instances(load_task("code/made"), None)
    for one in found:
        world: dict = {}
        exec(one.references[0], world)
        exec(one.fields["tests"], world)

    assert len({one.fields["question"] for one in found}) == len(found) == 100


def test_made_problems_come_again_and_splits_share_none() -> None:
    """A seed gives the same problems; shots are never scored."""
    task = load_task("code/made")
    again, _ = read_instances(task, None)
    shots = code_made.read(task, None, "shots")

    assert [one.id for one in again[:3]] == [one.id for one in read_instances(task, None)[0][:3]]
    assert {one.id for one in again}.isdisjoint(one.id for one in shots)
