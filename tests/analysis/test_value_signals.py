"""Signals of which wordings to train on: worked by hand, and a planted wording that is found."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from evalkit.analysis.value_signals import Material, signals_of, worth
from evalkit.stats.point.association import spearman


def made(scores: object, **more: object) -> Material:
    """Return a task whose right answers have probability 0.8 and wrong ones 0.2."""
    values = np.asarray(scores, dtype=float)
    base = {
        "task": "toy/one",
        "phrasing_ids": tuple(f"p{k}" for k in range(len(values))),
        "scores": values,
        "labels": np.where(values > 0.5, 0, 1).astype(np.int32),
        "confidence": np.full(values.shape, 0.8),
        "target": np.where(values > 0.5, 0.8, 0.2),
        "words": np.arange(1.0, len(values) + 1),
    }
    return Material(**{**base, **more})  # type: ignore[arg-type]


def test_signals_of_a_worked_example() -> None:
    """Three wordings, two instances; the last wording loses what the others know."""
    one = made([[1, 1], [1, 0], [0, 0]])
    found = signals_of(one)
    assert found["score"] == pytest.approx([0, 0.5, 1])
    # instance 1: others of p2 are 1, 1; instance 2: others of p1 are 1 and 0, of p2 1 and 0
    assert found["recoverable"] == pytest.approx([0, 0.5, 1])
    assert found["confidence"] == pytest.approx([0.2] * 3)
    # instance 1 is answered 0, 0, 1; instance 2 is answered 0, 1, 1
    assert found["consistency"] == pytest.approx([0.5, 0.0, 0.5])
    # p0: |.8 - .5| and |.8 - .2|
    assert found["uncertainty"] == pytest.approx([0.45, 0.3, 0.45])
    assert found["length"] == pytest.approx([1, 2, 3])
    assert all(np.isnan(found[name]).all() for name in ("learning", "golden", "utility"))


def test_what_nobody_knows_is_not_recoverable() -> None:
    """An instance that every wording loses teaches no following."""
    assert signals_of(made([[0, 1], [0, 1], [0, 0]]))["recoverable"] == pytest.approx([0, 0, 0.5])


def test_learning_golden_and_utility_by_hand() -> None:
    """Perplexities 1/p: 5, 2.5 and 1.25 leave 1 - 2.5 / 3.75;
    a shot that raises one of two answers.
    """
    later = (np.full((1, 2), 0.4), np.full((1, 2), 0.8))
    shot = np.array([[0.4, 0.1]])
    one = made([[0, 0]], later=later, shot=shot)
    found = signals_of(one)
    assert found["learning"] == pytest.approx([1 - 2.5 / 3.75])
    assert found["golden"] == pytest.approx([0.5])
    assert found["utility"] == pytest.approx([(math.log(2) - math.log(2)) / 2])
    same = replace(one, later=(one.target, one.target))
    assert np.isnan(signals_of(same)["learning"]).all()


def planted(n_instances: int, seed: int = 0) -> Material:
    """Return eight wordings at 80 %, and one at 30 %."""
    rng = np.random.default_rng(seed)
    right = np.array([[0.8]] * 8 + [[0.3]])
    return made((rng.random((9, n_instances)) < right).astype(float))


def test_a_planted_wording_is_found_and_beats_chance() -> None:
    """Chosen on one half it loses on the other; its length says nothing of it."""
    one = planted(80)
    for name in ("recoverable", "score", "consistency"):
        found = worth([one], name, 1)
        assert found.chosen == pytest.approx(0.7, abs=0.15)
        assert found.random == pytest.approx((8 * 0.2 + 0.7) / 9, abs=0.08)
        assert found.p < 0.05
    nothing = worth([replace(one, words=np.arange(9.0, 0, -1))], "length", 1)
    assert nothing.p > 0.1


def test_chance_beats_nothing_more_often_than_it_says() -> None:
    """Where all wordings are alike, p below 0.1 comes in about a tenth of cases."""
    rng = np.random.default_rng(1)
    ps = [
        worth([made((rng.random((9, 40)) < 0.6).astype(float))], "score", 2, seed=k).p
        for k in range(60)
    ]
    assert sum(p < 0.1 for p in ps) <= 14


def test_a_signal_no_run_tells_has_no_worth() -> None:
    """NaN, never 0."""
    found = worth([planted(20)], "golden", 2)
    assert math.isnan(found.chosen)
    assert math.isnan(found.p)
    assert found.n_tasks == 0


def test_rank_correlation_leaves_out_what_one_side_lacks() -> None:
    """Ties have their average rank; too few have none."""
    one, two = np.array([1, 2, 3, math.nan]), np.array([10, 30, 20, 5])
    assert spearman(one, two) == pytest.approx(0.5)
    assert math.isnan(spearman(one[2:], two[2:]))
    assert math.isnan(spearman(np.ones(4), two.astype(float)))
