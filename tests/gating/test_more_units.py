"""Calibration error, score above chance, labels and pass@k as a gate measures them, worked by
hand.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evalkit import stats
from evalkit.gating.units import LINEAR, AbsentError
from evalkit.records.statistics import gated
from evalkit.scoring import Block, ScoreTable


def block(
    scores: list[list[float]],
    *,
    sure: float | None = None,
    form: str | None = None,
    repeats: int = 1,
) -> Block:
    """Return the block of phrasings by instances; every repeat of a cell in its own list,
    where there are several.
    """
    rows = []
    for p, line in enumerate(scores):
        for i, value in enumerate(line):
            answers = value if isinstance(value, list) else [value]
            rows += [
                {
                    **{"model": "m", "task": "b/t", "phrasing_id": f"p{p}"},
                    **{"instance_id": f"i{i}", "score": float(one), "probability": sure},
                    **{"form": form, **({"repeat": n} if repeats > 1 else {})},
                }
                for n, one in enumerate(answers)
            ]
    return ScoreTable.from_frame(pd.DataFrame(rows)).block("m", "b/t")


def test_calibration_error_is_the_mean_over_cells() -> None:
    """Sure by 0.9 of three in four: 0.15; by 0.7 of as many: 0.05,
    so the candidate is worse by 0.1.
    """
    scores = [[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0]]
    found = LINEAR["ece"](block(scores, sure=0.7), block(scores, sure=0.9))
    assert found.old == pytest.approx(0.05)
    assert found.new == pytest.approx(0.15)
    assert found.harm.mean() == pytest.approx(0.10)


def test_calibration_error_equals_that_of_the_statistics() -> None:
    """On mixed confidences value and statistic are the same number."""
    rng = np.random.default_rng(5)
    scores = (rng.random((3, 40)) < 0.6).astype(float)
    one = block(scores.tolist(), sure=0.5)
    one = replace(one, confidence=rng.random((3, 40)))
    found = LINEAR["ece"](one, one)
    assert found.old == pytest.approx(stats.ece(one.confidence.ravel(), one.values.ravel()))
    assert found.harm.max() == found.harm.min() == 0.0


def test_above_chance_of_two_choices_counts_double() -> None:
    """From 100 to 75 at chance 50 is half of what is above chance."""
    old, new = block([[1.0, 1.0, 1.0, 1.0]]), block([[1.0, 1.0, 1.0, 0.0]])
    with pytest.raises(AbsentError, match="guessing"):
        LINEAR["accuracy_norm"](old, new)
    found = LINEAR["accuracy_norm"](replace(old, chance=0.5), replace(new, chance=0.5))
    assert (found.old, found.new) == (1.0, 0.5)
    assert found.harm.mean() == pytest.approx(0.5)


def test_pass_at_k_of_repeats() -> None:
    """Three right of ten: pass@5 is .9167; none right: 0."""
    some, none = [1.0] * 3 + [0.0] * 7, [0.0] * 10
    old, new = (block([[some, one]], repeats=10) for one in (some, none))
    assert old.repeats == 10
    found = LINEAR["pass_at_5"](old, new)
    assert found.old == pytest.approx(11 / 12, abs=1e-4)
    assert found.new == pytest.approx(11 / 24, abs=1e-4)
    with pytest.raises(AbsentError, match="at least 100"):
        LINEAR["pass_at_100"](old, new)


def test_labels_are_looked_at_where_labels_are_asked_for() -> None:
    """Texts in another form fall; a task without labels has no such number."""
    old, new = (block([[1.0, 1.0]], form=form) for form in ("whole", "other"))
    with pytest.raises(AbsentError, match="label"):
        LINEAR["label_adherence"](old, new)
    found = LINEAR["label_adherence"](replace(old, labelled=True), replace(new, labelled=True))
    assert found.harm.mean() == 1.0


def test_whatever_a_policy_may_name_is_measured() -> None:
    """Every gated statistic has a way to be measured."""
    from evalkit.gating.measures import CONVEX
    from evalkit.gating.varied import is_varied
    from evalkit.records.policy import Rule

    from_answers = {name for name in gated() if is_varied(Rule(metric=name, margin=0.1))}
    from_answers.add("delta")  # of a rule with a group, which such a rule must name
    assert set(gated()) - from_answers == {*LINEAR, *CONVEX, "collateral_damage"}
    assert not from_answers & {*LINEAR, *CONVEX}


def test_reliance_leaves_out_wordings_of_doubtful_meaning() -> None:
    """As its estimate does: one correct wording right on all, a doubtful one and the control on
    none, so reliance is 1 and not a half.
    """
    rows = [
        {"model": "m", "task": "b/t", "phrasing_id": name, "instance_id": f"i{i}"}
        | {"score": score, "kind": kind, "meaning": meaning}
        for name, kind, meaning, score in (
            ("sure", "correct", "checked", 1.0),
            ("odd", "correct", "doubtful", 0.0),
            ("null", "null", "unchecked", 0.0),
        )
        for i in range(4)
    ]
    one = ScoreTable.from_frame(pd.DataFrame(rows)).block("m", "b/t")

    assert LINEAR["reliance"](one, one).old == pytest.approx(1.0)
