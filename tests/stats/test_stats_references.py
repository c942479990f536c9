"""Agreement with other people's code: SciPy, statsmodels, scikit-learn, krippendorff, NumPy."""

import itertools

import krippendorff
import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.metrics import brier_score_loss, cohen_kappa_score
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa
from statsmodels.stats.multitest import multipletests

from evalkit import stats


@pytest.fixture
def rng() -> np.random.Generator:
    """Fixed draws."""
    return np.random.default_rng(20261121)


def labels_of(rng: np.random.Generator, missing: float) -> np.ndarray:
    """Labels of five phrasings that mostly agree."""
    truth = rng.integers(0, 4, size=60)
    labels = np.where(rng.random((5, 60)) < 0.7, truth, rng.integers(0, 4, size=(5, 60)))
    return np.where(rng.random(labels.shape) < missing, -1, labels)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_alpha_equals_the_krippendorff_package(rng, missing):
    """Nominal alpha, with missing labels and instances that are left with fewer than two."""
    labels = labels_of(rng, missing)
    data = np.where(labels < 0, np.nan, labels.astype(float))

    assert stats.krippendorff_alpha(labels) == pytest.approx(
        krippendorff.alpha(data, level_of_measurement="nominal")
    )


def test_fleiss_kappa_equals_statsmodels(rng):
    """Complete ratings by five phrasings."""
    labels = labels_of(rng, 0.0)

    assert stats.fleiss_kappa(labels) == pytest.approx(fleiss_kappa(aggregate_raters(labels.T)[0]))


def test_fleiss_kappa_of_identical_margins_equals_cohen(rng):
    """With two raters whose label shares are equal the chance terms of Fleiss and Cohen agree."""
    labels = np.array([[0, 0, 1, 1, 0, 1], [0, 1, 0, 1, 0, 1]])

    assert stats.fleiss_kappa(labels) == pytest.approx(cohen_kappa_score(labels[0], labels[1]))


@pytest.mark.parametrize("counts", [(0, 0), (2, 1), (10, 3), (0, 7), (40, 22)])
def test_mcnemar_equals_statsmodels(counts):
    """Exact two-sided p of the discordant pair."""
    lost, gained = counts

    assert stats.mcnemar(lost, gained) == pytest.approx(
        mcnemar([[5, lost], [gained, 5]], exact=True).pvalue
    )


def test_clustered_mcnemar_of_one_phrasing_is_mcnemar(rng):
    """One phrasing per instance is no cluster."""
    old, new = (rng.integers(0, 2, size=(1, 40)).astype(float) for _ in range(2))
    found = stats.flips(old, new)

    assert stats.mcnemar_clustered(old, new) == pytest.approx(
        stats.mcnemar(found.lost, found.gained)
    )


def test_clustered_mcnemar_equals_enumeration_of_all_sign_flips(rng):
    """Ten instances, four phrasings: all 1,024 sign patterns counted one by one."""
    old, new = (rng.integers(0, 2, size=(4, 10)).astype(float) for _ in range(2))
    steps = (new - old).sum(axis=0)
    sums = np.array([abs(np.dot(signs, steps)) for signs in itertools.product((-1, 1), repeat=10)])

    assert stats.mcnemar_clustered(old, new) == pytest.approx((sums >= abs(steps.sum())).mean())


def test_sign_flip_of_fractions_agrees_with_scipy_permutation_test(rng):
    """Random flips of non-integer differences against scipy's paired permutation test, exact for
    12 instances.
    """
    steps = rng.normal(0.3, 1.0, size=12)
    exact = scipy_stats.permutation_test(
        (steps, -steps),
        lambda x, y, axis: (x - y).sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
    )

    assert stats.sign_flip(steps, rng=rng, n_resamples=20000) == pytest.approx(
        exact.pvalue, abs=0.015
    )


@pytest.mark.parametrize("method", ["holm", "fdr_bh"])
def test_adjusted_p_equal_statsmodels(rng, method):
    """In the given order, ties included."""
    p = rng.random(20) ** 3
    p[3] = p[11]
    ours = stats.holm if method == "holm" else stats.benjamini_hochberg

    assert ours(p) == pytest.approx(multipletests(p, method=method)[1])


