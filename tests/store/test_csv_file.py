"""CSV that every reader splits where it was written, and no spreadsheet runs."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.store.csv_file import csv_of, guarded, unguarded

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\v=1",
    "\f=1",
    "\0=1",
    '"=1',
    " =1",
    "\ufeff=1",
    "\u00a0=1",
    "\u200b=1",
    "\u2003=1",
    "＝1+1",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_an_apostrophe_whatever_stands_before_it(text: str) -> None:
    """Blanks, quotes, and characters that do not show are no hiding place."""
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "mmlu", "a=b", "(A)", "1e-3", "é", "答"])
def test_plain_text_stays_as_it_is(text: str) -> None:
    """Nothing is put before what no spreadsheet takes for a formula."""
    assert guarded(text) == text


@given(st.text())
def test_the_apostrophe_can_be_taken_off_again(text: str) -> None:
    """Whatever the text, it comes back."""
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize(
    "breaks", ["\r", "\n", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", ",", '"']
)
def test_no_separator_breaks_a_row(breaks: str) -> None:
    """Python's reader, pandas and a reader that splits lines outside quotes agree on the rows."""
    value = f"left{breaks}=right"
    text = csv_of(["id", "score"], [[value, 0.5], ["b", None]])

    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["id", "score"],
        [value, "0.5"],
        ["b", ""],
    ]
    assert pd.read_csv(io.StringIO(text))["id"].tolist() == [value, "b"]


def test_numbers_keep_every_digit_and_what_is_undefined_is_empty() -> None:
    """0.1 + 0.2 is not rounded, NaN and None are empty cells, lists are JSON."""
    row = [0.1 + 0.2, float("nan"), None, True, 3, [1.5, 2]]

    assert csv_of(list("abcdef"), [row]) == 'a,b,c,d,e,f\n0.30000000000000004,,,True,3,"[1.5, 2]"\n'
