"""Intervals over phrasings alone, against scipy and in simulation."""

import numpy as np
import pytest
import scipy.stats

from evalkit.stats.intervals.phrasing_only import (
    gap_of_phrasings,
    mean_of_phrasings,
    std_of_phrasings,
)

SEEN, UNSEEN = np.array([0.41, 0.44, 0.47, np.nan, 0.45]), np.array([0.40, 0.35, 0.42])


def test_mean_agrees_with_scipy():
    """The Student interval is scipy's, NaN left out."""
    known = SEEN[~np.isnan(SEEN)]
    expected = scipy.stats.ttest_1samp(known, 0).confidence_interval(0.9)
    found = mean_of_phrasings(SEEN, level=0.9)

    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_gap_agrees_with_scipy():
    """The Welch interval is scipy's."""
    expected = scipy.stats.ttest_ind(
        SEEN, UNSEEN, equal_var=False, nan_policy="omit"
    ).confidence_interval(0.95)
    found = gap_of_phrasings(SEEN, UNSEEN)

    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_std_covers_in_simulation():
    """The chi-square interval of 2,000 normal draws of 10 phrasings covers as often as it says."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(2000):
        found = std_of_phrasings(rng.normal(0.5, 0.05, 10))
        inside += found.low <= 0.05 <= found.high

    assert 0.935 <= inside / 2000 <= 0.965


@pytest.mark.parametrize("few", [np.array([]), np.array([0.5]), np.array([0.5, np.nan])])
def test_one_phrasing_has_no_interval(few):
    """Below two phrasings there is a reason instead of an interval."""
    assert mean_of_phrasings(few).reason == "fewer than two phrasings"
    assert std_of_phrasings(few).reason == "fewer than two phrasings"
    assert gap_of_phrasings(few, SEEN).reason == "an arm with fewer than three phrasings"
