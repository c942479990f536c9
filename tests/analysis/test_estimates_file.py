"""estimates.csv: order, safety, round trip."""

import csv
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.analysis.estimates_file import COLUMNS, read_estimates, write_estimates
from evalkit.errors import TableError
from evalkit.records import Estimate
from evalkit.store.csv_file import guarded

ROWS = [
    Estimate(
        model="=cmd()",
        benchmark="b",
        task="all",
        metric="mean",
        value=0.1 + 0.2,
        low=0.1,
        high=0.5,
        interval="t/tasks",
        n_tasks=2,
    ),
    Estimate(
        model="@m",
        benchmark="b",
        task="b/t",
        metric="gap",
        value=math.nan,
        note="no seen phrasings",
        group="layout=-x",
    ),
    Estimate(model="日本", benchmark="all", task="all", metric="mean", value=1.0),
]


def test_columns_begin_as_the_contract_says(tmp_path):
    """Scripts can rely on the first thirteen columns."""
    expected = (
        "model, benchmark, task, metric, value, low, high, level, interval, n_tasks, n_phrasings, "
        "n_instances, instances_digest"
    )
    write_estimates(ROWS, tmp_path / "e.csv")

    assert ", ".join(COLUMNS[:13]) == expected
    assert (tmp_path / "e.csv").read_text("utf-8").splitlines()[0] == ",".join(COLUMNS)


def test_round_trip_keeps_every_digit(tmp_path):
    """What is read is what was written, NaN and dangerous text included."""
    write_estimates(ROWS, tmp_path / "e.csv")

    assert sorted(map(str, read_estimates(tmp_path / "e.csv"))) == sorted(map(str, ROWS))


def test_bytes_do_not_depend_on_order(tmp_path):
    """Rows are sorted, with what is over all tasks after the tasks."""
    write_estimates(ROWS, tmp_path / "a.csv")
    write_estimates(ROWS[::-1], tmp_path / "b.csv")

    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_no_cell_is_a_formula(tmp_path):
    """Text that a spreadsheet would run gets an apostrophe in front; numbers stay numbers."""
    write_estimates(ROWS, tmp_path / "e.csv")
    with (tmp_path / "e.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = [
        row[name]
        for row in rows
        for name in ("model", "benchmark", "task", "metric", "interval", "group", "note")
    ]

    assert not [text for text in texts if text.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert {row["model"] for row in rows} == {"'=cmd()", "'@m", "日本"}


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20))
def test_guarding_is_undone_by_reading(text):
    """A guarded text is the text with at most one apostrophe in front."""
    assert guarded(text) in {text, f"'{text}"}
    assert guarded(text)[:1] not in {"=", "+", "-", "@", "\t", "\r"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "columns none; an estimates.csv has"),
        (
            lambda text: text.replace("model,benchmark", "benchmark,model", 1),
            ":1: columns benchmark, model",
        ),
        (lambda text: text[:-30], "cells, expected 20; the file was cut short"),
        (
            lambda text: text.replace("estimates/2", "estimates/9"),
            r":2: schema 'evalkit\.estimates/9' is not",
        ),
        (lambda text: text.replace(",0.95,", ",high,", 1), "could not convert"),
    ],
)
def test_damaged_files_are_refused_with_the_line(tmp_path, change, message):
    """A file that is not what was written is refused."""
    path = tmp_path / "e.csv"
    write_estimates(ROWS, path)
    path.write_text(change(path.read_text("utf-8")), "utf-8")

    with pytest.raises(TableError, match=message):
        read_estimates(path)


def test_absent_file_is_named(tmp_path):
    """A path without a file is said to be one."""
    with pytest.raises(TableError, match="there is no such file"):
        read_estimates(tmp_path / "none.csv")
