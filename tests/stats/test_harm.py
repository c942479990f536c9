"""One-sided tests of harm against worked numbers, published formulas and exact enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, t

from evalkit.stats.comparing.harm import linear_harm, null_error, ratio_harm
from evalkit.stats.comparing.harm_convex import above_lowest, convex_harm, minus_lowest, swapped_p
from evalkit.stats.comparing.harm_std import std_harm, std_without_noise


def rng() -> np.random.Generator:
    """Return a generator of fixed state."""
    return np.random.default_rng(0)


def even(n: int) -> np.ndarray:
    """Return equal weights."""
    return np.full(n, 1 / n)


def test_error_without_a_loss_is_that_of_losing_with_the_probability_of_the_margin() -> None:
    """No loss among 100, margin 0.02: sqrt(0.02 x 0.98 / 100) = 0.014, not 0."""
    assert null_error(np.zeros(100), even(100), at=0.02, edge=1.0) == pytest.approx(
        math.sqrt(0.02 * 0.98 / 100)
    )


@pytest.mark.parametrize(
    ("lost", "gained", "n", "margin"),
    [(1, 0, 200, 0.02), (3, 2, 60, 0.1), (5, 9, 150, 0.03), (0, 4, 80, 0.05)],
)
def test_error_with_one_phrasing_is_tangos(lost: int, gained: int, n: int, margin: float) -> None:
    """Tango 1998, equation 4: n var = 2 q + m (1 - m), q the restricted chance of a gain, root
    of a quadratic.
    """
    a, b, c = (
        2 * n,
        -lost - gained + (2 * n - lost + gained) * margin,
        -gained * margin * (1 - margin),
    )
    q = (math.sqrt(b * b - 4 * a * c) - b) / (2 * a)
    units = np.r_[np.ones(lost), -np.ones(gained), np.zeros(n - lost - gained)]

    assert null_error(units, even(n), at=margin, edge=1.0) == pytest.approx(
        math.sqrt((2 * q + margin * (1 - margin)) / n), rel=1e-6
    )


@pytest.mark.parametrize("margin", [0.01, 0.02, 0.05, 0.1])
def test_a_rare_total_loss_of_the_margin_is_passed_in_at_most_six_percent(margin: float) -> None:
    """Exact size over the binomial number of lost instances;
    the sample variance alone would pass up to 26%.
    """
    sizes = []
    for n in (40, 60, 100, 140, 200, 300, 600):
        passed = 0.0
        for lost in range(int(n * margin) + 1):
            units = np.r_[np.ones(lost), np.zeros(n - lost)]
            statistic = (margin - lost / n) / null_error(units, even(n), at=margin, edge=1.0)
            passed += float(binom.pmf(lost, n, margin)) if t.sf(statistic, n - 1) < 0.05 else 0.0
        sizes.append(passed)

    assert max(sizes) < 0.06


def test_p_of_no_harm_is_that_of_an_exact_sign_test_or_students() -> None:
    """Six losses, no gain: signs give 2^-6 = 0.0156; Student's on 50 instances is smaller,
    so the exact one stands.
    """
    found = linear_harm(np.r_[np.ones(6), np.zeros(44)], even(50), margin=0.3, rng=rng())

    assert found.value == pytest.approx(0.12)
    assert found.p_none == pytest.approx(2**-6)


@given(st.lists(st.integers(-4, 4), min_size=8, max_size=40), st.sampled_from([0.05, 0.2, 0.5]))
@settings(max_examples=60)
def test_the_bound_lies_below_the_margin_exactly_when_the_margin_is_rejected(
    quarters: list[int], margin: float
) -> None:
    """`high` and `p_margin` are one test, seen from two sides."""
    units = np.array(quarters) / 4
    found = linear_harm(units, even(units.size), margin=margin, rng=rng())

    assert (found.high < margin - 1e-6) <= (found.p_margin < 0.05)
    assert (found.high > margin + 1e-6) <= (found.p_margin > 0.05)


@given(st.lists(st.integers(-4, 4), min_size=8, max_size=30), st.randoms())
@settings(max_examples=30)
def test_order_of_instances_does_not_matter(quarters: list[int], random: object) -> None:
    """Instances are exchangeable."""
    shuffled = list(quarters)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = (
        linear_harm(np.array(x) / 4, even(len(x)), margin=0.3, rng=rng())
        for x in (quarters, shuffled)
    )

    assert (one.value, one.p_margin, one.high) == pytest.approx(
        (other.value, other.p_margin, other.high), abs=1e-6
    )


def test_one_instance_proves_nothing() -> None:
    """Below two instances there is no error and no test."""
    found = linear_harm(np.zeros(1), even(1), margin=0.5, rng=rng())

    assert math.isnan(found.p_margin)


def test_collateral_damage_is_held_against_its_ceiling_from_both_sides() -> None:
    """40 of 200 lost, ceiling 0.1: the ratio 0.2 lies above it; ceiling 0.5: below it."""
    lost, right = np.r_[np.ones(40), np.zeros(160)], np.ones(200)
    above = ratio_harm(lost, right, even(200), margin=0.1)
    below = ratio_harm(lost, right, even(200), margin=0.5)

    assert above.value == below.value == pytest.approx(0.2)
    assert above.p_none < 0.001 < 0.999 < above.p_margin
    assert below.p_margin < 0.001 < 0.999 < below.p_none
    assert above.low < 0.2 < above.high


def test_nothing_right_before_has_no_damage() -> None:
    """0 of 0 is undefined."""
    assert math.isnan(ratio_harm(np.zeros(10), np.zeros(10), even(10), margin=0.1).p_margin)


def test_worst_phrasing_that_falls_is_noticed() -> None:
    """Two phrasings at 0.9 and 0.6; the second falls to 0.3 on 300 instances: harm 0.3."""
    n = 300
    old = np.vstack([np.arange(n) % 10 < 9, np.arange(n) % 10 < 6]).astype(float)
    new = np.vstack([old[0], np.arange(n) % 10 < 3]).astype(float)
    found = convex_harm([(old, new)], minus_lowest, margin=0.05, rng=rng())

    assert found.value == pytest.approx(0.3)
    assert found.p_none < 0.01
    assert found.p_margin > 0.99


def test_the_lowest_of_tied_phrasings_is_not_taken_for_lower_than_it_is() -> None:
    """Twelve phrasings at 0.6 in truth, on 100 instances each, and none right afterwards: the harm
    is 0.6. The estimate is 0.08 less, because some phrasing is always unlucky; its guard makes up
    for that on average over 150 draws.
    """
    source = np.random.default_rng(4)
    found = []
    for _ in range(150):
        old = (source.random((12, 100)) < 0.6).astype(float)
        pair = old, np.zeros((12, 100))
        found.append(convex_harm([pair], minus_lowest, margin=0.05, rng=source, n_resamples=50))

    values = np.array([one.value for one in found])
    guarded = values + [one.guard for one in found]
    error = float(guarded.std(ddof=1)) / math.sqrt(len(found))
    assert values.mean() < 0.54
    assert abs(guarded.mean() - 0.6) < 3 * error < 0.02


@pytest.mark.slow
def test_a_loss_of_the_margin_is_seldom_excluded_however_the_phrasings_lie() -> None:
    """Twelve phrasings, tied or nearly so; one loses the margin and hardly another cell flips:
    excluded in at most 5 % of 300 draws, plus three standard errors.
    """
    source = np.random.default_rng(5)
    for gap in (0.0, 0.02, 0.05):
        levels = 0.7 + np.r_[0.0, np.full(11, gap)]
        missed = 0
        for _ in range(300):
            drawn = source.random((12, 200))
            old = drawn < levels[:, None]
            new = drawn < (levels - np.r_[0.05, np.zeros(11)])[:, None]
            pair = old.astype(float), new.astype(float)
            found = convex_harm([pair], minus_lowest, margin=0.05, rng=source, n_resamples=100)
            missed += found.p_margin < 0.05
        assert missed <= 15 + 3 * math.sqrt(300 * 0.05 * 0.95)


def test_exchangeable_runs_give_p_values_spread_evenly() -> None:
    """Over 200 pairs of exchangeable runs about one in ten has p below 0.1; never much more."""
    source = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        pair = [(source.random((3, 30)) < 0.6).astype(float) for _ in range(2)]
        hits += (
            swapped_p([(pair[0], pair[1])], lambda a: -a.min(axis=-1), rng=source, n_resamples=199)
            < 0.1
        )

    assert hits <= 32  # 20 expected, 3 standard deviations


def test_std_without_noise_is_zero_when_only_chance_separates_phrasings() -> None:
    """Phrasings that differ by chance alone show a raw std of about 0.05 and none without noise."""
    source = np.random.default_rng(2)
    matrices = [(source.random((8, 100)) < 0.5).astype(float) for _ in range(20)]

    assert (
        std_without_noise(matrices)
        < 0.025
        < 0.045
        < float(np.mean([matrix.mean(axis=1).std(ddof=1) for matrix in matrices]))
    )


def test_a_phrasing_that_breaks_raises_the_std() -> None:
    """Eight phrasings alike; one falls from 0.8 to 0.4:
    std rises from 0 to 0.4 / sqrt(8) = 0.141.
    """
    source = np.random.default_rng(3)
    difficulty = source.random(2000)
    old = np.tile(difficulty < 0.8, (8, 1)).astype(float)
    new = old.copy()
    new[0] = difficulty < 0.4
    found = std_harm([(old, new)], margin=0.05, rng=rng())

    assert found.value == pytest.approx(0.4 / math.sqrt(8), abs=0.01)
    assert found.p_none < 0.01
    assert found.p_margin > 0.99


def test_missing_cells_do_not_stop_the_tests() -> None:
    """A cell missing on both sides leaves the rest."""
    y = np.tile([[1.0, 0.0], [1.0, 1.0]], (1, 60))
    y[0, 0] = np.nan
    found = convex_harm([(y, y)], above_lowest, margin=0.2, rng=rng())

    assert found.value == 0.0
    assert found.p_none == 1.0
