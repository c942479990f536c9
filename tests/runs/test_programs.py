"""The pass that runs programs: on request only, stored, and gone on with."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import evalkit
from evalkit.cli.main import invoke
from evalkit.errors import UsageError
from evalkit.records import Response
from evalkit.scoring.sandbox.contain import wall

contained = pytest.mark.skipif(
    wall() != "bubblewrap", reason="bubblewrap is not installed or does not work here"
)
ANSWERS = ("def solve(x): return x", "```python\ndef solve(x) return\n```", "")


def writer(request) -> Response:
    """Answer with one of three texts, by the length of the prompt."""
    text = ANSWERS[len(request.text) % 3]
    return Response(key=request.key, text=text, finish_reason="stop")


def test_a_task_of_programs_is_refused_without_the_option(tmp_path: Path) -> None:
    """Nothing is asked, and the message names the option."""
    with pytest.raises(UsageError, match=r"allow.code.execution"):
        evalkit.run(writer, tasks="code/made", limit=1, out=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run" / "responses.sqlite").exists()


@pytest.mark.parametrize("name", ["allow_code_execution", "allow-code-execution"])
@pytest.mark.parametrize("command", ["run", "score"])
def test_no_file_can_allow_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    name: str,
) -> None:
    """A configuration file that sets the option is refused."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evalkit.toml").write_text(f"[{command}]\n{name} = true\n")

    assert invoke([command, "--model" if command == "run" else "x", "demo"][:3]) == 2
    assert "only on the command line" in capsys.readouterr().err


@contained
def test_programs_are_run_once_and_scores_need_no_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outcomes are stored: scoring again runs nothing and gives the same table."""
    path = tmp_path / "run"
    done = evalkit.run(
        writer,
        tasks="code/made",
        limit=3,
        phrasings=3,
        out=path,
        no_report=True,
        quiet=True,
        allow_code_execution=True,
    )
    first = pd.read_parquet(path / "scores.parquet")
    monkeypatch.setattr("evalkit.runs.programs.run_program", None)
    assert invoke(["score", str(path), "--no-report", "--quiet"]) == 0
    assert invoke(["check", str(path), "--quiet"]) == 0

    pd.testing.assert_frame_equal(first, pd.read_parquet(path / "scores.parquet"))
    assert done is not None
    assert set(first["prediction"].dropna()) <= {"passed", "syntax", "assertion", "exception"}
    assert set(first.loc[first["prediction"].isna(), "state"]) == {"unusable"}


@contained
def test_what_came_of_programs_is_counted_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Summary and report have the classes, whose counts add up to the cells."""
    done = evalkit.run(
        writer,
        tasks="code/made",
        limit=4,
        phrasings=2,
        out=tmp_path / "run",
        allow_code_execution=True,
        quiet=True,
    )
    counts = done.manifest.totals
    assert counts.programs is not None
    assert sum(counts.programs.values()) == counts.cells == 8
    assert invoke(["score", str(done.path)]) == 0
    assert "Programs: " in capsys.readouterr().out
    for name in ("report.html", "report.md"):
        text = (done.path / name).read_text(encoding="utf-8")
        assert "What came of programs" in text
