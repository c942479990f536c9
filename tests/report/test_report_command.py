"""The command that makes page, tables and figures from what is stored,
and the same in a notebook.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

import evalkit
from evalkit.cli.main import invoke
from evalkit.errors import EvalkitError, UsageError

OPTIONS = {
    "tasks": "procedural/boolean,procedural/sorting",
    "tuned_on": "evalkit-tuning",
    "phrasings": 6,
    "limit": 8,
    "cache": False,
    "resamples": 100,
}


DRAWN = ("scores", "gap", "variance", "heatmap", "budget", "reliability", "risk", "task_map")
"""Figures that these runs have data for."""


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return two runs of the same small suite by two scripted models."""
    folder = tmp_path_factory.mktemp("runs")
    found = []
    for name, model in (("one", "scripted:sensitive,sd=0.3"), ("two", "scripted:seen_only")):
        found.append(evalkit.run(model, out=folder / name, quiet=True, **OPTIONS).path)
    return found


def test_run_ends_with_a_report(runs: list[Path]) -> None:
    """Page, Markdown and leaderboard lie in the run directory,
    and no file of the database is left behind.
    """
    names = {path.name for path in runs[0].iterdir()}

    assert {"report.html", "report.md", "leaderboard.csv"} <= names
    assert {"responses.sqlite-wal", "responses.sqlite-shm"} & names == set()


