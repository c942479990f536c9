"""What a family is, what it drafts, and the random draws it makes.

Not here: splits, ids and uniqueness, which `generate` gives to every family in the same way.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

__all__ = ["Draft", "Draws", "Family", "Knobs"]

T = TypeVar("T")
Knobs = Mapping[str, int]


class Draws:
    """Random draws that give the same values in every version of Python.

    Only ``random.random()`` is promised to stay the same for a seed, so everything is made from it.

    Parameters
    ----------
    seed
        Any text.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def below(self, n: int) -> int:
        """Return an integer from 0 to `n` - 1."""
        return int(self._random() * n)

    def between(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def chance(self, share: float) -> bool:
        """Return True with probability `share`."""
        return self._random() < share

    def pick(self, items: Sequence[T]) -> T:
        """Return one item."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in random order (Fisher and Yates)."""
        left = list(items)
        for last in range(len(left) - 1, 0, -1):
            other = self.below(last + 1)
            left[last], left[other] = left[other], left[last]
        return left

    def some(self, items: Sequence[T], n: int) -> list[T]:
        """Return `n` different items in random order."""
        return self.shuffled(items)[:n]

    def word(self, alphabet: str, n: int) -> str:
        """Return `n` letters, repeats allowed."""
        return "".join(self.pick(alphabet) for _ in range(n))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One item as a family makes it, before it has a split and an id."""

    question: str
    """Main text of the instance."""
    answer: str
    """Correct answer; one of `choices` when there are choices."""
    choices: tuple[str, ...] = ()
    """Candidate answers; empty for free text."""
    rule: str = ""
    """What has to be executed, as text; empty in families without rules."""
    slots: Mapping[str, str] = field(default_factory=dict)
    """Parts of the question under their own names."""
    factors: Mapping[str, str] = field(default_factory=dict)
    """What is varied about it, as in `evalkit.records.Instance`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A kind of problem."""

    name: str
    """Name in task files."""
    kind: Literal["choice", "generate"]
    """How it is answered."""
    slots: tuple[str, ...]
    """Names of the slots besides ``question``."""
    knobs: Knobs
    """Difficulty: every knob with its default."""
    draw: Callable[[Draws, Knobs], Draft]
    """Makes one draft."""
    labels: tuple[str, ...] = ()
    """Fixed choices; instances are then balanced over them."""
    has_rules: bool = False
    """Whether drafts carry a rule, so that rules can be held out."""
    again: Callable[[Draws, Knobs, Draft, bool | None], Draft] | None = None
    """Makes another draft of the same rule; told whether the rule shall apply (None: either). None
    where a family cannot."""
