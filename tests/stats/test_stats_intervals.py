"""Intervals: which question they answer, what they refuse, that seeds count,
and what they must not do.
"""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from evalkit import stats
from evalkit.stats.comparing.compare import pivot_differences
from evalkit.stats.intervals.component_intervals import consistency_interval, pss_interval
from evalkit.stats.intervals.fixed_intervals import alpha_interval


def crossed(
    rng: np.random.Generator, *, shape: tuple[int, int] = (8, 100), wording: float = 0.05
) -> np.ndarray:
    """0/1 scores with wording and difficulty effects."""
    chance = np.clip(
        0.6 + wording * rng.normal(size=(shape[0], 1)) + 0.2 * rng.normal(size=shape[1]), 0, 1
    )
    return (rng.random(shape) < chance).astype(float)


@pytest.fixture
def scores() -> np.ndarray:
    """One matrix of 8 phrasings and 100 instances."""
    return crossed(np.random.default_rng(1))


HALVES = np.arange(8) < 4


def test_equal_seeds_give_equal_intervals_and_others_do_not(scores):
    """A documented seed that is ignored is worse than none."""

    def ends(seed: int) -> list[float]:
        found = stats.score_intervals(scores, rng=np.random.default_rng(seed)) | stats.bootstrap(
            scores, rng=np.random.default_rng(seed)
        )
        return [found[name].low for name in ("min", "spread", "q25", "mean")]

    assert ends(5) == ends(5)
    assert ends(5) != ends(6)


def test_resamples_do_not_depend_on_the_batch_size(scores, monkeypatch):
    """Batches bound memory; they must not change a number."""
    whole = stats.resampled_means(scores, rng=np.random.default_rng(2), n_resamples=50)
    monkeypatch.setattr("evalkit.stats.intervals.resample.BATCH_CELLS", 700)

    assert np.array_equal(
        stats.resampled_means(scores, rng=np.random.default_rng(2), n_resamples=50), whole
    )


def test_every_resample_asked_for_is_drawn(scores):
    """1,237 asked, 1,237 given."""
    assert stats.resampled_means(scores, rng=np.random.default_rng(2), n_resamples=1237).shape == (
        1237,
        8,
    )


def test_resampled_means_are_means_of_whole_instances(scores):
    """Two equal phrasings stay equal in every resample,
    which single-cell resampling would not keep.
    """
    twins = np.vstack([scores[0], scores[0]])
    drawn = stats.resampled_means(twins, rng=np.random.default_rng(2), n_resamples=100)

    assert np.array_equal(drawn[:, 0], drawn[:, 1])
    assert np.unique(drawn[:, 0]).size > 1


def test_new_phrasings_make_the_interval_of_the_mean_wider_when_wording_matters():
    """With strong wording effects the random question is the more uncertain one."""
    scores = crossed(np.random.default_rng(3), wording=0.2)
    fixed, new = (
        stats.mean_interval(scores, question=question) for question in ("fixed", "random")
    )

    assert new.high - new.low > 1.5 * (fixed.high - fixed.low)
    assert (fixed.name, new.name) == ("t-probit/instances", "t-probit/phrasings+instances")


def test_ten_phrasings_of_one_question_are_not_ten_questions(scores):
    """Copying all phrasings ten times leaves the interval alone;
    treating cells as independent would cut it by sqrt 10.
    """
    once, copied = (stats.mean_interval(np.tile(scores, (k, 1)), question="fixed") for k in (1, 10))
    naive = 1.96 * math.sqrt(0.24 / (10 * scores.size))

    assert copied.high - copied.low == pytest.approx(once.high - once.low)
    assert copied.high - copied.low > 3 * 2 * naive


