"""Two runs line by line: the verdict goes by the interval and the direction of harm, tasks by
Holm; the same on page and terminal.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import evalkit
from evalkit.analysis import estimate
from evalkit.analysis.compare import compare_tables
from evalkit.analysis.standings import standings
from evalkit.cli.main import invoke
from evalkit.records import Estimate
from evalkit.report.compared import (
    headline_lines,
    line_cells,
    reasons,
    robustness,
    task_lines,
    verdict_of,
)
from evalkit.runs.read import several
from evalkit.scoring.table import read_table

OPTIONS: dict[str, Any] = {
    "tasks": "procedural/boolean,procedural/sorting",
    "tuned_on": "evalkit-tuning",
    "phrasings": 6,
    "limit": 8,
    "cache": False,
    "resamples": 100,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return runs of a perfect model, one that knows half, and one that fails unseen wording."""
    base = tmp_path_factory.mktemp("compared")
    models = {"best": "perfect", "half": "knows,accuracy=0.5", "seen": "seen_only"}
    return [
        evalkit.run(
            f"scripted:{model}", out=base / name, quiet=True, no_report=True, **OPTIONS
        ).path
        for name, model in models.items()
    ]


def test_the_verdict_knows_the_direction_of_harm() -> None:
    """Higher is better for a mean and worse for a spread;
    without an interval there is no verdict.
    """
    assert verdict_of("consistency", 0.1, 0.2) == "better"
    assert verdict_of("unparsed_rate", -0.2, -0.1) == "better"
    assert verdict_of("gap", 0.1, 0.2) == "worse"
    assert verdict_of("mean", math.nan, math.nan) == "no interval"


def test_lines_hold_both_values_and_their_difference(folders: list[Path]) -> None:
    """Old and new are those of the runs, the difference is new minus old, flips add up to it."""
    tables = [read_table(path) for path in folders[:2]]
    mine, theirs = (estimate(table, n_resamples=100) for table in tables)
    found = compare_tables(*tables)
    lines = {line.key: line for line in headline_lines(found, mine, theirs)}
    tasks = task_lines(found, mine, theirs)
    mean = lines["mean"]

    assert mean.old == 1.0
    assert mean.difference == pytest.approx(mean.new - mean.old)
    assert (mean.verdict, mean.gained) == ("worse", 0)
    assert mean.lost is not None
    assert -mean.lost / mean.n_cells == pytest.approx(mean.difference)
    assert [line.key for line in tasks] == sorted(
        OPTIONS["tasks"].split(","), key=lambda name: [t.difference for t in tasks if t.key == name]
    )
    assert all(
        (line.verdict == "worse") == (line.p < 0.05 and line.difference < 0) for line in tasks
    )
    assert all(line.low != line.low for line in lines.values() if line.verdict == "no interval")
    assert all(name in " ".join(reasons(list(lines.values()))) for name in ("worst phrasing",))
    assert line_cells(mean)[1] == "100.0"


def test_page_terminal_and_leaderboard_say_the_same(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One computation: ranks, ties and W of the page are those of the leaderboard, sentences
    those of the terminal.
    """
    runs, names, order, compared = several(folders)
    again = standings(list(zip(names, map(read_table, folders), strict=True)))
    assert invoke(["report", *map(str, folders), "--out", str(tmp_path)]) == 0
    page = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert invoke(["leaderboard", *map(str, folders), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert invoke(["compare", str(folders[0]), str(folders[1])]) == 0
    said = capsys.readouterr().out

    assert order == again
    assert [(row["model"], row["rank"]) for row in told["leaderboard"]] == [
        (row.model, row.rank) for row in order.rows
    ]
    assert told["kendall_w"] == pytest.approx(order.kendall_w)
    assert all(sentence in page for one in compared for sentence in one.said)
    assert all(sentence in said for sentence in compared[0].said)
    assert len(runs) == 3


def test_what_became_more_robust_is_said_though_the_mean_did_not() -> None:
    """A better consistency and worst phrasing are named with their intervals, an unclear gap is
    not.
    """

    def row(metric: str, value: float, low: float, high: float) -> Estimate:
        return Estimate(
            model="b - a",
            benchmark="all",
            task="all",
            metric=metric,
            value=value,
            low=low,
            high=high,
        )

    rows = [
        row("mean", 0.0, -0.05, 0.05),
        row("consistency", 0.14, 0.08, 0.2),
        row("std", -0.08, -0.14, -0.02),
        row("gap", 0.0, -0.1, 0.1),
        row("unparsed_rate", 0.1, 0.05, 0.15),
    ]

    assert robustness(rows) == (
        "more robust in std over phrasings −8.0 [−14.0, −2.0], same answer, "
        "two phrasings +14.0 [8.0, 20.0]; less robust in unparsed answers +10.0 [5.0, 15.0]"
    )
    assert (
        robustness([row("mean", 0.1, 0.05, 0.2)]) == "no clear difference in robustness to wording"
    )


def test_a_mitigated_run_carries_its_mitigation_in_its_name(tmp_path: Path) -> None:
    """In the label, the scores and so in every table; a path shows its last part."""
    run = evalkit.run(
        "scripted:noise",
        mitigation="ensemble:m=2,how=vote",
        out=tmp_path / "run",
        quiet=True,
        **{**OPTIONS, "tasks": "procedural/boolean"},
    )

    assert run.manifest.model.label == "noise + ensemble:m=2,how=vote"
    assert set(run.scores["model"]) == {"noise + ensemble:m=2,how=vote"}
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "<title>noise + ensemble:m=2,how=vote on tasks" in page


def test_two_models_are_run_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each has its folder, the page is written, and what is worse is said;
    other commands refuse a second model.
    """
    words = ["--tasks", "procedural/boolean", "--limit", "6", "--phrasings", "4", "--no-cache"]
    models = ["--model", "scripted:perfect", "--model", "scripted:knows,accuracy=0.2"]
    assert invoke(["run", *models, *words, "--out", str(tmp_path / "both")]) == 0
    said = capsys.readouterr().out
    folders = {path.name for path in (tmp_path / "both").iterdir()}

    assert len(folders) == 3
    assert {"perfect", "comparison.html"} < folders
    assert "knows,accuracy=0.2 scores lower than perfect: −" in said
    assert invoke(["plan", *models, *words]) == 2
    assert "--model: is given 2 times" in capsys.readouterr().err
    assert invoke(["run", *models[:2], *models[:2], *words]) == 2
    assert "is named twice" in capsys.readouterr().err


def test_a_model_in_the_configuration_is_one_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the option may be repeated, a file names one model as a text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evalkit.toml").write_text('[run]\nmodel = "scripted:noise"\n', encoding="utf-8")

    assert (
        invoke(["run", "--tasks", "procedural/boolean", "--limit", "2", "--quiet", "--no-report"])
        == 0
    )
