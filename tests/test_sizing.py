"""Components of a pilot run, with the gap kept out of the variance of phrasings."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.sizing import _gap_variance, _within_arms, size, stated


def test_the_gap_is_no_variance_of_phrasings() -> None:
    """Seen phrasings all at 1, unseen all at 0: within an arm nothing varies, over both it would be 1/3."""
    values = np.array([[1.0] * 4] * 2 + [[0.0] * 4] * 2)
    found = _within_arms(values, ("seen", "seen", "unseen", "unseen"))

    assert (found.phrasing, found.instance, found.interaction) == (0.0, 0.0, 0.0)
    assert _within_arms(values, ("unknown",) * 4).phrasing == pytest.approx(1 / 3)


def test_variance_of_the_gap_over_instances() -> None:
    """The gap is 1, 0, 1, 0 over four instances and nothing else varies within an arm: variance 1/3."""
    values = np.array([[1.0, 0.0, 1.0, 0.0]] * 2 + [[0.0] * 4] * 2)
    seen = ("seen", "seen", "unseen", "unseen")

    assert _gap_variance(values, seen, _within_arms(values, seen)) == pytest.approx(1 / 3)
    assert _gap_variance(values, ("unknown",) * 4, _within_arms(values, seen)) == 0.0


def test_a_larger_gap_needs_no_more_phrasings() -> None:
    """At every number of instances."""
    needed = [{d.n_instances: d.n_per_arm for d in size(stated("0.001,0.1,0.1"), gap=gap)[0].designs} for gap in (0.02, 0.05, 0.1)]

    assert all(needed[0][n] >= needed[1][n] >= needed[2][n] for n in needed[0])
