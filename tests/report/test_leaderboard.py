"""The leaderboard: order worked by hand, refusals, and forms that nothing can be smuggled into."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from manifests import made

from evalkit.analysis.standings import letters, standings
from evalkit.cli.main import invoke
from evalkit.errors import ComparisonError
from evalkit.records import Estimate, Score
from evalkit.records.manifest import Manifest, Wordings
from evalkit.report.leaderboard import (
    COLUMNS,
    leaderboard_csv,
    leaderboard_html,
    leaderboard_markdown,
    leaderboard_notes,
    leaderboard_rows,
)
from evalkit.scoring import ScoreTable

HOSTILE = "=cmd|'/c calc'!A0 <script>x</script> @team [l](http://e.vil)"


def table(
    model: str, share: float, *, n: int = 300, tasks: int = 2, flat: bool = True
) -> ScoreTable:
    """Return cells of a model that gets a share of the instances right; not flat:
    less under later phrasings.
    """
    rows = []
    for task in range(tasks):
        order = np.random.default_rng(task).permutation(n) / n
        for phrasing in range(4):
            mine = share if flat else share + 0.1 * (1.5 - phrasing)
            rows += [
                Score(
                    model=model,
                    benchmark="toy",
                    task=f"toy/t{task}",
                    phrasing_id=f"t{task}-p{phrasing}",
                    phrasing_source="evalkit",
                    seen="unknown",
                    layout="",
                    label_space="",
                    perturbation="",
                    kind="correct",
                    instance_id=f"i{number:03d}",
                    score=float(order[number] < mine),
                    status="ok",
                    prediction=None,
                    target="",
                )
                for number in range(n)
            ]
    return ScoreTable.from_scores(rows)


def manifest(model: str) -> Manifest:
    """Return what the leaderboard reads of a manifest."""
    return made(model={"label": model})


def test_models_that_cannot_be_told_apart_share_a_rank() -> None:
    """0.9 is better than both others; 0.600 and 0.601 differ in one instance of 300 per task."""
    found = standings([("c", table("c", 0.6)), ("a", table("a", 0.9)), ("b", table("b", 0.601))])

    assert [(row.model, row.rank) for row in found.rows] == [("a", 1), ("b", 2), ("c", 2)]
    assert [row.tied_with for row in found.rows] == [(), ("c",), ("b",)]
    assert (found.rows[0].rank_low, found.rows[0].rank_high) == (1, 1)
    assert [row.p_best for row in found.rows] == [1.0, 0.0, 0.0]


def test_kendall_w_is_one_when_every_wording_gives_the_same_order_and_low_when_they_disagree() -> (
    None
):
    """Two flat models agree always. One that falls with the phrasing crosses a flat one in the
    middle: two wordings each way.
    """
    same = standings([("a", table("a", 0.9)), ("b", table("b", 0.5))])
    crossed = standings([("a", table("a", 0.6)), ("b", table("b", 0.6, flat=False))])

    assert same.kendall_w == 1.0
    assert crossed.kendall_w == 0.0
    assert [row.rank for row in crossed.rows] == [1, 1]


def test_letters_say_exactly_who_is_tied() -> None:
    """Two share a letter where they are tied and nowhere else, whatever the ties."""
    rng = np.random.default_rng(4)
    for _ in range(30):
        names = [f"m{number}" for number in range(7)]
        tied: dict[str, list[str]] = {name: [] for name in names}
        for one, other in combinations(names, 2):
            if rng.random() < 0.5:
                tied[one].append(other)
                tied[other].append(one)
        found = letters(tied)

        assert all(found.values())
        assert all(
            bool(set(found[one]) & set(found[other])) == (other in tied[one])
            for one, other in combinations(names, 2)
        )


def test_order_of_runs_changes_nothing() -> None:
    """The same models, named in another order, have the same standings."""
    tables = [("a", table("a", 0.7)), ("b", table("b", 0.69, flat=False)), ("c", table("c", 0.5))]
    one, other = standings(tables), standings(tables[::-1])

    assert [(row.model, row.rank, row.tied_with) for row in one.rows] == [
        (row.model, row.rank, tuple(reversed(row.tied_with))) for row in other.rows
    ]


def test_a_gap_that_is_not_of_wording_alone_is_said_under_the_table() -> None:
    """With the gap between like forms."""
    order = standings([("a", table("a", 0.7)), ("b", table("b", 0.4))])
    like = Estimate(
        model="a",
        benchmark="all",
        task="all",
        metric="gap_matched",
        value=0.03,
        low=-0.01,
        high=0.07,
    )
    told = replace(manifest("a"), wordings=Wordings(differ={"layout": 2}))
    rows = leaderboard_rows([("a", told, [like]), ("b", manifest("b"), [])], order)

    said = [note for note in leaderboard_notes(rows, order) if "not of wording alone" in note]

    assert len(said) == 1
    assert said[0].startswith("a: seen and unseen phrasings differ in layout")
    assert "3.0 [−1.0, 7.0]" in said[0]


def test_one_phrasing_answers_for_these_phrasings_and_says_so() -> None:
    """There is nothing to say of new phrasings from one."""
    few = [
        (name, table(name, share).select({"phrasing_id": ["t0-p0", "t1-p0"]}))
        for name, share in (("a", 0.9), ("b", 0.5))
    ]

    assert standings(few).question == "these"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda: table("b", 0.5, tasks=1), "differ in 1 tasks, first 'toy/t1'"),
        (lambda: table("b", 0.5, n=299), "differ in 1 instances of toy/t0, first 'i299'"),
        (
            lambda: table("b", 0.5).select({"phrasing_id": ["t0-p0", "t1-p0", "t1-p1"]}),
            "differ in 3 phrasings of toy/t0, first 't0-p1'",
        ),
    ],
)
def test_other_cells_are_refused_saying_what_differs(
    other: Callable[[], ScoreTable], said: str
) -> None:
    """One suite per leaderboard."""
    with pytest.raises(ComparisonError, match="leaderboard") as caught:
        standings([("a", table("a", 0.5)), ("b", other())])
    assert said in str(caught.value)


def test_hostile_names_stay_text_in_every_form() -> None:
    """No formula, markup, link or script gets through."""
    order = standings([(HOSTILE, table(HOSTILE, 0.9)), ("b", table("b", 0.5))])
    rows = leaderboard_rows([(name, manifest(name), []) for name in (HOSTILE, "b")], order)
    record = next(csv.DictReader(io.StringIO(leaderboard_csv(rows))))
    text, page = leaderboard_markdown(rows, order), leaderboard_html(rows, order)

    assert list(record) == list(COLUMNS)
    assert record["model"] == f"'{HOSTILE}"
    assert (record["rank"], record["p_best"], record["kendall_w"]) == ("1", "1.0", "1.0")
    assert "<script" not in text
    assert "@team" not in text
    assert "](" not in text
    assert _tags(page) & {"img", "iframe", "link"} == set()
    assert (page.count("<script"), page.count("<a ")) == (1, 1)
    assert "<script>x" not in page
    assert "default-src &#39;none&#39;" in page


def _tags(page: str) -> set[str]:
    found: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.add(tag)
            assert not [name for name, _ in attrs if name.startswith("on")]

    Reader().feed(page)
    return found


def run(tmp_path: Path, name: str, model: str, *options: str) -> str:
    """Evaluate a scripted model on one procedural task and return its run directory."""
    path = str(tmp_path / name)
    words = [
        "run",
        "--model",
        f"scripted:{model}",
        *"--tasks procedural/boolean --phrasings 6 --no-cache --quiet --out".split(),
        path,
    ]
    assert invoke([*words, *(options or ("--limit", "30"))]) == 0
    return path


def test_the_command_ranks_runs_and_refuses_another_suite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From run directories to CSV, page, Markdown and JSON;
    a run of more instances is refused by name.
    """
    runs = [run(tmp_path, "low", "knows,accuracy=0.2"), run(tmp_path, "high", "perfect")]
    other = run(tmp_path, "other", "perfect", "--limit", "20")
    files = [tmp_path / name for name in ("l.csv", "l.html", "l.md")]
    capsys.readouterr()

    assert (
        invoke(
            [
                "leaderboard",
                *runs,
                "--out",
                str(files[0]),
                "--html",
                str(files[1]),
                "--markdown",
                str(files[2]),
                "--json",
            ]
        )
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert [(row["model"], row["rank"]) for row in told["leaderboard"]] == [
        ("perfect", 1),
        ("knows,accuracy=0.2", 2),
    ]
    assert [row["rank"] for row in csv.DictReader(files[0].read_text().splitlines())] == ["1", "2"]
    assert all(path.stat().st_size for path in files)
    assert invoke(["leaderboard", *runs, other]) == 2
    assert "instances of procedural/boolean (30 and 20)" in capsys.readouterr().err
    assert invoke(["leaderboard", runs[0], runs[0]]) == 2
    assert "named twice" in capsys.readouterr().err
