"""A third campaign: what says two things at once, what loses letters or digits on the way,
and tables and servers beyond measure.

Every fault is named by its test's id; what held already stands beside what was found.
"""

from __future__ import annotations

import gzip
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from misbehaving_server import (  # noqa: F401 - fixtures
    ASKED,
    CHOICE,
    Handler,
    answers,
    body,
    chat_body,
    open_backend,
    raw,
    server,
)

from evalkit.backends.openai.alternatives import top_scores
from evalkit.backends.openai.settings import read_settings
from evalkit.catalog.checking import check_paths
from evalkit.catalog.instances import read_instances
from evalkit.catalog.opening import parse_json
from evalkit.catalog.score_tables import Told, read_score_table
from evalkit.catalog.tasks import read_task_file
from evalkit.catalog.two_columns import read_pairs
from evalkit.errors import BackendError, EvalkitError, TableError
from evalkit.records import Instance, ModelSpec

ROW = {"id": "1", "question": "Which?", "target": "A"}
LINE = json.dumps(ROW)


def rows(folder: Path, name: str, content: bytes | str) -> list[Instance] | str:
    """Instances of a task over a file, or what is wrong with them; `check` says the same."""
    path = folder / "data" / name
    path.parent.mkdir()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    task = {
        "name": "t",
        "benchmark": "own",
        "reader": "bbh" if path.suffix == ".json" else "table",
        "kind": "generate",
        "metric": "exact_match",
        "source": {"local": name},
    }
    (folder / "t.yaml").write_text(json.dumps(task))
    found: list[Instance] | str
    try:
        found = read_instances(read_task_file(folder / "t.yaml"), path.parent)[0]
    except EvalkitError as error:
        found = str(error)
    _, problems = check_paths([folder / "t.yaml"], path.parent)
    assert problems == (found.split("\n") if isinstance(found, str) else [])
    return found


def parquet(table: pa.Table) -> bytes:
    """The bytes of a Parquet file."""
    content = io.BytesIO()
    pq.write_table(table, content)
    return content.getvalue()


def twice(*names: str) -> pa.Table:
    """A table with a row of letters under any names."""
    return pa.Table.from_arrays([pa.array([chr(65 + at)]) for at in range(len(names))], names)


REFUSED: dict[str, tuple[str, Any, str]] = {
    "a name twice in a row": ("x.jsonl", LINE[:-1] + ', "target": "B"}', "'target' twice"),
    "a name twice in a document": ("x.json", '{"examples": [], "examples": [1]}', "twice"),
    "a column twice in Parquet": ("x.parquet", parquet(twice(*ROW, "target")), "'target' twice"),
    "files put together, header and all": ("x.csv", "question,target\n" * 2 + "a,b\n", "header"),
    "a filler of Hangul for an answer": ("x.jsonl", LINE.replace('"A"', '"\u3164"'), "empty"),
    "a blank of Braille for a question": ("x.jsonl", LINE.replace("Which?", "\u2800"), "empty"),
    "an open quote over the last rows": ("x.csv", 'question,target\n"a,b\nc,d\n', "end of data"),
    "bytes for a text": ("x.parquet", parquet(pa.table({**{"question": [b"q"]}, "target": ["A"]})), "bytes"),  # noqa: E501
    "two rows in a line": ("x.jsonl", LINE + LINE, "Extra data"),
    "packed twice": ("x.jsonl.gz", gzip.compress(gzip.compress(LINE.encode())), "not UTF-8"),
    "packed with something behind": ("x.jsonl.gz", gzip.compress(LINE.encode()) + b"!", "cut short"),  # noqa: E501
    "a list in a list for an answer": ("x.jsonl", LINE.replace('"A"', '[["A"]]'), "a list holds"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED, ids=str)
def test_rows_that_say_two_things_or_nothing_are_refused(tmp_path: Path, fault: str) -> None:
    """By name, by `check` as by a run; nothing takes the last word for the right one."""
    name, content, said = REFUSED[fault]
    found = rows(tmp_path, name, content)

    assert isinstance(found, str)
    assert said in found


@pytest.mark.parametrize(
    ("number", "reference"),
    [("12345678901234567890.5", "12345678901234567890.5"), ("9007199254740993.0", "9007199254740993.0"), ("1e20", "100000000000000000000"), ("0.1", "0.1"), ("2.50", "2.5")],  # noqa: E501
)  # fmt: skip
def test_a_number_that_would_lose_digits_keeps_its_text(
    tmp_path: Path, number: str, reference: str
) -> None:
    """Python's floats hold 53 bits; an answer of more would be another number."""
    found = rows(tmp_path, "x.jsonl", LINE.replace('"A"', number))

    assert [one.references for one in found if isinstance(one, Instance)] == [(reference,)]


def test_a_name_that_stands_twice_with_one_value_says_one_thing() -> None:
    """Equal values contradict nothing."""
    assert parse_json('{"a": 1, "a": 1}') == {"a": 1}


CELLS = {
    "model": ["m"] * 4, "task": ["t"] * 4, "phrasing_id": ["p0", "p0", "p1", "p1"],
    "instance_id": ["i0", "i1"] * 2, "score": [1.0, 0.0, 0.0, 1.0],
}  # fmt: skip


def csv(**changed: list[Any]) -> bytes:
    """A score table with other cells in some columns."""
    columns = CELLS | changed
    cells = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in cells)]
    return "\n".join(lines).encode()


