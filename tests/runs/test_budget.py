"""Budgeted runs end to end: which cells are asked, that a kill changes nothing,
and what is said of cells not asked.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_runs import SUITE, Silent, settings

from evalkit.analysis import read_estimates
from evalkit.analysis.compare import compare_suites
from evalkit.cli.main import invoke
from evalkit.errors import ComparisonError, GateError, IncompleteError, Interrupted, UsageError
from evalkit.gating import admit
from evalkit.records import Estimate, Suite
from evalkit.records.manifest import Intervals
from evalkit.records.policy import Policy
from evalkit.report.limits import limits
from evalkit.runs.check import check_run
from evalkit.runs.choose import design_of
from evalkit.runs.execute import run
from evalkit.runs.finish import finish
from evalkit.scoring import ScoreTable
from evalkit.stats.planning.budget import estimate_distribution
from evalkit.store.blocks import stored_blocks
from evalkit.store.designs import put_design
from evalkit.store.directory import RunDir, read_manifest
from evalkit.store.responses import Store

TASK = "procedural/boolean"
WHOLE = replace(SUITE, tasks=(TASK,), limit=20, phrasings=8)
SPARSE = replace(WHOLE, budget=0.25)
FILES = ("scores.parquet", "estimates.csv", "phrasings.csv", "leaderboard.csv")


def rows_of(path: Path) -> dict[str, Estimate]:
    """Return metric -> estimate of the task."""
    return {row.metric: row for row in read_estimates(path / "estimates.csv") if row.task == TASK}


def bytes_of(path: Path) -> list[bytes]:
    """Return the files that hold results."""
    return [(path / name).read_bytes() for name in FILES]


def test_a_small_budget_asks_every_phrasing_on_different_instances(tmp_path: Path) -> None:
    """A quarter of 8 x 20 cells: 40, five per phrasing, two per instance;
    the others are not asked, neither missing nor 0.
    """
    progress = Silent()
    manifest = run(settings("noise", tmp_path / "run", suite=SPARSE), progress).manifest
    block = ScoreTable.read_parquet(tmp_path / "run" / "scores.parquet").block("toy", TASK)
    found = rows_of(tmp_path / "run")

    assert progress.asked == 40
    assert (block.asked.sum(axis=1).tolist(), block.asked.sum(axis=0).tolist()) == (
        [5] * 8,
        [2] * 20,
    )
    assert np.array_equal(np.isnan(block.values), ~block.asked)
    assert [
        getattr(manifest.totals, name) for name in ("cells", "not_asked", "missing", "requests")
    ] == [
        40,
        120,
        0,
        40,
    ]
    assert (manifest.state, manifest.limited, manifest.suite.to_json()["budget"]["design"]) == (
        "complete",
        True,
        "balanced",
    )
    assert (found["missing_rate"].value, found["mean"].interval, found["gap"].interval) == (
        0.0,
        "posterior/cells",
        "posterior/cells",
    )
    assert "needs every phrasing on the same instances" in found["worst_instance"].note


def test_estimates_of_a_sparse_run_are_those_of_the_posterior(tmp_path: Path) -> None:
    """The model fitted to the same cells with other draws agrees within its own noise."""
    run(settings("noise", tmp_path / "run", suite=SPARSE), Silent())
    block = ScoreTable.read_parquet(tmp_path / "run" / "scores.parquet").block("toy", TASK)
    again = estimate_distribution(block.values, rng=np.random.default_rng(5)).found
    found = rows_of(tmp_path / "run")

    for name in ("mean", "std", "spread", "min", "cvar10"):
        assert found[name].value == pytest.approx(
            again[name].value, abs=0.2 * (again[name].high - again[name].low)
        )
        assert found[name].low < found[name].value < found[name].high


@pytest.mark.parametrize(
    "suite",
    [
        pytest.param(SPARSE, id="balanced"),
        pytest.param(replace(SPARSE, budget_design="adaptive"), id="adaptive"),
        pytest.param(replace(SPARSE, budget=0.5, half_width=("mean", 0.12)), id="half-width"),
        pytest.param(replace(SPARSE, budget=0.5, find="best"), id="find"),
    ],
)
def test_a_killed_run_asks_the_same_cells_and_gives_the_same_bytes(
    suite: Suite, tmp_path: Path
) -> None:
    """Stopped after every batch until complete: nothing asked twice,
    and 'evalkit score' needs no model to say it again.
    """
    whole = Silent()
    run(settings("noise,batch=8", tmp_path / "whole", suite=suite), whole)
    asked = 0
    for _ in range(60):
        progress = Silent(stop_after=1)
        try:
            run(settings("noise,batch=8", tmp_path / "cut", suite=suite), progress)
        except Interrupted:
            asked += progress.asked
        else:
            break
    asked += progress.asked
    before = bytes_of(tmp_path / "cut")
    with RunDir(tmp_path / "cut") as directory:
        finish(
            directory,
            read_manifest(tmp_path / "cut"),
            Intervals(level=0.95, resamples=100),
            report=False,
        )

    assert asked == whole.asked
    assert before == bytes_of(tmp_path / "whole")
    assert bytes_of(tmp_path / "cut") == before


@pytest.mark.parametrize(
    "changes",
    [
        {"budget_design": "adaptive"},
        {"budget": 0.5, "half_width": ("mean", 0.12)},
        {"budget": 0.5, "find": "best"},
    ],
    ids=["adaptive", "half-width", "find"],
)
def test_a_budget_that_was_cut_short_stays_partial_everywhere(
    changes: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped between two rounds, where no answer is missing:
    score, check and report say so, and the line they name ends it.
    """
    wanted = settings("noise,batch=8", tmp_path / "run", suite=replace(SPARSE, **changes))
    with pytest.raises(Interrupted):
        run(wanted, Silent(stop_after=1))
    with Store(tmp_path / "run" / "responses.sqlite") as store:
        _design_of_what_is_answered(store)
    code = invoke(["score", str(tmp_path / "run"), "--no-report"])
    said = capsys.readouterr().out
    final = read_manifest(tmp_path / "run")

    assert (code, final.state, final.totals.missing) == (3, "partial", 0)
    assert final.budget is not None
    assert not final.budget.ended
    assert "The rounds of its budget did not end" in said
    assert check_run(tmp_path / "run").state == "partial"
    assert "its rounds did not end" in check_run(tmp_path / "run").problems[0]
    assert limits(final)[0].head == "The rounds of its budget did not end"
    with pytest.raises(IncompleteError, match="was not finished"):
        admit(final, final, policy=Policy(name="p", rules=(), allow_limited=True))
    again = run(wanted, Silent())

    assert (again.exit_code, again.manifest.state) == (0, "complete")
    assert again.manifest.budget is not None
    assert again.manifest.budget.ended
    assert "ended" not in again.manifest.to_json()["budget"]


