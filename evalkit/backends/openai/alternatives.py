"""The first token's most likely alternatives -> log-probabilities of labels. Pure.

Used when every label is one letter or digit, or when every label stands among the alternatives as
a whole token. A one-letter label that is not among them gets an upper bound, just below the lowest
listed value and what the listed ones leave of the probability, so the choice is right and its
probability bounded. Where the labels hold next to nothing of the probability, the model begins its
answer with something else (``The answer is B``), and its text is asked for instead; so it is where
the listed ones hold more than all of it, which are no log-probabilities of one token.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["LEAST_SHARE", "THIN_SHARE", "TopScores", "letters_only", "listed", "top_scores"]

LEAST_SHARE = 0.1
"""Probability that listed labels must hold together; below it the text is asked for."""
MOST_SHARE = 1.05
"""Probability that all alternatives may hold together: 1, and the rounding of short floats."""
THIN_SHARE = 0.5
"""Probability below which an answer by labels is counted as a thin one."""


@dataclass(frozen=True, slots=True)
class TopScores:
    """Labels scored by the first token's alternatives."""

    logprobs: tuple[float, ...]
    """Per label, nats."""
    bounded: bool
    """Whether some label was not among the alternatives and got an upper bound."""
    share: float
    """Probability that the listed labels hold together."""


def letters_only(labels: Sequence[str]) -> bool:
    """Return whether every label is one letter or digit, no two the same.

    One token in any vocabulary.

    >>> letters_only([" A", " B"]), letters_only([" (A)", " (B)"])
    (True, False)
    """
    plain = [label.strip() for label in labels]
    return len(set(plain)) == len(plain) and all(
        len(label) == 1 and label.isalnum() and label.isascii() for label in plain
    )


def top_scores(choice: Mapping[str, Any], labels: Sequence[str]) -> TopScores | None:
    """Return the labels' log-probabilities from the first token's alternatives,
    or None when they do not settle it.

    Alternatives that differ in white space alone are added up.
    """
    alternatives = listed(choice)
    plain = [label.strip() for label in labels]
    if not alternatives or len(set(plain)) != len(plain):
        return None
    values: dict[str, list[float]] = {}
    for token, value in alternatives:
        values.setdefault(token.strip().strip("▁Ġ"), []).append(value)
    missing = [label for label in plain if label not in values]
    if len(missing) == len(plain) or (missing and not letters_only(labels)):
        return None
    share = math.fsum(math.exp(value) for label in plain for value in values.get(label, ()))
    held = math.fsum(math.exp(value) for _, value in alternatives)
    if share < LEAST_SHARE or held > MOST_SHARE:
        return None
    lowest = min(value for _, value in alternatives)
    # below, so that a label that is listed last is not tied with one that is not listed
    bound = math.nextafter(min(lowest, math.log(max(1.0 - held, 1e-12))), -math.inf)
    return TopScores(
        tuple(_summed(values.get(label, [bound])) for label in plain),
        bounded=bool(missing),
        share=min(share, 1.0),
    )


def _summed(values: Sequence[float]) -> float:
    """Log of the sum of probabilities given as logs."""
    top = max(values)
    return top + math.log(math.fsum(math.exp(value - top) for value in values))


def listed(choice: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return token and log-probability of the first position's alternatives;
    empty when there are none.

    Three forms are read, whichever API was asked: ``content[0].top_logprobs`` (chat, and the
    completions of llama.cpp), ``top_logprobs[0]`` as a table, and as a list.
    """
    found = choice.get("logprobs")
    if not isinstance(found, dict):
        return []
    content = found.get("content")
    first = content[0] if isinstance(content, list) and content else {}
    tops = first.get("top_logprobs") if isinstance(first, dict) else None
    if tops is None:
        places = found.get("top_logprobs")
        tops = places[0] if isinstance(places, list) and places else None
    pairs: list[tuple[Any, Any]] = []
    if isinstance(tops, dict):
        pairs = list(tops.items())
    elif isinstance(tops, list):
        pairs = [(top.get("token"), top.get("logprob")) for top in tops if isinstance(top, dict)]
    # subtle: a value of exactly 0 probability may come as -9999 or -inf; the latter has no place in
    # a sum, and what lies above 0 is no log-probability
    return [
        (str(token), float(value))
        for token, value in pairs
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value <= 1e-3
    ]