def test_missing_tests_stay_missing_and_do_not_count():
    """Holm over three tests with one undefined multiplies by two at most."""
    assert stats.holm(np.array([0.01, np.nan, 0.04])).tolist() == pytest.approx(
        [0.02, np.nan, 0.04], nan_ok=True
    )


def test_benjamini_hochberg_is_not_thrown_by_unsorted_input():
    """A known mistake uses argsort as ranks; for p = (0.04, 0.01, 0.02) the right values are
    (0.04, 0.03, 0.03).
    """
    assert stats.benjamini_hochberg(np.array([0.04, 0.01, 0.02])) == pytest.approx(
        [0.04, 0.03, 0.03]
    )


def test_wilcoxon_equals_scipy(rng):
    """Tasks without a difference are dropped."""
    old = rng.random(12)
    new = old + np.append(rng.normal(0.02, 0.05, size=11), 0.0)

    assert stats.wilcoxon_over_tasks(old, new) == pytest.approx(
        scipy_stats.wilcoxon(new - old).pvalue
    )


def test_components_equal_the_anova_of_statsmodels(rng):
    """Mean squares of the two-way table without replication, turned into components."""
    pandas = pytest.importorskip("pandas")
    scores = rng.normal(size=(4, 1)) * 0.3 + rng.normal(size=15) + rng.normal(size=(4, 15))
    p, i = np.indices(scores.shape)
    frame = pandas.DataFrame({"y": scores.ravel(), "p": p.ravel(), "i": i.ravel()})
    squares = anova_lm(ols("y ~ C(p) + C(i)", frame).fit())["mean_sq"]
    found = stats.components(scores)

    expected = [
        (squares["C(p)"] - squares["Residual"]) / 15,
        (squares["C(i)"] - squares["Residual"]) / 4,
        squares["Residual"],
    ]
    assert [found.phrasing, found.instance, found.interaction] == pytest.approx(expected)


def test_components_are_unbiased_with_missing_cells(rng):
    """Mean of 2,000 estimates with three in ten cells missing within four standard errors of the
    truth (0.09, 1, 0.25).
    """
    found = []
    for _ in range(2000):
        scores = (
            rng.normal(size=(5, 1)) * 0.3 + rng.normal(size=20) + rng.normal(size=(5, 20)) * 0.5
        )
        scores[rng.random(scores.shape) < 0.3] = np.nan
        one = stats.components(scores)
        found.append((one.phrasing, one.instance, one.interaction))
    error = np.abs(np.mean(found, axis=0) - [0.09, 1.0, 0.25]) / (
        np.std(found, axis=0) / np.sqrt(2000)
    )

    assert (error < 4).all()


def test_repeat_variance_is_taken_out_of_the_interaction(rng):
    """True interaction 0.25 and repeat 1 with three repeats: estimates near both,
    where cell means alone would give 0.58.
    """
    shape = (8, 200, 3)
    scores = (
        rng.normal(size=(8, 1, 1))
        + rng.normal(size=(1, 200, 1))
        + rng.normal(size=(8, 200, 1)) * 0.5
        + rng.normal(size=shape)
    )
    found = stats.repeated_components(scores)

    assert found.repeat == pytest.approx(1.0, abs=0.1)
    assert found.interaction == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize("q", [0.05, 0.25, 0.5, 0.75, 0.95])
def test_quantiles_equal_numpy(rng, q):
    """Linear interpolation, with a phrasing that has no score at all."""
    scores = rng.random((9, 3))
    scores[4] = np.nan

    assert stats.quantile(scores, q) == pytest.approx(
        np.nanquantile(np.nanmean(np.delete(scores, 4, 0), axis=1), q)
    )


def test_spread_at_fewer_phrasings_is_the_mean_over_all_subsets(rng):
    """All 35 subsets of four out of seven phrasings."""
    scores = rng.random((7, 1))
    by_hand = np.mean([max(four) - min(four) for four in itertools.combinations(scores[:, 0], 4)])

    assert stats.spread(scores, at=4) == pytest.approx(by_hand)


def test_kendall_w_comes_from_the_mean_spearman(rng):
    """Without ties W = (mean pairwise Spearman (P - 1) + 1) / P."""
    scores = rng.random((6, 5))
    pairs = [
        scipy_stats.spearmanr(scores[p], scores[q])[0]
        for p, q in itertools.combinations(range(6), 2)
    ]

    assert stats.kendall_w(scores) == pytest.approx((np.mean(pairs) * 5 + 1) / 6)


