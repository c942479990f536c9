"""The page of counts in the docs is made from the phrasing files and current."""

from __future__ import annotations

import pytest
from programs import program

from evalkit.records import Phrasing


@pytest.fixture(scope="module")
def tool():
    """Return the generator as a module."""
    return program("tools/generate_phrasing_page.py")


def test_the_page_counts_what_is_in_the_files(tool):
    """Two phrasings of one set: totals, dimensions and controls are counted by hand."""
    sets = {
        ("b", "s"): [
            Phrasing(
                id="a",
                text="One two {{ question }}.",
                source="evalkit",
                dimensions=("terse", "polite"),
                tasks=("b/s",),
            ),
            Phrasing(
                id="c",
                text="One two three four.",
                source="niv2",
                dimensions=("terse",),
                kind="negated",
                tasks=("b/s",),
            ),
        ]
    }
    text = tool.page(sets)

    assert "2 phrasings in 1 sets; half of them have at most 4 words, the longest 4." in text
    assert "| b | 1 | 2 | 1 | 0 |" in text
    assert "| terse | 2 |\n| polite | 1 |" in text
    assert "| b/s | 2 | 2 | b/s |" in text


def test_the_page_in_the_docs_is_current(tool):
    """Whoever changes a phrasing file runs the generator again."""
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(tool.all_sets()), (
        "type: python tools/generate_phrasing_page.py"
    )
