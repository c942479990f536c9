"""Tables as others publish them: what tells the answer is not asked, letters that choices carry
are taken off, odd files are read by trying.
"""

import json
from pathlib import Path

import pytest

from evalkit.catalog import load_instances, load_task
from evalkit.catalog.library.from_table import propose
from evalkit.cli.main import invoke
from evalkit.errors import CatalogError, UsageError


def lines(path: Path, rows: list[dict]) -> Path:
    """Write rows as JSON Lines."""
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def read(path: Path, **given):
    """Return the task that a table gives, its instances, and what was said."""
    proposal = propose(path, **given)
    out = path.with_suffix(".yaml")
    out.write_text(proposal.text, encoding="utf-8")
    task = load_task(str(out))
    return task, load_instances(task), proposal.told


def quiz(number: int, **more) -> dict:
    """Return a row whose options carry their letters, as AGIEval and AQuA have them."""
    options = [
        f"({mark}){text}" for mark, text in zip("ABC", ("red", "green", "blue"), strict=True)
    ]
    return {
        "question": f"Which is {number}?",
        "options": options,
        "label": "ABC"[number % 3],
        **more,
    }


def test_what_tells_the_way_to_the_answer_is_not_asked(tmp_path: Path):
    """Solutions, rationales, equations and gold plans stay out of the prompt, inside objects
    too, and are named.
    """
    rows = [
        quiz(n, other={"solution": "So it is."}, rationale="Because.", Equation="1", gold_plan="x")
        for n in range(6)
    ]

    task, _, told = read(lines(tmp_path / "x.jsonl", rows))

    assert task.fields == ("question",)
    assert (
        "not asked, since it tells the answer: other.solution, rationale, Equation, gold_plan"
        in told
    )


def test_a_column_that_is_named_is_asked_all_the_same(tmp_path: Path):
    """The person has the last word."""
    rows = [quiz(n, explanation="Because.") for n in range(6)]

    task, _, _ = read(lines(tmp_path / "x.jsonl", rows), columns=["question", "explanation"])

    assert task.fields == ("question", "explanation")


def test_notes_beside_a_question_are_not_asked_but_a_letter_s_subject_is(tmp_path: Path):
    """Where there is no question, subject and type may be what is to be read."""
    exam = [quiz(n, source="a book", level="hard", passage=f"P{n}") for n in range(6)]
    mail = [
        {"subject": f"S{n}", "body": f"B{n}", "url": "x", "team": ("a", "b")[n % 2]}
        for n in range(8)
    ]

    assert read(lines(tmp_path / "x.jsonl", exam))[0].fields == ("question", "passage")
    assert set(propose(lines(tmp_path / "y.jsonl", mail)).told) >= {
        "asked: subject, body",
        "not asked, a note about the row: url",
    }


def test_letters_that_all_choices_carry_are_taken_off(tmp_path: Path):
    """Else a lettered prompt would show them twice; the answer is read by them."""
    _, instances, _ = read(lines(tmp_path / "x.jsonl", [quiz(n) for n in range(6)]))

    assert {one.choices for one in instances} == {("red", "green", "blue")}
    assert [one.target for one in instances] == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    "texts", [["A. Smith", "C. Jones"], ["(A) x", "y"], ["(A)", "(B)"], ["A.M.", "P.M."]]
)
def test_texts_that_only_look_lettered_stay_as_they_are(texts: list[str], tmp_path: Path):
    """Letters out of order, missing, without text behind them, or part of a word."""
    rows = [{"question": f"q{n}", "choices": texts, "answer": texts[n % 2]} for n in range(4)]

    _, instances, _ = read(lines(tmp_path / "x.jsonl", rows))

    assert instances[0].choices == tuple(texts)


