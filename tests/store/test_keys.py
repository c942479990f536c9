"""Which keys are absent: the fast comparison agrees with plain sets, whatever the keys."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evalkit.store.keys import absent, first_places

PARTS = st.lists(
    st.binary(min_size=1, max_size=1).map(lambda one: one * 8), min_size=0, max_size=30
)
"""Halves of keys, from so few that keys often share one."""


def keys(heads: list[bytes], tails: list[bytes]) -> list[bytes]:
    """Return keys made of halves."""
    return [head + tail for head, tail in zip(heads, tails, strict=False)]


@given(PARTS, PARTS, PARTS, PARTS)
def test_it_agrees_with_sets_when_halves_are_shared(
    a: list[bytes], b: list[bytes], c: list[bytes], d: list[bytes]
) -> None:
    """Keys that share their first eight bytes are told apart by the others."""
    wanted, stored = keys(a, b), keys(c, d)
    expected = [key for key in dict.fromkeys(wanted) if key not in set(stored)]

    assert absent(b"".join(wanted), b"".join(stored)) == (expected, len(set(wanted)))


@given(st.lists(st.binary(min_size=16, max_size=16)), st.data())
def test_it_agrees_with_sets_on_distinct_keys(wanted: list[bytes], data: st.DataObject) -> None:
    """Any order, any repetition, any part of them stored."""
    stored = data.draw(st.lists(st.sampled_from(wanted))) if wanted else []
    expected = [key for key in dict.fromkeys(wanted) if key not in set(stored)]

    assert absent(b"".join(wanted), b"".join(stored)) == (expected, len(set(wanted)))


@given(st.lists(st.integers(0, 3)))
def test_first_places_are_those_where_a_key_is_new(numbers: list[int]) -> None:
    """Against a set that remembers what was there;
    keys that share their first half are told apart.
    """
    keys = [b"sharedby" + bytes([number]) * 8 for number in numbers]
    expected = [place for place, key in enumerate(keys) if key not in keys[:place]]

    assert first_places(b"".join(keys)).tolist() == expected
