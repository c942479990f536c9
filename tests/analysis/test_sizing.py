"""Components of a pilot run, with the gap kept out of the variance of phrasings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalkit.analysis.sizing import Pilot, _gap_variance, _pilots, _within_arms, size, stated
from evalkit.scoring import ScoreTable
from evalkit.stats import Components, gap_interval


def test_the_gap_is_no_variance_of_phrasings() -> None:
    """Seen phrasings all at 1, unseen all at 0:
    within an arm nothing varies, over both it would be 1/3.
    """
    values = np.array([[1.0] * 4] * 2 + [[0.0] * 4] * 2)
    found = _within_arms(values, ("seen", "seen", "unseen", "unseen"))

    assert (found.phrasing, found.instance, found.interaction) == (0.0, 0.0, 0.0)
    assert _within_arms(values, ("unknown",) * 4).phrasing == pytest.approx(1 / 3)


def test_variance_of_the_gap_over_instances() -> None:
    """The gap is 1, 0, 1, 0 over four instances and nothing else varies within an arm:
    variance 1/3.
    """
    values = np.array([[1.0, 0.0, 1.0, 0.0]] * 2 + [[0.0] * 4] * 2)
    seen = ("seen", "seen", "unseen", "unseen")

    assert _gap_variance(values, seen, _within_arms(values, seen)) == pytest.approx(1 / 3)
    assert _gap_variance(values, ("unknown",) * 4, _within_arms(values, seen)) == 0.0


def test_a_larger_gap_needs_no_more_phrasings() -> None:
    """At every number of instances."""
    needed = [
        {d.n_instances: d.n_per_arm for d in size(stated("0.001,0.1,0.1"), gap=gap)[0].designs}
        for gap in (0.02, 0.05, 0.1)
    ]

    assert all(needed[0][n] >= needed[1][n] >= needed[2][n] for n in needed[0])


def test_what_phrasings_share_over_tasks_is_not_averaged_out() -> None:
    """Phrasings equally good or bad in all of 10 tasks keep their variance in the mean;
    phrasings of each task's own lose nine tenths of it.
    """
    rng = np.random.default_rng(0)
    effect = rng.normal(size=40) * 0.1
    own = [rng.normal(size=40) * 0.1 for _ in range(10)]
    parts = Components(0.01, 0.1, 0.1, n_phrasings=40, n_instances=100)

    def sized(scores: list[np.ndarray], names: list[list[str]]) -> float:
        pilots = [
            Pilot(
                task=f"t{t}",
                components=parts,
                gap_variance=0.0,
                a=dict(zip(ids, row, strict=True)),
                seen=dict.fromkeys(ids, "unknown"),
            )
            for t, (row, ids) in enumerate(zip(scores, names, strict=True))
        ]
        return size(pilots, gap=0.05)[1].components.phrasing

    same = [[f"p{k}" for k in range(40)]] * 10
    apart = [[f"t{t}p{k}" for k in range(40)] for t in range(10)]

    shared = float(effect.var(ddof=1))

    assert sized([0.5 + effect] * 10, same) == pytest.approx(shared + (0.01 - shared) / 10)
    assert sized(own, same) == pytest.approx(0.001, abs=0.0008)
    assert sized(own, apart) == pytest.approx(0.001)


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True])
def test_the_design_that_a_pilot_gives_shows_the_gap_as_often_as_it_says(shared: bool) -> None:
    """Eight tasks, phrasings of their own or shared: of 400 simulated runs of the cheapest
    design, the suite's interval excludes 0 in about 80 of 100.
    """
    rng = np.random.default_rng(3)
    gap, n_tasks, common, own, vi, ve = 0.04, 8, 0.0004 if shared else 0.0, 0.0004, 0.1, 0.1

    def suite(per_arm: int, n: int) -> np.ndarray:
        """Return scores (task, phrasing, instance)."""
        seen = np.arange(2 * per_arm) < per_arm
        main = np.sqrt(common) * rng.normal(size=(1, 2 * per_arm, 1)) + np.sqrt(own) * rng.normal(
            size=(n_tasks, 2 * per_arm, 1)
        )
        noise = np.sqrt(vi) * rng.normal(size=(n_tasks, 1, n)) + np.sqrt(ve) * rng.normal(
            size=(n_tasks, 2 * per_arm, n)
        )
        return 0.5 + gap * seen[None, :, None] + main + noise

    whole = suite(400, 100)
    pilots = [
        Pilot(
            task=f"t{t}",
            components=Components(common + own, vi, ve, n_phrasings=800, n_instances=100),
            gap_variance=0.0,
            a={
                (f"p{k}" if shared else f"t{t}p{k}"): float(score)
                for k, score in enumerate(whole[t].mean(axis=1))
            },
            seen={
                (f"p{k}" if shared else f"t{t}p{k}"): "seen" if k < 400 else "unseen"
                for k in range(800)
            },
        )
        for t in range(n_tasks)
    ]
    best = size(pilots, gap=gap)[1].cheapest
    assert best is not None
    seen = np.arange(2 * best.n_per_arm) < best.n_per_arm
    shown = 0
    for _ in range(400):
        mean = suite(best.n_per_arm, best.n_instances).mean(axis=0)
        found = gap_interval(mean, seen=seen, unseen=~seen)
        shown += not found.low <= 0 <= found.high

    assert shown / 400 == pytest.approx(best.power, abs=0.08)


def test_a_pilot_in_groups_asks_for_more_instances() -> None:
    """Ten instances of a passage that stand or fall together bring what one does:
    ten times the variance per instance.
    """
    rng = np.random.default_rng(3)
    one = (rng.random((6, 30)) < rng.random(30)).astype(float)
    scores = np.repeat(one, 10, axis=1)
    frame = pd.DataFrame(
        {
            "model": "m",
            "task": "t",
            "phrasing_id": np.repeat([f"p{k}" for k in range(6)], 300),
            "instance_id": np.tile([f"i{k:03d}" for k in range(300)], 6),
            "score": scores.ravel(),
            "group": np.tile([f"g{k // 10:02d}" for k in range(300)], 6),
        }
    )
    grouped, plain = (
        _pilots(ScoreTable.from_frame(part), Path("run"))[0].components
        for part in (frame, frame.drop(columns="group"))
    )
    (alone,) = _pilots(
        ScoreTable.from_frame(frame[frame["instance_id"].str.endswith("0")].drop(columns="group")),
        Path("run"),
    )

    assert grouped.interaction == pytest.approx(10 * alone.components.interaction)
    assert grouped.instance == pytest.approx(10 * alone.components.instance)
    assert grouped.interaction > 5 * plain.interaction
