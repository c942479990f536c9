"""Files from outside: inside their folder, plain, unpacked no further than a limit."""

from __future__ import annotations

import gzip
import json
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from evalkit.catalog import load_instances, opening
from evalkit.catalog.opening import opened, parquet_batches, parse_json, read_bytes
from evalkit.catalog.tasks import read_suite_file, read_task_file
from evalkit.errors import CatalogError
from evalkit.records import Source, Task

ROW = {"question": "x", "target": "y"}
LINE = json.dumps(ROW) + "\n"


def task(local: str, **rest: object) -> Task:
    """Return a task of a user's own table."""
    source = Source(local=local)
    return Task(name="t", benchmark="b", reader="table", kind="generate", source=source, **rest)  # type: ignore[arg-type]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data directory beside which a secret file lies."""
    (tmp_path / "secret.jsonl").write_text(LINE)
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("local", "reason"),
    [
        ("../secret.jsonl", "holds '..'"),
        ("{tmp}/secret.jsonl", "is absolute"),
        ("{tmp}/secre*.jsonl", "is absolute"),
        ("a/../../secret.jsonl", "holds '..'"),
        ("link.jsonl", "leads out of its folder"),
        ("folder/secret.jsonl", "leads out of its folder"),
        ("lin*.jsonl", "leads out of its folder"),
        ("a.jsonl;../secret.jsonl", "holds '..'"),
    ],
)
def test_no_file_outside_the_data_directory_is_read(local: str, reason: str, data: Path) -> None:
    """Whether by name, by a pattern, or by a link on the way;
    also one of several files and of further places.
    """
    (data / "link.jsonl").symlink_to(data.parent / "secret.jsonl")
    (data / "folder").symlink_to(data.parent)
    name = local.replace("{tmp}", str(data.parent))
    further = Source(local="absent.jsonl", options={"also": [name]})

    with pytest.raises(CatalogError, match=reason):
        load_instances(task(name), data)
    with pytest.raises(CatalogError, match=reason):
        load_instances(
            Task(name="t", benchmark="b", reader="table", kind="generate", source=further), data
        )


def test_links_inside_and_a_data_directory_that_is_a_link_are_followed(data: Path) -> None:
    """Only what leads out is refused."""
    (data / "real.jsonl").write_text(LINE)
    (data / "link.jsonl").symlink_to("real.jsonl")
    (data.parent / "other").symlink_to(data)

    assert len(load_instances(task("link.jsonl"), data.parent / "other")) == 1


@pytest.mark.parametrize("name", ["../secret.jsonl", "/etc/hostname", "link.jsonl"])
def test_a_task_file_reads_beside_itself_and_not_beyond(name: str, data: Path) -> None:
    """The data file beside a task file may be no link out either;
    the file and its line are named.
    """
    (data / "link.jsonl").symlink_to(data.parent / "secret.jsonl")
    path = data / "t.yaml"
    path.write_text(
        "name: t\nbenchmark: b\nreader: table\nkind: generate\nmetric: "
        f"exact_match\nsource:\n  local: {name}\n"
    )

    with pytest.raises(CatalogError, match=r"t\.yaml:7: file name|leads out of its folder"):
        read_task_file(path)


def test_no_task_file_chooses_a_reader_that_runs_code(tmp_path: Path) -> None:
    """Tasks of lm-eval may hold Python; neither a task file nor a suite file may bring one in."""
    (tmp_path / "t.yaml").write_text(
        "name: t\nbenchmark: b\nreader: lm_eval\nsource: {options: {lm_eval: 'lm_eval:e.yaml', "
        "task: e}}\n"
    )
    (tmp_path / "s.yaml").write_text("name: s\ntasks: ['lm_eval:e.yaml']\n")

    with pytest.raises(CatalogError, match=r"t\.yaml:3: reader 'lm_eval' may run code"):
        read_task_file(tmp_path / "t.yaml")
    with pytest.raises(CatalogError, match=r"s\.yaml:2: .*a suite may not name one"):
        read_suite_file(tmp_path / "s.yaml")


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "device"])
def test_what_is_no_plain_file_is_refused_at_once(kind: str, data: Path, monkeypatch) -> None:
    """Nothing waits for the other end of a pipe, nothing is read of a device."""
    place = data / "x.jsonl"
    if kind == "device":
        with pytest.raises(CatalogError, match="/dev/zero: is a device; a plain file is expected"):
            read_bytes(Path("/dev/zero"))
        return
    os.mkfifo(data / "pipe" if kind.startswith("link") else place)
    if kind.startswith("link"):
        place.symlink_to("pipe")

    with pytest.raises(CatalogError, match=r"x\.jsonl: is a pipe; a plain file is expected"):
        load_instances(task("x.jsonl"), data)


