"""A run directory that a released version wrote stays readable:
checked, scored and reported as it was.

``tests/golden/run_v1`` was written by version 1 of every schema. A later schema gets a
directory of its own beside it; none is rewritten.
"""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from dataclasses import asdict
from pathlib import Path

import pytest

from evalkit.analysis import read_estimates
from evalkit.cli.main import invoke
from evalkit.records.manifest import COUNTED_LATER, Intervals
from evalkit.runs.finish import finish
from evalkit.scoring import ScoreTable
from evalkit.scoring.stored import score_run
from evalkit.store.directory import RunDir, read_manifest
from evalkit.store.responses import Store

RUN = Path(__file__).parent / "golden" / "run_v1"
WITHDRAWN = ("new_phrasing_low", "new_phrasing_high")
"""What is no longer offered: real wordings break what it assumed."""


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the released run."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(RUN, "run")
    return Path("run")


def test_it_is_of_the_schema_it_stands_for(released: Path) -> None:
    """The file was not made anew by a later version."""
    db = sqlite3.connect(released / "responses.sqlite")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()

    told = json.loads((released / "manifest.json").read_text(encoding="utf-8"))

    assert (version, told["schema"]) == (1, 1)


def test_its_rows_are_whole_and_give_its_scores(released: Path) -> None:
    """Responses, scores and counts of then, computed now."""
    manifest, cells, counts = score_run(released)
    with Store(released / "responses.sqlite", read_only=True) as store:
        outcome = store.check()

    assert (outcome.sound, outcome.n_responses, counts.cells) == (True, 12, 12)
    then, now = asdict(manifest.totals), asdict(counts)
    for name in COUNTED_LATER:
        del then[name], now[name]
    assert now == then
    assert ScoreTable.from_cells(cells).agrees(ScoreTable.read_parquet(released / "scores.parquet"))


def test_its_estimates_can_be_read(released: Path) -> None:
    """Value by value; a later version may know more metrics, and names those it withdrew."""
    then = {
        (row.benchmark, row.task, row.metric): row.value
        for row in read_estimates(released / "estimates.csv")
    }
    with RunDir(released) as directory:
        finish(
            directory, read_manifest(released), Intervals(level=0.95, resamples=100), report=False
        )
    now = {
        (row.benchmark, row.task, row.metric): row.value
        for row in read_estimates(released / "estimates.csv")
    }

    assert then.keys() <= now.keys()
    kept = [key for key in then if key[2] not in WITHDRAWN]
    assert [now[key] for key in kept] == pytest.approx([then[key] for key in kept], nan_ok=True)
    assert all(math.isnan(now[key]) for key in then.keys() - kept)


def test_check_and_export_accept_it(released: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands that need no model work on it."""
    codes = [
        invoke(["check", str(released)]),
        invoke(["export", str(released), "--out", "x.jsonl"]),
        invoke(["report", str(released)]),
    ]

    assert (codes, len(Path("x.jsonl").read_text(encoding="utf-8").splitlines())) == (
        [0, 0, 0],
        12,
    ), capsys.readouterr().err
