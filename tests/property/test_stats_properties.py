"""Identities and invariances that every score matrix must satisfy."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from evalkit import stats

SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=7)
BINARY = arrays(np.float64, SHAPES, elements=st.sampled_from([0.0, 1.0]))
FRACTIONS = arrays(np.float64, SHAPES, elements=st.integers(0, 64).map(lambda k: k / 64))
HOLED = arrays(np.float64, SHAPES, elements=st.sampled_from([0.0, 0.25, 0.5, 1.0, np.nan]))
LABELS = arrays(np.int64, SHAPES, elements=st.integers(-1, 3))
FEW = settings(max_examples=60)

OF_SCORES = [
    stats.mean,
    stats.median,
    stats.min,
    stats.max,
    stats.std,
    stats.std0,
    stats.spread,
    stats.sensitivity,
    stats.saturation,
    stats.cps,
    stats.cvar10,
    stats.worst_instance,
    stats.best_instance,
    stats.pss,
    stats.var_phrasing,
    stats.var_instance,
    stats.var_interaction,
    stats.std_excess,
    stats.g_coefficient,
]
OF_LABELS = [stats.consistency, stats.flip_rate, stats.krippendorff_alpha, stats.fleiss_kappa]


def close(a: float, b: float) -> bool:
    """Equal to rounding; two undefined values are equal.
    Square roots of rounding noise are allowed for.
    """
    return bool(np.isclose(a, b, atol=1e-6, equal_nan=True))


@pytest.mark.parametrize("metric", OF_SCORES, ids=lambda metric: metric.__name__)
@given(scores=HOLED, data=st.data())
@FEW
def test_order_of_instances_and_phrasings_does_not_matter(metric, scores, data):
    """Shuffling rows and columns leaves every metric of scores as it is."""
    rows = data.draw(st.permutations(range(scores.shape[0])))
    columns = data.draw(st.permutations(range(scores.shape[1])))

    assert close(metric(scores[rows][:, columns]), metric(scores))


@pytest.mark.parametrize("metric", OF_LABELS, ids=lambda metric: metric.__name__)
@given(labels=LABELS, data=st.data())
@FEW
def test_names_of_labels_do_not_matter(metric, labels, data):
    """Renaming the labels, with unparsed kept unparsed,
    and shuffling rows and columns changes nothing.
    """
    names = np.array([*data.draw(st.permutations([7, 100, 12345678901, 3])), -1])
    rows = data.draw(st.permutations(range(labels.shape[0])))

    assert close(metric(names[labels][rows]), metric(labels))


@given(scores=BINARY)
@FEW
def test_pss_of_binary_scores_is_one_minus_consistency_of_correctness(scores):
    """For 0/1 scores a pair differs in score exactly when it differs in correctness."""
    assert close(stats.pss(scores), 1 - stats.consistency(scores.astype(np.int64)))


@given(scores=FRACTIONS)
@FEW
def test_worst_and_best_instance_bracket_all_phrasings(scores):
    """worst_instance <= min <= mean <= max <= best_instance."""
    values = [
        stats.worst_instance(scores),
        stats.min(scores),
        stats.mean(scores),
        stats.max(scores),
        stats.best_instance(scores),
    ]

    assert all(low <= high + 1e-12 for low, high in itertools.pairwise(values))


@given(scores=FRACTIONS)
@FEW
def test_spread_is_at_least_twice_std0(scores):
    """Popoviciu's inequality, with equality for two phrasings."""
    spread, std0 = stats.spread(scores), stats.std0(scores)

    assert spread >= 2 * std0 - 1e-12
    assert scores.shape[0] > 2 or close(spread, 2 * std0)


@given(scores=FRACTIONS)
@FEW
def test_cps_never_exceeds_the_best_phrasing(scores):
    """Saturation is at most 1."""
    assert stats.cps(scores) <= stats.max(scores) + 1e-12


