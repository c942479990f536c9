"""Rows of tuning sets in every accepted form, and malformed files."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from evalkit.catalog.library.training import flatten, training_rows
from evalkit.errors import DataMissingError, UsageError

ROWS = [{"instruction": "do this", "output": "done"}, {"instruction": "do that", "output": "yes"}]


def write(path, rows):
    """Write rows in the form the name asks for."""
    if path.name.endswith(".jsonl"):
        path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    elif path.name.endswith(".jsonl.gz"):
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=1))
    elif path.suffix in {".csv", ".tsv"}:
        mark = "," if path.suffix == ".csv" else "\t"
        path.write_text("\n".join([mark.join(rows[0]), *(mark.join(row.values()) for row in rows)]))
    else:
        parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.csv", "a.tsv", "a.parquet"])
def test_every_form_gives_the_same_rows(tmp_path, name):
    """Texts of a row are joined by line ends, and rows are counted from 1."""
    path = write(tmp_path / name, ROWS)

    assert list(training_rows(str(path))) == [
        (f"{path}:1", "do this\ndone"),
        (f"{path}:2", "do that\nyes"),
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_only_the_named_fields_are_read(tmp_path, name):
    """Other fields of a row are left out."""
    path = write(tmp_path / name, ROWS)

    assert [text for _, text in training_rows(str(path), fields=["instruction"])] == [
        "do this",
        "do that",
    ]


def test_chat_messages_are_flattened_at_any_depth():
    """Turns of a conversation come in order; a named field covers all below it."""
    row = {
        "id": "7",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {"role": "assistant", "content": "ho"},
        ],
    }

    assert list(flatten(row, frozenset({"content"}))) == ["text", "hi", "ho"]
    assert list(flatten({"a": 1, "b": None, "c": ["x", {"d": "y"}]})) == ["x", "y"]


def test_a_folder_is_read_file_by_file_in_order(tmp_path):
    """Files of known forms are read in order of name, others are left alone."""
    write(tmp_path / "b.jsonl", ROWS[:1])
    write(tmp_path / "a.parquet", ROWS[1:])
    (tmp_path / "README.md").write_text("no")

    assert [text for _, text in training_rows(str(tmp_path))] == ["do that\nyes", "do this\ndone"]


def test_json_lines_under_the_name_json_are_read(tmp_path):
    """Some sets call JSON lines .json."""
    path = tmp_path / "a.json"
    path.write_text("\n".join(map(json.dumps, ROWS)))

    assert len(list(training_rows(str(path)))) == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"a": "x"}\n{"a": \n', r"a\.jsonl:2: is not JSON"),
        ("a.jsonl", b'{"a": ' + b"[" * 100_000 + b"\n", r"a\.jsonl:1: is not JSON"),
        ("a.json", b'{"a": [1], "b": [2]}', r"none of 1 rows has text; fields there: a, b"),
        ("a.json", b"[1, 2", r"a\.json: is not JSON"),
        ("a.parquet", b"PAR0", r"a\.parquet: is not a Parquet file"),
        ("a.csv", b"\xff\xfe,b\n1,2\n", r"a\.csv: is not a table in UTF-8"),
        ("a.jsonl.gz", b"not gzip", r"a\.jsonl\.gz: cannot be read"),
        ("a.jsonl", b'{"n": 1}\n', r"none of 1 rows has text; fields there: n"),
    ],
)
def test_malformed_files_are_refused_with_their_line(tmp_path, name, content, message):
    """A broken row stops the search: labels from half a tuning set would lie."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises((UsageError, DataMissingError), match=message):
        list(training_rows(str(path)))


def test_an_unknown_field_names_those_there(tmp_path):
    """A misspelt field is an error, not an empty tuning set."""
    path = write(tmp_path / "a.jsonl", ROWS)
    with pytest.raises(
        UsageError,
        match=r"none of 2 rows has field promt; fields there: instruction, output. Name one of them",  # noqa: E501
    ):
        list(training_rows(str(path), fields=["promt"]))


def test_a_missing_file_is_not_taken_for_a_hub_id(tmp_path):
    """A path that is not there is said to be so, without asking the network."""
    with pytest.raises(DataMissingError, match="no such file or folder"):
        list(training_rows(str(tmp_path / "gone.jsonl")))


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    """A huge line is refused before it fills memory."""
    monkeypatch.setattr("evalkit.catalog.library.training.MAX_LINE", 100)
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": "' + "x" * 200 + '"}\n')
    with pytest.raises(UsageError, match=r"a\.jsonl:1: line is longer than 100 bytes"):
        list(training_rows(str(path)))
