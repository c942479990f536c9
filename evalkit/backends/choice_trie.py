"""Choices of several tokens from next-token distributions: the trie of their token ids. Pure.

The log-probability of a choice is the sum over its tokens, each given the prompt and the tokens
before it. Choices that begin alike share these places, so a set of choices needs one next-token
distribution per inner node of their trie: one for letters, two for ``(A)`` to ``(D)``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

__all__ = ["Ids", "summed", "wanted"]

Ids = tuple[int, ...]
"""Token ids."""


def wanted(choices: Sequence[Ids]) -> dict[Ids, Ids]:
    """Return, for every inner node of the trie, the tokens whose log-probabilities are needed
    there.

    Nodes are named by the tokens that lead to them, parents before their children.

    >>> wanted([(7, 1, 9), (7, 2, 9), (5,)])
    {(): (7, 5), (7,): (1, 2), (7, 1): (9,), (7, 2): (9,)}
    """
    found: dict[Ids, dict[int, None]] = {}
    for place in range(max(map(len, choices), default=0)):
        for choice in choices:
            if len(choice) > place:
                found.setdefault(choice[:place], {})[choice[place]] = None
    return {node: tuple(tokens) for node, tokens in found.items()}


def summed(choices: Sequence[Ids], values: Mapping[Ids, Mapping[int, float]]) -> tuple[float, ...]:
    """Return the log-probability of every choice, nats.

    Parameters
    ----------
    choices
        Token ids.
    values
        Per node of `wanted`, the log-probability of each token wanted there.

    Raises
    ------
    KeyError
        When a value is not there.
    """
    return tuple(
        math.fsum(values[choice[:place]][token] for place, token in enumerate(choice))
        for choice in choices
    )
