"""The detectors of refusals do on labelled texts what the page says,
and nothing ugly stops them.
"""

from __future__ import annotations

from types import ModuleType

import pytest
from programs import program

from evalkit.scoring.reading.refusals import refusal_of


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """Return the benchmark."""
    return program("benchmarks/refusals.py")


def test_the_page_is_current(tool: ModuleType) -> None:
    """Whoever changes a rule writes the table again."""
    text = tool.PAGE.read_text(encoding="utf-8")

    assert text == tool.page(text), "type: python benchmarks/refusals.py --write"


def test_no_innocent_text_is_taken_for_a_refusal_among_those_the_rules_were_made_on(
    tool: ModuleType,
) -> None:
    """And every refusal there is found."""
    part = [case for case in tool.cases() if case[0] == "tuning"]

    assert tool.rates(part, "either") == (18, 18, 18)


@pytest.mark.parametrize(
    "text", ["", " ", "\x00", "a" * 1_000_000, "I cannot " * 100_000, "。" * 9]
)
def test_ugly_texts_are_read_in_no_time(text: str) -> None:
    """An answer of a megabyte, or of one repeated character, is looked at from its beginning
    only.
    """
    assert refusal_of(text) == ""
