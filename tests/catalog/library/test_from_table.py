"""A task file from a table: what stands in the columns decides, every reading is checked on
every row, guesses are refused.
"""

import csv
import json
import re
from pathlib import Path

import pytest

from evalkit.catalog import load_instances, load_task
from evalkit.catalog.library.from_table import propose
from evalkit.cli.main import invoke
from evalkit.errors import CatalogError, UsageError


def table(path: Path, rows: list[dict]) -> Path:
    """Write rows in the format of the ending."""
    if path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        return path
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


TICKETS = [
    {"id": str(n), "text": f"Ticket {n}, please help", "team": ("billing", "technical")[n % 2]}
    for n in range(8)
]
QUIZ = [
    {
        "question": f"Which is {n}?",
        "A": str(n),
        "B": str(n + 1),
        "C": "none",
        "answer": "ABC"[n % 3],
    }
    for n in range(6)
]


def made(path: Path, **given: str):
    """Return the task that a table gives, and its instances."""
    out = path.with_suffix(".yaml")
    out.write_text(propose(path, **given).text, encoding="utf-8")
    task = load_task(str(out))
    return task, load_instances(task)


def test_few_answers_used_often_are_labels(tmp_path: Path):
    """Two teams over eight tickets: a choice task with fixed labels, keyed by the id column."""
    task, instances = made(table(tmp_path / "tickets.csv", TICKETS))

    assert (task.kind, task.labels, task.fields) == (
        "choice",
        ("billing", "technical"),
        ("question",),
    )
    assert [one.id for one in instances] == [row["id"] for row in TICKETS]
    assert instances[1].choices[instances[1].target or 0] == "technical"


def test_a_column_per_choice_is_read_by_letter(tmp_path: Path):
    """A, B and C are choices, and the answer names them by letter."""
    task, instances = made(table(tmp_path / "quiz.csv", QUIZ))

    assert task.source.options["target_is"] == "letter"
    assert [one.target for one in instances] == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(("first", "kind"), [(0, "index"), (1, "number")])
def test_numbers_count_from_where_the_rows_say(tmp_path: Path, first: int, kind: str):
    """0 among the answers means from 0, the number of choices among them from 1."""
    rows = [
        {"question": f"q{n}", "choices": ["x", "y", "z"], "label": n % 3 + first} for n in range(6)
    ]
    task, instances = made(table(tmp_path / "quiz.jsonl", rows))

    assert task.source.options["target_is"] == kind
    assert [one.target for one in instances] == [0, 1, 2, 0, 1, 2]


def test_numbers_that_could_be_either_are_refused(tmp_path: Path):
    """Only 1 and 2 of four choices: from 0 or from 1 cannot be told,
    and a wrong guess would be a wrong score.
    """
    rows = [{"question": f"q{n}", "choices": list("wxyz"), "label": n % 2 + 1} for n in range(6)]

    with pytest.raises(UsageError, match="from 0 or from 1 cannot be told"):
        propose(table(tmp_path / "quiz.jsonl", rows))


def test_answers_that_differ_are_free_text(tmp_path: Path):
    """Eight different answers: text is generated and compared; two columns are two slots."""
    rows = [{"Hint no.": f"h{n}", "Premise": f"premise {n}", "output": f"o{n}"} for n in range(8)]
    task, instances = made(table(tmp_path / "free.csv", rows))

    assert (task.kind, task.fields) == ("generate", ("question", "hint_no"))
    assert instances[2].fields == {"question": "premise 2", "hint_no": "h2"}
    assert instances[2].references == ("o2",)


