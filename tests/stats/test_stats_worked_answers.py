"""Worked examples small enough for paper, arithmetic in the docstrings,
and the edges of every metric.
"""

import math

import numpy as np
import pytest

from evalkit import stats

TWO = np.array([[0.6], [0.4]])
SEEN = np.array([True, True, False, False])


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (stats.mean, 0.5),
        (stats.std0, 0.1),  # both are 0.1 from the mean
        (stats.sensitivity, 0.2),  # 0.1 / 0.5
        (stats.std, math.sqrt(0.02)),  # sqrt((0.01 + 0.01) / 1)
        (stats.spread, 0.2),
        (stats.saturation, 0.9),  # 1 - (0.6 - 0.5)
        (stats.cps, 0.54),  # 0.9 x 0.6
        (stats.median, 0.5),
        (stats.min, 0.4),
        (stats.max, 0.6),
        (stats.cvar10, 0.4),  # ceil(2 / 10) = 1 phrasing
    ],
)
def test_two_phrasings_at_six_and_four_tenths(metric, expected):
    """Phrasings at 0.6 and 0.4 give the values worked out by hand."""
    assert metric(TWO) == pytest.approx(expected, abs=1e-12)


def test_model_right_on_seen_wording_only():
    """Two seen phrasings always right, two unseen never:
    gap 1 - 0, every instance has a wrong and a right phrasing.
    """
    scores = np.repeat([[1.0], [1.0], [0.0], [0.0]], 3, axis=1)

    assert stats.gap(scores, seen=SEEN, unseen=~SEEN) == 1.0
    assert (stats.worst_instance(scores), stats.best_instance(scores)) == (0.0, 1.0)


def test_drop_rate_of_clean_eight_and_attacked_six_tenths():
    """1 - 0.6 / 0.8 = 0.25."""
    assert stats.pdr(np.array([0.6]), np.array([0.8])) == pytest.approx(0.25)


def test_drop_rate_leaves_out_a_reference_of_zero():
    """A pair without a score to lose is undefined: the mean is over the other pair,
    and NaN when it is the only one.
    """
    assert stats.pdr(np.array([0.6, 0.0]), np.array([0.8, 0.0])) == pytest.approx(0.25)
    assert math.isnan(stats.pdr(np.array([0.0]), np.array([0.0])))


def test_five_eighths_on_four_choices_is_half_way_from_guessing():
    """(0.625 - 0.25) / 0.75 = 0.5."""
    assert stats.accuracy_norm(0.625, 0.25) == 0.5


def test_flips_count_both_directions():
    """Old right on {1, 2, 3, 4}, new on {3, 4, 5}: 2 of 4 lost, 1 gained."""
    found = stats.flips(np.array([1, 1, 1, 1, 0.0]), np.array([0, 0, 1, 1, 1.0]))

    assert (found.collateral_damage, found.gained, (found.lost, found.gained)) == (2 / 4, 1, (2, 1))


@pytest.mark.parametrize(
    "metric", [stats.std, stats.var_phrasing, stats.std_excess, stats.g_coefficient, stats.pss]
)
def test_one_phrasing_has_no_variation_to_estimate(metric):
    """With P = 1 what compares phrasings is NaN."""
    assert math.isnan(metric(np.array([[1.0, 0.0, 1.0]])))


def test_one_phrasing_has_population_std_and_spread_of_zero():
    """std0 and spread of a single phrasing are 0 by definition."""
    one = np.array([[1.0, 0.0]])

    assert (stats.std0(one), stats.spread(one)) == (0.0, 0.0)


@pytest.mark.parametrize(
    "metric",
    [
        stats.mean,
        stats.median,
        stats.min,
        stats.max,
        stats.std0,
        stats.spread,
        stats.worst_instance,
        stats.pss,
    ],
)
def test_nothing_scored_is_nan(metric):
    """A matrix of missing cells, and one without instances, has no estimate."""
    assert math.isnan(metric(np.full((3, 2), np.nan)))
    assert math.isnan(metric(np.empty((3, 0))))


def test_missing_cells_are_not_zeros():
    """One of two cells missing: the phrasing's mean is the other cell, not half of it."""
    assert stats.mean(np.array([[1.0, np.nan], [1.0, 1.0]])) == 1.0


def test_sensitivity_of_a_task_never_solved_is_undefined():
    """std0 / 0 is NaN, not 0."""
    assert math.isnan(stats.sensitivity(np.zeros((2, 3))))


def test_gap_leaves_unknown_phrasings_out():
    """Of three phrasings the last is neither seen nor unseen: 1.0 - 0.5, whatever it scored."""
    scores = np.array([[1.0, 1.0], [0.5, 0.5], [0.0, 0.0]])

    assert (
        stats.gap(
            scores, seen=np.array([True, False, False]), unseen=np.array([False, True, False])
        )
        == 0.5
    )


def test_gap_without_an_arm_is_nan():
    """No unseen phrasing, no gap."""
    nobody = np.array([False, False])

    assert math.isnan(stats.gap(np.ones((2, 3)), seen=~nobody, unseen=nobody))


def test_gap_stands_on_the_instances_both_arms_were_scored_on():
    """The hard instance was scored under seen wording only;
    with it the gap would be 0.5 - 1, without it 1 - 1.
    """
    scores = np.array([[1.0, 0.0], [1.0, np.nan]])

    assert stats.gap(scores, seen=np.array([True, False]), unseen=np.array([False, True])) == 0.0


