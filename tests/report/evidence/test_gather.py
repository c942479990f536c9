"""What is shown beyond estimates, on cells small enough to count by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from evalkit.records import Block, Instance, Job, Phrasing, Response, Score, Task
from evalkit.report.evidence import Evidence, gather
from evalkit.report.evidence.across import phrasing_means
from evalkit.scoring import ScoreTable

KEY = 32


def cell(phrasing: str, instance: str, score: float | None, **changes) -> Score:
    """Return a cell of the one task there is."""
    base = {
        "model": "m",
        "benchmark": "b",
        "task": "b/t",
        "phrasing_id": phrasing,
        "phrasing_source": "evalkit",
        "seen": "unseen",
        "layout": "lettered",
        "label_space": "letters",
        "perturbation": "",
        "kind": "correct",
        "instance_id": instance,
        "score": score,
        "status": "missing" if score is None else "ok",
        "prediction": None if score is None else ("yes" if score else "no"),
        "target": "yes",
    }
    return Score(**{**base, **changes})


def job(phrasings: list[str], n: int, *, orders: dict[str, list] | None = None, **wording) -> Job:
    """Return what is stored of the task."""
    instances = tuple(
        Instance(
            id=f"i{k}",
            fields={"question": f"q{k}"},
            choices=("yes", "no"),
            target=0,
            references=("yes",),
        )
        for k in range(n)
    )
    return Job(
        task=Task(name="t", benchmark="b", reader="table"),
        phrasings=tuple(
            Phrasing(id=name, text=f"text of {name}", source="evalkit", **wording)
            for name in phrasings
        ),
        instances=instances,
        seen=dict.fromkeys(phrasings, "unseen"),
        orders=orders or {},
        blocks=tuple(
            Block(
                task="b/t",
                phrasing_id=name,
                inputs="",
                keys="".join(f"{name}-{k}".ljust(KEY, "0") for k in range(n)),
            )
            for name in phrasings
        ),
    )


def evidence(
    rows: dict[str, str],
    *,
    responses: dict[str, Response] | None = None,
    orders=None,
    flips=None,
    **changes,
) -> Evidence:
    """Return the evidence of scores written as digits per phrasing;
    ``x`` is missing, ``u`` unparsed.
    """
    scores = []
    for name, marks in rows.items():
        for k, mark in enumerate(marks):
            if mark == "u":
                scores.append(
                    cell(name, f"i{k}", 0.0, status="unparsed", prediction=None, **changes)
                )
            else:
                scores.append(cell(name, f"i{k}", None if mark == "x" else float(mark), **changes))
    table = ScoreTable.from_scores(scores)
    stored = job(list(rows), len(next(iter(rows.values()))), orders=orders)
    return gather(
        table,
        [stored],
        answers=lambda keys: {
            key: (responses or {})[key] for key in keys if key in (responses or {})
        },
        flips=flips,
    )


def test_phrasings_come_lowest_first_with_their_deviation_from_the_mean_of_the_task():
    """Scores 1, 0.5, 0: mean 0.5, deviations 0.5, 0, -0.5;
    the two ends hold half of the squares each.
    """
    found = evidence({"p": "1111", "q": "1100", "r": "0000"}).tasks[0].phrasings

    assert [(row.phrasing_id, row.score, row.deviation, row.share) for row in found] == [
        ("r", 0.0, -0.5, 0.5),
        ("q", 0.5, 0.0, 0.0),
        ("p", 1.0, 0.5, 0.5),
    ]


def test_interval_of_a_phrasing_with_all_right_answers_is_not_a_point():
    """Four of four right: Wilson's lower end is 1 / (1 + z^2 / 4) with z = 1.96, about 0.510."""
    found = evidence({"p": "1111", "q": "0000"}).tasks[0].phrasings[-1]

    assert found.low == pytest.approx(1 / (1 + 1.959964**2 / 4), abs=1e-6)
    assert found.high == pytest.approx(1.0)


def test_missing_cells_lower_no_score_and_are_counted():
    """One of four cells missing, the rest right: score 1 over 3 instances, a quarter missing."""
    found = evidence({"p": "111x", "q": "1111"}).tasks[0].phrasings[0]

    assert (found.score, found.n, found.missing) == (1.0, 3, 0.25)


def test_low_phrasing_fails_by_format_when_its_readable_answers_are_right():
    """q: two right, two unparsed, so all readable answers are right; r: two right, two wrong."""
    found = {
        row.phrasing_id: row.by_format
        for row in evidence({"p": "1111", "q": "11uu", "r": "1100"}).tasks[0].phrasings
    }

    assert found == {"p": False, "q": True, "r": False}


