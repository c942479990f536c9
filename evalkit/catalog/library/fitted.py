"""How probable it is that a changed wording still asks the same: the signals, weighed.

A logistic combination whose weights were fitted on labelled pairs (benchmarks/meaning.py; error
rates in docs/meaning.md). No rule may speak for a text, only against it, so a near copy is never
refused for being near; the network may. Without the network it needs nothing but the texts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from evalkit.catalog.library.edit_odds import odds_signals
from evalkit.catalog.library.signals import read_pair

if TYPE_CHECKING:
    from evalkit.catalog.library.comparer import Comparer

__all__ = ["CLASSES", "GOALS", "Fit", "classified", "features", "fit_named", "probability"]

GOALS = ("few refused", "balanced", "few passed")
"""What a threshold is chosen for: few good texts refused, equal error rates, few bad ones passed;
few is 4 % of the pairs for weighing, so that 5 % hold on other wordings."""
_SURE = 6.0
Class = Literal["kept", "look", "changed"]
CLASSES: tuple[Class, ...] = ("kept", "look", "changed")
"""What a text is called: at least the threshold of ``few passed``, below that of ``few
refused``, or between.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Weights of one combination."""

    start: float
    """Log-odds of a text without any sign against it."""
    weights: Mapping[str, float]
    """What one more of each signal takes off the log-odds."""
    thresholds: Mapping[str, float]
    """Least probability that passes, per goal of `GOALS`."""
    rates: Mapping[str, Mapping[str, int]]
    """Held-out pairs called so: ``good`` or ``bad`` -> class -> how many."""


@lru_cache(maxsize=1)
def _fits() -> dict[str, Fit]:
    from evalkit.catalog.yaml_file import parse_yaml

    text = (files("evalkit.catalog.library") / "weights.yaml").read_text(encoding="utf-8")
    return {
        name: Fit(
            start=fit["start"],
            weights=fit["weights"],
            thresholds=fit["thresholds"],
            rates=fit.get("rates", {}),
        )
        for name, fit in parse_yaml(text, "weights.yaml").value.items()
    }


def fit_named(name: str) -> Fit:
    """Return the combination ``rules`` (texts only) or ``encoder`` (these and the network that
    stands on all-MiniLM-L6-v2).
    """
    return _fits()[name]


def features(
    original: str,
    candidate: str,
    labels: Sequence[str] = (),
    *,
    comparer: Comparer | None = None,
) -> dict[str, float]:
    """Return all signals of a pair; ``network`` is what the network says against it, where there
    is one: minus its log-odds, at most `_SURE` either way.
    """
    found = read_pair(original, candidate, labels) | odds_signals(original, candidate)
    if comparer is not None:
        odds = comparer(original, [candidate])[0]
        found["network"] = max(-_SURE, min(_SURE, -odds))
    return found


def probability(fit: Fit, values: Mapping[str, float]) -> float:
    """Return the probability that the meaning was kept, in [0, 1], for signals of one pair."""
    odds = fit.start - sum(weight * values[name] for name, weight in fit.weights.items())
    return 1.0 / (1.0 + math.exp(-odds))


def classified(fit: Fit, chance: float) -> Class:
    """Return the class of a text whose probability is `chance`."""
    if chance >= fit.thresholds["few passed"]:
        return "kept"
    return "changed" if chance < fit.thresholds["few refused"] else "look"
