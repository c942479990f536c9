"""The page on the engine shows what comes out."""

from __future__ import annotations

import pytest
from doc_blocks import ROOT, walked

pytest.importorskip("torch")


def test_the_walk_through_the_engine_prints_what_the_page_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every `>>>` line of the page is run in order; a number or token id that differs fails."""
    monkeypatch.chdir(ROOT)
    lines, otherwise = walked(ROOT / "docs" / "engine.md")

    assert lines > 20
    assert otherwise == ""
