"""Orders of models: agreement, regret, shares of a reference, and the front of mean and spread."""

from __future__ import annotations

from math import isnan, nan

import numpy as np
import pytest
from scipy.stats import kendalltau

from evalkit.stats import accuracy_norm, not_dominated, pairwise_tau, percent_of, regret_at_k


def test_chance_of_four_choices_is_zero() -> None:
    """.25 of four choices is 0, .625 is .5."""
    assert accuracy_norm(0.25, 0.25) == 0
    assert accuracy_norm(0.625, 0.25) == pytest.approx(0.5)


def test_percent_of_a_reference_is_above_chance_on_both_sides() -> None:
    """.55 against .75 with chance .25 is .3 / .5 = .6; a reference at chance has no share."""
    assert percent_of(0.55, 0.75, 0.25) == pytest.approx(0.6)
    assert isnan(percent_of(0.5, 0.25, 0.25))


def test_pairwise_tau_is_scipys_for_every_pair() -> None:
    """Three wordings make three pairs; one that ties all models makes none."""
    scores = np.array([[0.2, 0.4, 0.9, 0.4], [0.1, 0.5, 0.3, 0.6], [0.5, 0.5, 0.5, 0.5]])
    found = pairwise_tau(scores)

    assert found[0] == pytest.approx(kendalltau(scores[0], scores[1]).statistic)
    assert np.isnan(found[1:]).all()


def test_regret_by_hand() -> None:
    """The wording prefers the model with .6; the best has .8, and is among its first two."""
    signal, truth = np.array([0.9, 0.7, 0.4]), np.array([0.6, 0.8, 0.7])

    assert regret_at_k(signal, truth, 1) == pytest.approx(0.2)
    assert regret_at_k(signal, truth, 2) == 0
    assert regret_at_k(np.array([0.9, 0.9, 0.4]), truth, 1) == pytest.approx(0.1)
    assert isnan(regret_at_k(np.array([0.9, nan, 0.4]), truth))


def test_the_front_holds_who_is_beaten_by_nobody() -> None:
    """Equal models stand on it together; one that is worse in one and better in nothing does
    not.
    """
    mean, spread = np.array([0.8, 0.8, 0.7, 0.8, nan]), np.array([0.2, 0.2, 0.1, 0.3, 0.0])

    assert not_dominated(mean, spread).tolist() == [True, True, True, False, False]