def _design_of_what_is_answered(store: Store) -> None:
    """Leave only answered cells in the design, as a kill between two rounds does."""
    blocks = stored_blocks(store, TASK)
    fingerprint = store._db.execute("SELECT fingerprint FROM models").fetchone()[0]
    names = [name for name, _ in store.get_records(f"design/{TASK}")]
    asked = np.array(
        [[not store.missing(fingerprint, [key]) for key in blocks[name].each()] for name in names]
    )
    put_design(store, TASK, names, asked)


def test_a_run_stops_when_the_interval_is_narrow_enough(tmp_path: Path) -> None:
    """Asked for a wide interval, an eighth of the cells is enough;
    asked for none, all are spent.
    """
    easy = replace(WHOLE, half_width=("mean", 0.3))
    counts = run(settings("noise", tmp_path / "run", suite=easy), Silent()).manifest.totals
    found = rows_of(tmp_path / "run")["mean"]

    assert counts.cells == 20
    assert (found.high - found.low) / 2 <= 0.3


def test_a_search_names_a_phrasing_and_the_cells_it_took(tmp_path: Path) -> None:
    """A model that knows seen wording only: the worst phrasing found is an unseen one, within
    the budget.
    """
    suite = replace(WHOLE, budget=0.5, find="worst")
    manifest = run(settings("seen_only", tmp_path / "run", suite=suite), Silent()).manifest
    block = ScoreTable.read_parquet(tmp_path / "run" / "scores.parquet").block("toy", TASK)
    found = manifest.to_json()["budget"]["found"][TASK]

    assert found["want"] == "worst"
    assert block.seen[block.phrasing_ids.index(found["phrasing_id"])] == "unseen"
    assert manifest.totals.cells <= 80