def test_every_estimate_has_an_interval_or_a_reason(scores):
    """NaN ends come with a kind that starts with none and says why;
    offered intervals are ordered.
    """
    for question in ("fixed", "random"):
        rng = np.random.default_rng(0)
        found = stats.score_intervals(scores, rng=rng, question=question)
        found |= stats.gap_intervals(
            scores, seen=HALVES, unseen=~HALVES, rng=rng, question=question
        )
        found |= stats.label_intervals(scores.astype(int), n_labels=2, rng=rng, question=question)
        for name, one in found.items():
            refused = bool(one.reason)
            assert math.isnan(one.low) == math.isnan(one.high) == refused, (question, name, one)
            assert refused or one.low <= one.high, (question, name, one)


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (np.ones((1, 20)) * 0.5, "phrasing"),
        (np.array([[0.5], [0.25], [0.75]]), "instance"),
    ],
)
def test_one_phrasing_or_one_instance_has_reasons_not_numbers(scores, words):
    """For new phrasings a mean needs two of each; the reason names what is short."""
    found = stats.mean_interval(scores)

    assert math.isnan(found.low)
    assert words in found.reason


def test_all_right_does_not_claim_certainty():
    """20 instances all right under 3 phrasings: Wilson's lower end for 20 of 20,
    not a width of 0.
    """
    found = stats.mean_interval(np.ones((3, 20)))

    assert found.low == pytest.approx(
        scipy_stats.binomtest(20, 20).proportion_ci(method="wilson").low
    )


@pytest.mark.parametrize("question", ["fixed", "random"])
def test_where_all_instances_are_alike_no_interval_is_a_point(question):
    """50 of 50 alike leave room for .0714 of others (Wilson, z^2 / (50 + z^2)), to the ends of
    the scale.
    """
    alike, seen = np.full((6, 50), 0.25), np.arange(6) < 3
    unlike = 1.96**2 / (50 + 1.96**2)
    masks = {"seen": seen, "unseen": ~seen}
    mean = stats.mean_interval(alike, question=question)
    gap = stats.gap_interval(alike, **masks, question=question, ends=(-1.0, 1.0))
    labels = stats.consistency_interval(np.ones((6, 50), dtype=int), question="fixed")
    part = stats.Part(tuple("abcdef"), alike)
    error = stats.error_of_gaps([part], [part], question=question)
    tasks = stats.interval_of(
        error, question=question, level=0.95, bounded=False, n_instances=[50], ends=(-1.0, 1.0)
    )

    assert (mean.low, mean.high) == pytest.approx(
        (0.25 - 0.25 * unlike, 0.25 + 0.75 * unlike), abs=1e-4
    )
    assert (gap.low, gap.high) == pytest.approx((-unlike, unlike), abs=1e-4)
    assert (tasks.low, tasks.high) == pytest.approx((-unlike, unlike), abs=1e-4)
    assert (labels.value, labels.low, labels.high) == pytest.approx((1, 1 - unlike, 1), abs=1e-4)


def test_gap_without_unseen_phrasings_says_so(scores):
    """The reason names the empty arm."""
    nobody = np.zeros(8, dtype=bool)
    found = stats.gap_intervals(scores, seen=~nobody, unseen=nobody, rng=np.random.default_rng(0))

    assert found["gap"].reason == "no unseen phrasing"


def test_small_arms_get_no_interval_for_their_worst_phrasing(scores):
    """Two seen phrasings say nothing about how bad a seen phrasing can be, nor how they vary."""
    seen = np.arange(8) < 2
    found = stats.gap_intervals(scores, seen=seen, unseen=~seen, rng=np.random.default_rng(0))

    assert found["gap_worst"].reason == "fewer than 4 phrasings in an arm"
    assert found["gap"].reason == "an arm with fewer than three phrasings"


@pytest.mark.parametrize("broken", [False, True])
def test_what_needs_normal_wording_is_never_offered_because_a_sample_looks_normal(broken):
    """Thirty phrasings, with and without one that broke:
    only the third quartile has an interval for new ones.
    """
    rng = np.random.default_rng(4)
    scores = crossed(rng, shape=(30, 400), wording=0.01)
    if broken:
        scores[0] = 0.0
    found = stats.score_intervals(scores, rng=rng)
    offered = {name for name in stats.pivots(scores, rng=rng) if not found[name].reason}

    assert offered == {"q75"}
    assert found["std"].reason.startswith(
        "withdrawn for new phrasings: does not hold when wordings"
    )


def test_ten_phrasings_prove_three_quarters_of_others():
    """0.05^(1 / P): were fewer than 74% as good, ten draws would hardly all be;
    59 prove 95%, none proves nothing.
    """
    assert [round(stats.proven_share(p), 2) for p in (10, 30, 59)] == [0.74, 0.9, 0.95]
    assert math.isnan(stats.proven_share(0))


