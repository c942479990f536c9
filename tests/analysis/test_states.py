"""Shares of states, refusals that come and go, and calibration, each worked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evalkit import stats
from evalkit.analysis import estimate
from evalkit.analysis.compare import compare_tables
from evalkit.scoring import ScoreTable


def table(changes: dict[str, list[object]] | None = None, *, tasks: int = 1) -> ScoreTable:
    """Return two phrasings on four instances: states, scores and confidences as below."""
    columns: dict[str, list[object]] = {
        "state": ["right", "refused", "cut", "wrong", "right", "right", "partial", "unusable"],
        "score": [1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.5, 0.0],
        "form": ["whole", None, None, "line", "whole", "whole", "whole", "other"],
        "probability": [0.9, 0.5, 0.5, 0.7, 0.9, 0.9, 0.5, 0.3],
        **(changes or {}),
    }
    part = pd.DataFrame(
        {
            "model": "m",
            "phrasing_id": [name for name in "pq" for _ in range(4)],
            "instance_id": list("1234") * 2,
            **columns,
        }
    )
    return ScoreTable.from_frame(pd.concat([part.assign(task=f"b/t{k}") for k in range(tasks)]))


def values(of: ScoreTable, task: str = "b/t0") -> dict[str, float]:
    """Return metric -> value of one task."""
    return {row.metric: row.value for row in estimate(of, n_resamples=100) if row.task == task}


def test_shares_by_hand() -> None:
    """Eight answers: 3 right, 1 partial, 1 wrong, 1 refused, 1 cut, 1 unusable;
    six texts with a form.
    """
    found = values(table())

    assert [
        found[f"{name}_rate"]
        for name in ("right", "partial", "wrong", "refusal", "cut", "unusable")
    ] == [3 / 8, 1 / 8, 1 / 8, 1 / 8, 1 / 8, 1 / 8]
    assert (found["adherence"], found["ifs"]) == (pytest.approx(5 / 6), pytest.approx(4 / 6))


def test_the_mean_of_answers_given_by_hand() -> None:
    """Phrasing p gave 1 and 0, q gave 1, 1, 0.5 and 0: (0.5 + 0.625) / 2;
    the mean itself keeps all.
    """
    found = values(table())

    assert (found["answered_mean"], found["mean"]) == (0.5625, pytest.approx((0.25 + 0.625) / 2))


def test_a_refusal_under_one_wording_of_two_is_a_flip() -> None:
    """One of four instances."""
    assert values(table())["refusal_flip_rate"] == 0.25


def test_calibration_by_hand() -> None:
    """Differences c - y: -.1 .5 .5 .7 -.1 -.1 0 .3, and shifts of confidence 0 .4 0 .4."""
    found = values(table())
    gaps = np.array([-0.1, 0.5, 0.5, 0.7, -0.1, -0.1, 0.0, 0.3])

    assert found["overconfidence"] == pytest.approx(gaps.mean(), abs=6e-4)
    assert found["brier_answer"] == pytest.approx((gaps**2).mean(), abs=6e-4)
    assert found["confidence_shift"] == pytest.approx(0.2)
    # bins .3 (gap .3), .5 (three cells, sum 1.0), .7 (gap .7), .9 (three cells, sum -.3)
    assert found["ece"] == pytest.approx((0.3 + 1.0 + 0.7 + 0.3) / 8, abs=6e-4)


def test_a_wrong_answer_given_for_certain_is_counted_and_a_right_one_is_not() -> None:
    """Of four cells with a probability one is certain and wrong, one certain and half right."""
    sure = np.array([0.99, 0.995, 0.98, 1.0, np.nan])
    right = np.array([0.0, 0.5, 0.0, 1.0, 0.0])

    assert stats.sure_errors(sure, right).tolist()[:4] == [1.0, 0.5, 0.0, 0.0]
    assert np.isnan(stats.sure_errors(sure, right)[4])


def test_pooled_calibration_is_that_of_one_list() -> None:
    """Two tasks whose errors cancel: each has 0.5, the list of both has 0."""
    same = {"probability": [0.5] * 8, "form": [None] * 8}
    right = table({**same, "score": [1.0] * 8, "state": ["right"] * 8}).frame
    wrong = table({**same, "score": [0.0] * 8, "state": ["wrong"] * 8}).frame
    both = ScoreTable.from_frame(pd.concat([right, wrong.assign(task="b/t1")]))
    over = values(both, "all")

    assert (over["ece"], over["ece_pooled"], over["brier_answer_pooled"]) == (0.5, 0.0, 0.25)


def test_parts_of_the_brier_score_add_up() -> None:
    """Reliability - resolution + uncertainty + within is the score."""
    rng = np.random.default_rng(1)
    p = rng.random(500)
    parts = stats.brier_parts(p, (rng.random(500) < p).astype(float))

    total = parts.reliability - parts.resolution + parts.uncertainty + parts.within
    assert parts.score == pytest.approx(total)
    assert abs(parts.within) < 0.01


def test_aurc_and_average_precision_where_confidence_says_nothing() -> None:
    """All equally sure: the error rate, and the share of right cells."""
    p, y = np.full(4, 0.5), np.array([1.0, 0.0, 0.0, 0.0])

    assert (stats.aurc(p, y), stats.average_precision(p, y)) == (0.75, 0.25)
    assert np.isnan(stats.aurc(p, np.full(4, np.nan)))
    assert np.isnan(stats.average_precision(p, np.zeros(4)))


def test_equal_mass_bins_keep_equal_confidences_together() -> None:
    """Cells of one confidence are one bin however many bins are asked for."""
    p, y = np.full(10, 0.9), np.array([1.0] * 9 + [0.0])

    assert stats.ece_equal_mass(p, y) == pytest.approx(0.0)


def test_average_precision_and_brier_agree_with_scikit_learn() -> None:
    """An outside reference, ties included."""
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(2)
    p, y = rng.integers(0, 20, 300) / 20, (rng.random(300) < 0.4).astype(float)

    assert stats.average_precision(p, y) == pytest.approx(metrics.average_precision_score(y, p))
    assert stats.brier_parts(p, y).score == pytest.approx(metrics.brier_score_loss(y, p))


def test_compare_has_the_differences_by_hand() -> None:
    """Two answers more are refused: 3 of 8 against 1 of 8."""
    new = table(
        {"state": ["right", "refused", "cut", "refused", "right", "right", "partial", "refused"]}
    )
    found = {row.metric: row for row in compare_tables(table(), new).overall}

    assert found["refusal_rate"].value == 0.25
    assert found["unusable_rate"].value == -0.125
