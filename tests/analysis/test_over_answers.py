"""Statistics of answers where cells were answered several times: all answers count,
not the first alone.
"""

from __future__ import annotations

import math

import pandas as pd
import pytest

from evalkit.analysis import estimate
from evalkit.analysis.over_answers import over_answers
from evalkit.scoring import ScoreTable
from evalkit.stats import Interval, undefined

AGREE = {"p1": "A", "p2": "A"}
APART = {"p1": "A", "p2": "B"}


def table(*answers: dict[str, str], instances: int = 4, cut: int = 0) -> ScoreTable:
    """Two phrasings over some instances; the nth answers are what the nth of `answers` says.
    The first `cut` answers of p1 are cut.
    """
    rows = [
        {
            "model": "m",
            "benchmark": "b",
            "task": "t",
            "phrasing_id": phrasing,
            "phrasing_source": "s",
            "seen": "unknown",
            "instance_id": f"i{instance}",
            "score": float(given == "A"),
            "prediction": given,
            "target": "A",
            "repeat": nth,
            "state": "cut"
            if phrasing == "p1" and nth < cut
            else "right"
            if given == "A"
            else "wrong",
        }
        for nth, said in enumerate(answers)
        for phrasing, given in said.items()
        for instance in range(instances)
    ]
    return ScoreTable.from_frame(pd.DataFrame(rows))


def values(made: ScoreTable) -> dict[str, float]:
    """Metric -> value of the task."""
    return {row.metric: row.value for row in estimate(made) if row.task == "t"}


def test_agreement_is_the_mean_over_answers_with_the_same_number() -> None:
    """First answers agree, the other two do not: (1 + 0 + 0) / 3, where the first alone says 1."""
    found = values(table(AGREE, APART, APART))

    assert found["consistency"] == pytest.approx(1 / 3)
    assert found["flip_rate"] == pytest.approx(2 / 3)
    assert values(table(AGREE))["consistency"] == 1.0


def test_the_order_of_answers_does_not_matter() -> None:
    """Which of them came first is chance."""
    orders = [(AGREE, APART, APART), (APART, AGREE, APART), (APART, APART, AGREE)]

    assert len({round(values(table(*order))["consistency"], 12) for order in orders}) == 1


def test_states_are_shares_of_all_answers() -> None:
    """One of three answers of one of two phrasings is cut: a sixth;
    by the first answer alone a half.
    """
    found = values(table(AGREE, AGREE, AGREE, cut=1))

    assert found["cut_rate"] == pytest.approx(1 / 6)
    assert found["right_rate"] == pytest.approx(5 / 6)


def test_a_cell_with_fewer_answers_counts_with_those_it_has() -> None:
    """Nothing is missing because another cell was asked more often."""
    rows = table(AGREE, APART).frame
    fewer = ScoreTable.from_frame(rows[~((rows["repeat"] == 1) & (rows["instance_id"] == "i0"))])
    found = values(fewer)

    assert found["missing_rate"] == 0.0
    assert found["consistency"] == pytest.approx(0.5)


def test_ends_are_averaged_and_one_without_an_interval_takes_it_away() -> None:
    """Values and ends by hand; a value that does not exist is left out."""
    first, second = (Interval(v, v - 0.1, v + 0.1, 0.95, "t", "instances") for v in (0.2, 0.4))
    none = undefined(0.9, "not offered")
    gone = undefined(math.nan, "no answers")

    (both,) = over_answers([{"x": first}, {"x": second}, {"x": gone}]).values()
    (without,) = over_answers([{"x": first}, {"x": none}]).values()

    assert (both.value, both.low, both.high) == pytest.approx((0.3, 0.2, 0.4))
    assert (without.value, without.reason) == (pytest.approx(0.55), "not offered")
    assert math.isnan(without.low)
    assert over_answers([{"x": gone}, {"x": gone}])["x"].reason == "no answers"
