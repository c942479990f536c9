"""The page from a matrix of scores to a decision is followed to the letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from doc_blocks import ROOT, blocks, command_lines

import evalkit
from evalkit.cli.main import invoke

PAGE = ROOT / "docs" / "from_a_matrix.md"


def test_the_page_is_followed_to_the_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Matrices become tables, the table a page, and the gate names the wording that broke."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks(PAGE):
        if block.language == "python":
            exec(compile(block.text, block.where, "exec"), names)
    lines = [words for _, words in command_lines(PAGE)]
    codes = {words[0]: invoke(words) for words in lines}
    printed = capsys.readouterr().out

    assert codes == {"analyse": 0, "compare": 0, "gate": 1}
    assert "under polite" in printed
    assert Path("old/report.html").is_file()
    assert "regression" in Path("gate.html").read_text(encoding="utf-8")
    shown = evalkit.analyse(names["table"]("old.csv", model="old"), resamples=100)
    assert "old, support/tickets: mean" in shown._repr_html_()
    assert len(shown.phrasings) == len(names["WORDINGS"])