def test_the_proven_share_holds_whatever_the_distribution():
    """Of 4,000 samples of ten from a skewed law,
    and from one with one in ten broken, at most 5% claim too much.
    """
    rng = np.random.default_rng(20261130)
    for draws in (
        rng.exponential(size=(4000, 10)),
        np.where(rng.random((4000, 10)) < 0.1, 0.0, 1.0) + rng.normal(0, 0.01, (4000, 10)),
    ):
        least = draws.min(axis=1)
        everything = np.sort(draws.ravel())
        share = 1 - np.searchsorted(everything, least, side="left") / everything.size

        assert (share >= stats.proven_share(10)).mean() > 0.935


def test_pairing_on_instances_is_used(scores):
    """A constant improvement of one in twenty-five cells is clear when paired and invisible to
    an unpaired test.
    """
    rng = np.random.default_rng(5)
    new = np.where(rng.random(scores.shape) < 0.04, 1.0, scores)
    paired = stats.sign_flip((new - scores).sum(axis=0), rng=rng)
    unpaired = scipy_stats.ttest_ind(scores.mean(axis=0), new.mean(axis=0)).pvalue

    assert paired < 0.01
    assert unpaired > 0.05


def test_difference_of_a_run_and_itself_is_zero_and_certain(scores):
    """Everything cancels when nothing changed."""
    found = stats.difference_intervals(scores, scores, rng=np.random.default_rng(0))

    assert (found["mean"].low, found["mean"].high) == (0.0, 0.0)
    assert (found["median"].low, found["median"].high) == pytest.approx((0.0, 0.0), abs=1e-9)


def test_difference_uses_cells_scored_in_both_runs_only(scores):
    """A cell that failed in the new run is no loss."""
    new = scores.copy()
    new[:, :30] = np.nan

    assert (
        stats.difference_intervals(scores, new, rng=np.random.default_rng(0))["mean"].value == 0.0
    )


def test_difference_refuses_unequal_shapes(scores):
    """Arms scored on different instances are not compared."""
    with pytest.raises(ValueError, match=r"old has shape \(8, 100\), new \(8, 99\)"):
        stats.difference_intervals(scores, scores[:, 1:], rng=np.random.default_rng(0))


def test_non_inferiority_needs_a_margin_and_respects_it():
    """Five points worse on every tenth instance is inferior by a margin of 0.01 and not by 0.2."""
    old = crossed(np.random.default_rng(6), shape=(4, 500))
    new = old.copy()
    new[:, ::10] = 0.0

    assert not stats.non_inferiority(old, new, margin=0.01).holds
    assert stats.non_inferiority(old, new, margin=0.2).holds
    with pytest.raises(ValueError, match="margin is 0"):
        stats.non_inferiority(old, new, margin=0)


def test_clustered_mcnemar_does_not_count_phrasings_as_instances():
    """Five instances that all flip under all ten phrasings: p of five coin tosses, not of fifty."""
    old, new = np.zeros((10, 20)), np.zeros((10, 20))
    new[:, :5] = 1.0

    assert stats.mcnemar_clustered(old, new) == pytest.approx(2 / 2**5)


def test_clustered_mcnemar_refuses_fractions():
    """The message names the score and the test to use."""
    with pytest.raises(ValueError, match=r"a score is 0\.5; 0 and 1 are accepted. Use sign_flip"):
        stats.mcnemar_clustered(np.zeros((2, 3)), np.full((2, 3), 0.5))


def part_of(scores: np.ndarray, prefix: str = "") -> stats.Part:
    """Return a matrix as one task, its phrasings named by number."""
    return stats.Part(tuple(f"{prefix}{p}" for p in range(scores.shape[0])), scores)


def test_shared_phrasings_do_not_make_tasks_independent():
    """A phrasing that is bad everywhere: 20 tasks leave the wording uncertainty of one, unless
    each has its own.
    """
    rng = np.random.default_rng(7)
    wording = 0.1 * rng.normal(size=(6, 1))
    tasks = [0.5 + wording + 0.1 * rng.normal(size=(6, 200)) for _ in range(20)]
    shared = stats.error_of_means([part_of(task) for task in tasks], question="random")
    apart = stats.error_of_means(
        [part_of(task, f"{k}-") for k, task in enumerate(tasks)], question="random"
    )

    assert shared.variance > 9 * apart.variance
    assert (shared.df, shared.value) == pytest.approx((5, apart.value), abs=0.5)