def packed(path: Path, unit: bytes, count: int) -> None:
    """Write a packed file of many equal parts."""
    if path.suffix == ".zst":
        with pa.CompressedOutputStream(str(path), "zstd") as stream:
            for _ in range(count):
                stream.write(unit)
    else:
        with gzip.open(path, "wb", 1) as stream:
            for _ in range(count):
                stream.write(unit)


@pytest.mark.parametrize(
    "name", ["x.jsonl.gz", "x.json.gz", "x.csv.gz", "x.tsv.zst", "x.jsonl.zst"]
)
def test_a_packed_file_is_unpacked_no_further_than_the_limit(
    name: str, data: Path, monkeypatch
) -> None:
    """One limit and one message for every packing and every format."""
    monkeypatch.setattr(opening, "MAX_DATA_BYTES", 3_000_000)
    for function in (opening.lines_of, opening.read_utf8, opening.read_bytes, opening.opened):
        inner = getattr(function, "__wrapped__", function)
        defaults = inner.__kwdefaults__
        monkeypatch.setitem(defaults, "limit", 3_000_000)
    packed(data / name, b" " * 999_999 + b"\n", 4)

    with pytest.raises(CatalogError, match="unpacks to more than 3000000 bytes; at most that"):
        load_instances(task(name), data)


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.csv.gz", "x.json.gz", "x.jsonl.zst", "x.csv"])
def test_packed_files_are_read_as_the_plain_ones(name: str, data: Path) -> None:
    """The format is told by the ending before that of the packing."""
    text = {"jsonl": LINE, "csv": "question,target\nx,y\n", "json": json.dumps([ROW])}
    content = text[name.split(".")[1]].encode()
    if name.endswith("csv"):
        (data / name).write_bytes(content)
    else:
        packed(data / name, content, 1)

    assert [item.references for item in load_instances(task(name), data)] == [("y",)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.write_bytes(b"\x1f\x8b\x08junk"), "cannot be read"),
        (lambda p: p.write_bytes(gzip.compress(b"x" * 99_999)[:-20]), "The file may be cut short"),
        (lambda p: p.write_bytes(b""), "no instances were read"),
    ],
)
def test_a_damaged_packed_file_is_one_message(
    make: Callable[[Path], object], message: str, data: Path
) -> None:
    """Cut, junk or empty."""
    make(data / "x.jsonl.gz")

    with pytest.raises(CatalogError, match=message):
        load_instances(task("x.jsonl.gz"), data)


def test_an_archive_is_refused_with_what_to_do(data: Path) -> None:
    """A zip is not unpacked."""
    (data / "x.zip").write_bytes(b"PK\x03\x04")

    with (
        pytest.raises(CatalogError, match=r"is an archive \(\.zip\).*Unpack it"),
        opened(data / "x.zip"),
    ):
        pass


def test_a_small_parquet_file_of_a_giant_text_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    """A million letters once in the file and 20,000 times in its rows:
    20 GB that are never made.
    """
    path = tmp_path / "x.parquet"
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), ["x" * 1_000_000])
    parquet.write_table(pa.table({"question": column}), path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(CatalogError, match="unpacks to more than"):
        list(parquet_batches(path))
    assert path.stat().st_size < 100_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, '{"a": [' * 50_000])
def test_json_nested_without_end_is_one_message(text: str, data: Path) -> None:
    """Deeper than any benchmark's data."""
    for name in ("x.json", "x.jsonl"):
        (data / name).write_text(text)
        with pytest.raises(CatalogError, match=rf"{name}(:1)?: is n"):
            load_instances(task(name), data)


def test_a_number_of_any_length_keeps_its_text(data: Path) -> None:
    """As whole number in JSON and JSON Lines, as cell in CSV:
    what is scored is what was written.
    """
    digits = "7" * 5000
    assert parse_json(f'{{"a": -{digits}, "b": 12}}') == {"a": f"-{digits}", "b": 12}
    for name, text in {
        "x.json": f'[{{"question": "q", "target": {digits}}}]',
        "x.jsonl": f'{{"question": "q", "target": {digits}}}\n',
        "x.csv": f"question,target\nq,{digits}\n",
    }.items():
        (data / name).write_text(text)
        assert load_instances(task(name), data)[0].references == (digits,)


def test_a_table_of_too_many_rows_is_refused_before_a_row_is_made(data: Path) -> None:
    """Five million rows of nothing are a few kilobytes of Parquet."""
    nothing = pa.nulls(5_000_000, pa.string())
    parquet.write_table(pa.table({"question": nothing, "target": nothing}), data / "x.parquet")

    with pytest.raises(CatalogError, match="holds 5000000 rows; at most 1000000 are accepted"):
        load_instances(task("x.parquet"), data)
