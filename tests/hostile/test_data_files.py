"""A campaign against data files: every reader, every format, every kind of value, read or refused
by name.

Nothing here may end in another error than evalkit's own, and what `evalkit check` says of a task is
what a run would say before its first request.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.catalog.checking import check_paths
from evalkit.catalog.instances import read_instances
from evalkit.catalog.tasks import read_task_file
from evalkit.errors import DataMissingError, EvalkitError
from evalkit.records import Instance

GLUE = {"kind": "choice", "labels": ["not_entailment", "entailment"]}


def verdict(
    folder: Path, name: str, content: Any, *, reader: str = "table", **rest: Any
) -> list[Instance] | str:
    """Write a data file and a task over it, and return its instances, or what is wrong with them.

    Also checks that `evalkit check` and loading agree.
    """
    path = folder / "data" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    )
    options = rest.pop("options", {"glue": "wnli"} if reader == "glue" else {})
    kind = rest.pop("kind", "generate")
    task = {
        "name": "t",
        "benchmark": "own",
        "reader": reader,
        "kind": kind,
        "metric": "choice_accuracy" if kind == "choice" else "exact_match",
        "source": {"local": name, "options": options},
        **rest,
    }
    (folder / "t.yaml").write_text(json.dumps(task))
    _, problems = check_paths([folder / "t.yaml"], folder / "data")
    wrong: EvalkitError | None = None
    try:
        found, _ = read_instances(read_task_file(folder / "t.yaml"), folder / "data")
    except EvalkitError as error:
        wrong = error
    if wrong is None:
        assert problems == []
        return found
    absent = isinstance(wrong, DataMissingError)  # no mistake of the task
    assert problems == ([] if absent else str(wrong).split("\n"))
    assert wrong.exit_code == (4 if absent else 2)
    return str(wrong)


SHAPES: list[Any] = [
    None, 5, "x", [], {}, [5], {"a": 5}, {"examples": 5}, {"examples": [5]}, {"examples": [{}]},
    {"examples": [{"input": 5}]}, {"examples": [{"input": "x", "target": None}]},
    {"examples": [{"input": "x", "target": []}]}, {"examples": [{"input": ["x"], "target": "y"}]},
    {"examples": [{"input": "x", "target_scores": {"a": "b"}}]},
    {"examples": [{"input": "x", "target_scores": {"a": 1}}]},
    {"examples": [{"input": "x", "target_scores": {"": 1, "b": 0}}]},
    {"examples": [{"input": "", "target": "x"}]}, {"Instances": 5}, {"Instances": [5]},
    {"Instances": [{"input": "x", "output": [5]}]}, {"Instances": [{"input": "x", "output": [""]}]},
    {"Instances": [{"input": "", "output": ["y"]}]}, {"data": 5}, {"data": [5]},
    {"data": [{"paragraphs": 5}]}, {"data": [{"paragraphs": [{"context": "c", "qas": [5]}]}]},
    {"data": [{"paragraphs": [{"context": 5, "qas": [{"id": "a", "question": "q", "answers": []}]}]}]},  # noqa: E501
    {"data": [{"paragraphs": [{"context": "c", "qas": [{"id": "", "question": "q", "answers": []}]}]}]},  # noqa: E501
    {"en-fr": 5}, {"en-fr": [5]}, {"en-fr": [{"en": "x"}]}, {"en-fr": [{"en": "", "fr": ""}]},
    {"xx-yy": [{"xx": "a", "yy": "b"}]}, {"-": [{"": "a"}]}, {"en": []},
]  # fmt: skip
"""Wrong contents of JSON files; no reader may take one for instances."""
READERS = ["bbh", "bigbench", "superni", "squad", "translation", "mmlu", "glue", "math", "table"]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: json.dumps(shape)[:40])
def test_json_of_another_shape_is_refused_by_every_reader(
    reader: str, shape: Any, tmp_path: Path
) -> None:
    """One message that names the file or the task; never instances, never a fault of evalkit."""
    rest = GLUE if reader == "glue" else {}
    found = verdict(tmp_path, "x.json", json.dumps(shape), reader=reader, **rest)

    assert isinstance(found, str)
    assert "x.json" in found or "own/t" in found


BYTES = {
    "empty": b"",
    "no UTF-8": b"\xff\xfe\xfd",
    "bracket": b"[",
    "deep": b'{"a":' * 50_000,
    "number": b"9" * 5000,
    "gzip head": b"\x1f\x8b\x08",
    "zip head": b"PK\x03\x04",
    "parquet head": b"PAR1PAR1",
    "nothing but NUL": b"\x00" * 50,
    "quote": b'"',
}


@pytest.mark.parametrize(
    "suffix",
    ["json", "jsonl", "csv", "tsv", "parquet", "xml", "txt", "gz", "json.gz", "jsonl.zst", "zip"],
)
@pytest.mark.parametrize("content", BYTES.values(), ids=list(BYTES))
def test_bytes_that_are_no_data_are_refused_by_every_reader(
    content: bytes, suffix: str, tmp_path: Path
) -> None:
    """Whatever the ending says."""
    for reader in READERS:
        rest = GLUE if reader == "glue" else {}
        found = verdict(tmp_path, f"x.{suffix}", content, reader=reader, **rest)
        assert isinstance(found, str), reader


UNSEEN: list[Any] = [None, "", " ", "\t\n", "\u00a0", "\u200b", "\x00", "\u2028", float("nan")]
NO_TEXT: list[Any] = [[], {}, ["a", ["b"]], {"a": 1}]


@pytest.mark.parametrize("column", ["id", "question", "target"])
@pytest.mark.parametrize("value", UNSEEN + NO_TEXT, ids=repr)
def test_a_cell_without_text_is_named_with_file_and_line(
    value: Any, column: str, tmp_path: Path
) -> None:
    """As id, as question and as answer, before anything is asked."""
    good = {"id": "a", "question": "q", "target": "y"}
    rows = [good, {**good, "id": "b", column: value}]
    text = "".join(json.dumps(row) + "\n" for row in rows)

    found = verdict(tmp_path, "x.jsonl", text, options={"columns": {"id": "id"}})

    assert isinstance(found, str)
    assert "x.jsonl:2: " in found


@pytest.mark.parametrize("target_is", ["letter", "index", "number", "text"])
@pytest.mark.parametrize(
    "value",
    [*UNSEEN, *NO_TEXT, "²", "٣", "9" * 5000, "C", -1, 2.5, "1e0"],
    ids=lambda v: repr(v)[:12],
)
def test_a_target_that_names_no_choice_is_named_with_file_and_line(
    value: Any, target_is: str, tmp_path: Path
) -> None:
    """Also digits that Python takes for digits and cannot convert, and numbers without end."""
    row = {"question": "q", "choices": ["a", "b"], "target": value}
    options = {"columns": {"choices": "choices"}, "target_is": target_is}

    found = verdict(tmp_path, "x.jsonl", json.dumps(row), options=options, kind="choice")

    assert isinstance(found, str)
    assert "x.jsonl:1: " in found


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ("a,b,,,A", (("a", "b"), "a")),
        ("a,,c,,C", (("a", "c"), "c")),
        (",b,,d,D", (("b", "d"), "d")),
        ("a,b,c,d,a", (("a", "b", "c", "d"), "a")),
        ("a,,,,A", "has 1 choices; two or more"),
        (",,,,A", "names none of 4 choices"),
        ("a,b,,,C", "names none of 4 choices"),
        ("a, ,,,A", "has 1 choices; two or more"),
        ("a,b,c,d,", "names none of 4 choices"),
        ("a,b,c,d,E", "names none of 4 choices"),
    ],
)
def test_an_empty_choice_cell_is_no_choice(cells: str, expected: Any, tmp_path: Path) -> None:
    """It is left out and the target still names the cell it named; one choice is no choice task."""
    options = {"columns": {"choices": ["w", "x", "y", "z"]}, "target_is": "letter"}
    text = f"question,w,x,y,z,target\nq,{cells}\n"

    found = verdict(tmp_path, "x.csv", text, options=options, kind="choice")

    if isinstance(expected, str):
        assert isinstance(found, str)
        assert "x.csv:2: own/t: instance" in found or "x.csv:2: target" in found
        assert expected in found
    else:
        assert isinstance(found, list)
        (item,) = found
        assert (item.choices, item.references[0]) == expected
        assert item.choices[item.target or 0] == expected[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,question,target\n", "no instances were read"),
        ("id,question,target\n1,x,y\n1,z,y\n", "x.csv:3: own/t: instance '1' stands twice, first in"),  # noqa: E501
        ("id,question,target\n1,x,y,z\n", "x.csv:2: has 4 cells, the header has 3"),
        ("id,question,target\n1,x\n", "x.csv:2: has 2 cells, the header has 3"),
        ("id,id,target\n1,2,3\n", "names a column twice"),
        ('id,question,target\n1,"x,y\n', "x.csv:2: is not a table"),
        ("id;question;target\n1;x;y\n", "has no column"),
        ("id,question,target\n1," + "x" * 17_000_000 + ",y\n", "x.csv:2: is not a table"),
    ],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_a_table_that_cannot_be_read_right_is_refused(
    text: str, message: str, tmp_path: Path
) -> None:
    """File and line, and what is wrong."""
    found = verdict(tmp_path, "x.csv", text, options={"columns": {"id": "id"}})

    assert isinstance(found, str)
    assert message in found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": 5}, "source.options.columns is 5; accepted: a mapping"),
        ({"also": "x"}, "source.options.also is"),
        ({"also": [5]}, "source.options.also is"),
        ({"also": ["/etc/passwd"]}, "is absolute"),
        ({"splits": []}, "source.options.splits is"),
        ({"limit": "5"}, "source.options.limit is"),
        ({"limit": 0}, "source.options.limit is"),
        ({"limit": True}, "source.options.limit is"),
        ({"per_module": [1]}, "source.options.per_module is"),
        ({"topics": "x"}, "source.options.topics is"),
        ({"pairs": 5}, "source.options.pairs is"),
        ({"target_is": ["letter"]}, "source.options.target_is is"),
        ({"separator": ""}, "source.options.separator is"),
        ({"github": "o/r/../x"}, "source.options.github is"),
        ({"github": "https://evil"}, "source.options.github is"),
        ({"url": ["x"]}, "source.options.url is"),
    ],
    ids=lambda value: json.dumps(value)[:30],
)
def test_an_option_of_another_kind_is_named_with_its_line(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """Before anything is read, for every option that a reader or a download knows."""
    found = verdict(tmp_path, "x.jsonl", "{}", options=options)

    assert isinstance(found, str)
    assert "t.yaml:1: " in found
    assert message in found
