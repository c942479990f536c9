"""Budgeted estimation: designs, fits, intervals, stopping, search."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import program
from scipy.special import expit

from evalkit.stats.planning.budget import estimate_distribution, gather_cells, next_cells
from evalkit.stats.planning.budget_design import balanced_design
from evalkit.stats.planning.budget_model import Covariates, sample_posterior
from evalkit.stats.planning.budget_search import find_phrasing


def matrix(seed: int, p: int = 40, n: int = 80, tau: float = 0.3) -> np.ndarray:
    """Return a complete 0/1 matrix of a Rasch model."""
    rng = np.random.default_rng(seed)
    return (
        rng.random((p, n)) < expit(rng.normal(0.5, 2, n) + rng.normal(0, tau, p)[:, None])
    ).astype(float)


@pytest.fixture(scope="module")
def rasch() -> ModuleType:
    """Return the plain fit that the benchmark compares with."""
    return program("benchmarks/budget_rasch.py")


def wasserstein(one: np.ndarray, other: np.ndarray) -> float:
    """Return the mean absolute difference of the order statistics of two sets of as many
    numbers.
    """
    return float(np.abs(np.sort(one) - np.sort(other)).mean())


def part(scores: np.ndarray, budget: int, seed: int = 1) -> np.ndarray:
    """Return the matrix with only the cells of a balanced design."""
    return np.where(
        balanced_design(*scores.shape, budget=budget, rng=np.random.default_rng(seed)),
        scores,
        np.nan,
    )


@given(
    p=st.integers(1, 12), n=st.integers(1, 15), share=st.floats(0.1, 0.5), seed=st.integers(0, 99)
)
def test_balanced_design_spends_the_budget_evenly(p, n, share, seed):
    """Exactly the budget, counts per phrasing within one of each other,
    and nothing scored twice.
    """
    budget = max(1, int(share * p * n))
    design = balanced_design(p, n, budget=budget, rng=np.random.default_rng(seed))

    assert design.sum() == budget
    assert np.ptp(design.sum(axis=1)) <= 1
    assert np.ptp(design.sum(axis=0)) <= 2


def test_balanced_design_grows_around_what_is_scored():
    """A larger design holds the smaller one."""
    rng = np.random.default_rng(0)
    small = balanced_design(10, 20, budget=40, rng=rng)
    large = balanced_design(10, 20, budget=90, rng=rng, scored=small)

    assert (large & small).sum() == 40
    assert large.sum() == 90


@pytest.mark.oracle
def test_rasch_fit_agrees_with_scikit_learn(rasch):
    """The penalised fit is sklearn's logistic regression on indicators, C = 1 / penalty."""
    from sklearn.linear_model import LogisticRegression

    known = part(matrix(3, p=8, n=15), 70)
    rows, columns = np.nonzero(~np.isnan(known))
    x = np.concatenate([np.eye(8)[rows], np.eye(15)[columns]], axis=1)
    other = LogisticRegression(C=1 / 0.5, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(
        x, known[rows, columns]
    )
    fit = rasch.fit_rasch(known, penalty=0.5)

    assert np.concatenate([fit.phrasing, fit.instance]) == pytest.approx(other.coef_[0], abs=1e-4)


def test_rasch_covariates_carry_over_to_phrasings_without_a_score(rasch):
    """A phrasing that was never scored gets the value its feature predicts."""
    rng = np.random.default_rng(0)
    feature = np.repeat([-1.0, 1.0], 10)
    y = (rng.random((20, 200)) < expit(1.5 * feature[:, None])).astype(float)
    y[[0, 19]] = np.nan
    found = rasch.predicted_scores(y, rasch.fit_rasch(y, phrasing_covariates=feature[:, None]))

    assert found[19] - found[0] > 0.4


def test_complete_matrix_is_returned_exactly():
    """With every cell scored there is nothing to estimate: no error, no width."""
    y = matrix(1, p=10, n=30)
    found = estimate_distribution(y, rng=np.random.default_rng(0), n_resamples=20)

    assert found.quantiles == pytest.approx(np.sort(y.mean(axis=1)))
    assert (
        found.found["spread"].low
        == pytest.approx(found.found["spread"].high)
        == pytest.approx(np.ptp(y.mean(axis=1)))
    )


def test_distribution_beats_averages_and_plain_rasch(rasch):
    """A tenth of the cells: closer to the truth than averages and than the plain fit, on the
    average of three matrices.
    """
    errors = []
    for seed in range(3):
        y = matrix(seed, p=60, n=100)
        known, truth = part(y, 480, seed), y.mean(axis=1)
        ours = estimate_distribution(known, rng=np.random.default_rng(seed), n_resamples=150)
        plain = rasch.predicted_scores(known, rasch.fit_rasch(known))
        errors.append(
            [wasserstein(x, truth) for x in (ours.quantiles, plain, np.nanmean(known, axis=1))]
        )
    ours, plain, averages = np.mean(errors, axis=0)

    assert ours < 0.6 * plain < 0.6 * averages


def test_spread_is_not_that_of_the_noise():
    """Phrasings that hardly differ, eight cells each:
    averages spread far more than the truth, the estimate does not.
    """
    y = matrix(5, p=60, n=300, tau=0.02)
    known = part(y, 480)
    found = estimate_distribution(known, rng=np.random.default_rng(0), n_resamples=150).found[
        "spread"
    ]
    truth = np.ptp(y.mean(axis=1))

    assert np.ptp(np.nanmean(known, axis=1)) > 3 * truth
    assert found.low <= truth <= found.high
    assert found.value < 0.5 * np.ptp(np.nanmean(known, axis=1))


@pytest.mark.slow
def test_intervals_cover_under_the_model():
    """Over 12 matrices the 95 % intervals of the order statistics hold the truth as often as
    they say; `benchmarks/budget.py` has more.
    """
    inside = []
    for seed in range(12):
        y = matrix(100 + seed, p=50, n=120)
        found = estimate_distribution(
            part(y, 400, seed), rng=np.random.default_rng(seed), n_resamples=100
        )
        truth = np.sort(y.mean(axis=1))
        inside.append(((truth >= found.low) & (truth <= found.high)).mean())

    assert np.mean(inside) >= 0.95


def test_graded_scores_are_accepted():
    """Scores between 0 and 1 give an estimate near their mean,
    with less noise than 0/1 scores would leave.
    """
    rng = np.random.default_rng(0)
    y = np.clip(0.6 + rng.normal(0, 0.05, (20, 1)) + rng.normal(0, 0.1, (20, 60)), 0, 1)
    found = estimate_distribution(part(y, 200), rng=rng, n_resamples=100)

    assert found.found["mean"].value == pytest.approx(y.mean(), abs=0.02)
    assert found.found["spread"].value < 0.35


def test_features_of_phrasings_are_used():
    """A feature that explains the phrasings brings scores of barely scored ones closer to the
    truth.
    """
    rng = np.random.default_rng(2)
    feature = rng.normal(0, 1, 50)
    y = (rng.random((50, 150)) < expit(rng.normal(0, 1.5, 150) + 0.8 * feature[:, None])).astype(
        float
    )
    known, truth = part(y, 200), y.mean(axis=1)
    blind, told = (
        np.abs(
            sample_posterior(
                known, rng=np.random.default_rng(0), covariates=given, n_resamples=150
            ).scores.mean(axis=0)
            - truth
        ).mean()
        for given in (None, Covariates(phrasing=feature[:, None], instance=np.ones((150, 1))))
    )

    assert told < 0.8 * blind


def test_same_seed_same_answer():
    """All draws come from the generator given."""
    known = part(matrix(0), 300)
    one, two, other = (
        estimate_distribution(known, rng=np.random.default_rng(seed), n_resamples=30).quantiles
        for seed in (1, 1, 2)
    )

    assert one.tolist() == two.tolist()
    assert one.tolist() != other.tolist()


def test_nothing_scored_is_refused():
    """Without a cell there is no estimate."""
    with pytest.raises(ValueError, match="no cell is scored"):
        sample_posterior(np.full((3, 4), np.nan), rng=np.random.default_rng(0))


def test_next_cells_are_new_and_go_where_least_is_known():
    """Chosen cells are unscored and distinct, and the phrasing with the fewest cells gets more
    than its share.
    """
    y = matrix(4, p=10, n=60)
    known = part(y, 200)
    known[0, :] = np.nan
    posterior = sample_posterior(known, rng=np.random.default_rng(0), n_resamples=100)
    cells = next_cells(known, posterior, n=50, rng=np.random.default_rng(0))

    assert len({tuple(cell) for cell in cells.tolist()}) == 50
    assert np.isnan(known[cells[:, 0], cells[:, 1]]).all()
    assert (cells[:, 0] == 0).sum() > 50 / 10


@pytest.mark.parametrize("choose", ["balanced", "adaptive"])
def test_gathering_keeps_to_the_budget_and_stops_early(choose):
    """No more cells than paid for; fewer when the interval asked for is reached."""
    y = matrix(6, p=10, n=40)
    asked = []

    def ask(cells):
        asked.extend(map(tuple, cells.tolist()))
        return y[cells[:, 0], cells[:, 1]]

    gather_cells(ask, y.shape, budget=100, rng=np.random.default_rng(0), choose=choose)
    assert (len(asked), len(set(asked))) == (100, 100)

    rng = np.random.default_rng(0)
    scores = gather_cells(ask, y.shape, budget=400, rng=rng, half_width=0.06, choose=choose)
    early = estimate_distribution(scores, rng=rng)
    assert early.n_cells < 400
    assert (early.found["mean"].high - early.found["mean"].low) / 2 <= 0.06


def test_gathering_leaves_failed_cells_out_and_does_not_ask_again():
    """A failed cell is missing, not zero, and is asked once."""
    y = np.ones((10, 20))
    asked = []

    def ask(cells):
        asked.extend(map(tuple, cells.tolist()))
        scores = y[cells[:, 0], cells[:, 1]]
        scores[::5] = np.nan
        return scores

    scores = gather_cells(ask, y.shape, budget=100, rng=np.random.default_rng(0))

    assert len(asked) == len(set(asked)) == 100
    assert (~np.isnan(scores)).sum() == 80
    assert np.nanmean(scores) == 1.0


@pytest.mark.parametrize("want", ["best", "worst"])
def test_search_finds_the_phrasing_and_keeps_to_the_budget(want):
    """A phrasing far from the rest is found with a fifth of the cells, on shared instances."""
    rng = np.random.default_rng(0)
    y = (
        rng.random((16, 200))
        < np.where(np.arange(16) == 5, 0.9 if want == "best" else 0.1, 0.5)[:, None]
    ).astype(float)
    found = find_phrasing(
        lambda cells: y[cells[:, 0], cells[:, 1]],
        y.shape,
        budget=640,
        rng=rng,
        want=want,
    )

    assert found.phrasing == 5
    assert found.n_cells <= 640
    assert sorted(found.order) == list(range(16))
    assert found.n_cells == (~np.isnan(found.scores)).sum()


def test_search_with_every_cell_paid_for_is_exact():
    """When the budget covers the matrix the best phrasing is the best phrasing."""
    y = matrix(8, p=12, n=30)
    found = find_phrasing(
        lambda cells: y[cells[:, 0], cells[:, 1]],
        y.shape,
        budget=10_000,
        rng=np.random.default_rng(0),
    )

    assert y[found.phrasing].mean() == y.mean(axis=1).max()


def test_search_needs_a_cell_per_phrasing():
    """A budget below the number of phrasings is refused."""
    with pytest.raises(ValueError, match="budget is 5 cells; at least one per phrasing, 12"):
        find_phrasing(
            lambda cells: np.zeros(len(cells)), (12, 30), budget=5, rng=np.random.default_rng(0)
        )


def test_a_design_is_spread_over_groups():
    """Ten passages of twenty, sixty cells: six from each;
    groups of unequal size get cells by their size.
    """
    even, uneven = np.repeat(np.arange(10), 20), np.repeat([0, 1], [30, 90])
    rng = np.random.default_rng(0)
    first = balanced_design(15, 200, budget=60, rng=rng, groups=even)
    second = balanced_design(10, 120, budget=40, rng=rng, groups=uneven)

    assert np.bincount(even, weights=first.sum(axis=0)).tolist() == [6] * 10
    assert np.bincount(uneven, weights=second.sum(axis=0)).tolist() == [10, 30]
    assert (first.sum(axis=1) == 4).all()


def test_cells_spread_over_groups_know_the_mean_better():
    """Where passages differ, the mean of a spread design lies nearer to that of all cells."""
    rng = np.random.default_rng(1)
    codes = np.repeat(np.arange(10), 20)
    errors: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(200):
        ease = np.clip(0.5 + rng.normal(0, 0.35, 10)[codes], 0, 1)
        y = (rng.random((15, 200)) < ease).astype(float)
        for spread in errors:
            design = balanced_design(15, 200, budget=60, rng=rng, groups=codes if spread else None)
            errors[spread].append(float((y[design].mean() - y.mean()) ** 2))

    assert np.mean(errors[True]) < 0.95 * np.mean(errors[False])
