"""The page on the engine shows what comes out."""

from __future__ import annotations

import doctest

import pytest
from doc_blocks import ROOT, blocks

pytest.importorskip("torch")

PAGE = ROOT / "docs" / "engine.md"


def test_the_walk_through_the_engine_prints_what_the_page_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every `>>>` line of the page is run in order; a number or token id that differs fails."""
    monkeypatch.chdir(ROOT)
    text = "\n".join(block.text for block in blocks(PAGE) if block.language == "pycon")
    walk = doctest.DocTestParser().get_doctest(text, {}, "engine.md", str(PAGE), 0)
    said: list[str] = []
    found = doctest.DocTestRunner(verbose=False).run(walk, out=said.append)

    assert found.attempted > 20
    assert found.failed == 0, "".join(said)