def test_a_phrasing_cannot_be_both_seen_and_unseen():
    """Overlapping arms are a caller's mistake."""
    both = np.array([True, True])
    with pytest.raises(ValueError, match="2 phrasings are both seen and unseen"):
        stats.gap(np.ones((2, 2)), seen=both, unseen=both)


def test_unparsed_answers_agree_with_nothing():
    """Both phrasings unparsed on an instance is a pair that differs; missing cells form no pair."""
    labels = np.array([[-1, 0], [-1, 0]])
    missing = np.array([[True, False], [True, False]])

    assert stats.consistency(labels) == 0.5
    assert stats.consistency(labels, missing=missing) == 1.0


def test_expected_minimum_over_subsets_matches_enumeration():
    """gap_worst compares at the same number of phrasings:
    the mean over all pairs of the three unseen minima.
    """
    scores = np.array([[0.9], [0.8], [0.7], [0.5], [0.1]])
    seen = np.array([True, True, False, False, False])
    by_hand = 0.8 - (0.5 + 0.1 + 0.1) / 3

    assert stats.gap_worst(scores, seen=seen, unseen=~seen) == pytest.approx(by_hand)


def test_robust_drop_is_the_drop_rate_of_the_worst_case():
    """(C - W) / C = 1 - W / C with W the worst case as the attacked score."""
    scores = np.array([[1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 1.0]])
    attacked, clean = np.array([stats.worst_instance(scores)]), np.array([0.75])

    assert stats.robust_drop(scores, reference=0) == pytest.approx(stats.pdr(attacked, clean))


def test_an_empty_answer_makes_posix_undefined():
    """Dividing by a length of 0 has no value."""
    assert math.isnan(stats.posix_of_set(np.zeros((2, 2)), np.array([0, 3])))


def test_posix_divides_by_the_answer_not_by_the_allowed_length():
    """Answers of 2 and 1 tokens, differences 2 and 2 nats: (2 / 2 + 2 / 1) / 2 = 1.5;
    by 64 allowed tokens it would be 0.03.
    """
    assert stats.posix_of_set(np.array([[-1.0, -3.0], [-4.0, -2.0]]), np.array([2, 1])) == 1.5


def test_hedges_g_of_equal_scores_around_different_means_is_one():
    """Pooled deviation 0 with different means is the largest effect there is."""
    assert stats.hedges_g(np.ones(3), np.zeros(3)) == -1.0


@pytest.mark.parametrize(
    ("groups", "published"),
    [
        ([([0], [1, 0, 0, 0]), ([1], [0, 0, 0, 0]), ([1], [1, 0, 0])], -0.35),
        ([([1], [1, 0, 1, 0]), ([1], [1, 0, 0, 1]), ([1], [1, 1, 0])], -0.08),
    ],
)
def test_hedges_g_is_that_of_unitxt(groups, published):
    """Two published answers of IBM/unitxt:prepare/metrics/grouped_instance_metrics.py, means
    over three groups, one original each.
    """
    each = [stats.hedges_g(np.array(a, float), np.array(b, float)) for a, b in groups]
    assert round(float(np.mean(each)), 2) == published


@pytest.mark.parametrize(("n", "factor"), [(49, 46 / 46.75 * np.sqrt(47 / 49)), (50, 1.0)])
def test_hedges_g_is_corrected_below_fifty_scores_only(n, factor):
    """The factor of unitxt ends at 50 scores: with one original of 0 and k others, half of them
    1.
    """
    others = np.arange(n - 1) % 2.0
    plain = others.mean() / np.sqrt(((others - others.mean()) ** 2).sum() / (n - 2))
    assert stats.hedges_g(np.zeros(1), others) == pytest.approx(factor * plain / 5)


def test_hedges_g_of_constant_groups_does_not_depend_on_the_last_digit():
    """Three times 0.1 has a mean that is not 0.1; equal groups still have no effect."""
    assert stats.hedges_g(np.full(3, 0.1), np.full(2, 0.1)) == 0.0
    assert np.isnan(stats.hedges_g(np.zeros(1), np.ones(1)))


def test_competition_rank_shares_the_smallest_rank():
    """0.75, then two at 0.5, then 0.25: 1, 2, 2, 4."""
    assert stats.competition_rank(np.array([0.5, 0.75, 0.25, 0.5])).tolist() == [2, 1, 4, 2]


def test_quantile_refuses_a_percentage():
    """The message names the value and what to do."""
    with pytest.raises(ValueError, match="q is 5; a fraction from 0 to 1 is accepted"):
        stats.quantile(TWO, 5)


def test_required_phrasings_says_when_no_number_is_enough():
    """With 10 instances the difficulty of instances alone leaves more than one point: None,
    not a large number.
    """
    pilot = stats.Components(0.0025, 0.15, 0.05, n_phrasings=10, n_instances=10)

    assert stats.required_phrasings(pilot, half=0.01, n_instances=10) is None


def test_required_phrasings_is_the_smallest():
    """The number found is narrow enough and one fewer is not."""
    pilot = stats.Components(0.0025, 0.15, 0.05, n_phrasings=10, n_instances=100)
    found = stats.required_phrasings(pilot, half=0.03, n_instances=5000)

    assert stats.half_width(pilot, n_phrasings=found, n_instances=5000) <= 0.03
    assert stats.half_width(pilot, n_phrasings=found - 1, n_instances=5000) > 0.03
