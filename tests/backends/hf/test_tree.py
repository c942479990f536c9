"""Branches, chains, batches and shared prefixes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.backends.hf.layout import batches
from evalkit.backends.hf.tree import (
    Costs,
    PrefixGroup,
    branches,
    chains,
    common_prefix,
    prefix_groups,
)

TAILS = st.lists(
    st.lists(st.integers(0, 3), min_size=1, max_size=5).map(tuple), min_size=1, max_size=6
).map(tuple)


def path(tree: object, node: int) -> tuple[int, ...]:
    """Tokens from the prompt to a node, by its ancestors in order of depth."""
    if node < 0:
        return ()
    rows = np.flatnonzero(tree.ancestors[node])  # type: ignore[attr-defined]
    return tuple(tree.tokens[i] for i in sorted(rows, key=lambda i: tree.depths[i]))  # type: ignore[attr-defined]


@given(TAILS)
def test_every_token_is_read_behind_exactly_its_own_beginning(
    tails: tuple[tuple[int, ...], ...],
) -> None:
    """Following a read's ancestors spells the continuation up to that token, whatever is shared."""
    tree = branches(tails)

    assert [[(path(tree, node), token) for node, token in reads] for reads in tree.reads] == [
        [(tail[:j], token) for j, token in enumerate(tail)] for tail in tails
    ]


@given(TAILS)
def test_a_tree_holds_no_more_nodes_than_distinct_beginnings(
    tails: tuple[tuple[int, ...], ...],
) -> None:
    """One position per distinct proper beginning, none for the last token of a continuation."""
    assert len(branches(tails).tokens) == len(
        {tail[:j] for tail in tails for j in range(1, len(tail))}
    )


@given(TAILS)
def test_chains_spell_every_continuation(tails: tuple[tuple[int, ...], ...]) -> None:
    """Each token is read at the offset behind its own beginning, and no chain begins another."""
    kept, reads = chains(tails)

    assert [[(kept[chain][:offset], token) for chain, offset, token in row] for row in reads] == [
        [(tail[:j], token) for j, token in enumerate(tail)] for tail in tails
    ]
    assert not any(a != b and b[: len(a)] == a for a in kept for b in kept)


@given(
    st.lists(st.integers(1, 50), max_size=40),
    st.integers(1, 200),
    st.one_of(st.none(), st.integers(1, 5)),
)
def test_batches_hold_every_row_once_within_the_budget(
    lengths: list[int], budget: int, rows: int | None
) -> None:
    """Padding included, only a row that is too long by itself exceeds the budget;
    longest rows come first.
    """
    found = batches(lengths, budget=budget, rows=rows)

    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    assert all(
        len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget for batch in found
    )
    assert all(rows is None or len(batch) <= rows for batch in found)
    assert [lengths[i] for batch in found for i in batch] == sorted(lengths, reverse=True)


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=8),
    st.integers(20, 80),
    st.integers(0, 40),
)
def test_no_other_cut_of_the_sorted_rows_costs_less(
    lengths: list[int], budget: int, launch: int
) -> None:
    """Against every way of cutting up to eight rows: padded tokens, and `launch` for each batch."""
    ordered, n = sorted(lengths, reverse=True), len(lengths)

    def cost(parts: list[list[int]]) -> int:
        return sum(max(part) * len(part) + launch for part in parts)

    ways = []
    for cuts in range(1 << (n - 1)):
        places = [0, *(i + 1 for i in range(n - 1) if cuts >> i & 1), n]
        parts = [ordered[a:b] for a, b in pairwise(places)]
        if all(len(part) == 1 or max(part) * len(part) <= budget for part in parts):
            ways.append(cost(parts))
    found = batches(lengths, budget=budget, launch=launch)

    assert cost([[lengths[i] for i in batch] for batch in found]) == min(ways)


PROMPTS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8).map(tuple), max_size=12)


@given(PROMPTS, st.floats(0, 0.5), st.floats(0, 5))
def test_groups_share_what_they_say_and_save_something(
    prompts: list[tuple[int, ...]], copy: float, launch: float
) -> None:
    """Members begin alike, keep a token of their own, belong to one group,
    and sharing costs less than it saves.
    """
    costs = Costs(copy=copy, launch=launch)
    groups = prefix_groups(prompts, costs)
    members = [i for group in groups for i in group.members]

    assert len(members) == len(set(members))
    for group in groups:
        n = len(group.members)
        assert len({prompts[i][: group.length] for i in group.members}) == 1
        assert all(len(prompts[i]) > group.length for i in group.members)
        assert (n - 1) * group.length - n * group.length * copy - launch > 0


def test_instruction_first_prompts_are_grouped_by_phrasing() -> None:
    """Two phrasings of 10 tokens over three instances of 5:
    two groups of three, 2 x (2 x 10) = 40 tokens saved.
    """
    prompts = [
        tuple(range(100 * p, 100 * p + 10)) + tuple(range(1000 * n, 1000 * n + 5))
        for p in (1, 2)
        for n in (1, 2, 3)
    ]

    assert prefix_groups(prompts, Costs(copy=0.0, launch=1.0)) == [
        PrefixGroup(10, (0, 1, 2)),
        PrefixGroup(10, (3, 4, 5)),
    ]


def test_instance_first_prompts_are_grouped_by_instance() -> None:
    """The longer shared part decides: two phrasings behind each of three instances give three
    groups of two.
    """
    prompts = [
        tuple(range(1000 * n, 1000 * n + 30)) + tuple(range(100 * p, 100 * p + 5))
        for p in (1, 2)
        for n in (1, 2, 3)
    ]

    assert [
        (g.length, sorted(g.members)) for g in prefix_groups(prompts, Costs(copy=0.1, launch=4.0))
    ] == [
        (30, [0, 3]),
        (30, [1, 4]),
        (30, [2, 5]),
    ]


def test_sharing_that_costs_more_than_it_saves_is_left_out() -> None:
    """Two prompts that share three tokens save 3, less than the 16 of a launch."""
    assert prefix_groups([(1, 2, 3, 4), (1, 2, 3, 5)], Costs()) == []


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [((), (1,), 0), ((1, 2), (1, 2), 2), ((1, 2, 3), (1, 2), 2), ((2,), (1,), 0)],
)
def test_common_prefix_counts_leading_equal_tokens(
    first: tuple[int, ...], second: tuple[int, ...], shared: int
) -> None:
    """Up to the shorter of the two."""
    assert common_prefix(first, second) == shared
