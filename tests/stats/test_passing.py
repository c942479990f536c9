"""Pass@k by the unbiased formula."""

from __future__ import annotations

from itertools import combinations
from math import comb, isnan

import numpy as np
import pytest

from evalkit.stats import pass_at_k, pass_at_k_cells


def test_the_worked_case() -> None:
    """Ten answers, three right: 1 - 7/10 = .3 and 1 - C(7, 5) / C(10, 5) = 1 - 21/252 = .9167."""
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)
    assert pass_at_k(10, 3, 5) == pytest.approx(1 - 21 / 252)


@pytest.mark.parametrize(
    ("n", "c", "k"), [(n, c, k) for n in (1, 4, 6) for c in range(n + 1) for k in range(1, n + 1)]
)
def test_it_is_the_share_of_subsets_that_hold_a_right_answer(n: int, c: int, k: int) -> None:
    """Counted over every choice of k of the n answers."""
    right = [1] * c + [0] * (n - c)
    hits = sum(any(right[i] for i in chosen) for chosen in combinations(range(n), k))

    assert pass_at_k(n, c, k) == pytest.approx(hits / comb(n, k))


def test_fewer_answers_than_k_are_undefined_and_nonsense_is_refused() -> None:
    """NaN, never 0; more right ones than answers is a mistake of the caller."""
    assert isnan(pass_at_k(3, 1, 5))
    with pytest.raises(ValueError, match="n 2, c 3"):
        pass_at_k(2, 3, 1)


def test_many_answers_do_not_overflow() -> None:
    """The product form holds where binomials are larger than a float."""
    assert pass_at_k(5000, 1, 2500) == pytest.approx(0.5)


def test_cells_with_missing_repeats_or_graded_scores() -> None:
    """A missing repeat is no answer; a score between 0 and 1 is neither right nor wrong."""
    cube = np.array([[[1, 0, np.nan], [0.5, 1, 0], [np.nan, np.nan, np.nan]]])
    found = pass_at_k_cells(cube, 1)

    assert found[0, 0] == pytest.approx(0.5)
    assert np.isnan(found[0, 1:]).all()
