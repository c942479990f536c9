"""Steps whose output is the next one's input: f2(f1(x)), checked by type before anything is asked.

In the manner of S. Hayati and others, "Chain-of-Instructions", 2024, where the output of one
instruction is the input of the next; steps and wordings are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from evalkit.catalog.procedural.draft import Draws
from evalkit.errors import CatalogError

__all__ = ["STEPS", "Step", "draw_chain", "executed", "refuse_mismatch", "start_of"]

_LETTERS = "FGHJKLMN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One function of a text."""

    takes: str
    """Type of its input: ``letters``, ``digits``, ``number``, ``word``."""
    gives: str
    """Type of its output."""
    wordings: tuple[str, ...]
    """Ways to ask for it."""
    apply: Callable[[str], str]
    """What it does."""


def _rotated(text: str) -> str:
    return text[1:] + text[:1]


def _unique(text: str) -> str:
    return "".join(dict.fromkeys(text))


STEPS: Mapping[str, Step] = {
    "reverse": Step(
        takes="letters",
        gives="letters",
        wordings=("Write the letters backwards.", "Turn the string around, last letter first."),
        apply=lambda text: text[::-1],
    ),
    "rotate": Step(
        takes="letters",
        gives="letters",
        wordings=(
            "Move the first letter to the end.",
            "Take the first letter away and put it last.",
        ),
        apply=_rotated,
    ),
    "replace": Step(
        takes="letters",
        gives="letters",
        wordings=("Replace every F by X.", "Write an X wherever there is an F."),
        apply=lambda text: text.replace("F", "X"),
    ),
    "unique": Step(
        takes="letters",
        gives="letters",
        wordings=(
            "Keep the first occurrence of every letter and drop the others.",
            "Delete each letter that stood there before.",
        ),
        apply=_unique,
    ),
    "length": Step(
        takes="letters",
        gives="number",
        wordings=("Count the letters.", "Say how many letters there are."),
        apply=lambda text: str(len(text)),
    ),
    "sort": Step(
        takes="digits",
        gives="digits",
        wordings=(
            "Sort the digits in ascending order.",
            "Put the digits in order, smallest first.",
        ),
        apply=lambda text: " ".join(sorted(text.split())),
    ),
    "last": Step(
        takes="digits",
        gives="number",
        wordings=("Take the last digit.", "Keep only the digit at the end."),
        apply=lambda text: text.split()[-1],
    ),
    "largest": Step(
        takes="digits",
        gives="number",
        wordings=("Take the largest digit.", "Keep only the greatest of the digits."),
        apply=lambda text: max(text.split()),
    ),
    "double": Step(
        takes="number",
        gives="number",
        wordings=("Double the number.", "Multiply it by two."),
        apply=lambda text: str(2 * int(text)),
    ),
    "successor": Step(
        takes="number",
        gives="number",
        wordings=("Add one.", "Take the next number."),
        apply=lambda text: str(int(text) + 1),
    ),
    "parity": Step(
        takes="number",
        gives="word",
        wordings=("Say even or odd.", "Write even if the number is even, otherwise odd."),
        apply=lambda text: "odd" if int(text) % 2 else "even",
    ),
}
"""Name -> step."""


def refuse_mismatch(chain: Sequence[str], *, where: str) -> None:
    """Raise when a step is not known, or takes another type than the step before it gives.

    Raises
    ------
    CatalogError
        Naming both steps and both types.

    Examples
    --------
    >>> refuse_mismatch(["sort", "largest", "parity"], where="task t")
    """
    for name in chain:
        if name not in STEPS:
            raise CatalogError(
                f"{where}: step {name!r} of a chain is not known; accepted: {', '.join(STEPS)}."
            )
    for one, other in pairwise(chain):
        given, taken = STEPS[one].gives, STEPS[other].takes
        if given != taken:
            raise CatalogError(
                f"{where}: chain {' -> '.join(chain)} does not fit together: "
                f"{one!r} gives {given} and {other!r} takes {taken}. "
                "Put a step between them or leave one out."
            )
    if not chain:
        raise CatalogError(f"{where}: a chain is empty; one step or more is accepted.")


def draw_chain(draws: Draws, length: int) -> list[str]:
    """Return a chain of `length` steps that fit together; no step stands twice in a row."""
    while True:
        chain: list[str] = []
        kind = draws.pick(("letters", "digits"))
        while len(chain) < length:
            able = [
                name
                for name, step in STEPS.items()
                if step.takes == kind and (not chain or chain[-1] != name)
            ]
            if not able:
                break
            chain.append(draws.pick(able))
            kind = STEPS[chain[-1]].gives
        if len(chain) == length:
            return chain


def start_of(chain: Sequence[str], draws: Draws) -> str:
    """Return an input that the first step takes."""
    kind = STEPS[chain[0]].takes
    if kind == "letters":
        return draws.word(_LETTERS, draws.between(3, 5))
    if kind == "digits":
        return " ".join(draws.word("0123456789", draws.between(3, 5)))
    return str(draws.between(2, 40))


def executed(chain: Sequence[str], start: str) -> list[str]:
    """Return what every step of a chain gives.

    >>> executed(["reverse", "length", "parity"], "FGH")
    ['HGF', '3', 'odd']
    """
    found, text = [], start
    for name in chain:
        text = STEPS[name].apply(text)
        found.append(text)
    return found
