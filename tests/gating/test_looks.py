"""Several looks at one candidate, margins relative to the baseline,
and bounds that hold their estimate.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from evalkit.analysis.compare import paired_blocks
from evalkit.gating import decide, measure
from evalkit.gating.measures import CONVEX, Pair
from evalkit.gating.series import spending
from evalkit.records.policy import Policy, Rule
from evalkit.scoring import Block, ScoreTable

DAY = date(2027, 1, 1)
LOOKS = (100, 200, 300, 400, 500)


def pair_of(old: np.ndarray, new: np.ndarray) -> list[Pair]:
    """Return the blocks of two matrices (phrasing, instance) of one task."""
    tables = []
    for name, scores in (("old", old), ("new", new)):
        p, n = scores.shape
        tables.append(
            ScoreTable.from_frame(
                pd.DataFrame(
                    {
                        "model": name,
                        "task": "t",
                        "phrasing_id": np.repeat([f"p{k}" for k in range(p)], n),
                        "instance_id": np.tile([f"i{k:04d}" for k in range(n)], p),
                        "score": scores.ravel(),
                    }
                )
            )
        )
    return paired_blocks(*tables)


def first(block: Block, n: int) -> Block:
    """Return the first instances of a block."""
    columns = {
        name: getattr(block, name)[:, :n]
        for name in ("values", "labels", "status", "state", "form", "confidence")
    }
    ids, targets = block.instance_ids[:n], block.targets[:n]
    return replace(block, instance_ids=ids, targets=targets, **columns)


def outcomes(harm: float, *, releases: int, seed: int) -> dict[bool, list[set[str]]]:
    """Return what the gate said in any look at each release, worse by `harm`;
    with the rule of looks and without.
    """
    policy = Policy(name="p", rules=(Rule(metric="mean", margin=0.05),), min_power=0.0)
    rng = np.random.default_rng(seed)
    found: dict[bool, list[set[str]]] = {True: [], False: []}
    for _ in range(releases):
        ease = rng.beta(2, 1.5, LOOKS[-1])
        old, new = (
            (rng.random((2, LOOKS[-1])) < share).astype(float)
            for share in (ease, np.clip(ease - harm, 0, 1))
        )
        whole = pair_of(old, new)[0]
        pairs = [[(first(whole[0], n), first(whole[1], n))] for n in LOOKS]
        for looks, said_of in found.items():
            said = set()
            for look, pair in enumerate(pairs, 1):
                own = replace(policy, level=1 - spending(look, 0.95)) if looks else policy
                said.add(decide(measure(pair, own), own, today=DAY).outcome)
            said_of.append(said)
    return found


@pytest.mark.slow
def test_all_looks_together_keep_the_level() -> None:
    """A loss of the margin passes in no look of more than 5 % of releases;
    without the rule in twice as many.
    """
    shares = {
        looks: np.mean(["pass" in said for said in found])
        for looks, found in outcomes(0.0527, releases=100, seed=4).items()
    }
    assert shares[True] <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 100)
    assert shares[True] < shares[False]


def test_what_looks_may_spend_adds_up() -> None:
    """2.5 %, 0.83 %, ...: never more than 5 % together, and nearly that."""
    spent = np.cumsum([spending(look, 0.95) for look in range(1, 500)])
    assert spent[0] == pytest.approx(0.025)
    assert 0.0498 < spent[-1] <= 0.05


def test_a_relative_margin_is_points_of_the_baseline() -> None:
    """Four of five right before: 5 % are 4 points, judged and said as such."""
    rng = np.random.default_rng(1)
    old = np.tile(np.arange(500) % 5 > 0, (3, 1)).astype(float)
    new = np.where(rng.random(old.shape) < 0.01, 1 - old, old)
    pairs = pair_of(old, new)
    relative, points = (
        Policy(name="p", rules=(Rule(metric="mean", margin=margin, relative=share),))
        for margin, share in ((0.05, True), (0.04, False))
    )
    judged = [
        decide(measure(pairs, policy), policy, today=DAY).checks[0] for policy in (relative, points)
    ]

    assert judged[0].margin == pytest.approx(0.04)
    assert judged[0].p_margin == pytest.approx(judged[1].p_margin, rel=0.05)
    assert judged[0].outcome == judged[1].outcome == "pass"
    assert "margin of 4.0 (5 % of the baseline's 80.0)" in judged[0].why


def test_a_share_of_nothing_is_no_margin() -> None:
    """A baseline of 0 cannot fall by 5 %; that is no pass."""
    policy = Policy(name="p", rules=(Rule(metric="mean", margin=0.05, relative=True),))
    found = decide(
        measure(pair_of(np.zeros((2, 50)), np.zeros((2, 50))), policy), policy, today=DAY
    )

    assert found.outcome == "inconclusive"
    assert "no share of a baseline of 0 is a margin" in found.checks[0].why


@pytest.mark.parametrize("metric", sorted(CONVEX))
def test_at_most_is_never_below_its_estimate(metric: str) -> None:
    """Bounds take off the bias of few noisy phrasings;
    what is said of a harm holds the harm that is shown.
    """
    rng = np.random.default_rng(2)
    policy = Policy(name="p", rules=(Rule(metric=metric, margin=0.05),))
    for _ in range(20):
        old, new = ((rng.random((3, 40)) < 0.6).astype(float) for _ in range(2))
        harm = measure(pair_of(old, new), policy)[0].harm
        if harm is not None:
            assert harm.low <= harm.value <= harm.high
