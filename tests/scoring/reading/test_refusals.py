"""The detectors of refusals do on labelled texts what the page says,
and nothing ugly stops them.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from evalkit.scoring.reading.refusals import refusal_of

TOOL = Path(__file__).parents[3] / "benchmarks" / "refusals.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """Return the benchmark."""
    spec = importlib.util.spec_from_file_location("refusals_benchmark", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
