"""Regular expressions as instructions: whether the whole string matches.

Expressions are sequences of atoms (a letter, two letters in brackets, a choice of two letters) that
may carry ``*`` or ``+``. Strings are words of the language, or such words after one edit.

References
----------
M. Finlayson, K. Richardson, A. Sabharwal, P. Clark, What Makes Instruction Learning Hard? An
Investigation and a New Challenge in a Synthetic Environment (arXiv 2204.09148): the expression is
the instruction, the string the instance. We draw the expressions from our own grammar.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from evalkit.catalog.procedural.draft import Draft, Draws, Family, Knobs

__all__ = ["REGEX", "matches", "read_pattern"]

LETTERS = "XYZ"
Part = tuple[tuple[str, ...], str, str]
"""Alternatives of an atom, its repeat (empty, ``*`` or ``+``), its text."""


def matches(parts: Sequence[Part], string: str) -> bool:
    """Return whether the whole `string` is in the language, by following the set of reachable
    positions.
    """
    reached = {0}
    for alternatives, repeat, _ in parts:
        closure = set(reached) if repeat == "*" else set()
        frontier = reached
        while frontier:
            frontier = {
                at + len(word)
                for at in frontier
                for word in alternatives
                if string.startswith(word, at)
            } - closure
            closure |= frontier
            if not repeat:
                break
        reached = closure
    return len(string) in reached


def _draw_part(draws: Draws, alphabet: str) -> Part:
    shape = draws.below(4)
    repeat = draws.pick(("", "", "*", "+"))
    if shape < 2:
        letter = draws.pick(alphabet)
        return (letter,), repeat, letter + repeat
    first, second = draws.some(alphabet, 2)
    if shape == 2:
        return (first + second,), repeat, f"({first}{second}){repeat}"
    return (first, second), repeat, f"({first}|{second}){repeat}"


def _draw_word(draws: Draws, parts: Sequence[Part]) -> str:
    word = ""
    for alternatives, repeat, _ in parts:
        times = {"": 1, "*": draws.below(4), "+": 1 + draws.below(3)}[repeat]
        word += "".join(draws.pick(alternatives) for _ in range(times))
    return word


def _edited(draws: Draws, word: str, alphabet: str) -> str:
    at = draws.below(len(word) + 1)
    return draws.pick(
        (
            word[:at] + draws.pick(alphabet) + word[at:],
            word[:at] + word[at + 1 :],
            word[:at] + draws.pick(alphabet) + word[at + 1 :],
        )
    )


def _draw_regex(draws: Draws, knobs: Knobs) -> Draft:
    alphabet = LETTERS[: knobs["letters"]]
    while True:
        parts = [_draw_part(draws, alphabet) for _ in range(draws.between(2, knobs["max_parts"]))]
        string = _draw_word(draws, parts)
        if draws.chance(0.55):
            string = _edited(draws, string, alphabet)
        if any(repeat for _, repeat, _ in parts) and 1 <= len(string) <= knobs["max_length"]:
            break
    return _asked(parts, string)


def _regex_again(draws: Draws, knobs: Knobs, draft: Draft, applies: bool | None) -> Draft:
    """Return the same expression with another string, in its language or not."""
    alphabet, parts = LETTERS[: knobs["letters"]], read_pattern(draft.slots["pattern"])
    for _ in range(2000):
        string = _draw_word(draws, parts)
        if not applies:
            string = _edited(draws, string, alphabet)
        fits = 1 <= len(string) <= knobs["max_length"]
        if fits and (applies is None or matches(parts, string) == applies):
            break
    return _asked(parts, string)


def read_pattern(pattern: str) -> list[Part]:
    """Return the parts of an expression of our grammar.

    >>> [text for _, _, text in read_pattern("X*(YZ)+(X|Y)")]
    ['X*', '(YZ)+', '(X|Y)']
    """
    found: list[Part] = []
    for atom, repeat in re.findall(r"([A-Z]|\([A-Z|]+\))([*+]?)", pattern):
        found.append((tuple(atom.strip("()").split("|")), repeat, atom + repeat))
    return found


def _asked(parts: Sequence[Part], string: str) -> Draft:
    pattern = "".join(text for _, _, text in parts)
    return Draft(
        question=f"Pattern: {pattern}\nString: {string}",
        answer="yes" if matches(parts, string) else "no",
        choices=("yes", "no"),
        rule=pattern,
        slots={"pattern": pattern, "string": string},
    )


REGEX = Family(
    name="regex",
    kind="choice",
    slots=("pattern", "string"),
    knobs={"letters": 3, "max_parts": 2, "max_length": 6},
    draw=_draw_regex,
    labels=("yes", "no"),
    has_rules=True,
    again=_regex_again,
)