def test_report_makes_the_same_page_again(
    runs: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The page depends on what is stored alone."""
    before = (runs[0] / "report.html").read_bytes()

    assert invoke(["report", str(runs[0])]) == 0
    assert (runs[0] / "report.html").read_bytes() == before
    assert str(runs[0] / "report.html") in capsys.readouterr().out


def test_figures_are_written_alone_and_the_rest_is_explained(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SVG, PNG and PDF of every figure with data; for the others the reason."""
    assert invoke(["report", str(runs[0]), "--figures", "--out", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)

    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        f"{name}.{form}" for name in DRAWN for form in ("svg", "png", "pdf")
    }
    assert set(told["not_drawn"]) == {"distance", "ladder"}
    assert len(told["written"]) == 27


def test_number_of_flips_is_an_option(runs: list[Path], tmp_path: Path) -> None:
    """One per task is asked for; there are two tasks."""
    assert invoke(["report", str(runs[1]), "--flips", "1", "--out", str(tmp_path), "--quiet"]) == 0
    assert "2 of them are here" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_baseline_stands_beside_the_run(runs: list[Path], tmp_path: Path) -> None:
    """The section against the baseline names its model."""
    assert (
        invoke(
            ["report", str(runs[0]), "--baseline", str(runs[1]), "--out", str(tmp_path), "--quiet"]
        )
        == 0
    )
    page, text = (
        (tmp_path / "report.html").read_text(encoding="utf-8"),
        (tmp_path / "report.md").read_text(encoding="utf-8"),
    )

    assert "Against the baseline seen_only" in text.replace("\\", "")
    assert "Differences are paired: the same phrasings on the same instances" in page
    assert "cells were right in the baseline and are wrong now" in page


def test_baseline_of_another_suite_is_not_paired(runs: list[Path], tmp_path: Path) -> None:
    """Both stand there, the page says that they differ, and no interval is claimed."""
    other = evalkit.run(
        "scripted:perfect", out=tmp_path / "other", quiet=True, **{**OPTIONS, "limit": 4}
    ).path

    assert (
        invoke(
            ["report", str(runs[0]), "--baseline", str(other), "--out", str(tmp_path), "--quiet"]
        )
        == 0
    )
    page = (tmp_path / "report.html").read_text(encoding="utf-8")

    assert "The two suites differ" in page
    assert "The two runs cannot be paired, so differences have no intervals." in page


def test_several_runs_make_one_page(runs: list[Path], tmp_path: Path) -> None:
    """Both models, their ranks and what changed between the two."""
    assert invoke(["report", *map(str, runs), "--figures", "--out", str(tmp_path), "--quiet"]) == 0
    page = (tmp_path / "comparison.html").read_text(encoding="utf-8")

    assert "sensitive,sd=0.3" in page
    assert "seen_only" in page
    new = "for these tasks under new phrasings, whatever the effects of wording are"
    these = "for these tasks and phrasings on new instances"
    captions = re.findall(r"<(?:fig)?caption>.*?</(?:fig)?caption>", page, re.DOTALL)
    told = [sum(words in caption for caption in captions) for words in (new, these)]
    assert told[0] >= 1  # scores of the models
    assert told[1] >= 1  # what is paired
    assert sum(told) >= 3
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {
        "models",
        "gaps",
        "ranks",
        "change",
        "front",
    }


def test_runs_of_different_suites_are_not_put_on_one_page(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names what differs, and nothing is written."""
    other = evalkit.run(
        "scripted:perfect", out=tmp_path / "other", quiet=True, **{**OPTIONS, "limit": 4}
    ).path

    assert invoke(["report", str(runs[0]), str(other), "--out", str(tmp_path / "page")]) == 2
    said = capsys.readouterr().err
    assert f"{other} (new) cannot stand beside {runs[0]} (old)" in said
    assert "instances of procedural/boolean" in said
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nowhere"], 2, "nowhere: is no run directory"),
        ([], 2, "Missing argument 'RUN...'"),
        (["ONE", "TWO", "--baseline", "ONE"], 2, "--baseline: is for one RUN, 2 are given"),
        (["ONE", "TWO", "--flips", "3"], 2, "--flips: is for one RUN, 2 are given"),
        (["ONE", "--baseline", "nowhere"], 2, "nowhere: is no run directory"),
    ],
)
def test_wrong_calls_are_answered(
    runs: list[Path], words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong, and the right exit code."""
    names = {"ONE": str(runs[0]), "TWO": str(runs[1])}

    assert invoke(["report", *(names.get(word, word) for word in words)]) == code
    assert message in capsys.readouterr().err


def test_loaded_run_has_labelled_frames(runs: list[Path]) -> None:
    """2 tasks x 6 phrasings x 8 instances; one row per cell and one per phrasing of a task."""
    run = evalkit.load_run(runs[0])

    assert len(run.scores) == 96
    assert list(run.scores.columns[:4]) == ["model", "benchmark", "task", "phrasing_id"]
    assert len(run.phrasings) == 12
    assert run.phrasings["share"].sum() == pytest.approx(1.0)
    assert set(run.estimates["task"]) == {"procedural/boolean", "procedural/sorting", "all"}
    assert repr(run).startswith("Run('sensitive,sd=0.3' on 'tasks', complete")


def test_loaded_run_draws_on_axes(runs: list[Path]) -> None:
    """A figure by name; an unknown one and one without data are told apart."""
    run = evalkit.load_run(str(runs[0]))

    assert "all tasks" in [label.get_text() for label in run.plot("gap").get_yticklabels()]
    assert run.figures == DRAWN
    with pytest.raises(UsageError, match="figure 'score': is not known; known: scores, gap"):
        run.plot("score")
    with pytest.raises(UsageError, match="figure 'ladder': cannot be drawn from this run"):
        run.plot("ladder")


def test_run_can_be_called_whatever_was_imported_before(runs: list[Path]) -> None:
    """``evalkit.run`` is a function, whatever was imported before."""
    assert "evalkit.runs.execute" in sys.modules
    with pytest.raises(TypeError, match="unexpected keyword argument 'limt'"):
        evalkit.run("scripted:perfect", "quickstart", limt=3)  # type: ignore[call-arg]  # the slip
    with pytest.raises(EvalkitError, match="exactly one of the two says what is run"):
        evalkit.run("scripted:perfect", quiet=True)
