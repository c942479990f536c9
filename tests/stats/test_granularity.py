"""Which number of instances a printed mean can come from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats.point.granularity import find_counts, fits, half_unit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.48", 0.005),
        ("0.480", 0.0005),
        ("1", 0.5),
        ("4.8e-1", 0.005),
        ("0.4075630307197571", 1e-13),
    ],
)
def test_half_unit_follows_the_printed_decimals(text, expected):
    """Trailing zeros count; a double printed whole is known to its own rounding."""
    assert half_unit(text) == pytest.approx(expected)


def test_worked_example_of_the_grim_test():
    """A mean of 3.45 cannot come from 17 whole numbers:
    58/17 = 3.41, 59/17 = 3.47 (Brown and Heathers 2017, scaled by 10).
    """
    assert not fits(np.array([0.345 * 10]), np.array([0.005]), 17)[0]
    assert fits(np.array([0.345 * 10]), np.array([0.005]), 20)[0]


@given(n=st.integers(2, 20_000), data=st.data())
def test_true_n_always_fits(n, data):
    """A mean of k right out of n fits n at every printed precision."""
    k = data.draw(st.integers(0, n))
    decimals = data.draw(st.integers(1, 12))
    text = f"{k / n:.{decimals}f}"

    assert fits(np.array([float(text)]), np.array([half_unit(text)]), n)[0]


def test_smallest_n_and_its_rows_are_found():
    """Means of 120 and of 77 items are taken apart."""
    texts = [f"{k / 120:.8f}" for k in (31, 43, 59, 67, 71)] + [
        f"{k / 77:.8f}" for k in (20, 31, 45)
    ]
    found = find_counts(
        np.array([float(t) for t in texts]), np.array([half_unit(t) for t in texts])
    )

    assert [(fit.n, fit.rows) for fit in found] == [(120, (0, 1, 2, 3, 4)), (77, (5, 6, 7))]


def test_coarse_or_random_numbers_are_not_explained():
    """Where accident does as well, nothing is claimed."""
    rng = np.random.default_rng(0)
    coarse = np.round(rng.random(50), 3)

    assert find_counts(coarse, np.full(50, 0.0005)) == []
    assert find_counts(rng.random(50), np.full(50, 1e-9)) == []
    assert find_counts(np.full(3, np.nan), np.full(3, 1e-9)) == []