@pytest.mark.parametrize("question", ["fixed", "random"])
@pytest.mark.parametrize("share_missing", [0.0, 0.1])
@pytest.mark.parametrize("arms", [4, 3, 2])
def test_mean_over_one_task_is_that_task(question, share_missing, arms):
    """Mean and gap over one task have variance and degrees of freedom of that task, to rounding."""
    rng = np.random.default_rng(8)
    task = 5 + rng.normal(size=(8, 1)) + rng.normal(size=(8, 50))
    task[rng.random(task.shape) < share_missing] = np.nan
    seen = np.arange(8) < arms
    whole = stats.error_of_means([part_of(task)], question=question)
    one = stats.mean_interval(task, question=question)
    mine = stats.interval_of(whole, question=question, level=0.95, bounded=False, n_instances=[50])
    paired = stats.on_shared_instances(task, seen, ~seen)
    gap = stats.error_of_gaps([part_of(paired[seen])], [part_of(paired[~seen])], question=question)
    ours = stats.interval_of(gap, question=question, level=0.95, bounded=False, n_instances=[50])
    theirs = stats.gap_interval(task, seen=seen, unseen=~seen, question=question)

    assert (mine.low, mine.high) == pytest.approx((one.low, one.high), rel=1e-12)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9, nan_ok=True)
    assert math.isnan(ours.low) is (arms == 2 and question == "random")


def test_a_task_without_an_interval_leaves_the_mean_without_one():
    """An interval over nine of ten tasks would be a silent number."""
    one = stats.Interval(0.5, 0.4, 0.6, 0.95, "t", "instances")
    found = stats.independent([one, stats.undefined(0.5, "one phrasing")], level=0.95)

    assert math.isnan(found.low)
    assert found.reason == "1 of 2 tasks without an interval (one phrasing)"


def test_prediction_interval_is_wider_than_that_of_the_mean(scores):
    """One new phrasing varies more than the mean of many."""
    new, mean = stats.new_phrasing_interval(scores), stats.mean_interval(scores)

    assert new.high - new.low > mean.high - mean.low


def test_unequal_models_have_disjoint_ranks():
    """Model 1 is best in every resample, the other two change places."""
    draws = np.array([[0.1, 0.9, 0.2], [0.3, 0.8, 0.2]])
    low, high = stats.rank_intervals(draws)

    assert (low.tolist(), high.tolist()) == ([2, 1, 2], [3, 1, 3])
    assert stats.p_best(draws).tolist() == [0.0, 1.0, 0.0]


def test_a_hundred_thousand_phrasings_do_not_exhaust_memory():
    """Order statistics beyond 400 phrasings use points, not a matrix; 10^5 x 2 cells finish."""
    rng = np.random.default_rng(9)
    scores = np.clip(
        0.5 + 0.1 * rng.normal(size=(100_000, 1)) + 0.05 * rng.normal(size=(100_000, 2)), 0, 1
    )
    found = stats.pivots(scores, rng=rng, n_resamples=100)

    assert found["q05"].low < found["q05"].high
    assert found["std"].value == pytest.approx(0.106, abs=0.005)


def test_gap_is_resampled_within_its_arms(scores):
    """Phrasings of one arm never stand in for the other:
    arms that differ by exactly 1 keep a gap of exactly 1.
    """
    split = np.repeat(np.where(HALVES, 1.0, 0.0)[:, None], 30, axis=1)
    for method in ("percentile", "bca"):
        found = stats.bootstrap(
            split, rng=np.random.default_rng(0), seen=HALVES, unseen=~HALVES, method=method
        )["gap"]
        assert (found.low, found.value, found.high) == (1.0, 1.0, 1.0)


