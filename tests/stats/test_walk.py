"""The page on statistics shows what comes out."""

from __future__ import annotations

from pathlib import Path

import pytest
from doc_blocks import ROOT, walked


def test_the_walk_through_the_statistics_prints_what_the_page_says() -> None:
    """Every `>>>` line of the page is run in order, from the scores to their intervals."""
    lines, otherwise = walked(ROOT / "docs" / "statistics.md")

    assert lines > 10
    assert otherwise == ""


@pytest.mark.parametrize(("shown", "wrong"), [("2", False), ("3", True)])
def test_a_line_that_prints_something_else_is_noticed(
    tmp_path: Path, shown: str, wrong: bool
) -> None:
    """Else every page would be right."""
    page = tmp_path / "page.md"
    page.write_text(f"```pycon\n>>> 1 + 1\n{shown}\n\n```\n", encoding="utf-8")

    assert walked(page)[0] == 1
    assert bool(walked(page)[1]) == wrong