@pytest.mark.parametrize("answer", ["B", "(B)", "B.", ["B"], "b)"])
def test_choices_in_one_line_and_answers_in_brackets(answer, tmp_path: Path):
    """As OpenBookQA's tables have them, under names with blanks and capitals."""
    rows = [
        {
            "ID": str(n),
            "Question Stem": f"Q{n}",
            "Choices": "(A) red (see (C)) (B) blue",
            "Answer Key": answer,
        }
        for n in range(3)
    ]
    _, instances, _ = read(lines(tmp_path / "x.jsonl", rows))

    assert [(one.choices, one.target) for one in instances] == [(("red (see (C))", "blue"), 1)] * 3


def test_a_list_of_texts_under_any_name_is_the_choices(tmp_path: Path):
    """ReClor calls them answers; FrenchMedMCQA has an object from letters there."""
    listed = [{"question": f"q{n}", "answers": ["x", "y", "z"], "label": n % 3} for n in range(6)]
    lettered = [
        {"question": f"q{n}", "answers": {"a": "x", "b": "y"}, "correct_answers": ["ab"[n % 2]]}
        for n in range(6)
    ]

    for name, rows in (("x", listed), ("y", lettered)):
        task, instances, _ = read(lines(tmp_path / f"{name}.jsonl", rows))
        assert task.source.options["columns"]["choices"] == "answers"
        assert len({one.target for one in instances}) == len(instances[0].choices)


def test_several_right_choices_are_counted_and_refused(tmp_path: Path):
    """A choice task has one; the rest would be scored wrong."""
    rows = [quiz(n, label=["A", "C"] if n % 2 else ["B"]) for n in range(6)]

    with pytest.raises(UsageError, match="3 of 6 rows have several right choices"):
        propose(lines(tmp_path / "x.jsonl", rows))


def test_columns_that_are_empty_everywhere_are_none(tmp_path: Path):
    """AGIEval writes label and options into its cloze tasks too, empty."""
    rows = [
        {"question": f"q{n}", "options": None, "label": None, "answer": f"x{n}"} for n in range(9)
    ]

    task, instances, _ = read(lines(tmp_path / "x.jsonl", rows))

    assert (task.kind, instances[4].references) == ("generate", ("x4",))


def test_numbers_are_compared_as_numbers(tmp_path: Path):
    """Also where some answers are intervals: a comma there parts no two answers."""
    rows = [{"question": f"q{n}", "lSolutions": [n + 0.0]} for n in range(9)]
    some = [{"question": f"q{n}", "answer": str(n)} for n in range(9)] + [
        {"question": "q", "answer": text} for text in ("[3, 4]", "[5,5 \\sqrt{2}]")
    ]

    task, instances, _ = read(lines(tmp_path / "x.jsonl", rows))
    mixed, others, _ = read(lines(tmp_path / "y.jsonl", some))

    assert (task.metric, instances[3].references) == ("math_match", ("3",))
    assert mixed.metric == "math_match"
    assert [one.references for one in others[-2:]] == [("[3, 4]",), ("[5,5 \\sqrt{2}]",)]


def test_answers_of_several_lines_are_compared_by_their_words(tmp_path: Path):
    """No answer of a model would be the same to the letter; in a list written as text too."""
    plain = [{"question": f"q{n}", "answer": f"1. a{n}\n2. b"} for n in range(6)]
    listed = [{"question": f"q{n}", "answer": json.dumps([f"1. a{n}\n2. b"])} for n in range(6)]

    for name, rows in (("x", plain), ("y", listed)):
        task, instances, _ = read(lines(tmp_path / f"{name}.jsonl", rows))
        assert (task.metric, instances[1].references) == ("rouge_l", ("1. a1\n2. b",))