def test_bca_of_the_gap_is_near_its_student_interval():
    """Four phrasings against four with 400 instances, fixed question:
    two good methods agree to a tenth of the width.
    """
    scores = crossed(np.random.default_rng(11), shape=(8, 400))
    arms = {"seen": HALVES, "unseen": ~HALVES}
    ours = stats.gap_interval(scores, question="fixed", **arms)
    found = stats.bootstrap(
        scores,
        rng=np.random.default_rng(0),
        question="fixed",
        method="bca",
        n_resamples=4000,
        **arms,
    )["gap"]

    assert (found.low, found.high) == pytest.approx(
        (ours.low, ours.high), abs=0.1 * (ours.high - ours.low)
    )


@pytest.mark.parametrize("question", ["fixed", "random"])
@pytest.mark.parametrize(
    "bad",
    [
        np.empty((0, 0)),
        np.empty((0, 5)),
        np.empty((3, 0)),
        np.full((3, 4), np.nan),
        np.ones((1, 1)),
        np.full((4, 9), 0.5),
    ],
    ids=["empty", "no phrasing", "no instance", "all missing", "one cell", "constant"],
)
def test_degenerate_matrices_warn_about_nothing_and_crash_nowhere(bad, question):
    """Every door returns an estimate or NaN with a reason; warnings are errors in this test run."""
    rng = np.random.default_rng(0)
    half = np.arange(bad.shape[0]) < bad.shape[0] // 2
    found = stats.score_intervals(bad, rng=rng, question=question, n_resamples=50)
    found |= stats.gap_intervals(
        bad, seen=half, unseen=~half, rng=rng, question=question, n_resamples=50
    )
    found |= stats.bootstrap(bad, rng=rng, question=question, method="bca", n_resamples=20)
    part = stats.Part(tuple(map(str, range(bad.shape[0]))), bad)
    error = stats.error_of_means([part, part], question=question)
    found["tasks"] = stats.interval_of(
        error, question=question, level=0.95, bounded=True, n_instances=[1, 1]
    )

    assert {
        name for name, one in found.items() if math.isnan(one.value) and not math.isnan(one.low)
    } == set()


@pytest.mark.parametrize("question", ["fixed", "random"])
@pytest.mark.parametrize("share_missing", [0.0, 0.1])
def test_consistency_of_right_and_wrong_has_the_interval_of_pss_turned_round(
    question, share_missing
):
    """For 0/1 scores pss = 1 - consistency of correctness, and so are the ends."""
    rng = np.random.default_rng(3)
    scores = (rng.random((30, 40)) < rng.random(40)).astype(float)
    missing = rng.random(scores.shape) < share_missing
    scores[missing] = np.nan
    pss = pss_interval(scores, question=question)
    labels = np.where(missing, -1, np.nan_to_num(scores)).astype(np.int64)
    found = consistency_interval(labels, missing=missing, question=question)

    assert (found.value, found.low, found.high) == pytest.approx(
        (1 - pss.value, 1 - pss.high, 1 - pss.low), rel=1e-12
    )
    assert found.name == pss.name


def test_disagreement_with_unparsed_answers_may_reach_one():
    """Unparsed answers agree with nothing, so the interval is not held below 1 - 1 / number of
    labels.
    """
    labels = np.full((30, 20), -1)
    labels[:2] = 0
    found = consistency_interval(labels, question="random")

    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.value < 0.01


def test_graded_differences_have_an_interval_for_these_phrasings_only():
    """On the coverage grid pss of fractions for new phrasings fell below the band,
    so it is not offered.
    """
    scores = np.clip(0.5 + 0.1 * np.random.default_rng(0).normal(size=(30, 50)), 0, 1)
    found = pss_interval(scores, question="fixed")

    assert found.low < found.value < found.high
    assert pss_interval(scores, question="random").reason == "offered for scores of 0 and 1 only"


@pytest.mark.parametrize("question", ["fixed", "random"])
def test_equal_phrasing_means_do_not_claim_certainty(question):
    """Two phrasings, each right on 30 of 40 instances but not on the same ones:
    the mean is not known exactly, and their deviation has no interval.
    """
    scores = np.ones((2, 40))
    scores[0, :10], scores[1, 5:15] = 0.0, 0.0
    found = stats.score_intervals(scores, rng=np.random.default_rng(0), question=question)

    assert found["mean"].low < 0.75 - 0.05
    assert found["mean"].high > 0.75 + 0.05
    assert found["std"].reason == "phrasing scores do not vary"
    gap = stats.gap_interval(
        np.tile(scores, (2, 1)), seen=np.arange(4) < 2, unseen=np.arange(4) >= 2, question=question
    )
    assert gap.value == 0


