"""Intervals for new phrasings that need no law of wording."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit import stats
from evalkit.stats.intervals.bounded import ANY, bounded_mean_of_phrasings


def broken(rng: np.random.Generator, size: int) -> np.ndarray:
    """Scores of phrasings of which one in ten keeps next to nothing."""
    return np.where(rng.random(size) < 0.1, 0.1, 0.85 + 0.02 * rng.standard_normal(size))


@pytest.mark.parametrize("p", [4, 6, 10, 20, 60])
def test_a_wording_that_was_not_drawn_is_inside(p):
    """One in ten broken: the mean of all lies inside in at least 95 of 100 samples,
    where Student's does not.
    """
    rng = np.random.default_rng(p)
    truth = 0.9 * 0.85 + 0.1 * 0.1
    held, student = 0, 0
    for _ in range(300):
        a = broken(rng, p)
        found = bounded_mean_of_phrasings(a)
        held += found.low <= truth <= found.high
        other = stats.mean_interval(np.repeat(a[:, None], 50, axis=1))
        student += other.low <= truth <= other.high

    assert held >= 0.95 * 300
    assert p > 20 or student < 0.9 * 300


@given(
    a=st.lists(st.floats(0, 1), min_size=2, max_size=30),
    level=st.sampled_from([0.5, 0.8, 0.95, 0.99]),
)
def test_ends_hold_the_value_and_stay_within_scores(a, level):
    """Whatever the scores are: 0 <= low <= value <= high <= 1,
    and turned round the ends change places.
    """
    x = np.array(a)
    found, turned = (bounded_mean_of_phrasings(y, level=level) for y in (x, 1 - x))

    assert 0 <= found.low <= found.value <= found.high <= 1
    assert (1 - turned.high, 1 - turned.low) == pytest.approx((found.low, found.high), abs=0.05)


def test_equal_phrasings_leave_what_was_not_seen():
    """Ten phrasings that all score 0.8: a share 1 - 0.025^(1/10) of others may score anything."""
    unseen = 1 - 0.025**0.1
    found = bounded_mean_of_phrasings(np.full(10, 0.8))

    assert found.low == pytest.approx(0.8 * (1 - unseen), abs=0.01)
    assert found.high == pytest.approx(0.8 + 0.2 * unseen, abs=0.01)


def test_many_phrasings_go_on_where_few_end(monkeypatch):
    """Two hundred phrasings with draws and without: the same ends;
    a hundred thousand need no memory for draws.
    """
    a = broken(np.random.default_rng(7), 200)
    drawn = bounded_mean_of_phrasings(a)
    monkeypatch.setattr("evalkit.stats.intervals.bounded.MOST_DRAWN", 1)
    expanded = bounded_mean_of_phrasings(a)
    many = bounded_mean_of_phrasings(np.full(100_000, 0.5))

    assert (expanded.low, expanded.high) == pytest.approx((drawn.low, drawn.high), abs=2e-3)
    assert many.high - many.low < 1e-4


def test_new_instances_widen_it():
    """Sixty phrasings that agree on ten instances know little of others;
    on a thousand they know much.
    """
    rng = np.random.default_rng(1)
    few, many = (
        stats.bounded_mean_interval(np.tile((rng.random(n) < 0.5).astype(float), (60, 1)))
        for n in (10, 1000)
    )

    assert few.high - few.low > 0.5
    assert many.high - many.low < 0.15
    assert few.over == ANY


def test_all_right_is_not_certain():
    """Sixty phrasings right on ten instances each: others may have been missed,
    and other instances be wrong.
    """
    found = stats.bounded_mean_interval(np.ones((60, 10)))

    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.65 < found.low < 0.75


def test_median_reaches_from_one_order_statistic_to_another():
    """Ten phrasings, many instances: from the second lowest to the second highest."""
    a = np.linspace(0.1, 1.0, 10)
    found = stats.median_interval(np.repeat(a[:, None], 4000, axis=1))

    assert (found.low, found.high) == pytest.approx((0.2, 0.9))
    assert found.method == "order"


def test_a_phrasing_that_answers_other_instances_right_does_not_narrow_the_median():
    """Eleven phrasings alike and one that is right where they are wrong:
    instances count as they do for the eleven.
    """
    alike = np.tile(np.random.default_rng(3).random(80) < 0.75, (12, 1)).astype(float)
    reversed_one = alike.copy()
    reversed_one[0] = 1 - alike[0]
    whole, broken = stats.median_interval(alike), stats.median_interval(reversed_one)
    assert (broken.low, broken.high) == pytest.approx((whole.low, whole.high))


def test_five_phrasings_have_no_median():
    """Both halves of the tail hold 1 in 32: the least and the largest of five are not 95 %."""
    assert stats.median_interval(np.random.default_rng(0).random((5, 20))).reason == (
        "fewer than 6 phrasings"
    )
    assert stats.median_interval(np.random.default_rng(0).random((6, 20))).reason == ""


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (np.ones((1, 5)), "fewer than two phrasings"),
        (np.array([[0.5], [0.2]]), "fewer than two instances"),
        (np.full((3, 4), np.nan), "fewer than two phrasings"),
        (np.full((3, 4), 2.0), "scores outside 0 to 1"),
    ],
)
def test_what_has_no_interval_says_why(scores, reason):
    """NaN ends and the reason, never a guess."""
    found = stats.bounded_mean_interval(scores)

    assert np.isnan(found.low)
    assert found.reason.startswith(reason)


def test_tasks_that_share_phrasings_are_one_sample_of_phrasings():
    """More tasks with the same phrasings do not say more about other phrasings."""
    rng = np.random.default_rng(3)
    tasks = [(rng.random((10, 500)) < 0.7).astype(float) for _ in range(8)]
    one, eight = (stats.bounded_mean_of_tasks(tasks[:k]) for k in (1, 8))

    assert eight.high - eight.low > 0.8 * (one.high - one.low)
