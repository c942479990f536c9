"""Whether unseen wording is worse: where the arms differ in form, the gap between like forms
decides.
"""

from __future__ import annotations

import math

import pytest

from evalkit.records import Estimate
from evalkit.records.manifest import Wordings
from evalkit.report.limits import limits_of_wordings
from evalkit.report.wordings import unlike, unseen_verdict


def row(metric: str, value: float, low: float, high: float, *, n_tasks: int = 4) -> Estimate:
    """Return an estimate over all tasks."""
    return Estimate(
        model="m",
        benchmark="all",
        task="all",
        metric=metric,
        value=value,
        low=low,
        high=high,
        n_tasks=n_tasks,
    )


LOWER, HIGHER = row("gap", 0.089, 0.068, 0.11), row("gap", -0.05, -0.08, -0.02)
OPEN = row("gap", 0.02, -0.01, 0.05)
NONE = row("gap_matched", 0.033, -0.008, 0.075)


@pytest.mark.parametrize(
    ("gap", "like", "begins", "tone"),
    [
        (LOWER, None, "Yes: 8.9 points lower", "bad"),
        (HIGHER, None, "No: 5.0 points higher", "good"),
        (OPEN, None, "No clear difference", "plain"),
        (LOWER, NONE, "Not shown: 8.9 points lower", "open"),
        (HIGHER, NONE, "Not shown: 5.0 points higher", "open"),
        (OPEN, NONE, "No clear difference", "plain"),
        (LOWER, row("gap_matched", 0.04, 0.01, 0.07), "Yes: between like forms 4.0", "bad"),
        (OPEN, row("gap_matched", 0.04, 0.01, 0.07), "Yes: between like forms 4.0", "bad"),
        (LOWER, row("gap_matched", -0.04, -0.07, -0.01), "No: between like forms −4.0", "good"),
        (LOWER, row("gap_matched", math.nan, math.nan, math.nan), "Not shown: 8.9", "open"),
        (LOWER, row("gap_matched", 0.033, math.nan, math.nan), "Not shown: 8.9", "open"),
    ],
)
def test_yes_is_said_of_wording_alone(
    gap: Estimate, like: Estimate | None, begins: str, tone: str
) -> None:
    """No plain yes or no where the gap between like forms holds 0 or cannot be given."""
    found, shown = unseen_verdict({"gap": gap} | ({} if like is None else {"gap_matched": like}))

    assert found.startswith(begins)
    assert shown == tone
    assert "-" not in found


def test_a_part_of_the_tasks_is_named() -> None:
    """The gap between like forms is over the tasks whose arms differ."""
    like = row("gap_matched", 0.033, -0.008, 0.075, n_tasks=3)

    assert "in 3 of 4 tasks" in unseen_verdict({"gap": LOWER, "gap_matched": like})[0]


def test_the_sentence_beside_it_says_that_nothing_is_left() -> None:
    """With a minus, not a hyphen, in the limits of the page as on the terminal."""
    told = Wordings(differ={"layout": 2})
    (limit,) = limits_of_wordings(told, [], NONE)

    assert limit.text == unlike(told, NONE)
    assert "3.3 [−0.8, 7.5]" in limit.text
    assert limit.text.endswith("which includes 0.")
    assert unlike(told, row("gap_matched", 0.04, 0.01, 0.07)).endswith("(gap_matched).")
    assert "no matched gap" in unlike(told, row("gap_matched", math.nan, math.nan, math.nan))
