"""``report`` makes the page of another harness's log as it does of a run,
and says what it cannot read.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from foreign_logs import every_eval_ever, helm, inspect_log, lm_eval, promptfoo, whole

from evalkit.cli.main import invoke


def log_of(harness: str, folder: Path) -> Path:
    """Write a log of a harness with two wordings."""
    if harness == "lm-eval":
        scores = {"q@kind": [1.0, 0.0, 1.0, 1.0], "q@curt": [0.0, 0.0, 1.0, 0.0]}
        return lm_eval(folder, scores)
    if harness == "inspect":
        inspect_log(folder / "a.eval", ["C", "I", "C", "C"])
        inspect_log(folder / "b.eval", ["C", "I", "I", "I"], template="Please: {prompt}")
        return folder
    if harness == "helm":
        return helm(folder)
    if harness == "eee":
        return every_eval_ever(folder / "records.jsonl")
    return promptfoo(folder / "out.json", 0.9)


@pytest.mark.parametrize("harness", ["lm-eval", "inspect", "helm", "eee", "promptfoo"])
def test_a_log_gets_page_and_figures(
    harness: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of each harness; the same files as analyse --out writes, below reports/logs."""
    monkeypatch.chdir(tmp_path)
    log = str(log_of(harness, tmp_path / "log"))

    assert invoke(["report", log, "--json"]) == 0
    (page,) = map(Path, json.loads(capsys.readouterr().out)["written"])
    assert invoke(["analyse", log, "--out", "analysed", "--quiet"]) == 0
    made, analysed = (
        {str(one.relative_to(folder)) for one in folder.rglob("*.*")}
        for folder in (page.parent, Path("analysed"))
    )
    assert page.parent.parent == Path("reports/logs")
    assert made == analysed - {"phrasings.csv"}
    assert (page.parent / "estimates.csv").read_bytes() == Path(
        "analysed/estimates.csv"
    ).read_bytes()


def test_several_logs_have_a_page_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Into folders of their names, below --out too; logs of one name are told apart."""
    logs = [str(promptfoo(tmp_path / part / "out.json", 0.9)) for part in ("a", "b")]

    assert invoke(["report", *logs, "--out", str(tmp_path / "pages")]) == 0
    pages = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert len({page.parent for page in pages}) == 2
    assert all(page.parent.parent == tmp_path / "pages" and page.is_file() for page in pages)


def test_of_several_models_one_may_be_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """LOG::MODEL has one page; the log has one per model and the comparison;
    an absent model is named.
    """
    log = promptfoo(tmp_path / "a.json", 0.9, provider="a")
    both = json.loads(log.read_text(encoding="utf-8"))
    rows = both["results"]["results"]
    rows += [{**row, "provider": {"id": "b"}, "score": 1.0} for row in list(rows)]
    log = whole(tmp_path / "both.json", both)

    assert invoke(["report", str(log), "--out", str(tmp_path / "all"), "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert invoke(["report", f"{log}::b", "--out", str(tmp_path / "b")]) == 0
    assert invoke(["report", f"{log}::c"]) == 2
    assert (tmp_path / "all" / "comparison.html").is_file()
    assert len(list((tmp_path / "all").glob("*/report.html"))) == 2
    page = (tmp_path / "b" / "report.html").read_text(encoding="utf-8")
    assert "100.0" in page
    assert "holds no model 'c'; there is a, b" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["empty"], "or a log of lm-eval, Inspect, HELM, Every Eval Ever or promptfoo"),
        (["other.json"], "or a log of lm-eval, Inspect, HELM, Every Eval Ever or promptfoo"),
        (["cut.eval"], "cut.eval"),
        (["log.json", "run"], "together with logs alone"),
        (["log.json", "--flips", "3"], "--flips"),
        (["log.json", "--no-report"], "--no-report"),
        (["log.json", "--metric", "none"], "--metric none: there is"),
        (["unscored.json"], "has no scores"),
        (["run", "--format", "helm"], "are for a log or table"),
    ],
)
def test_what_cannot_be_read_or_does_not_go_together_is_said(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line, exit code 2, nothing written."""
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("run").mkdir()
    Path("run/manifest.json").write_text("{}", encoding="utf-8")
    Path("other.json").write_text("{}", encoding="utf-8")
    Path("cut.eval").write_bytes(b"PK\x03\x04 and no more")
    log = json.loads(promptfoo(Path("log.json"), 0.9, n=3).read_text(encoding="utf-8"))
    for row in log["results"]["results"]:
        row["failureReason"] = 2
    whole(Path("unscored.json"), log)

    assert invoke(["report", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) <= 2
    assert not Path("reports").exists()
