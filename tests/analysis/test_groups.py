"""A column `group` makes groups of instances the independent units, from estimates to the gate."""

import math

import numpy as np
import pandas as pd
import pytest

from evalkit.analysis import estimate
from evalkit.analysis.compare import Settings, compare_tables
from evalkit.errors import TableError
from evalkit.gating.measures import measure
from evalkit.records.policy import Policy, Rule
from evalkit.report.text import grouped
from evalkit.scoring import ScoreTable


def table_of(scores: np.ndarray, *, model: str = "m", grouped: bool = True) -> ScoreTable:
    """Return 0/1 cells of two phrasings and `grouped` instances, ten to a passage."""
    p, n = scores.shape
    frame = pd.DataFrame(
        {
            "model": model,
            "task": "b/t",
            "phrasing_id": np.repeat([f"p{k}" for k in range(p)], n),
            "instance_id": np.tile([f"i{k:03d}" for k in range(n)], p),
            "score": scores.ravel(),
            "group": np.tile([f"g{k // 10}" for k in range(n)], p),
        }
    )
    return ScoreTable.from_frame(frame if grouped else frame.drop(columns="group"))


def passages(shift: float = 0.0, seed: int = 0) -> np.ndarray:
    """Return scores of four phrasings on twelve passages of ten instances that stand or fall
    together.
    """
    rng = np.random.default_rng(seed)
    ease = np.repeat(rng.random(12), 10)
    return (rng.random((4, 120)) < np.clip(ease + shift, 0, 1)).astype(float)


def test_estimates_count_groups_and_say_the_design_effect():
    """The mean is the same, its interval at least twice as wide;
    rows and the printed line say 12 groups.
    """
    with_groups, without = (
        {
            row.metric: row
            for row in estimate(table_of(passages(), grouped=g), question="these")
            if row.task == "b/t"
        }
        for g in (True, False)
    )
    mean, plain = with_groups["mean"], without["mean"]
    effect = with_groups["design_effect"]

    assert (mean.value, mean.n_groups, plain.n_groups) == (plain.value, 12, 0)
    assert mean.high - mean.low > 2 * (plain.high - plain.low)
    assert effect.value > 4
    assert with_groups["pss"].note == "not offered for instances in groups"
    assert "design_effect" not in without
    assert grouped(with_groups.values()) == [
        (
            "b/t: 120 instances in 12 groups, which are the independent units; "
            f"design effect {effect.value:.1f}"
        )
    ]


def test_an_instance_in_two_groups_is_refused():
    """The message names the instance."""
    frame = table_of(passages()).frame.copy()
    frame["group"] = frame["group"].astype(object)
    frame.loc[0, "group"] = "elsewhere"

    with pytest.raises(TableError, match="instance 'i000' is in more than one group"):
        estimate(ScoreTable.from_frame(frame))


def test_comparison_exchanges_whole_groups():
    """Twelve passages: interval and p of a difference are far from those of 120 independent
    instances.
    """
    old, new = passages(), passages(0.1, seed=1)
    found, plain = (
        compare_tables(
            table_of(old, grouped=g),
            table_of(new, model="n", grouped=g),
            settings=Settings(question="these"),
        )
        for g in (True, False)
    )
    mean, single = (
        next(row for row in one.estimates if row.metric == "mean" and row.task == "b/t")
        for one in (found, plain)
    )

    assert mean.value == pytest.approx(single.value)
    assert mean.high - mean.low > 2 * (single.high - single.low)
    assert found.tests[0].p > 3 * plain.tests[0].p
    assert found.tests[0].method == "sign flip/groups"
    assert all(math.isnan(row.p) for row in found.by_phrasing)


@pytest.mark.parametrize(
    "metric", ["mean", "worst_instance", "worst_phrasing", "std", "collateral_damage"]
)
def test_gate_bounds_are_those_of_groups(metric):
    """The bound of every kind of harm lies further out when instances come in groups,
    and its estimate stays.
    """
    old, new = passages(), passages(0.0, seed=1)
    policy = Policy(name="p", rules=(Rule(metric=metric, margin=0.2),))
    bounds = []
    for g in (True, False):
        pair = (
            table_of(old, grouped=g).block("m", "b/t"),
            table_of(new, model="n", grouped=g).block("n", "b/t"),
        )
        bounds.append(measure([pair], policy)[0])
    mine, single = (one.harm for one in bounds)

    assert mine is not None
    assert single is not None
    assert mine.high > single.high
    assert metric == "std" or mine.value == pytest.approx(single.value)
