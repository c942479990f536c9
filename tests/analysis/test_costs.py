"""What wordings cost, counted: which loss is spoken of, whose wordings lose it, by format or
not, and what chance would do.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from evalkit.analysis import Scored, costs_of, scored_phrasings
from evalkit.report.summary import cost_sentence


def row(
    name: str,
    score: float,
    *,
    task: str = "t",
    seen: str = "unseen",
    unparsed: float = 0.0,
    n: int = 100,
) -> Scored:
    """One phrasing."""
    return Scored(task=task, phrasing_id=name, seen=seen, score=score, n=n, unparsed=unparsed)


def test_the_largest_loss_of_three_wordings_is_spoken_of() -> None:
    """Mean 0.6: three wordings lose 0.4 or more, one of them because its answers cannot be used."""
    rows = [
        *(row(f"good{n}", 0.9, seen="seen") for n in range(6)),
        row("a", 0.1),
        row("b", 0.0, seen="seen"),
        row("c", 0.1, unparsed=0.85),
    ]
    # mean (6 * 0.9 + 0.2) / 9 = 0.6222; losses 0.52, 0.62, 0.52
    found = costs_of(rows)

    assert found is not None
    assert (found.n, found.points, found.n_by_format) == (9, 0.5, 1)
    assert [one.phrasing_id for one in found.costing] == ["b", "a", "c"]
    assert cost_sentence(found) == (
        "3 of 9 wordings cost 50 points or more: 1 is seen and 2 are unseen, 1 fails by format."
    )


def test_one_wording_is_spoken_of_where_no_three_lose() -> None:
    """One outlier among ten at 0.5 loses 0.36; all others lie above the mean."""
    found = costs_of([*(row(f"g{n}", 0.5) for n in range(9)), row("bad", 0.1)])

    assert found is not None
    assert (found.points, len(found.costing)) == (0.3, 1)
    assert cost_sentence(found).startswith("1 of 10 wordings costs 30 points or more: it is unseen")


def test_nothing_lost_is_said_so() -> None:
    """Equal scores: no wording costs five points."""
    found = costs_of([row("a", 0.5), row("b", 0.5)])

    assert (
        cost_sentence(found)
        == "No wording of 2 costs 5 points or more against the mean of its task."
    )


def test_tasks_with_one_wording_and_missing_scores_do_not_count() -> None:
    """A lone wording has nothing to be held against, a missing score is no 0."""
    rows = [row("a", 0.9, task="lone"), row("b", 0.5), row("c", 0.5), row("d", math.nan)]
    found = costs_of(rows)

    assert found is not None
    assert found.n == 2
    assert costs_of([row("a", 0.9, task="lone")]) is None
    assert cost_sentence(None) == ""


def test_chance_is_the_binomial_tail_by_hand() -> None:
    """Two wordings on two instances, mean 0.5: to lose 0.5 is to get none right, chance 0.25
    each.
    """
    found = costs_of([row("a", 1.0, n=2), row("b", 0.0, n=2)])

    assert found is not None
    assert found.points == 0.5
    assert found.by_chance == pytest.approx(0.5)
    assert "the draw of instances alone would make about" in cost_sentence(found)
    sparse = costs_of([row("a", 1.0, n=2), row("b", 0.0, n=2)], sparse=True)
    assert "draw of instances" not in cost_sentence(sparse)


def test_rows_of_the_file_are_those_of_the_headline(tmp_path: Path) -> None:
    """Controls and perturbed copies are left out; a task that has nothing else keeps them."""
    head = "task,phrasing_id,seen,kind,perturbation,n_instances,score,unparsed_rate\n"
    lines = [
        "t,a,seen,correct,,3,0.5,0",
        "t,b,seen,wrong,,3,0.0,0",
        "t,c,seen,correct,word,3,,",
        "u,d,unknown,null,,3,,",
    ]
    path = tmp_path / "phrasings.csv"
    path.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    found = scored_phrasings(path)

    assert [one.phrasing_id for one in found] == ["a", "d"]
    assert math.isnan(found[1].score)


def test_rows_of_the_file_are_those_that_it_calls_headline(tmp_path: Path) -> None:
    """A phrasing of doubtful meaning is correct and unperturbed, and in no headline."""
    path = tmp_path / "phrasings.csv"
    path.write_text(
        "task,phrasing_id,seen,kind,perturbation,n_instances,score,unparsed_rate,headline\n"
        "t,a,seen,correct,,3,0.5,0,1\nt,doubtful,seen,correct,,3,0.0,0,0\nu,d,seen,null,,3,,,1\n",
        encoding="utf-8",
    )

    assert [one.phrasing_id for one in scored_phrasings(path)] == ["a", "d"]


def test_refusals_are_no_format(tmp_path: Path) -> None:
    """The first sentence counts what the page counts: cut and unusable answers,
    not refused ones.
    """
    head = "task,phrasing_id,seen,kind,perturbation,score,n_instances,unparsed_rate"
    rows = ["t,a,unseen,correct,,0.9,10,0,0,0", "t,b,unseen,correct,,0.9,10,0,0,0"]
    refused, unusable = (
        "t,c,unseen,correct,,0.1,10,0.8,0,0",
        "t,c,unseen,correct,,0.1,10,0.8,0.2,0.6",
    )
    path = tmp_path / "phrasings.csv"
    for last, by_format in ((refused, 0), (unusable, 1)):
        path.write_text("\n".join([f"{head},cut_rate,unusable_rate", *rows, last, ""]))
        found = costs_of(scored_phrasings(path))
        assert found is not None
        assert (len(found.costing), found.n_by_format) == (1, by_format)
