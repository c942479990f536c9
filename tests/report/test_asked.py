"""What an interval is for stands beside it: in every table of the page, of its Markdown, of the
leaderboard and of a comparison.
"""

from __future__ import annotations

import csv
import io
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from evalkit.analysis.pairing import paired_tests, write_tests
from evalkit.analysis.standings import standings
from evalkit.records import Estimate, Score
from evalkit.records.questions import WORDS
from evalkit.report.asked import about, most_asked
from evalkit.report.compared import Line, asked_in, line_cells, other_questions
from evalkit.report.leaderboard import (
    leaderboard_csv,
    leaderboard_html,
    leaderboard_markdown,
    leaderboard_rows,
)
from evalkit.report.page import render_markdown, render_page
from evalkit.report.run_view import RunView
from evalkit.scoring import ScoreTable

THIS_VERY = "new instances under this very phrasing"
SAID = (*WORDS.values(), THIS_VERY)
INTERVAL = re.compile(r"\[[−-]?\d+\.\d, [−-]?\d+\.\d\]")


def estimate(metric: str, question: str) -> Estimate:
    """Return an estimate with an interval that answers a question."""
    return Estimate(
        model="m",
        benchmark="b",
        task="t",
        metric=metric,
        value=0.5,
        low=0.4,
        high=0.6,
        question=WORDS[question],
    )


def tables_of(page: str) -> list[str]:
    """Return the tables of a page that show intervals."""
    return [one for one in re.findall(r"<table.*?</table>", page, re.S) if INTERVAL.search(one)]


def test_every_table_of_the_page_says_what_its_intervals_are_for(run_view: RunView) -> None:
    """A caption names a question wherever brackets stand, and every star of a cell is told."""
    found = tables_of(render_page(run_view))
    assert len(found) >= 3
    for table in found:
        caption = re.search(r"<caption>(.*?)</caption>", table, re.S)
        assert caption is not None
        assert any(words in caption[1] for words in SAID), caption[1]
        assert ("]*<" in table) == ("* " in caption[1])


def test_every_table_of_the_markdown_says_so_above_it(run_view: RunView) -> None:
    """The paragraph before a table with brackets names a question;
    the first one says it in its cells.
    """
    blocks = [one for one in re.split(r"\n\n+", render_markdown(run_view)) if one.strip()]
    with_brackets = [
        (before, block)
        for before, block in pairwise(blocks)
        if block.startswith("|") and INTERVAL.search(block)
    ]
    assert len(with_brackets) >= 2
    for before, block in with_brackets:
        assert any(words in before + block for words in WORDS.values()), block


def scored(model: str, share: float) -> ScoreTable:
    """Return 60 instances under six phrasings of a model that gets a share of them right."""
    right = np.random.default_rng(1).permutation(60) < 60 * share
    fields = {
        "benchmark": "b",
        "task": "b/t",
        "phrasing_source": "x",
        "layout": "",
        "label_space": "",
    }
    fields |= {
        "perturbation": "",
        "kind": "correct",
        "status": "ok",
        "prediction": None,
        "target": "",
    }
    return ScoreTable.from_scores(
        [
            Score(
                model=model,
                phrasing_id=f"p{p}",
                seen="seen" if p % 2 else "unseen",
                instance_id=f"i{i:02d}",
                score=float(one),
                **fields,
            )
            for p in range(6)
            for i, one in enumerate(np.roll(right, p))
        ]
    )


def test_a_leaderboard_says_so_in_every_form(run_view: RunView) -> None:
    """Page, Markdown and the column ``questions`` name what each interval is for;
    another question has a star.
    """
    order = standings([("a", scored("a", 0.9)), ("b", scored("b", 0.5))], question="these")
    rows_of = {"mean": "these", "gap": "normal"}
    whole = [
        Estimate(
            model="a",
            benchmark="all",
            task="all",
            metric=metric,
            value=0.5,
            low=0.4,
            high=0.6,
            question=WORDS[question],
        )
        for metric, question in rows_of.items()
    ]
    runs = [(name, run_view.manifest, whole) for name in ("a", "b")]
    rows = leaderboard_rows(runs, order)
    for text in (leaderboard_html(rows, order), leaderboard_markdown(rows, order)):
        assert f"95% intervals for {WORDS['these']}" in text
        assert f"gap: interval for {WORDS['normal']}" in text
    assert "[40.0, 60.0]*" in leaderboard_html(rows, order)
    record = next(csv.DictReader(io.StringIO(leaderboard_csv(rows))))
    assert record["questions"] == f"mean, rank: {WORDS['these']}; gap: {WORDS['normal']}"


def test_a_comparison_stars_what_answers_another_question() -> None:
    """One task with a single phrasing cannot speak of new ones, and says so beside its interval."""
    common = {"old": 0.5, "new": 0.4, "difference": -0.1, "low": -0.2, "high": 0.0}
    lines = [
        Line(name=name, key=name, verdict="no clear difference", question=WORDS[words], **common)
        for name, words in (("one", "normal"), ("two", "normal"), ("three", "these"))
    ]
    asked = asked_in(lines)
    assert asked == WORDS["normal"]
    assert [line_cells(line, asked)[3][-1] for line in lines] == ["]", "]", "*"]
    assert other_questions(lines, asked) == [f"* three: interval for {WORDS['these']}"]
    assert line_cells(lines[2])[3].endswith("]")


def test_the_question_without_a_star_is_that_of_most_intervals() -> None:
    """Nothing is said of a table without intervals."""
    rows = [estimate("std", "these"), estimate("gap", "these"), estimate("mean", "phrasings"), None]
    assert most_asked(rows) == WORDS["these"]
    assert about(rows) == (
        f"95% intervals for {WORDS['these']}; * mean: interval for {WORDS['phrasings']}"
    )
    assert about([None]) == ""


def test_tests_csv_names_the_question_of_every_row(tmp_path: Path) -> None:
    """Pairs of models are for these phrasings, and the column says it."""
    sides = [scored("a", 0.9).frame, scored("b", 0.5).frame]
    both = ScoreTable.from_frame(pd.concat(sides, ignore_index=True))
    write_tests(paired_tests(both), tmp_path / "tests.csv")
    records = list(csv.DictReader(io.StringIO((tmp_path / "tests.csv").read_text("utf-8"))))
    assert records
    assert {record["question"] for record in records} == {WORDS["these"]}