@pytest.mark.parametrize("seed", range(20))
def test_interval_of_the_deviation_holds_its_estimate(seed):
    """Also where the phrasings differ by less than noise alone would make them."""
    scores = (np.random.default_rng(seed).random((4, 30)) < 0.5).astype(float)
    found = stats.noncentral_interval(scores)["std"]

    assert found.low != found.low or found.low <= found.value <= found.high


@pytest.mark.parametrize("noise", [0.0, 1e-16, 1e-9, 1e-6, 1e-4])
def test_a_deviation_almost_without_noise_has_a_narrow_interval(noise):
    """Wordings that decide everything: noise of rounding alone is no fault, and the
    interval gets narrower with the noise.
    """
    far = np.repeat([[0.1], [0.6], [0.6], [1.1]], 20, axis=1) / 1.2
    scores = far + noise * np.tile([1.0, -1.0], (4, 10)) * np.array([[1], [2], [3], [5]])
    found = stats.noncentral_interval(scores)["std"]

    assert found.value == pytest.approx(np.std([0.1, 0.6, 0.6, 1.1], ddof=1) / 1.2)
    assert found.low <= found.value <= found.high
    assert found.high - found.low <= 10 * noise + 1e-9


def test_ratio_of_paired_deviations_is_that_of_pitman_and_morgan():
    """The 95% range of the drawn ratio is the exact interval,
    which inverts the t test of the correlation of sums and differences.
    """
    from scipy import stats as distributions

    from evalkit.stats.comparing.compare import _deviations

    rng = np.random.default_rng(3)
    x, y = rng.normal(size=9), rng.normal(size=9)
    y = 0.6 * x + 1.5 * y
    first, second = _deviations(x, y, float(np.corrcoef(x, y)[0, 1]), n_resamples=200_000, rng=rng)

    for end in np.quantile(
        second / first, [0.025, 0.975]
    ):  # a ratio at which the test just rejects
        assert distributions.pearsonr(y + end * x, y - end * x).pvalue == pytest.approx(
            0.05, abs=0.004
        )


def test_difference_of_wording_variance_leaves_out_the_noise_of_instances():
    """Two runs whose phrasings differ equally, one on noisier answers:
    std differs, std_excess need not.
    """
    rng = np.random.default_rng(4)
    effects, instances = 0.05 * rng.normal(size=(40, 1)), 0.1 * rng.normal(size=60)
    old, new = (
        0.5 + effects + instances + spread * rng.normal(size=(40, 60)) for spread in (0.05, 0.6)
    )
    found = pivot_differences(old, new, rng=rng, n_resamples=4000, level=0.95)

    assert found["std"].low > 0
    assert found["std_excess"].low < 0 < found["std_excess"].high
    assert found["var_phrasing"].value == pytest.approx(
        stats.var_phrasing(new) - stats.var_phrasing(old)
    )


def test_a_gap_of_few_phrasings_has_the_width_that_its_phrasings_show():
    """Where instances add nothing of their own, the interval is Welch's on the phrasing scores."""
    from scipy import stats as distributions

    a = np.array([0.50, 0.54, 0.47, 0.61, 0.55, 0.58])
    rng = np.random.default_rng(6)
    noise = rng.normal(size=(6, 50))  # as large in the phrasing scores as their own differences
    scores = a[:, None] + 0.3 * (noise - noise.mean(axis=1, keepdims=True))
    seen = np.array([True, True, True, False, False, False])
    found = stats.gap_interval(scores, seen=seen, unseen=~seen)
    expected = distributions.ttest_ind(a[seen], a[~seen], equal_var=False).confidence_interval(0.95)

    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_two_instances_of_different_labels_give_alpha_without_a_warning() -> None:
    """Without either of them one label is left, so there is nothing to correct the bias with."""
    labels = np.array([[0, 1], [0, 1]])

    found = alpha_interval(labels, rng=np.random.default_rng(0), n_resamples=199)

    assert found.value == 1