def test_kendall_w_with_ties_comes_from_friedman(rng):
    """Friedman's chi-square is P (M - 1) W, with the same tie correction."""
    scores = rng.integers(0, 4, size=(8, 6)).astype(float)
    friedman = scipy_stats.friedmanchisquare(*scores.T)[0]

    assert stats.kendall_w(scores) == pytest.approx(friedman / (8 * 5))


def test_distance_rho_equals_spearman(rng):
    """Coefficient of scipy, and a permutation p near scipy's for 30 phrasings."""
    x, y = rng.random((2, 30))
    rho, p = stats.distance_rho(x, x + 2 * y, rng=rng)
    expected = scipy_stats.spearmanr(x, x + 2 * y)

    assert rho == pytest.approx(expected[0])
    assert p == pytest.approx(expected[1], abs=0.02)


def test_brier_of_two_labels_is_twice_that_of_sklearn(rng):
    """The original form sums over both labels."""
    p, y = rng.random(50), rng.integers(0, 2, size=50)

    assert stats.brier(np.stack([1 - p, p], axis=1), y) == pytest.approx(2 * brier_score_loss(y, p))


def test_normal_order_scores_match_the_published_table():
    """Harter 1961, n = 10: 1.53875, 1.00136, 0.65606, 0.37576, 0.12267."""
    assert stats.normal_scores(10)[:4:-1] == pytest.approx(
        [1.53875, 1.00136, 0.65606, 0.37576, 0.12267], abs=1e-5
    )


def test_fixed_mean_interval_is_the_student_interval_of_instances_outside_the_unit_range(rng):
    """One phrasing of unbounded scores: scipy's t interval of the instance mean."""
    scores = rng.normal(3, 2, size=(1, 25))
    expected = scipy_stats.t.interval(0.95, 24, loc=scores.mean(), scale=scipy_stats.sem(scores[0]))
    found = stats.mean_interval(scores, question="fixed")

    assert (found.low, found.high) == pytest.approx(expected)


def test_one_way_bootstrap_agrees_with_scipy(rng):
    """BCa of the mean over instances of one phrasing, 5,000 resamples each."""
    scores = rng.beta(2, 1, size=(1, 60))
    ours = stats.bootstrap(scores, rng=rng, question="fixed", method="bca", n_resamples=5000)[
        "mean"
    ]
    theirs = scipy_stats.bootstrap(
        (scores[0],), np.mean, n_resamples=5000, method="BCa", rng=rng
    ).confidence_interval

    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_wilson_interval_equals_scipy():
    """8 of 10."""
    expected = scipy_stats.binomtest(8, 10).proportion_ci(method="wilson")

    assert (stats.rate_interval(8, 10).low, stats.rate_interval(8, 10).high) == pytest.approx(
        (expected.low, expected.high)
    )


@pytest.mark.parametrize("n", [50, 200, 1000])
@pytest.mark.parametrize("expected_misses", [0.1, 0.5])
def test_rates_next_to_one_are_held_where_wilson_lets_go(n, expected_misses):
    """Exact coverage by summing the binomial: Wilson holds a tenth of a miss in n with 90.5%,
    the modified interval with 98% or more.
    """
    true = 1 - expected_misses / n
    hits = np.arange(max(0, n - 15), n + 1)
    chance = scipy_stats.binom.pmf(hits, n, true)

    def held(interval) -> float:
        ends = [interval(int(k), n) for k in hits]
        return float(
            sum(p for p, found in zip(chance, ends, strict=True) if found.low <= true <= found.high)
        )

    assert held(stats.rate_interval) < 0.92
    assert 0.98 <= held(stats.rare_rate_interval) <= 0.997


def test_noncentral_interval_reduces_to_the_exact_one_for_two_phrasings(rng):
    """P = 2 far apart: the interval of the std is that of the paired difference divided by sqrt
    2.
    """
    scores = rng.normal(size=(2, 400)) + np.array([[0.0], [1.0]])
    difference = scores[1] - scores[0]
    half = 1.96 * difference.std(ddof=1) / 20
    found = stats.noncentral_interval(scores)["std_excess"]

    assert (found.low, found.high) == pytest.approx(
        ((difference.mean() - half) / np.sqrt(2), (difference.mean() + half) / np.sqrt(2)), abs=2e-3
    )
