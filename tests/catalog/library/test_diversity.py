"""How different phrasings are: numbers worked out by hand, and which few stand for all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.catalog.library.diversity import choose_k, distances, diversity, vendi_score
from evalkit.errors import UsageError
from evalkit.records import Phrasing


def phrasings(*texts: str) -> list[Phrasing]:
    """Return phrasings named a, b, c, ..."""
    return [Phrasing(id=chr(97 + place), text=text, source="x") for place, text in enumerate(texts)]


def test_the_numbers_are_those_worked_out_by_hand():
    """Two of three words shared in order: F = 4/6; slots are no words."""
    found = diversity(phrasings("Pick one now {{ question }}", "Pick one later", "Zebra"))

    assert (found.phrasings, found.words) == (3, 7)
    assert found.type_token_ratio == 5 / 7
    assert found.rouge_l == pytest.approx((2 / 3 + 0 + 0) / 3)
    assert found.nearest_rouge_l == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert found.neighbours[0] == ("a", "b", pytest.approx(2 / 3))
    assert found.vendi is None


def test_one_phrasing_has_no_pairs():
    """What needs two is None, never 0."""
    found = diversity(phrasings("Pick one."))

    assert (found.rouge_l, found.nearest_rouge_l, found.neighbours) == (None, None, ())


def test_the_vendi_score_counts_wholly_different_texts():
    """Equal rows are worth one, rows at right angles as many as there are."""
    assert vendi_score(np.array([[1.0, 0.0]] * 4)) == pytest.approx(1.0)
    assert vendi_score(np.eye(4)) == pytest.approx(4.0)
    assert vendi_score(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])) == pytest.approx(
        2.0
    )


def test_the_farthest_is_chosen_next():
    """Points 0, 1, 5 and 10 on a line: the centre 5 first, then an end, then the other."""
    places = np.array([0.0, 1.0, 5.0, 10.0])
    apart = np.abs(places[:, None] - places)

    assert choose_k(apart, 1) == [2]
    assert choose_k(apart, 3) == [2, 0, 3]


def test_facility_location_takes_what_stands_for_many_first():
    """A crowd at 0, a pair at 5 and one far away: the crowd, the pair, the odd one;
    k-center takes the odd one second.
    """
    places = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 5.0, 5.1, 9.0])
    apart = np.abs(places[:, None] - places)
    chosen = [places[place] for place in choose_k(apart, 3, how="facility")]

    assert chosen[0] == 0.4
    assert chosen[1] in (5.0, 5.1)
    assert chosen[2] == 9.0


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=8),
    st.data(),
    st.sampled_from(["k-center", "facility"]),
)
def test_no_phrasing_is_chosen_twice(places, data, how):
    """Ties and equal texts included, and a smaller choice begins a larger one."""
    values = np.array(places)
    apart = np.abs(values[:, None] - values)
    k = data.draw(st.integers(1, len(places)))
    chosen = choose_k(apart, k, how=how)

    assert len(set(chosen)) == k
    assert choose_k(apart, len(places), how=how)[:k] == chosen


def test_more_than_there_are_cannot_be_picked():
    """The message says how many there are."""
    with pytest.raises(UsageError, match="--pick 3: there are 2 phrasings to choose from"):
        choose_k(distances(phrasings("One.", "Two.")), 3)
