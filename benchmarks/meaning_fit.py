"""What benchmarks/meaning.py learns from labelled pairs: odds of single edits, weights and
thresholds.

Odds are learned from the pairs that the network is trained on, weights and thresholds from others.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from meaning_data import Pair
from scipy.optimize import minimize

from evalkit.catalog.library.edit_odds import edits_of

PENALTY = 10.0
FOLDS = 7
SHARE = 0.04
"""Share of errors that a threshold leaves, so that 5 % hold on other wordings."""
PRIOR = 0.5
"""Texts of either sort that every edit is taken to have been seen in, beside those it was."""
MOST = 1.5
"""Most that one original may add: its pairs are by one hand and resemble each other."""
LEAST = 0.4
"""Odds nearer to 0 say nothing and are not written."""


def write_odds(pairs: Sequence[Pair], path: Path) -> None:
    """Write the log-odds of a bad text among those with an edit, for all that say something."""
    seen: dict[str, dict[str, list[float]]] = defaultdict(dict)
    for pair in pairs:
        near, families = edits_of(pair.original, pair.candidate)
        for edit in (edit for edits in families for edit in edits):
            counts = seen[edit].setdefault(pair.of, [0.0, 0.0])
            counts[pair.verdict != "kept"] += near
    odds = {}
    for edit in sorted(seen):
        kept, lost = (
            sum(min(counts[side], MOST) for counts in seen[edit].values()) for side in (0, 1)
        )
        odds[edit] = round(math.log((lost + PRIOR) / (kept + PRIOR)), 1)
    lines = [f"{edit}\t{value:g}" for edit, value in odds.items() if abs(value) >= LEAST]
    head = f"% {len(lines)} edits and their log-odds. Written by benchmarks/meaning.py --odds."
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")


def fit(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return start and weights, shape (1 + signal,)."""
    scale = values.std(axis=0) + 1e-9
    scaled = values / scale
    weight = np.where(kept, len(kept) / 2 / kept.sum(), len(kept) / 2 / (~kept).sum())
    sign = np.where(kept, 1.0, -1.0)

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (point[0] - scaled @ point[1:])
        slope = -weight * sign / (1 + np.exp(margin))
        penalty = PENALTY * float((point[1:] ** 2).sum()) / 2
        value = float((weight * np.logaddexp(0, -margin)).sum()) + penalty
        return value, np.r_[slope.sum(), -scaled.T @ slope + PENALTY * point[1:]]

    size = values.shape[1]
    bounds = [(None, None), *[(0, None)] * size]
    best = minimize(loss, np.zeros(1 + size), jac=True, method="L-BFGS-B", bounds=bounds).x
    return np.r_[best[0], best[1:] / scale]


def predicted(point: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return probabilities, shape (pair,)."""
    return 1 / (1 + np.exp(values @ point[1:] - point[0]))


def out_of_fold(pairs: Sequence[Pair], values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return for every pair the probability by a fit without its original."""
    originals = sorted({pair.of for pair in pairs})
    order = np.random.default_rng(0).permutation(len(originals))
    fold = {originals[place]: number % FOLDS for number, place in enumerate(order)}
    folds = np.array([fold[pair.of] for pair in pairs])
    found = np.zeros(len(pairs))
    for number in range(FOLDS):
        out = folds == number
        found[out] = predicted(fit(values[~out], kept[~out]), values[out])
    return found


def passed_at(scores: np.ndarray, kept: np.ndarray, share: float) -> float:
    """Return the share of bad pairs that pass where a share of good ones is refused."""
    return float((scores[~kept] >= np.sort(scores[kept])[int(share * kept.sum())]).mean())


def interval(pairs: Sequence[Pair], scores: np.ndarray, kept: np.ndarray, share: float) -> str:
    """Return `passed_at` with its 95 % interval over originals, as text."""
    originals = sorted({pair.of for pair in pairs})
    places = [np.flatnonzero([pair.of == of for pair in pairs]) for of in originals]
    random = np.random.default_rng(0)
    found = []
    for _ in range(1000):
        drawn = np.concatenate(
            [places[one] for one in random.integers(len(places), size=len(places))]
        )
        found.append(passed_at(scores[drawn], kept[drawn], share))
    low, high = np.percentile(found, [2.5, 97.5])
    return f"{passed_at(scores, kept, share):.1%} [{low:.0%}, {high:.0%}]"


def thresholds(scores: np.ndarray, kept: np.ndarray) -> dict[str, float]:
    """Return a threshold per goal of `fitted.GOALS`."""
    steps = np.linspace(0.01, 0.99, 99)
    refused = np.array([(scores[kept] < step).mean() for step in steps])
    passed = np.array([(scores[~kept] >= step).mean() for step in steps])
    return {
        "few refused": float(steps[refused <= SHARE].max()),
        "balanced": float(steps[np.abs(refused - passed).argmin()]),
        "few passed": float(steps[passed <= SHARE].min()),
    }
