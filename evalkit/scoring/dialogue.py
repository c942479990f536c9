"""Joint goal accuracy: whether an answer names every slot of a dialogue's state with a right
value, and no other.
"""

from __future__ import annotations

import re

from evalkit.scoring.metric import Answered, Verdict
from evalkit.scoring.text import normalise

__all__ = ["state_match", "told_state"]

_PAIR = re.compile(
    r"^[\s>*\-\d.)]*([a-z][a-z0-9]*(?:[- _][a-z0-9]+)+)\s*[=:]\s*(.+?)\s*$", re.IGNORECASE
)


def state_match(answered: Answered) -> Verdict:
    """Return 1 when the pairs ``slot = value`` of the text are those of the reference, else 0.

    Pairs stand on lines of their own or behind semicolons; of the values that a reference parts by
    ``|`` each is right. A text without a pair is unparsed.

    References
    ----------
    Joint goal accuracy of X. Zang and others, MultiWOZ 2.2, 2020 (arXiv 2007.12720): every slot
    right, any of its annotated values.
    """
    if answered.text is None:
        return Verdict(score=None, prediction=None, status="missing")
    said = told_state(answered.text)
    if not said:
        return Verdict(score=0.0, prediction=None, status="unparsed")
    right = any(_same(said, told_state(reference)) for reference in answered.instance.references)
    shown = "; ".join(f"{slot} = {said[slot]}" for slot in sorted(said))
    return Verdict(score=float(right), prediction=shown)


def told_state(text: str) -> dict[str, str]:
    r"""Return slot -> value of every pair of a text, both normalised; the last of a slot counts.

    >>> told_state("hotel-area = North\n- hotel-stars: 4; nothing else")
    {'hotel-area': 'north', 'hotel-stars': '4'}
    """
    found = {}
    for part in re.split(r"[;\n]", text[:100_000]):
        if pair := _PAIR.match(part[:500]):
            found[re.sub(r"[ _]", "-", normalise(pair[1]))] = normalise(pair[2])
    return found


def _same(said: dict[str, str], right: dict[str, str]) -> bool:
    return said.keys() == right.keys() and all(
        said[slot] in {right[slot], *(normalise(one) for one in right[slot].split("|"))}
        for slot in right
    )