@pytest.mark.parametrize(
    ("changes", "sizes", "expected"),
    [
        ({}, [100], "full"),
        ({"budget": 0.1}, [1000, 500], "paired"),
        ({"budget": 0.1}, [1000, 490], "balanced"),
        ({"budget": 0.1, "perturbations": ("word:rate=0.1",)}, [100], "paired"),
        ({"budget": 0.1, "budget_design": "adaptive"}, [5000], "adaptive"),
        ({"half_width": ("mean", 0.02)}, [100], "balanced"),
        ({"budget": 0.1, "find": "best"}, [100], "search"),
    ],
)
def test_the_design_follows_the_rule(
    changes: dict[str, object], sizes: list[int], expected: str
) -> None:
    """Paired from 50 instances per phrasing on, and wherever the same instances are needed."""
    assert design_of(replace(SUITE, **changes), sizes) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget_design": "balanced"}, "--budget-design balanced: says how a budget is spent"),
        ({"find": "best"}, "--find: needs a budget"),
        (
            {"find": "best", "budget": 0.1, "half_width": ("mean", 0.1)},
            "--find: chooses its own cells",
        ),
        (
            {"half_width": ("mean", 0.1), "budget_design": "paired"},
            "--half-width: stops sparse designs only",
        ),
        (
            {"budget": 0.1, "budget_design": "balanced", "kinds": ("correct", "wrong")},
            "Use --budget-design paired",
        ),
    ],
)
def test_contradicting_options_are_refused(changes: dict[str, object], message: str) -> None:
    """Each with what to do."""
    with pytest.raises(UsageError, match=message):
        design_of(replace(SUITE, **changes), [100])


def test_sparse_runs_are_compared_with_nothing_and_gate_nothing(tmp_path: Path) -> None:
    """Even two runs of the same cells: they are not paired."""
    manifest = run(settings("noise", tmp_path / "run", suite=SPARSE), Silent()).manifest

    with pytest.raises(ComparisonError, match=r"old is a sparse run \(--budget, design balanced\)"):
        compare_suites(manifest.suite, manifest.suite)
    with pytest.raises(GateError, match="sparse run"):
        admit(manifest, manifest, policy=Policy(name="p", rules=(), allow_limited=True))


def test_plan_shows_the_cells_and_the_page_says_that_the_run_is_sparse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plan counts what the run then asks; the page and the summary name both numbers,
    and the half-width of parts is drawn.
    """
    words = [
        "--model",
        "scripted:noise",
        "--tasks",
        TASK,
        *"--limit 20 --phrasings 8 --budget 0.25 --no-cache".split(),
    ]
    target = ["--out", str(tmp_path / "run")]
    assert invoke(["plan", *words, *target, "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)["plan"]
    assert invoke(["run", *words, *target]) == 0
    shown = capsys.readouterr().out
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    curve = read_manifest(tmp_path / "run").to_json()["budget"]["curve"]

    assert (
        planned["design"],
        planned["total"]["cells"],
        planned["total"]["not_asked"],
        planned["total"]["requests"],
    ) == (
        "balanced",
        40,
        120,
        40,
    )
    assert "Sparse run (balanced): 40 cells asked, 120 not asked" in shown
    assert "Sparse run: 40 of 160 cells asked (25%, balanced)" in page
    assert [step["cells"] for step in curve] == [10, 20, 40]
    assert "for all cells that were asked and had only a part of them been asked" in page
