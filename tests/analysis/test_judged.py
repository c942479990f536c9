"""What a judge's verdicts come to, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit import stats
from evalkit.analysis.judged import judgement
from evalkit.scoring.verdicts import JudgedCell, JudgeVerdict

ORDERS = (False, True)


def alone(
    instance: str,
    score: float,
    values: dict[str, tuple[float | None, float | None]],
    words: int = 4,
) -> JudgedCell:
    """Return an answer with two verdicts per wording: options as named first, and swapped."""
    verdicts = [
        JudgeVerdict(name, swapped, value)
        for name, both in values.items()
        for swapped, value in zip(ORDERS, both, strict=True)
    ]
    return JudgedCell(
        task="t",
        phrasing_id="p",
        instance_id=instance,
        key=instance,
        words=words,
        score=score,
        verdicts=tuple(verdicts),
    )


def pair(
    instance: str, scores: tuple[float, float], words: tuple[int, int], value: float
) -> JudgedCell:
    """Return a pair on which the judge says the same in both orders."""
    return JudgedCell(
        task="t",
        phrasing_id="p",
        instance_id=instance,
        key=instance,
        words=words[0],
        score=scores[0],
        other_words=words[1],
        other_score=scores[1],
        verdicts=tuple(JudgeVerdict("plain", swapped, value) for swapped in ORDERS),
    )


def test_rates_consistency_and_nonsense_by_hand() -> None:
    """Four answers: right by both; wrong by both; one verdict turned by the order; one nonsense."""
    found = judgement(
        [
            alone("1", 1.0, {"a": (1.0, 1.0)}),
            alone("2", 0.0, {"a": (0.0, 0.0)}),
            alone("3", 1.0, {"a": (1.0, 0.0)}),
            alone("4", 1.0, {"a": (None, None)}),
        ]
    )
    assert found.unread == 2
    assert found.n_questions == 8
    assert found.whole.n == 3
    assert found.whole.judged.value == pytest.approx((1 + 0 + 0.5) / 3)
    assert found.whole.metric.value == pytest.approx(2 / 3)  # the nonsense left out of both
    assert found.swap_consistency.value == pytest.approx(2 / 3)
    # named first and chosen: "right" of answer 1 unswapped, "wrong" of 2 swapped, 3 both times
    assert found.first.value == pytest.approx(4 / 6)
    assert found.whole.agreement == pytest.approx(2 / 3)


def test_nonsense_alone_is_no_zero() -> None:
    """A judge that says nothing usable has no rate at all."""
    found = judgement([alone(str(n), 1.0, {"a": (None, None)}) for n in range(5)])
    assert math.isnan(found.whole.judged.value)
    assert found.whole.n == 0
    assert found.unread == found.n_questions == 10
    assert math.isnan(found.kappa)
    assert math.isnan(found.swap_consistency.value)


def test_wordings_of_the_judge_by_hand() -> None:
    """Wording a calls all right, wording b half:
    spread 50 points, one side on half of the answers.
    """
    found = judgement(
        [
            alone("1", 1.0, {"a": (1.0, 1.0), "b": (1.0, 1.0)}),
            alone("2", 1.0, {"a": (1.0, 1.0), "b": (0.0, 0.0)}),
        ]
    )
    assert found.by_wording == {"a": 1.0, "b": 0.5}
    assert found.wording_spread == 0.5
    assert found.wordings_agree.value == 0.5


def test_slope_of_length_by_hand() -> None:
    """At one score, verdicts 0, 0.5, 1 of 2, 4, 8 words rise by a half for twice the words."""
    cells = [
        alone("1", 0.0, {"a": (0.0, 0.0)}, words=2),
        alone("2", 0.0, {"a": (0.0, 1.0)}, words=4),
        alone("3", 0.0, {"a": (1.0, 1.0)}, words=8),
    ]
    assert judgement(cells).length_slope.value == pytest.approx(0.5)


def test_length_that_goes_with_being_right_is_no_bias() -> None:
    """Longer answers that are right, and called so, leave a slope of 0."""
    rng = np.random.default_rng(3)
    cells = []
    for n in range(60):
        right = float(n % 2)
        words = int(rng.integers(2, 20)) + 20 * int(right)
        cells.append(alone(str(n), right, {"a": (right, right)}, words=words))
    slope = judgement(cells).length_slope
    assert slope.value == pytest.approx(0.0, abs=1e-9)


def test_pairs_by_hand() -> None:
    """Of four pairs the first is better twice, once worse, once equal;
    of equals the longer wins.
    """
    found = judgement(
        [
            pair("1", (1.0, 0.0), (3, 3), 1.0),
            pair("2", (1.0, 0.0), (9, 3), 1.0),
            pair("3", (0.0, 1.0), (3, 3), 0.0),
            pair("4", (1.0, 1.0), (3, 9), 0.0),
        ]
    )
    assert found.pairs
    assert found.whole.metric.value == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert found.whole.judged.value == 0.5
    assert found.longer.value == 1.0
    assert math.isnan(found.length_slope.value)
    assert found.whole.agreement == 0.75


def test_kappa_by_hand() -> None:
    """Of ten answers 4 are right by both, 3 wrong by both, 1 by the judge only, 2 by the metric
    only.
    """
    table = [(1.0, 1.0)] * 4 + [(0.0, 0.0)] * 3 + [(0.0, 1.0)] + [(1.0, 0.0)] * 2
    cells = [alone(str(n), score, {"a": (said, said)}) for n, (score, said) in enumerate(table)]
    chance = 0.6 * 0.5 + 0.4 * 0.5
    assert judgement(cells).kappa == pytest.approx((0.7 - chance) / (1 - chance))


def test_labels_correct_a_lenient_judge() -> None:
    """A judge that calls half of the wrong answers right is brought back to the truth by 60
    labels of 400.
    """
    rng = np.random.default_rng(7)
    truth = (rng.random(400) < 0.6).astype(float)
    said = np.where((truth == 0) & (rng.random(400) < 0.5), 1.0, truth)
    cells = [alone(str(n), truth[n], {"a": (said[n], said[n])}) for n in range(400)]
    labels = {("t", "p", str(n)): truth[n] for n in rng.choice(400, 60, replace=False).tolist()}
    found = judgement(cells, labels)
    assert found.whole.judged.value > 0.75
    assert found.n_labels == 60
    assert abs(found.corrected.value - truth.mean()) < 0.08
    assert found.corrected.low < truth.mean() < found.corrected.high
    alone_by_labels = stats.corrected_mean(np.full(400, 0.5), _told(labels, 400), np.arange(400))
    assert found.corrected.high - found.corrected.low < alone_by_labels.high - alone_by_labels.low


def _told(labels: dict[tuple[str, str, str], float], n: int) -> np.ndarray:
    return np.array([labels.get(("t", "p", str(k)), math.nan) for k in range(n)])


def test_corrected_mean_by_hand() -> None:
    """Four labelled and four other items: weight 0.16667 / (2 x 0.26786) = 0.31111, value
    0.32778.
    """
    judged = np.array([1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0])
    labels = np.array([1.0, 0.0, 0.0, 0.0] + [math.nan] * 4)
    found = stats.corrected_mean(judged, labels, np.arange(8))
    weight = (0.5 / 3) / (2 * 1.875 / 7)
    assert found.value == pytest.approx(weight * 0.75 + 0.25 - weight * 0.5)
    assert math.isnan(found.low)
    assert "20" in found.reason


def test_a_rate_of_few_answers_stays_a_rate() -> None:
    """Verdicts of 0.5, 1 and 1 have an interval within 0 and 1,
    where Student's would leave them.
    """
    values: list[tuple[float | None, float | None]] = [(1.0, 0.0), (1.0, 1.0), (1.0, 1.0)]
    cells = [alone(f"i{n}", 1.0, {"w": one}) for n, one in enumerate(values)]
    found = judgement(cells, {}).whole.judged
    assert found.value == pytest.approx(5 / 6)
    assert (0.0 <= found.low < found.value, found.high) == (True, 1.0)


def test_a_judge_that_says_one_thing_is_ignored() -> None:
    """A constant judge has weight 0: the corrected rate is that of the labels."""
    labels = np.r_[np.ones(15), np.zeros(10), np.full(75, math.nan)]
    found = stats.corrected_mean(np.ones(100), labels, np.arange(100))
    assert found.value == pytest.approx(0.6)


def test_labels_of_one_instance_count_as_one_unit() -> None:
    """Thirty labels of one instance under thirty phrasings give no interval."""
    labels = np.r_[np.ones(30), np.full(30, math.nan)]
    groups = np.r_[np.zeros(30, dtype=int), np.arange(1, 31)]
    assert math.isnan(stats.corrected_mean(np.r_[np.ones(45), np.zeros(15)], labels, groups).low)


@pytest.mark.parametrize(("rate", "error", "n"), [(0.8, 0.1, 30), (0.95, 0.02, 20), (0.5, 0.3, 50)])
def test_corrected_intervals_hold_the_truth(rate: float, error: float, n: int) -> None:
    """Of 300 draws at least 92 % of 95 % intervals hold the true rate, also with few errors."""
    rng, held = np.random.default_rng(11), 0
    for _ in range(300):
        truth = (rng.random(500) < rate).astype(float)
        judged = np.where(rng.random(500) < error, 1 - truth, truth)
        labels = np.full(500, math.nan)
        drawn = rng.choice(500, n, replace=False)
        labels[drawn] = truth[drawn]
        found = stats.corrected_mean(judged, labels, np.arange(500))
        held += found.low <= rate <= found.high
    assert held >= 0.92 * 300
