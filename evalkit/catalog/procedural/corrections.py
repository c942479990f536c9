"""Sentences with planted mistakes, and what they should be. The words are ours."""

from __future__ import annotations

from evalkit.catalog.procedural.draft import Draft, Draws

__all__ = ["correction"]

_WHO = ("The baker", "My neighbour", "Her uncle", "The nurse", "Our teacher", "The old sailor")
_DOES = (
    *(("carries", "carry"), ("repairs", "repair"), ("paints", "paint"), ("counts", "count")),
    *(("cleans", "clean"), ("sells", "sell"), ("collects", "collect"), ("weighs", "weigh")),
)
_WHAT = (
    *("the wooden boxes", "two silver clocks", "a yellow bicycle", "the garden chairs"),
    *("several broken lamps", "the market baskets", "an empty barrel", "some copper kettles"),
)
_WHERE = ("behind the station", "near the harbour", "in the courtyard", "beside the bridge")
_WHEN = ("every morning", "before breakfast", "after the rain", "on winter evenings")
KINDS = ("agreement", "doubled", "letters")
"""Kinds of mistakes."""


def correction(draws: Draws) -> Draft:
    """Return a sentence with one mistake or two of different kinds, or in one of six with none,
    and its correction.

    Examples
    --------
    >>> one = correction(Draws("b"))
    >>> one.question
    'The baker sell several broken lamps beside the bridge on winter evenings.'
    """
    verb = draws.pick(_DOES)
    parts = [draws.pick(_WHO), verb[0], draws.pick(_WHAT), draws.pick(_WHERE), draws.pick(_WHEN)]
    right = " ".join(parts) + "."
    kinds = draws.some(KINDS, draws.pick((0, 1, 1, 1, 2, 2)))
    if "letters" in kinds:
        place = draws.pick((2, 3))
        parts[place] = _swapped(parts[place], draws)
    if "agreement" in kinds:
        parts[1] = verb[1]
    if "doubled" in kinds:
        first, rest = parts[3].split(" ", 1)
        parts[3] = f"{first} {first} {rest}"
    return Draft(question=" ".join(parts) + ".", answer=right)


def _swapped(text: str, draws: Draws) -> str:
    """Return a text with two neighbouring letters of its longest word swapped.

    >>> _swapped("the bridge", Draws("a"))
    'the birdge'
    """
    words = text.split()
    place = max(range(len(words)), key=lambda at: len(words[at]))
    word = words[place]
    able = [at for at in range(1, len(word) - 2) if word[at] != word[at + 1]]
    at = draws.pick(able)
    words[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)
