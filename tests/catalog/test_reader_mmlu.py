"""MMLU's CSV and its carriers; every trap of the real files in small."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from evalkit.catalog import load_instances, load_task
from evalkit.errors import CatalogError

ROW = "Which?,a,b,c,d,B\n"


def test_cells_are_kept_to_the_letter(task_over, tmp_path: Path) -> None:
    """None, numbers, newlines, quotes and edge blanks are content."""
    task = task_over("mmlu", "x.csv", '"Line 1\nline ""2""", None ,1.50,NA,"a,b",C\n')

    (item,) = load_instances(task, tmp_path)

    assert item.fields["question"] == 'Line 1\nline "2"'
    assert item.choices == (" None ", "1.50", "NA", "a,b")
    assert (item.target, item.references, item.options) == (2, ("NA",), ("A", "B", "C", "D"))


def test_equal_items_get_ids_of_their_own(task_over, tmp_path: Path) -> None:
    """The data holds 105 duplicates; each stays a cell of its own."""
    task = task_over("mmlu", "x.csv", ROW + ROW)

    ids = [item.id for item in load_instances(task, tmp_path)]

    assert len(set(ids)) == 2
    assert [name[:11] for name in ids] == ["test-00000-", "test-00001-"]


def test_a_choice_may_stand_twice(task_over, tmp_path: Path) -> None:
    """Nine rows repeat a choice; the target is a position, not a text."""
    (item,) = load_instances(task_over("mmlu", "x.csv", "Q,1,2,2,3,C\n"), tmp_path)

    assert (item.choices, item.target) == (("1", "2", "2", "3"), 2)


def test_the_variant_with_header_and_codes_is_understood(task_over, tmp_path: Path) -> None:
    """Answers 0 to 3 are accepted under the header that announces them."""
    task = task_over(
        "mmlu", "x.csv", "question,choice0,choice1,choice2,choice3,answer\nWhich?,a,b,c,d,3\n"
    )

    assert [item.target for item in load_instances(task, tmp_path)] == [3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "Which?,a,b,c,d,3\n",
            r"x\.csv:1: answer is '3'; accepted: A, B, C, D \(a file with answers 0 to 3 needs the header",  # noqa: E501
        ),
        (ROW + "Which?,a,b,c,d,E\n", r"x\.csv:2: answer is 'E'; accepted: A, B, C, D\."),
        (
            ROW + '"Two\nlines",a,b,c\n',
            r"x\.csv:2: has 4 cells; question, four choices and the answer are expected",
        ),
        (ROW + '"cut sho', r"x\.csv:2: is not a table"),
        (
            "question,choice0,choice1,choice2,choice3,answer\nWhich?,a,b,c,d,B\n",
            r"x\.csv:2: answer is 'B'; accepted: 0, 1, 2, 3",
        ),
        (b"caf\xe9,a,b,c,d,A\n", r"x\.csv:1: byte 0xe9 is not UTF-8"),
        ("", "no instances were read"),
    ],
)
def test_what_is_not_mmlu_is_refused_with_its_line(
    content: str, message: str, task_over, tmp_path: Path
) -> None:
    """Letters and codes never mix silently."""
    with pytest.raises(CatalogError, match=message):
        load_instances(task_over("mmlu", "x.csv", content), tmp_path)


def test_a_byte_order_mark_and_crlf_change_nothing(task_over, tmp_path: Path) -> None:
    """Line ends of Windows outside quotes are no content."""
    task = task_over("mmlu", "x.csv", ("\ufeff" + ROW.replace("\n", "\r\n") * 2).encode())

    assert [(item.fields["question"], item.target) for item in load_instances(task, tmp_path)] == [
        ("Which?", 1)
    ] * 2


def test_rendered_prompts_give_back_the_same_questions(task_over, tmp_path: Path) -> None:
    """JSON Lines with rendered prompts (under a .json name) are taken apart;
    other subjects are left out.
    """
    prompt = (
        "The following are multiple choice questions (with answers) about  t.\n\nA "
        "first\nline?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:"
    )
    lines = [
        {"subject": "t", "input": prompt, "output": "D"},
        {"subject": "other", "input": "?", "output": "A"},
    ]
    task = task_over("mmlu", "x.json", "\n".join(json.dumps(line) for line in lines))

    (item,) = load_instances(task, tmp_path)

    assert (item.fields["question"], item.choices, item.target) == (
        "A first\nline?",
        ("1", "2", "3", "4"),
        3,
    )


def test_hub_rows_and_csv_give_the_same_instances(tmp_path: Path) -> None:
    """The same subject from a clone and from the hub has the same ids, texts and targets."""
    rows = {
        "question": ["Which?", "None"],
        "subject": ["anatomy"] * 2,
        "choices": [["a", "b", "c", "d"]] * 2,
        "answer": [1, 0],
    }
    (tmp_path / "hub/cais--mmlu/anatomy").mkdir(parents=True)
    parquet.write_table(
        pyarrow.table(rows), tmp_path / "hub/cais--mmlu/anatomy/dev-00000-of-00001.parquet"
    )
    from_hub = load_instances(load_task("mmlu/anatomy"), tmp_path, "dev")
    (tmp_path / "mmlu/dev").mkdir(parents=True)
    (tmp_path / "mmlu/dev/anatomy_dev.csv").write_text("Which?,a,b,c,d,B\nNone,a,b,c,d,A\n")

    assert load_instances(load_task("mmlu/anatomy"), tmp_path, "dev") == from_hub


def test_another_number_of_questions_than_published_is_refused(tmp_path: Path) -> None:
    """A truncated test file does not pass for the benchmark."""
    (tmp_path / "mmlu/test").mkdir(parents=True)
    (tmp_path / "mmlu/test/anatomy_test.csv").write_text(ROW)

    with pytest.raises(
        CatalogError, match="mmlu/anatomy: 'test' has 1 instances where 135 are published"
    ):
        load_instances(load_task("mmlu/anatomy"), tmp_path)
