"""The page on phrasings for one's own task is followed to the letter, from a table to a run."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
import yaml
from doc_blocks import ROOT, command_lines

from evalkit.cli.main import invoke

PAGE = ROOT / "docs" / "howto_phrasings.md"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the table that the page takes for granted."""
    with (tmp_path / "tickets.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "team"])
        writer.writerows(
            [n, f"Ticket {n}, please help", ("billing", "technical")[n % 2]] for n in range(8)
        )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_is_followed_to_the_letter(place: Path, capsys: pytest.CaptureFixture) -> None:
    """Every line runs, what it prints is what the page shows, and the wordings of the page pass."""
    text = PAGE.read_text(encoding="utf-8")
    shown = re.search(r"```text\n(.*?)```", text, re.DOTALL)
    wordings = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert shown is not None
    assert wordings is not None
    lines = [words for _, words in command_lines(PAGE)]
    assert len(lines) == 6

    for number, words in enumerate(lines):
        typed = ["scripted:sensitive" if word == "models/v1" else word for word in words]
        assert invoke(typed) == 0, typed
        said = capsys.readouterr().out
        if number == 0:
            assert said == shown[1]
        if number == 1:
            path = place / "tickets_phrasings.yaml"
            value = yaml.safe_load(path.read_text(encoding="utf-8"))
            value["defaults"]["author"] = "us"
            value["phrasings"] += yaml.safe_load(wordings[1])
            path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")
        if number == 2:
            assert "0 findings" in said
            assert "Which team should take this ticket" in said

    assert (place / "runs" / "tickets" / "report.html").is_file()
