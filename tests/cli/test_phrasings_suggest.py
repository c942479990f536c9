"""``evalkit phrasings suggest`` on scripted runs with dead wordings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from toy_runs import SUITE, Silent, settings

import evalkit
from evalkit import catalog
from evalkit.cli.main import invoke
from evalkit.runs.execute import run

TASKS = ("procedural/boolean",)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run in which a share of the wordings is never answered rightly."""
    out = tmp_path_factory.mktemp("suggest") / "run"
    suite = replace(SUITE, tasks=TASKS, limit=20, phrasings=8)
    return run(settings("phrasings,strength=0.3", out, suite=suite), Silent()).path


def test_dead_wordings_are_suggested(
    stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They come first; the file holds what is suggested."""
    out = tmp_path / "train.yaml"
    assert (
        invoke(["phrasings", "suggest", str(stored), "-n", "8", "--json", "--out", str(out)]) == 0
    )
    told = json.loads(capsys.readouterr().out)
    scores = pd.read_parquet(stored / "scores.parquet")
    means = scores.groupby("phrasing_id", observed=True).score.mean()
    dead = set(means[means == 0].index)
    assert dead
    assert set(told["suggested"]["procedural/boolean"][: len(dead)]) == dead
    ids = {one.id for one in catalog.phrasings.read_phrasing_file(out)}
    assert ids == set(told["suggested"]["procedural/boolean"])


def test_the_table_holds_signals_against_chance_and_models_against_each_other(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run ranks wordings as itself."""
    assert invoke(["phrasings", "suggest", str(stored), "--larger", str(stored), "-n", "2"]) == 0
    out = capsys.readouterr().out
    assert "chosen lose" in out
    assert "rank with" in out
    assert "Not told by these runs:" in out
    line = next(line for line in out.splitlines() if line.startswith("score"))
    assert line.rstrip().endswith("+1.00")


def test_a_signal_that_needs_another_run_says_which(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Golden scores need a run with a worked instance."""
    assert invoke(["phrasings", "suggest", str(stored), "--by", "golden"]) == 2
    assert "it needs --shot" in capsys.readouterr().err


def test_wordings_of_a_task_of_ones_own_come_with_their_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the library does not know is asked for, and is no crash."""
    rows = "".join(f"item {n},{'yes' if n % 2 else 'no'}\n" for n in range(8))
    (tmp_path / "t.csv").write_text("text,label\n" + rows, encoding="utf-8")
    (tmp_path / "t.yaml").write_text(
        "name: t\nbenchmark: mine\nreader: table\nkind: choice\nmetric: choice_accuracy\n"
        "source: {local: t.csv, options: {columns: {question: text, target: label}}}\n"
        "labels: ['yes', 'no']\n",
        encoding="utf-8",
    )
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "- {id: a, text: Say yes or no, source: mine, tasks: [mine/t]}\n"
        "- {id: b, text: Is it so (yes) or not (no)?, source: mine, tasks: [mine/t]}\n",
        encoding="utf-8",
    )
    evalkit.run(
        "scripted:sensitive",
        tasks=[str(tmp_path / "t.yaml")],
        phrasing_file=[mine],
        tuned_on="none",
        no_report=True,
        quiet=True,
        out=tmp_path / "run",
        resamples=100,
    )
    words = ["phrasings", "suggest", str(tmp_path / "run"), "--by", "score", "-n", "1"]
    out = tmp_path / "train.yaml"

    assert invoke([*words, "--out", str(out)]) == 2
    assert "are not in the library. Name the file they stand in" in capsys.readouterr().err
    assert invoke([*words, "--out", str(out), "--phrasing-file", str(mine)]) == 0
    assert len(catalog.phrasings.read_phrasing_file(out)) == 1