def test_first_look_names_the_fewest_phrasings_that_hold_most_of_the_spread():
    """Deviations of a = 1, 1, 1, 1, 0: 0.2 four times and -0.8;
    the last holds 0.64 / 0.8 = 80 per cent alone.
    """
    looks = evidence({"p": "1", "q": "1", "r": "1", "s": "1", "t": "0"}).looks

    assert [row.phrasing_id for row in looks.most] == ["t"]
    assert looks.held == pytest.approx(0.8)
    assert (looks.n, len(looks.lowest), looks.n_by_format) == (5, 1, 0)


def test_first_look_is_empty_when_every_phrasing_scores_the_same():
    """Nothing is named as the cause of a spread that does not exist."""
    looks = evidence({"p": "10", "q": "01"}).looks

    assert (looks.most, looks.held) == ((), 0.0)
    assert math.isnan(looks.noise)


def test_instances_are_counted_by_how_they_depend_on_the_wording():
    """i0 always right, i1 and i2 depend, i3 never right."""
    view = evidence({"p": "1100", "q": "1010"}).tasks[0]

    assert (view.n_always, view.n_flipping, view.n_never, view.n_instances) == (1, 2, 1, 4)


def test_flips_are_the_instances_that_change_under_best_and_worst_phrasing():
    """Only i1 changes: right under p, wrong under q."""
    flips = evidence({"p": "11", "q": "10"}).tasks[0].flips

    assert [
        (flip.instance_id, flip.best.phrasing_id, flip.worst.phrasing_id, flip.share)
        for flip in flips
    ] == [("i1", "p", "q", 0.5)]
    assert (flips[0].best.answer, flips[0].worst.answer) == ("yes", "no")


def test_number_of_flips_is_what_was_asked_for():
    """Four instances change, two are asked for."""
    assert len(evidence({"p": "1111", "q": "0000"}, flips=2).tasks[0].flips) == 2
    assert evidence({"p": "1111", "q": "0000"}, flips=0).tasks[0].flips == ()


def test_choice_probabilities_are_moved_back_to_the_upstream_order():
    """Shown as no, yes with probabilities 0.25 and 0.75; upstream order is yes, no."""
    responses = {
        "p-0".ljust(KEY, "0"): Response(
            key="k", logprobs=(math.log(0.25), math.log(0.75)), token_counts=(1, 1)
        )
    }
    flips = (
        evidence({"p": "1", "q": "0"}, responses=responses, orders={"p": [[[1, 0], []]]})
        .tasks[0]
        .flips
    )

    assert flips[0].best.choices == pytest.approx((0.75, 0.25))
    assert flips[0].worst.choices == ()


def test_controls_stay_out_of_the_headline():
    """A wrong instruction is shown, but explains no spread and flips nothing."""
    scores = [cell("p", "i0", 1.0), cell("q", "i0", 1.0), cell("w", "i0", 0.0, kind="wrong")]
    found = gather(
        ScoreTable.from_scores(scores), [job(["p", "q", "w"], 1)], answers=lambda keys: {}
    )

    assert [(row.phrasing_id, row.headline, row.share) for row in found.tasks[0].phrasings] == [
        ("w", False, 0.0),
        ("p", True, 0.0),
        ("q", True, 0.0),
    ]
    assert (found.looks.n, found.tasks[0].n_flipping, found.tasks[0].flips) == (2, 0, ())


def test_everything_missing_gives_no_number():
    """A run without any answer is shown as such, not as zeros."""
    found = evidence({"p": "xx", "q": "xx"})

    assert all(math.isnan(row.score) for row in found.tasks[0].phrasings)
    assert (found.looks.n, found.tasks[0].flips, found.tasks[0].n_never) == (0, (), 0)


def test_phrasing_means_take_out_the_difficulty_of_tasks():
    """One task: the mean of a phrasing is its own score."""
    found = phrasing_means(evidence({"p": "1111", "q": "1000"}))

    assert [(row.phrasing_id, row.score) for row in found] == [("p", 1.0), ("q", 0.25)]


def test_half_of_the_instances_or_phrasings_is_less_precise() -> None:
    """The whole run stands at the end of both lines, and every line falls."""
    steps = evidence({"p": "11110000", "q": "11000000", "r": "11111100", "s": "10101010"}).budget
    lines = {
        line: [step for step in steps if step.line == line]
        for line in dict.fromkeys(step.line for step in steps)
    }

    assert [line[-1].cells for line in lines.values()] == [32, 32]
    assert all(a.half_width > b.half_width for line in lines.values() for a, b in pairwise(line))


def test_no_budget_is_told_from_a_single_phrasing() -> None:
    """Without two phrasings there are no components of variance."""
    assert evidence({"p": "1100"}).budget == ()
