"""The shapes that published tables keep choices, answers and rows in; all files are made here."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from evalkit.catalog import load_instances
from evalkit.catalog.checking import check_paths
from evalkit.errors import CatalogError

ROW = {"question": "Q?", "target": "B"}
"""A row without choices."""


def read(task_over: Any, folder: Path, row: Any, name: str = "x.jsonl", **rest: Any) -> Any:
    """Return the instances of a file of one row, or of the content given."""
    content = json.dumps(row) if isinstance(row, dict) else row
    columns = {"choices": "choices", **rest.pop("columns", {})}
    options = {"columns": columns, **rest.pop("options", {})}
    return load_instances(task_over("table", name, content, options=options, **rest), folder)


@pytest.mark.parametrize(
    ("choices", "target_is", "answer"),
    [
        ({"text": ["yes", "no"], "label": ["A", "B"]}, "letter", "B"),
        ({"text": ["yes", "no"], "label": ["1", "2"]}, "letter", "2"),
        ({"text": ["yes", "no"], "label": ["1", "2"]}, "label", 2),
        ({"choices": ["yes", "no"], "labels": ["x", "y"]}, "label", "y"),
        ({"A": "yes", "B": "no"}, "letter", "B"),
        ({"A": "yes", "B": "no", "C": None}, "letter", "B"),
        ({"opa": "yes", "opb": "no"}, "label", "opb"),
        ([{"label": "A", "text": "yes"}, {"label": "B", "text": "no"}], "letter", "B"),
        ([{"text": "yes"}, {"text": "no"}], "index", 1),
        ('["yes", "no"]', "index", 1),
        ("['yes', 'no']", "index", 1),
        ("['yes', \"no\"]", "text", "no"),
        ('{"A": "yes", "B": "no"}', "letter", "b"),
        (["yes", "no"], "mask", [0, 1]),
    ],
)
def test_choices_are_found_in_every_shape(
    choices: Any, target_is: str, answer: Any, task_over: Any, tmp_path: Path
) -> None:
    """Nested, by letter, as objects, as a list written in JSON or Python, marked by a mask."""
    row = {**ROW, "choices": choices, "target": answer}

    (item,) = read(task_over, tmp_path, row, options={"target_is": target_is})

    assert (item.choices, item.target, item.references) == (("yes", "no"), 1, ("no",))


@pytest.mark.parametrize(
    ("choices", "target_is", "answer", "message"),
    [
        ({"text": ["a", "b"], "label": ["A"]}, "letter", "A", "have 2 texts and 1 labels"),
        ({"text": ["a", "b"], "label": ["1", "2"]}, "letter", "A", "names none of 2 choices"),
        ([{"answer": "a"}, {"answer": "b"}], "index", 0, "objects with answer; a text under one"),
        ({"A": {"x": 1}, "B": "b"}, "letter", "B", "choice 'A' holds dict"),
        ("['a' 'b']", "index", 0, "no commas stand between its texts"),
        ("[a, b]", "index", 0, "is not a list in JSON"),
        (["a", "b"], "mask", [1, 1], "is no list of one 1 and 1 times 0"),
        (["a", "b"], "mask", [1, 0, 0], "is no list of one 1 and 1 times 0"),
        (["a", "b"], "mask", 1, "is no list of one 1"),
        (["a", "b"], "index", -1, "hidden by its publishers"),
        (["a", "b"], "letter", "", "hidden by its publishers"),
        (["a", "b"], "label", "a", r"names none of 2 choices \(read as label\)"),
    ],
)
def test_what_names_no_choice_is_refused_with_file_and_line(
    choices: Any, target_is: str, answer: Any, message: str, task_over: Any, tmp_path: Path
) -> None:
    """Whatever shape the choices have."""
    row = {**ROW, "choices": choices, "target": answer}

    with pytest.raises(CatalogError, match=r"x\.jsonl:1: .*" + message):
        read(task_over, tmp_path, row, options={"target_is": target_is})


def test_the_choices_of_a_path_and_their_labels_may_stand_apart(
    task_over: Any, tmp_path: Path
) -> None:
    """A path through a list gives what each item has; labels have a column of their own."""
    row = {
        "question": {
            "stem": "Q?",
            "choices": [{"para": "yes", "mark": "P"}, {"para": "no", "mark": "R"}],
        },
        "answerKey": "R",
        "where.from": "here",
    }
    columns = {
        "question": "question.stem",
        "choices": "question.choices.para",
        "labels": "question.choices.mark",
        "target": "answerKey",
        "id": "where.from",
    }

    (item,) = read(task_over, tmp_path, row, columns=columns, options={"target_is": "label"})

    assert (item.id, item.fields["question"], item.choices, item.target) == (
        "here",
        "Q?",
        ("yes", "no"),
        1,
    )


def test_of_several_paths_the_first_that_a_row_has_counts(task_over: Any, tmp_path: Path) -> None:
    """So that one task reads a benchmark as published and as a hub keeps it."""
    columns = {"question": "question.stem | question", "target": "KEY | answer"}
    rows = [
        {"question": {"stem": "Q"}, "KEY": 0, "choices": ["a", "b"]},
        {"question": "R", "answer": 1, "choices": ["a", "b"]},
    ]

    found = read(
        task_over,
        tmp_path,
        "\n".join(map(json.dumps, rows)),
        columns=columns,
        options={"target_is": "index"},
    )

    assert [(item.fields["question"], item.target) for item in found] == [("Q", 0), ("R", 1)]
    with pytest.raises(CatalogError, match="has no column 'nor'"):
        read(task_over, tmp_path, rows[1], columns={"question": "none | nor"})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("context.title", "'context' of it has contexts, labels"),
        ("context.contexts.7", "'context.contexts' has 2 items, the one at 7"),
        ("question.text", "'question' holds str 'Q', which has no 'text'"),
        ("nothing", "it has question, context"),
    ],
)
def test_a_path_that_leads_nowhere_says_what_is_there(
    path: str, message: str, task_over: Any, tmp_path: Path
) -> None:
    """At the place where it ends."""
    row = {"question": "Q", "context": {"contexts": ["a", "b"], "labels": []}, "target": "x"}

    with pytest.raises(CatalogError, match=message):
        read(
            task_over,
            tmp_path,
            row,
            columns={"question": path},
            kind="generate",
            metric="exact_match",
        )


def test_a_field_is_a_template_of_columns_and_a_list_is_its_lines(
    task_over: Any, tmp_path: Path
) -> None:
    """Premise and hypothesis in one question; paragraphs of a passage."""
    row = {"p": "Rain.", "h": {"text": "Wet."}, "ctx": ["one", "two"], "choices": ["a", "b"]}
    columns = {"question": "Premise: {{ p }}\nClaim: {{h.text}}", "passage": "ctx", "target": "t"}

    (item,) = read(
        task_over,
        tmp_path,
        {**row, "t": 0},
        columns=columns,
        options={"target_is": "index"},
        fields=("question", "passage"),
    )

    assert dict(item.fields) == {"question": "Premise: Rain.\nClaim: Wet.", "passage": "one\ntwo"}


@pytest.mark.parametrize("names", [["yes", "no"], {0: "yes", 1: "no"}, {"0": "yes", "1": "no"}])
def test_codes_of_labels_have_names(names: Any, task_over: Any, tmp_path: Path) -> None:
    """As a list from 0, or as a mapping; a hidden code is said to be one."""
    options = {"columns": {}, "names": names}
    rows = [{"question": "Q", "target": code} for code in (1, 0)]

    def over(content: list[Any]) -> list[str]:
        task = task_over("table", "x.json", content, options=options, labels=("no", "yes"))
        return [one.references[0] for one in load_instances(task, tmp_path)]

    assert over(rows) == ["no", "yes"]
    assert over([{"question": "Q", "target": "yes"}]) == ["yes"]
    with pytest.raises(CatalogError, match=r"x\.json:1: answer '-1' has no name; .*names has 0, 1"):
        over([{"question": "Q", "target": -1}])


def test_answers_behind_a_mark_are_read_and_missing_marks_named(
    task_over: Any, tmp_path: Path
) -> None:
    """A worked solution that ends in its answer."""

    def over(answer: str) -> Any:
        options = {"columns": {"target": "answer"}, "after": "####"}
        row = json.dumps({"question": "Q", "answer": answer})
        task = task_over(
            "table", "x.jsonl", row, options=options, kind="generate", metric="math_match"
        )
        return load_instances(task, tmp_path)[0].references

    assert over("2 * 617 = 1234\n#### 1,234") == ("1,234",)
    with pytest.raises(CatalogError, match="has no '####', behind which the answer stands"):
        over("It is 1,234.")


def test_several_columns_make_an_id_where_one_repeats(task_over: Any, tmp_path: Path) -> None:
    """A question has several answers under its id."""
    lines = [
        {"q": 7, "a": "x", "question": "Q1", "choices": ["a", "b"], "target": 0},
        {"q": 7, "a": "y", "question": "Q2", "choices": ["a", "b"], "target": 1},
    ]
    options = {"target_is": "index"}

    found = read(
        task_over, tmp_path, "\n".join(map(json.dumps, lines)), options=options,
        columns={"id": ["q", "a"]},
    )  # fmt: skip

    assert [item.id for item in found] == ["7/x", "7/y"]
    with pytest.raises(CatalogError, match=r"stands twice.*id: \[a, b\]"):
        read(
            task_over, tmp_path, "\n".join(map(json.dumps, lines)), options=options,
            columns={"id": "q"},
        )  # fmt: skip


def test_only_the_rows_asked_for_are_read_and_factors_kept(task_over: Any, tmp_path: Path) -> None:
    """One category of a file of several; what differs between rows stands in the tables."""
    rows = [
        {"question": "Q", "target": 0, "choices": ["a", "b"], "category": kind, "level": level}
        for kind, level in (("x", 1), ("y", 1), ("x", 2))
    ]
    options = {
        "columns": {"choices": "choices"},
        "target_is": "index",
        "only": {"category": "x"},
        "factors": {"level": "level"},
    }

    found = load_instances(task_over("table", "x.json", rows, options=options), tmp_path)

    assert [dict(item.factors) for item in found] == [{"level": "1"}, {"level": "2"}]


def test_a_right_answer_that_always_stands_first_is_moved(task_over: Any, tmp_path: Path) -> None:
    """To a place drawn from the row itself, so that the place tells nothing and every run
    agrees.
    """
    rows = [
        {"question": f"Q{n}", "right": "r", "w1": "a", "w2": "b", "w3": "c"} for n in range(200)
    ]
    options = {
        "columns": {"choices": ["right", "w1", "w2", "w3"]},
        "target_is": "first",
        "shuffle": True,
    }
    task = task_over("table", "x.json", rows, options=options)

    found = load_instances(task, tmp_path)
    places = [item.target for item in found]

    assert all(item.choices[item.target or 0] == "r" for item in found)
    assert all(35 <= places.count(place) <= 65 for place in range(4))
    assert places == [item.target for item in load_instances(task, tmp_path)]


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("x.json", '{"question": "Q", "target": "x"}\n{"question": "R", "target": "y"}\n', {}),
        ("x.json", '{"question": ["Q", "R"], "target": ["x", "y"]}', {}),
        (
            "x.json",
            '{"question": {"0": "Q", "1": "R"}, "target": {"0": "x", "1": "y"}}',
            {},
        ),
        ("x.json", '{"77": {"question": "Q", "target": "x"}, "5": {"question": "R", "target": "y"}}', {}),  # noqa: E501
        ("x.json", (
            '{"version": 1, "data": [{"question": "Q", "target": "x"}, {"question": "R", '
            '"target": "y"}]}'
            ), {}),
        ("x.json", (
            '{"train": [], "test": [{"question": "Q", "target": "x"}, {"question": "R", "target": '
            '"y"}]}'
            ), {"under": "{split}"}),
        ("x.tsv", "question\ttarget\nQ\tx\nR\ty\n", {}),
        ("x.tsv", "Q\tx\nR\ty\n", {"header": ["question", "target"]}),
        ("x.csv", "question;target\nQ;x\nR;y\n", {"delimiter": ";"}),
        ("x.txt", "Q@x\r\n\r\nR@y\r\n", {"header": ["question", "target"], "delimiter": "@"}),
        ("x.csv", "question,target\n\u2019".replace("\u2019", "Q,x\nR,y\n"), {"encoding": "cp1252"}),  # noqa: E501
    ],
)  # fmt: skip
def test_rows_are_found_in_every_layout(
    name: str, content: str, options: dict[str, Any], task_over: Any, tmp_path: Path
) -> None:
    """JSON Lines under the name .json, columns, an object of rows, splits, other delimiters."""
    found = load_instances(
        task_over("table", name, content, options=options, labels=("x", "y")), tmp_path
    )

    assert [(item.fields["question"], item.references) for item in found] == [
        ("Q", ("x",)),
        ("R", ("y",)),
    ]


def test_a_text_file_splits_from_the_end_in_its_own_encoding(
    task_over: Any, tmp_path: Path
) -> None:
    """A sentence may hold the mark that stands before its label,
    and letters of another encoding.
    """
    content = "Pay @ 5 \u20ac or m\u00e4h@positive\n".encode("cp1252")
    options = {"header": ["question", "target"], "delimiter": "@", "encoding": "cp1252"}
    task = task_over("table", "x.txt", content, options=options, labels=("positive", "negative"))

    assert load_instances(task, tmp_path)[0].fields["question"] == "Pay @ 5 \u20ac or m\u00e4h"
    with pytest.raises(CatalogError, match=r"x\.txt:1: byte 0x80 is not UTF-8"):
        load_instances(
            task_over("table", "x.txt", content, options={**options, "encoding": "utf-8"}), tmp_path
        )
    with pytest.raises(CatalogError, match=r"x\.txt:2: has 1 cells, 2 are expected"):
        load_instances(
            task_over("table", "x.txt", "a@positive\nno label\n", options=options), tmp_path
        )


@pytest.mark.parametrize("rows_of_a_group", [1, 2])
def test_nested_columns_of_parquet_are_read(
    rows_of_a_group: int, task_over: Any, tmp_path: Path
) -> None:
    """As the hub keeps them: lists in objects, letters that only some rows have, groups of rows."""
    rows = [
        {"question": "Q", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "B"},
        {"question": "R", "choices": {"text": ["c", "d", "e"], "label": ["1", "2", "3"]}, "answerKey": "1"},  # noqa: E501
    ]  # fmt: skip
    buffer = io.BytesIO()
    table = pyarrow.Table.from_pylist(rows)
    parquet.write_table(table, buffer, row_group_size=rows_of_a_group)

    found = read(
        task_over,
        tmp_path,
        buffer.getvalue(),
        "x.parquet",
        columns={"target": "answerKey"},
        options={"target_is": "letter"},
    )

    assert [(item.choices, item.references) for item in found] == [
        (("a", "b"), ("b",)),
        (("c", "d", "e"), ("c",)),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colums": {}}, "source.options.colums is not known to the reader table"),
        ({"shuffle": "yes"}, "source.options.shuffle is .yes.; accepted: true or false"),
        ({"header": "a"}, "source.options.header is .a.; accepted: a list of texts"),
        ({"only": ["a"]}, "source.options.only is"),
        ({"encoding": "utf-7"}, "encoding is 'utf-7'; accepted: utf-8, latin-1, cp1252"),
        ({"under": "rows"}, "has nothing under 'rows'; it has question"),
    ],
)
def test_an_option_that_is_wrong_is_named(
    options: dict[str, Any], message: str, task_over: Any, tmp_path: Path
) -> None:
    """And what is accepted."""
    with pytest.raises(CatalogError, match=message):
        load_instances(
            task_over("table", "x.json", {"question": {}}, options=options, labels=("x", "y")),
            tmp_path,
        )


def test_a_text_file_without_columns_says_what_it_needs(task_over: Any, tmp_path: Path) -> None:
    """Nothing in it tells where a label begins."""
    with pytest.raises(CatalogError, match=r"source\.options\.header and .*delimiter are expected"):
        load_instances(task_over("table", "x.txt", "a@b", labels=("b", "c")), tmp_path)


def test_check_names_every_row_without_a_label(tmp_path: Path) -> None:
    """With file and line, all at once, before anything is asked."""
    rows = [{"question": f"Q{n}", "label": label} for n, label in enumerate((0, -1, 1, None, 3))]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "t.yaml").write_text(
        "name: t\nbenchmark: own\nreader: table\nlabels: [no, yes]\n"
        "source:\n  local: x.jsonl\n  options: {columns: {target: label}, names: [no, yes]}\n"
    )

    _, problems = check_paths([tmp_path / "t.yaml"], tmp_path)

    assert [problem.split(": ")[0].rpartition("/")[2] for problem in problems] == [
        "x.jsonl:2",
        "x.jsonl:4",
        "x.jsonl:5",
    ]
    assert "hidden by its publishers" in problems[0]
