"""Untrusted text and numbers as they are shown."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from evalkit.report.text import markdown_cell, points, script_json, share, signed, visible


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_hidden_is_left_in_visible_text(text: str) -> None:
    """Control, direction and surrogate characters are spelled out;
    only tab, line feed and the two joiners stay.
    """
    left = {
        char
        for char in visible(text)
        if unicodedata.category(char) in {"Cc", "Cs"}
        or unicodedata.bidirectional(char)
        in {"RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI"}
    }

    assert left <= {"\t", "\n"}


def test_direction_override_is_shown_by_its_number() -> None:
    """The trick that turns a file name around is plain to see."""
    assert visible("\u202egnp.exe") == "⟨U+202E⟩gnp.exe"


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_script_json_reads_back_and_can_end_no_element(value: object) -> None:
    """What is embedded is the value itself, without a character that HTML or a line of script
    gives a meaning to.
    """
    text = script_json(value)

    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")


@given(st.text())
def test_markdown_cell_is_one_line_without_markup(text: str) -> None:
    """Neither a table nor a line is broken by what a cell holds,
    and no tag can be written in it.
    """
    cell = markdown_cell(text)

    assert "\n" not in cell
    assert not set(cell) & set("<>")
    assert all(cell[place - 1] == "\\" for place, char in enumerate(cell) if char in "|*`_[]")


def test_numbers_that_do_not_exist_are_a_dash_never_zero() -> None:
    """NaN and None are shown the same way, unlike 0."""
    assert [
        function(value)
        for function in (points, signed, share)
        for value in (None, float("nan"), 0.0)
    ] == [
        *("–", "–", "0.0"),
        *("–", "–", "0.0"),
        *("–", "–", "0%"),
    ]