WIDE = ",".join([*CELLS, *(f"c{n}" for n in range(2000))]).encode() + b"\n"
TABLES: dict[str, tuple[str, bytes, str]] = {
    "a blank behind a phrasing": ("x.csv", csv(phrasing_id=["p0", "p0 ", "p1", "p1"]), "cannot be seen"),  # noqa: E501
    "an unseen letter in an instance": ("x.csv", csv(instance_id=["i0", "i1", "i\u200b0", "i1"]), "cannot be seen"),  # noqa: E501
    "a name composed in two ways": ("x.csv", csv(task=["\u00e9", "e\u0301", "\u00e9", "\u00e9"]), "cannot be seen"),  # noqa: E501
    "a column per instance": ("x.csv", WIDE, "has 2005 columns"),
    "lists for ids": ("x.parquet", parquet(pa.table({**CELLS, "instance_id": [["a"]] * 4})), "lists or objects"),  # noqa: E501
    "objects for tasks": ("x.parquet", parquet(pa.table({**CELLS, "task": [{"a": 1}] * 4})), "lists or objects"),  # noqa: E501
    "a column twice": ("x.parquet", parquet(pa.table(CELLS).append_column("score", pa.array([0.0] * 4))), "twice"),  # noqa: E501
    "a number with an underscore": ("x.csv", csv(score=["1_0", 0, 0, 1]), "no number"),
    "a number in other digits": ("x.csv", csv(score=["١", 0, 0, 1]), "no number"),
    "a number beyond measure": ("x.csv", csv(score=["1e400", 0, 0, 1]), "outside"),
}  # fmt: skip


@pytest.mark.parametrize("fault", TABLES, ids=str)
def test_a_score_table_that_would_be_read_as_another_is_refused(tmp_path: Path, fault: str) -> None:
    """Two spellings of one phrasing are no two phrasings,
    and no table takes minutes to be refused.
    """
    from evalkit.scoring.table import ScoreTable

    name, content, said = TABLES[fault]
    (tmp_path / name).write_bytes(content)

    with pytest.raises(TableError, match=said):
        ScoreTable.from_frame(read_score_table(tmp_path / name).frame, origin=name)


def test_columns_of_lists_that_are_none_of_ours_are_left_out(tmp_path: Path) -> None:
    """Somebody's log-probabilities beside the scores do no harm."""
    table = pa.table({**CELLS, "logprobs": [[-1.0, -2.0]] * 4})
    (tmp_path / "x.parquet").write_bytes(parquet(table))

    assert "logprobs" not in read_score_table(tmp_path / "x.parquet").frame