def test_the_answer_behind_a_mark_is_found(tmp_path: Path):
    """As GSM8K writes it."""
    rows = [{"question": f"q{n}", "answer": f"It is so.\n#### {n}"} for n in range(9)]

    task, instances, told = read(lines(tmp_path / "x.jsonl", rows))

    assert (task.metric, instances[2].references) == ("math_match", ("2",))
    assert "the answer stands behind ####" in told


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.csv", "question;answer\n" + "".join(f"q{n};{'ab'[n % 2]}\n" for n in range(8))),
        ("x.tsv", "question\tanswer\n" + "".join(f'"q{n}" is\t{"ab"[n % 2]}\n' for n in range(8))),
        ("x.json", json.dumps({"note": 1, "examples": [{"question": f"q{n}", "answer": "ab"[n % 2]} for n in range(8)]})),  # noqa: E501
    ],
)  # fmt: skip
def test_odd_files_are_read_by_trying(name: str, text: str, tmp_path: Path):
    """Semicolons, quotes that are letters, rows under some key;
    what it took is in the task file.
    """
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")

    task, instances, told = read(path)

    assert (task.labels, len(instances)) == (("a", "b"), 8)
    assert any(line.startswith("read with ") for line in told)


def test_a_file_without_header_is_read_with_one(tmp_path: Path, capsys: pytest.CaptureFixture):
    """The message that cannot tell the columns names the option that does."""
    path = tmp_path / "x.tsv"
    path.write_text("".join(f"q{n}\t{'ab'[n % 2]}\tsince\n" for n in range(8)), encoding="utf-8")

    assert invoke(["tasks", "from-table", str(path)]) == 2
    assert "--header where the first line names no columns" in capsys.readouterr().err
    header = "question,answer,rationale"
    assert invoke(["tasks", "from-table", str(path), "--header", header]) == 0
    assert "reads 8 instances" in capsys.readouterr().out


def test_a_header_that_does_not_fit_is_refused(tmp_path: Path):
    """Too few names, and names for a file that has them in every row."""
    path = tmp_path / "x.csv"
    path.write_text("q1,a,b\nq2,c,d\n", encoding="utf-8")

    with pytest.raises(CatalogError, match=r"x\.csv:1: has 3 cells, the header has 2"):
        propose(path, header=["question", "answer"])
    with pytest.raises(UsageError, match="names its columns in every row"):
        propose(lines(tmp_path / "y.jsonl", [quiz(0)]), header=["question"])


@pytest.mark.parametrize(
    ("content", "reader"),
    [
        ({"Definition": ["x"], "Instances": []}, "superni"),
        ({"canary": "x", "name": "y", "examples": [{"input": "a", "target": "b"}]}, "bigbench"),
        ({"version": "v2.0", "data": [{"paragraphs": []}]}, "squad"),
    ],
)
def test_published_documents_name_their_reader(content: dict, reader: str, tmp_path: Path):
    """A table is not what they are, and another reader knows them."""
    path = tmp_path / "task.json"
    path.write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(UsageError, match=f"reader: {reader}"):
        propose(path)


def test_examples_with_scored_texts_are_choices(tmp_path: Path):
    """A list of BIG-bench's examples without their document: the text with 1 is right."""
    rows = [{"input": f"i{n}", "target_scores": {"yes": n % 2, "no": 1 - n % 2}} for n in range(8)]

    _, instances, _ = read(lines(tmp_path / "x.jsonl", rows))

    assert [one.choices[one.target or 0] for one in instances] == ["no", "yes"] * 4


def test_a_passage_its_question_and_their_choices_run_as_they_are_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    """The wording that is begun shows the passage before the question and the choices behind it."""
    rows = [
        {"question": f"q{n}", "passage": f"P{n}", "options": ["x", "y"], "label": n % 2}
        for n in range(4)
    ]
    path = lines(tmp_path / "x.jsonl", rows)

    assert invoke(["tasks", "from-table", str(path)]) == 0
    task, wordings = path.with_suffix(".yaml"), tmp_path / "x_phrasings.yaml"
    assert invoke(["phrasings", "new", str(task), "--out", str(wordings)]) == 0
    capsys.readouterr()
    assert invoke(["prompts", str(task), "-n", "1"]) == 0
    assert "Passage: P0\nq0\nA. x\nB. y\nAnswer:" in capsys.readouterr().out
