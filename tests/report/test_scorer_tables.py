"""The same answers under other rules, on the pages of runs and of their comparison."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.analysis.by_scorer import ScorerRow, ranked
from evalkit.cli.main import invoke
from evalkit.report.scorers import made_sentences, scorer_tables
from evalkit.runs import by_scorer

ROW = ScorerRow(
    run="",
    model="m",
    answers="texts",
    scorer="own",
    n_tasks=2,
    mean=0.5,
    spread=0.3,
    std=0.1,
    gap=-0.02,
    cells="c",
    rank=float("nan"),
)


def test_a_row_per_rule_and_what_the_rule_makes_of_the_spread() -> None:
    """30 points under one rule, 10 under another: 20 are the scorer's; fractions aside."""
    rows = [
        ROW,
        replace(ROW, scorer="exact", spread=0.1),
        replace(ROW, scorer="f1", spread=0.05),
    ]
    (table,) = scorer_tables(rows)

    assert table.heads == ("model", "scorer", "tasks", "mean", "spread", "std", "gap")
    assert table.rows[1] == ("m", "exact", "2", "50.0", "10.0", "10.0", "−2.0")
    assert table.made == (
        "20.0 of 30.0 points of this spread are made by the scorer (m, 2 tasks): 30.0 under own "
        "(texts), 10.0 under exact (texts).",
    )
    assert made_sentences([ROW, replace(ROW, scorer="exact")]) == [
        "None of the 30.0 points of this spread are made by the scorer (m, 2 tasks)."
    ]


def test_runs_are_ranked_under_each_rule() -> None:
    """The order may turn with the rule."""
    other = replace(ROW, run="b", model="n")
    rows = ranked(
        [
            replace(ROW, run="a"),
            replace(ROW, run="a", scorer="exact", mean=0.1),
            replace(other, mean=0.4),
            replace(other, scorer="exact", mean=0.2),
        ]
    )
    (table,) = scorer_tables(rows)

    assert table.heads[0] == "run"
    assert [row[-1] for row in table.rows] == ["1", "2", "2", "1"]


def test_pages_hold_the_table_where_stored_answers_suffice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one run, and of two; a run of too many cells has none, and no page breaks."""
    monkeypatch.chdir(tmp_path)
    words = ["--tasks", "procedural/boolean", "--limit", "4", "--phrasings", "3", "--no-cache"]
    for model, out in (("scripted:noise", "a"), ("scripted:knows", "b")):
        more = ["--quiet", "--resamples", "100", "--out", out]
        assert invoke(["run", "--model", model, *words, *more]) == 0
    assert invoke(["report", "a", "b", "--out", "both", "--quiet"]) == 0
    page = Path("a/report.html").read_text(encoding="utf-8")
    both = Path("both/comparison.html").read_text(encoding="utf-8")

    assert "The same answers under other rules" in page
    assert "points of this spread are made by the scorer" in page
    assert "under other rules" in Path("a/report.md").read_text(encoding="utf-8")
    assert '<th scope="col">rank</th>' in both.split("The same answers under other rules")[1]

    monkeypatch.setattr(by_scorer, "MOST", 3)
    assert invoke(["report", "a", "--quiet"]) == 0
    assert "under other rules" not in Path("a/report.html").read_text(encoding="utf-8")
