"""The page from another harness's log to a decision is followed to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest
from doc_blocks import ROOT, blocks, command_lines

from evalkit.cli.main import invoke

PAGE = ROOT / "docs" / "howto_logs.md"


def test_the_page_is_followed_to_the_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its logs are written and read; the gate ends as it says,
    and prints every line that it shows.
    """
    monkeypatch.chdir(tmp_path)
    (program,) = (block for block in blocks(PAGE) if block.language == "python")
    (shown,) = (block for block in blocks(PAGE) if block.language == "text")
    exec(compile(program.text, program.where, "exec"), {})
    lines = [words for _, words in command_lines(PAGE)]
    codes = {words[0]: invoke(words) for words in lines[:-1]}
    read = capsys.readouterr().out
    codes["gate"] = invoke(lines[-1])
    printed = capsys.readouterr().out

    assert codes == {"analyse": 0, "report": 0, "gate": 1}
    assert "read as lm-eval: 4 files, 1,600 answers" in read
    assert [line for line in shown.text.splitlines() if line not in printed] == []
    assert "tickets_long" in Path("pages/v2/report.html").read_text(encoding="utf-8")
    assert "May <bdi>v2</bdi> replace" in Path("gate.html").read_text(encoding="utf-8")
    next(Path("logs/v2").glob("samples_tickets_terse*")).unlink()
    assert invoke(lines[-1]) == 2, "logs that asked something else were compared"


def test_without_the_wording_named_nothing_is_said_of_wording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the page says of leaving --phrasing out: each file is a task of its own."""
    monkeypatch.chdir(tmp_path)
    (program,) = (block for block in blocks(PAGE) if block.language == "python")
    exec(compile(program.text, program.where, "exec"), {})

    assert invoke(["analyse", "logs/v1", "--csv"]) == 0
    rows = [row for row in capsys.readouterr().out.splitlines() if row.startswith("tickets_")]
    assert len(rows) == 4
