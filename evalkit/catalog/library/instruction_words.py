"""Words that carry the sense of an instruction: numbers, answers, negations.

Plain data for `evalkit.catalog.library.signals`, English only, written by hand.
"""

from __future__ import annotations

__all__ = ["ANSWERS", "NEGATIONS", "NUMBERS"]


NUMBERS = {
    word: value
    for value, words in enumerate(
        [
            "zero",
            "one",
            "two both twice pair",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        ]
    )
    for word in words.split()
} | {"half": -2, "second": -102, "third": -103, "fifteen": 15, "twenty": 20, "fifty": 50}
ANSWERS = frozenset(
    [
        "yes",
        "no",
        "true",
        "false",
        "valid",
        "invalid",
        "positive",
        "negative",
        "neutral",
        "entailment",
        "contradiction",
    ]
)
NEGATIONS = frozenset(
    [
        "not",
        "no",
        "never",
        "none",
        "nor",
        "neither",
        "nothing",
        "nobody",
        "nowhere",
        "cannot",
        "without",
        "except",
        "unless",
        "avoid",
        "refrain",
        "ignore",
        "disregard",
        "opposite",
        "otherwise",
        "missing",
        "absent",
        "lack",
        "lacks",
        "lacking",
        "fails",
        "fail",
        "whatever",
    ]
)
