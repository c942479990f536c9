"""The main figure of the page: every wording has a mark of its own, in the order of spread,
with words of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import combinations

import pytest

from evalkit.report.drawing import by_task
from evalkit.report.figures.lanes import mirrored, stacked
from evalkit.report.page import render_markdown, render_page
from evalkit.report.run_view import RunView
from evalkit.report.strips import APART, strips


def test_no_two_marks_of_a_lane_are_closer_than_a_mark() -> None:
    """Hundreds of equal and near scores: within a lane all are apart,
    and nothing is without a lane.
    """
    values = [round(0.5 + 0.01 * (n % 7), 2) for n in range(200)] + [0.0, 1.0, math.nan]
    lanes = stacked(values, apart=0.028)
    places = [(lane, value) for lane, value in zip(lanes, values, strict=True) if value == value]

    assert all(
        one[0] != other[0] or abs(one[1] - other[1]) >= 0.028 - 1e-9
        for one, other in combinations(places, 2)
    )
    assert max(lanes) < 150


def test_seen_lies_above_and_unseen_below() -> None:
    """The same score twice per arm: two lanes on either side, never a shared place."""
    found = mirrored([0.5] * 4, ["seen", "unseen", "seen", "unseen"], apart=0.1)

    assert found == [1, -1, 2, -2]


def test_tasks_stand_in_the_order_of_spread_and_wordings_that_lose_are_named(
    run_view: RunView,
) -> None:
    """Both toy tasks spread 66.7 points; the one that loses 37.5 points is named below it."""
    rows, n = strips(run_view.evidence, by_task(run_view.estimates))

    assert n == len(rows) == 2
    assert [row.spread for row in rows] == pytest.approx([4 / 6] * 2)
    assert [[one.phrasing_id for one in row.outlying] for row in rows] == [["p4"]] * 2
    assert len({(mark.x, mark.y) for mark in rows[0].marks}) == 4
    middle = float(rows[0].middle)
    assert {mark.seen: float(mark.y) < middle for mark in rows[0].marks} == {
        "seen": True,
        "unseen": False,
    }
    assert APART < 0.05


def test_every_mark_of_the_page_says_score_instances_and_wording(
    make_run: Callable[..., RunView],
) -> None:
    """A title and a link per mark; text from outside is escaped in both."""
    page = render_page(make_run('"><b>x</b>&y'))
    titles = re.findall(r"<a class=\"mark[^>]*><title>([^<]*)</title>", page)

    assert len(titles) == 8
    assert all("on 6 instances, " in one and "Wording p" in one for one in titles)
    assert sum("&lt;b&gt;x" in one for one in titles) == 8
    assert "<b>x</b>" not in page


def test_the_first_screen_begins_with_what_wording_costs(run_view: RunView) -> None:
    """The sentence stands above the three answers and in the text form."""
    page = render_page(run_view)

    assert page.index(
        "4 of 8 wordings cost 15 points or more: all are unseen, 2 fail by format"
    ) < page.index("How good?")
    assert "4 of 8 wordings cost 15 points or more" in render_markdown(run_view)
