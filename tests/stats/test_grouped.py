"""Instances in groups: the groups are the independent units."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit import stats


def passages(
    rng: np.random.Generator, *, groups: int = 10, size: int = 20, p: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Return 0/1 scores whose groups differ more than chance, and the group of each instance."""
    codes = np.repeat(np.arange(groups), size)
    ease = rng.normal(0.0, 0.25, groups)[codes] + rng.normal(0.0, 0.1, codes.size)
    return (rng.random((p, codes.size)) < np.clip(0.5 + ease, 0, 1)).astype(float), codes


@given(seed=st.integers(0, 500), missing=st.floats(0.0, 0.3))
def test_groups_keep_the_phrasing_scores_and_have_the_cluster_robust_covariance(seed, missing):
    """Means are those of the instances; their covariance is G / (G - 1) sum of H H', worked out
    by hand.
    """
    rng = np.random.default_rng(seed)
    scores, codes = passages(rng, groups=6, size=4, p=3)
    scores[rng.random(scores.shape) < missing] = np.nan
    scores[:, 0] = 1.0
    z = stats.by_group(scores, codes)
    kept = z[:, ~np.isnan(z).all(axis=0)]
    g = kept.shape[1]
    a = np.nanmean(scores, axis=1)
    there = ~np.isnan(scores)
    moved = np.where(there, scores - a[:, None], 0.0) / there.sum(axis=1, keepdims=True)
    by_hand = sum(
        np.outer(moved[:, codes == c].sum(axis=1), moved[:, codes == c].sum(axis=1))
        for c in range(6)
    )

    assert kept.mean(axis=1) == pytest.approx(a)
    assert np.cov(kept) / g == pytest.approx(by_hand * g / (g - 1))


def test_groups_of_one_change_nothing():
    """Every instance alone: the scores themselves, and no codes at all."""
    scores = np.array([[1.0, 0.0, np.nan, 1.0]])

    assert stats.by_group(scores, np.arange(4))[0, [0, 1, 3]] == pytest.approx([1.0, 0.0, 1.0])
    assert stats.group_codes(["a", "b", "c"]) is None


def test_ten_copies_of_a_question_are_one_question():
    """Twenty questions ten times each: interval and design effect are those of the twenty."""
    once = (np.random.default_rng(0).random((4, 20)) < 0.6).astype(float)
    often, codes = np.repeat(once, 10, axis=1), np.repeat(np.arange(20), 10)
    found = stats.mean_interval(stats.by_group(often, codes), question="fixed")
    alone = stats.mean_interval(once, question="fixed")

    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))
    assert stats.design_effect(often, codes) == pytest.approx(10, rel=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("unequal", [False, True])
@pytest.mark.parametrize("question", ["fixed", "random"])
def test_ten_groups_of_twenty_hold_their_level(question, unequal):
    """Mean and gap of 200 instances in ten groups: at least 93% of 600 draws,
    where single instances hold four in five.
    """
    rng = np.random.default_rng(20261130)
    seen, truth, held, naive = np.arange(8) < 4, 0.5, {"mean": 0, "gap": 0}, 0
    draws = 600
    for _ in range(draws):
        scores, codes = passages(rng, p=8)
        if unequal:
            kept = rng.random(200) < np.repeat(np.linspace(0.4, 1.0, 10), 20)
            scores, codes = scores[:, kept], codes[kept]
        z = stats.by_group(scores, codes)
        mean = stats.mean_interval(z, question=question)
        gap = stats.gap_interval(z, seen=seen, unseen=~seen, question=question)
        single = stats.mean_interval(scores, question=question)
        held["mean"] += mean.low <= truth <= mean.high
        held["gap"] += gap.low <= 0.0 <= gap.high
        naive += single.low <= truth <= single.high

    assert {name: n / draws for name, n in held.items() if n / draws < 0.93} == {}
    assert naive / draws < 0.85