@pytest.mark.parametrize(
    ("rows", "given", "words"),
    [
        ([{"a1": "x", "b2": "y"}], {}, "Say it with --target COLUMN"),
        ([{"text": "x", "label": "y", "answer": "z"}], {}, "label, answer may hold them"),
        (TICKETS, {"target": "tema"}, "has no column 'tema'"),
        ([{**QUIZ[0], "answer": "Q"}], {}, "name no choice"),
        ([{"answer": "x"}], {}, "no column is left"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path: Path, rows: list, given: dict, words: str):
    """A message names the columns there are and the option that says it."""
    with pytest.raises(UsageError, match=words):
        propose(table(tmp_path / "odd.csv", rows), **given)


def test_the_command_goes_from_a_table_to_prompts(tmp_path: Path, capsys: pytest.CaptureFixture):
    """The two commands that are told, typed one after the other, end in a prompt and no
    objection.
    """
    path = table(tmp_path / "tickets.csv", TICKETS)

    assert invoke(["tasks", "from-table", str(path)]) == 0
    said = capsys.readouterr().out
    assert "labels: billing, technical" in said
    assert "reads 8 instances" in said
    line = said.strip().splitlines()[-1].split()
    assert invoke(line[1:]) == 0
    assert invoke(line[1:]) == 0
    assert "Ticket 0, please help" in capsys.readouterr().out


def test_an_existing_file_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Nothing a person wrote is overwritten."""
    path = table(tmp_path / "tickets.csv", TICKETS)
    path.with_suffix(".yaml").write_text("mine", encoding="utf-8")

    assert invoke(["tasks", "from-table", str(path)]) == 2
    assert path.with_suffix(".yaml").read_text(encoding="utf-8") == "mine"


FOUR = ["red", "green", "blue", "grey"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text,text,label\na,b,yes\nc,d,no\n", "names a column twice"),
        ("text,label\nhello,yes\nbye\n", "t.csv:3: has 1 cells, the header has 2"),
        ("text,label\ngood,yes\nbad,\nmeh,no\n", "t.csv:3: .*empty accepted answer"),
    ],
)
def test_a_table_at_fault_is_named_by_its_line_and_leaves_no_task(
    tmp_path: Path, capsys: pytest.CaptureFixture, text: str, message: str
):
    """Another mark between cells is not blamed, and the command can be typed again."""
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")

    assert invoke(["tasks", "from-table", str(tmp_path / "t.csv")]) != 0
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "t.yaml").exists()


def test_a_task_file_has_the_ending_of_one(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Else its name would be taken for the id of a task."""
    (tmp_path / "t.csv").write_text("text,label\nhello,yes\nbye,no\n", encoding="utf-8")

    code = invoke(["tasks", "from-table", str(tmp_path / "t.csv"), "--out", str(tmp_path / "t")])

    assert code != 0
    assert "t is not the name of a task file, which ends in .yaml" in capsys.readouterr().err


def shaped(kind: str, number: int) -> dict:
    """Return a row whose choices stand in one of the shapes that people have;
    the answer is number % 4.
    """
    right = number % 4
    listed = [{"text": text, "label": mark} for text, mark in zip(FOUR, "ABCD", strict=True)]
    row: dict = {"question": f"Which is {number}?"}
    if kind == "objects":
        return {
            "question": {"stem": row["question"], "choices": listed},
            "answerKey": "ABCD"[right],
        }
    if kind == "labels":
        return row | {"choices": {"text": FOUR, "label": list("1234")}, "answerKey": str(right + 1)}
    if kind == "letters":
        said = {"answer": FOUR[right], "answer_idx": "ABCD"[right]}
        return row | {"options": dict(zip("ABCD", FOUR, strict=True))} | said
    return row | {"mc": {"choices": FOUR, "labels": [int(n == right) for n in range(4)]}}


@pytest.mark.parametrize("kind", ["objects", "labels", "letters", "mask"])
def test_nested_choices_are_told(kind: str, tmp_path: Path):
    """Objects with a text and a label, texts beside labels, letter to text, a mask;
    read as they mean.
    """
    rows = [shaped(kind, number) for number in range(8)]

    task, instances = made(table(tmp_path / "x.jsonl", rows))

    assert task.fields == ("question",)
    assert [one.fields["question"] for one in instances] == [f"Which is {n}?" for n in range(8)]
    assert [(list(one.choices), one.target) for one in instances] == [
        (FOUR, number % 4) for number in range(8)
    ]


def test_a_column_that_tells_the_answer_again_is_not_asked(tmp_path: Path):
    """The letter beside the text of the answer; it is said, and no prompt holds it."""
    path = table(tmp_path / "x.jsonl", [shaped("letters", number) for number in range(8)])

    assert "not asked, since it tells the answer: answer_idx" in propose(path).told


def test_columns_of_answers_that_disagree_are_not_chosen_between(tmp_path: Path):
    """A letter of another choice than the text's; the person says which is meant."""
    rows = [shaped("letters", number) for number in range(8)]
    rows[3]["answer_idx"] = "A"

    with pytest.raises(UsageError, match="answer, answer_idx may hold them"):
        propose(table(tmp_path / "x.jsonl", rows))


def test_choices_of_which_the_first_is_always_right_are_put_in_an_order(tmp_path: Path):
    """Else a model that always takes the first would be right everywhere."""
    path = table(tmp_path / "x.jsonl", [shaped("mask", 4 * number) for number in range(8)])

    task, instances = made(path)

    assert task.source.options["shuffle"] is True
    assert len({one.target for one in instances}) > 1


@pytest.mark.parametrize(
    ("content", "questions"),
    [
        ("\ufeffsep=;\r\nquestion;answer\r\nA, b?;yes\r\nC?;no\r\n", ["A, b?", "C?"]),
        ("question,answer,,\nA?,yes,,\n,,,\nC?,no,,\n,,,\n", ["A?", "C?"]),
        ("sep=\t\nquestion\tanswer\t\t\nA?\tyes\t\t\n", ["A?"]),
    ],
    ids=["separator line", "empty columns and rows", "both"],
)
def test_what_spreadsheets_add_is_no_part_of_the_table(tmp_path: Path, content, questions):
    """A line that says the separator, columns without a name and lines of empty cells."""
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode())
    _, instances = made(path)

    assert [one.fields["question"] for one in instances] == questions


def test_a_cell_in_a_column_without_a_name_is_not_dropped(tmp_path: Path):
    """A title above the names is told by it."""
    path = tmp_path / "t.csv"
    path.write_text("Survey,,\nquestion,answer,notes\nA?,yes,\n", encoding="utf-8")

    with pytest.raises(
        CatalogError, match=r"t\.csv:2: .*'notes'.* stand in columns without a name"
    ):
        propose(path)


def test_rows_that_ask_the_same_are_said(tmp_path: Path):
    """Whoever asks one thing with two answers expects the impossible of every model."""
    rows = [("Is it?", "yes"), ("Is it?", "yes"), ("Is it?", "no"), ("Or that?", "no")]
    path = table(tmp_path / "t.csv", [{"question": q, "answer": a} for q, a in rows])
    told = propose(path).told

    assert "asked twice, the same: row 2" in told
    assert "asked twice, the same with another answer, so nobody gets both right: row 3" in told
    assert not [line for line in propose(table(path, TICKETS)).told if "twice" in line]
