"""A published file with an example that cannot be asked, from data status to the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evalkit.cli.main import invoke


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data directory with BBH's snarks as published:
    178 examples, number 89 with one option.
    """
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    examples = [
        {"input": f"Which of {n} is sarcastic?\nOptions:\n(A) x{n}\n(B) y{n}", "target": "(A)"}
        for n in range(178)
    ]
    examples[88]["input"] = "Which is sarcastic?\nOptions:\n(A) the only one"
    place = tmp_path / "data/bbh/bbh/snarks.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps({"canary": "x", "examples": examples}))
    return tmp_path / "data"


NAMED = "snarks.json:1: example 89 lists 1 option; two or more are expected of a choice task."


def test_data_status_names_and_counts_it(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In words and as JSON."""
    assert invoke(["data", "status", "bbh/snarks", "--data-dir", str(data)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "bbh/snarks: 1 of 178 instances left out as published: " in said
    assert NAMED in said

    assert invoke(["data", "status", "bbh/snarks", "--data-dir", str(data), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["benchmarks"]["bbh"]
    assert (found["present"], found["wrong"]) == (1, [])
    assert [NAMED in note for note in found["left_out"]] == [True]


def test_a_run_goes_on_without_it_and_says_so(data: Path) -> None:
    """In the manifest's notes, on the page and in its text; 177 instances are asked."""
    words = ["run", "--model", "scripted:perfect", "--tasks", "bbh/snarks", "--phrasings", "2"]

    assert (
        invoke([*words, "--resamples", "100", "--data-dir", str(data), "--out", "run", "-q"]) == 0
    )

    manifest = json.loads(Path("run/manifest.json").read_text())
    assert [NAMED in note for note in manifest["notes"]] == [True]
    assert manifest["suite"]["tasks"]["bbh/snarks"]["n_instances"] == 177
    for page in ("report.html", "report.md"):
        text = Path("run", page).read_text()
        assert "Published instances left out" in text
        assert "example 89" in text


def test_a_file_that_is_wrong_is_named_by_data_status(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is here and cannot be used; the other number of instances is said."""
    place = data / "bbh/bbh/snarks.json"
    place.write_text(json.dumps({"examples": [{"input": "x", "target": "(A)"}]}))

    assert invoke(["data", "status", "bbh/snarks", "--data-dir", str(data)]) == 0
    assert "snarks.json:1: example 1 lists 0 options" in capsys.readouterr().out
