"""What is computed once: choices as branches behind a prompt, prompts behind a shared beginning.

Pure: token ids are plain integers here, and nothing knows a model. Lengths are tokens. Not handled
here: where a token stands and what it may see (`layout`), rows of a batch (`packed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Branches",
    "Costs",
    "PrefixGroup",
    "branches",
    "chains",
    "common_prefix",
    "prefix_groups",
]

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Branches:
    """The continuations of one prompt as a tree behind its last token.

    A continuation of k tokens needs k - 1 extra positions, because its first token is read at the
    last position of the prompt; continuations that begin alike share positions.
    """

    tokens: Ids
    """Token of every node."""
    depths: tuple[int, ...]
    """Distance of every node from the last prompt token, from 1."""
    ancestors: NDArray[np.bool_]
    """Shape (node, node): whether the column is the row's ancestor or the row itself."""
    reads: tuple[tuple[tuple[int, int], ...], ...]
    """Per continuation and token: the node whose distribution predicts it (-1: the last prompt
    token), and the token."""


@lru_cache(maxsize=16384)
def branches(tails: tuple[Ids, ...]) -> Branches:
    """Return the tree of the continuations `tails`.

    Examples
    --------
    >>> tree = branches(((5, 1), (5, 2), (7,)))
    >>> tree.tokens, tree.depths
    ((5,), (1,))
    >>> tree.reads
    (((-1, 5), (0, 1)), ((-1, 5), (0, 2)), ((-1, 7),))
    """
    index: dict[Ids, int] = {(): -1}
    tokens: list[int] = []
    depths: list[int] = []
    parents: list[int] = []
    reads = []
    for tail in tails:
        found = []
        for j, token in enumerate(tail):
            path = tail[:j]
            if path not in index:
                index[path] = len(tokens)
                tokens.append(tail[j - 1])
                depths.append(j)
                parents.append(index[tail[: j - 1]])
            found.append((index[path], token))
        reads.append(tuple(found))
    ancestors = np.zeros((len(tokens), len(tokens)), dtype=np.bool_)
    for node, parent in enumerate(parents):
        if parent >= 0:
            ancestors[node] = ancestors[parent]
        ancestors[node, node] = True
    return Branches(tuple(tokens), tuple(depths), ancestors, tuple(reads))


@lru_cache(maxsize=16384)
def chains(
    tails: tuple[Ids, ...],
) -> tuple[tuple[Ids, ...], tuple[tuple[tuple[int, int, int], ...], ...]]:
    """Return the fewest separate chains that predict every continuation,
    and where each token is read.

    Returns
    -------
    chains
        Token chains behind the prompt, none the beginning of another.
    reads
        Per continuation and token: chain, offset in it (0 is the last prompt token), and the token.

    Examples
    --------
    >>> chains(((5, 1), (7,)))
    (((5,),), (((0, 0, 5), (0, 1, 1)), ((0, 0, 7),)))
    """
    wanted = sorted({tail[:-1] for tail in tails if tail}, key=lambda chain: (-len(chain), chain))
    kept: list[Ids] = []
    home: dict[Ids, int] = {}
    for chain in wanted:
        if chain not in home:
            for length in range(len(chain) + 1):
                home.setdefault(chain[:length], len(kept))
            kept.append(chain)
    reads = tuple(
        tuple((home[tail[:-1]], j, token) for j, token in enumerate(tail)) for tail in tails
    )
    return tuple(kept), reads


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many leading tokens two sequences share."""
    n = min(len(first), len(second))
    for i in range(n):
        if first[i] != second[i]:
            return i
    return n


@dataclass(frozen=True, slots=True)
class Costs:
    """What sharing a prefix costs, in the unit of one token through the layers."""

    copy: float = 0.1
    """Attending to one token of a stored prefix from one row: copying its states, mask,
    attention."""
    launch: float = 16.0
    """Storing one more prefix: its share of an extra forward."""


@dataclass(frozen=True, slots=True)
class PrefixGroup:
    """Prompts that begin with the same tokens."""

    length: int
    """Tokens they share; at least one token of every member stays outside."""
    members: tuple[int, ...]
    """Indices of the prompts."""


def prefix_groups(prompts: Sequence[Ids], costs: Costs) -> list[PrefixGroup]:
    """Return the groups of prompts whose shared beginning is worth computing once.

    Parameters
    ----------
    prompts
        Token ids of whole prompts.
    costs
        Measured costs of sharing.

    Notes
    -----
    One level of sharing, chosen by dynamic programming over the prefix tree: a node of m prompts
    that share p tokens saves (m - 1) p - m p `copy` - `launch`, or what its children save together,
    whichever is more. A group is always a whole node of the tree.

    References
    ----------
    Zheng et al., BatchLLM, 2024, arXiv 2412.03594, section 4 (one level of explicit sharing loses
    about 1 %).
    """
    order = sorted(range(len(prompts)), key=lambda i: prompts[i])
    n = len(order)
    if n < 2:
        return []
    shared = [_shared(prompts[order[i]], prompts[order[i + 1]]) for i in range(n - 1)]
    spans = _best_spans(shared, costs)
    return [
        PrefixGroup(length, tuple(order[i] for i in range(low, high + 1)))
        for low, high, length in spans
    ]


def _shared(first: Sequence[int], second: Sequence[int]) -> int:
    """Shared beginning of two prompts, leaving the last token of both outside."""
    return min(common_prefix(first, second), len(first) - 1, len(second) - 1)


def _best_spans(shared: Sequence[int], costs: Costs) -> list[tuple[int, int, int]]:
    """Best disjoint runs (low, high, length) over sorted prompts, from the shared lengths of
    neighbours.
    """
    # subtle: a Cartesian tree over `shared`, built and solved with one stack; an entry is
    # (shared length, first prompt, saving of the children so far, their spans).
    stack: list[tuple[int, int, float, list[tuple[int, int, int]]]] = []
    for i, length in enumerate([*shared, -1]):
        low, saving, spans = i, 0.0, list[tuple[int, int, int]]()
        while stack and stack[-1][0] >= length:
            top, first, below, kept = stack.pop()
            below, kept = below + saving, kept + spans
            own = (i - first) * top - (i - first + 1) * top * costs.copy - costs.launch
            if own > below:
                below, kept = own, [(first, i, top)]
            low, saving, spans = first, below, kept
        stack.append((length, low, saving, spans))
    return stack[-1][3]