@given(scores=FRACTIONS, reference=st.integers(0, 1))
@FEW
def test_robust_drop_is_the_drop_rate_of_the_worst_case(scores, reference):
    """Defined exactly when the reference scores above 0, and then equal."""
    clean = stats.phrasing_scores(scores)[[reference]]

    assert close(
        stats.robust_drop(scores, reference=reference),
        stats.pdr(np.array([stats.worst_instance(scores)]), clean),
    )


@given(labels=arrays(np.int64, SHAPES, elements=st.integers(0, 3)))
@FEW
def test_alpha_is_one_minus_disagreement_over_expected(labels):
    """Nothing missing: Do is the flip rate, so alpha = 1 - (1 - consistency) / De with De the
    chance of unlike labels.
    """
    n = labels.size
    totals = np.unique(labels, return_counts=True)[1]
    expected = (n**2 - (totals**2).sum()) / (n * (n - 1))
    assume(expected > 0)

    assert close(stats.krippendorff_alpha(labels), 1 - (1 - stats.consistency(labels)) / expected)


@given(labels=arrays(np.int64, SHAPES, elements=st.integers(0, 2)))
@FEW
def test_flip_rate_is_zero_only_for_one_answer_per_instance(labels):
    """Both directions, and the entropy says the same."""
    same = bool((labels == labels[0]).all())

    assert (stats.flip_rate(labels) == 0) == same
    assert close(stats.label_entropy(labels, 3), 0.0) == same


@given(scores=FRACTIONS, k=st.integers(2, 4))
@FEW
def test_copies_of_instances_change_no_mean(scores, k):
    """Repeating every instance k times leaves statistics of a[p] as they are."""
    many = np.tile(scores, (1, k))

    assert [
        close(metric(many), metric(scores))
        for metric in (stats.mean, stats.std, stats.spread, stats.pss)
    ] == [True] * 4


@given(scores=FRACTIONS)
@FEW
def test_copies_of_phrasings_do_not_make_the_fixed_interval_narrower(scores):
    """Ten phrasings of one question are one question:
    duplicating every phrasing keeps the interval over instances.
    """
    assume(0 < scores.mean() < 1)
    one, ten = (stats.mean_interval(np.tile(scores, (k, 1)), question="fixed") for k in (1, 10))

    assert close(one.high - one.low, ten.high - ten.low)


@given(scores=FRACTIONS)
@FEW
def test_spread_at_grows_with_the_number_of_phrasings(scores):
    """At one phrasing 0, at all of them the spread itself, never falling between."""
    values = [stats.spread(scores, at=at) for at in range(1, scores.shape[0] + 1)]

    assert close(values[0], 0.0)
    assert close(values[-1], stats.spread(scores))
    assert all(low <= high + 1e-9 for low, high in itertools.pairwise(values))


@given(
    logprobs=arrays(
        np.float64, st.integers(2, 5).map(lambda n: (n, n)), elements=st.integers(-20, 0).map(float)
    )
)
@FEW
def test_posix_is_zero_only_for_equal_probabilities(logprobs):
    """0 iff every row (one answer under all phrasings) is constant."""
    lengths = np.full(logprobs.shape[0], 3)

    assert (stats.posix_of_set(logprobs, lengths) == 0) == bool((logprobs == logprobs[:, :1]).all())


@given(scores=HOLED)
@FEW
def test_one_more_missing_cell_never_counts_as_zero(scores):
    """Dropping one cell of a matrix of ones leaves every location at 1."""
    ones = np.where(np.isnan(scores), np.nan, 1.0)
    assume((~np.isnan(ones)).any())

    assert (stats.mean(ones), stats.min(ones), stats.worst_instance(ones)) == (1.0, 1.0, 1.0)


@given(p=arrays(np.float64, st.integers(1, 12), elements=st.floats(0, 1)))
@FEW
def test_adjusted_p_are_never_smaller_and_keep_the_order(p):
    """Holm and Benjamini-Hochberg."""
    for adjust in (stats.holm, stats.benjamini_hochberg):
        adjusted = adjust(p)
        assert (adjusted >= p - 1e-12).all()
        assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= -1e-12).all()