MAPPED = Told(renamed={"model": "'m'", "task": "'t'", "phrasing_id": "p", "score": "s"})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", b"p,s,s\na,1,0\n", "occurs twice"),
        ("x.csv", b'p,s\n"a,1\n', "cut short or ragged"),
        ("x.csv.gz", gzip.compress(b"p,s\n" + b"a,1\n" * 9)[:-9], "cut short"),
        ("x.jsonl", b'{"p": "a", "s": 1, "s": 0}\n', "'s' twice"),
        ("x.parquet", b"PAR1", "not a Parquet file"),
    ],
)
def test_a_table_with_other_names_is_read_as_carefully(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    """``--map`` changes names, not what is accepted."""
    (tmp_path / name).write_bytes(content)

    with pytest.raises(TableError, match=said):
        read_score_table(tmp_path / name, MAPPED)


@pytest.mark.parametrize(
    "content", [b"attacked_id,reference_id\n\xe9,b\n", b'attacked_id,reference_id\n"a,b\n']
)
def test_pairs_in_no_utf_8_or_cut_short_are_refused(tmp_path: Path, content: bytes) -> None:
    """One message with the file."""
    (tmp_path / "pairs.csv").write_bytes(content)

    with pytest.raises(TableError, match=r"pairs\.csv"):
        read_pairs(tmp_path / "pairs.csv")


WHOLE = json.dumps(chat_body("Paris")).encode()


def coded(status: int, content: bytes = WHOLE) -> Callable[[Handler, dict[str, Any]], None]:
    """Answer with a status."""
    return lambda handler, _: handler.send(status, content.decode())


LOST = {
    "letters of another encoding": raw(WHOLE.replace(b"Paris", b"Orl\xe9ans")),
    "a text twice": raw(WHOLE.replace(b'"Paris"', b'"Paris", "content": "London"')),
    "answers twice": raw(WHOLE[:-1] + b', "choices": []}'),
    "packed in packed": raw(gzip.compress(gzip.compress(WHOLE)), content_encoding="gzip, gzip"),
    "part of an answer": coded(206),
    "accepted, not answered": coded(202),
    "no content": coded(204, b""),
}


@pytest.mark.parametrize("fault", LOST, ids=str)
def test_an_answer_that_cannot_be_read_as_one_is_missing(
    server: Any,  # noqa: F811
    open_backend: Any,  # noqa: F811
    fault: str,
) -> None:
    """One cell, with a reason; the run goes on."""
    backend = open_backend(tries=1)
    server.standing = LOST[fault]
    (found,) = answers(backend, ASKED)

    assert (found.text, found.logprobs) == (None, ())
    assert found.error


FIRST = {"index": 0, "message": {"content": "Paris"}, "finish_reason": "stop"}
READ = {
    "created": coded(201),
    "from another source": coded(203),
    "the second choice at the front": body(
        {"model": "m", "choices": [{"index": 1, "message": {"content": "London"}}, FIRST]}
    ),
    "more digits than Python converts": raw(WHOLE.replace(b'"prompt_tokens": 7', b'"prompt_tokens": ' + b"7" * 5000)),  # noqa: E501
}  # fmt: skip


@pytest.mark.parametrize("fault", READ, ids=str)
def test_an_answer_beside_something_odd_is_read(
    server: Any,  # noqa: F811
    open_backend: Any,  # noqa: F811
    fault: str,
) -> None:
    """What was said is what counts."""
    backend = open_backend(tries=1)
    server.standing = READ[fault]
    (found,) = answers(backend, ASKED)

    assert (found.text, found.error) == ("Paris", "")


@pytest.mark.parametrize("status", [406, 412, 415, 418, 431])
def test_a_text_that_a_firewall_refuses_ends_no_run(
    server: Any,  # noqa: F811
    open_backend: Any,  # noqa: F811
    status: int,
) -> None:
    """Where a short known prompt is answered, the refusal lies in the text;
    that cell is missing.
    """
    backend = open_backend(tries=1)

    def picky(handler: Handler, sent: dict[str, Any]) -> None:
        refused = ASKED.text in json.dumps(sent)
        handler.send(status if refused else 200, "{}" if refused else WHOLE.decode())

    server.standing = picky
    (found,) = answers(backend, ASKED)

    assert found.text is None
    assert str(status) in found.error


def listed(*pairs: tuple[str, Any]) -> dict[str, Any]:
    """A choice with alternatives of its first token."""
    tops = [{"token": token, "logprob": value} for token, value in pairs]
    return {"logprobs": {"content": [{"token": "B", "logprob": -0.1, "top_logprobs": tops}]}}


@pytest.mark.parametrize(
    "pairs",
    [
        [("B", -0.1)],
        [("A", "-Infinity"), ("B", -0.1)],
        [("x", -1.2), ("y", -1.4), ("B", -2.2)],
        [(" B", -0.1), ("x", -0.1 - 5)],
    ],
    ids=["one alternative", "nothing in words", "listed last", "with a blank"],
)
def test_a_label_that_is_not_listed_never_ties_with_one_that_is(
    pairs: list[tuple[str, Any]],
) -> None:
    """The first label would win a tie, though the server names the second; the bound is one."""
    found = top_scores(listed(*pairs), (" A", " B"))

    assert found is not None
    assert found.bounded
    assert found.logprobs[0] < found.logprobs[1]
    known = [value for _, value in pairs if isinstance(value, float)]
    assert math.exp(found.logprobs[0]) <= 1.0 - math.fsum(map(math.exp, known)) + 1e-9


@pytest.mark.parametrize(
    "pairs", [[("A", -0.01), ("B", -0.02)], [("A", -0.5), ("B", -0.4), ("x", -0.3)]]
)
def test_alternatives_of_more_than_certainty_are_no_log_probabilities(
    server: Any,  # noqa: F811
    open_backend: Any,  # noqa: F811
    pairs: list[tuple[str, float]],
) -> None:
    """Two tokens of 98 % each are scores of something else; the text is read."""
    server.standing = body(chat_body("B", **listed(("A", -2.0), ("B", -0.2))))
    backend = open_backend(tries=1, scoring="auto")
    assert backend.mode.scoring == "top"
    server.standing = body(chat_body("B", **listed(*pairs)))
    (found,) = answers(backend, CHOICE)

    assert (found.logprobs, found.text) == ((), "B")


@pytest.mark.parametrize(
    "part", ["sk-abcdefgh12345678", "hf_abcdefgh12345678", "AIzaSyA1234567890abc", "eyJhbGciOiJIUzI1NiJ9.e30.x", "%73k-abcdefgh12345678"]  # noqa: E501
)  # fmt: skip
def test_a_key_in_the_path_of_an_address_is_refused_unseen(part: str) -> None:
    """It would stand in messages and in the manifest."""
    with pytest.raises(BackendError, match="looks like a key") as refused:
        read_settings(ModelSpec(backend="openai", name=f"m@https://host/{part}/v1"))

    assert part not in str(refused.value)


@pytest.mark.parametrize(
    "path",
    [
        "v1",
        "api/v1/ske-model",
        "serving-endpoints/x",
        "v1/0123456789abcdef0123456789abcdef/gateway/openai",
    ],
)
def test_ordinary_paths_are_no_keys(path: str) -> None:
    """Names of deployments and account numbers stay possible."""
    url = f"https://host/{path}"

    assert read_settings(ModelSpec(backend="openai", name=f"m@{url}")).url == url


def test_the_key_itself_in_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it looks like."""
    from evalkit.backends.openai.backend import OpenAIBackend

    monkeypatch.setenv("OPENAI_API_KEY", "plain-looking-word")
    spec = ModelSpec(backend="openai", name="m@http://127.0.0.1:1/plain-looking-word/v1")

    with pytest.raises(BackendError, match="holds the key of OPENAI_API_KEY") as refused:
        OpenAIBackend(spec)
    assert "plain-looking" not in str(refused.value)
