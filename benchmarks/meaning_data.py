"""The labelled pairs of benchmarks/meaning.py and benchmarks/meaning_comparer.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from evalkit.catalog.library import fitted
from evalkit.catalog.library.comparer import shipped_comparer
from evalkit.catalog.tasks import list_tasks

PAIRS = Path(__file__).parent / "meaning_pairs"
TRAINING, WEIGHING, JUDGING = (PAIRS / name for name in ("training", "weighing", "judging"))
VERDICTS = ("kept", "changed", "narrowed", "widened", "labels", "form", "ungrammatical")
KINDS = ("rules", "encoder")
"""Combinations: texts alone, with the network that stands on the encoder."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A changed text."""

    text: str
    verdict: str


@dataclass(frozen=True)
class Group:
    """A wording and its changed texts."""

    task: str
    of: str
    text: str
    changed: tuple[Changed, ...]
    own_labels: tuple[str, ...] | None = None
    """Labels of a task that the library does not have."""

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Labels of the task."""
        if self.own_labels is not None:
            return self.own_labels
        return tuple(sorted({label for task in list_tasks([self.task]) for label in task.labels}))


@dataclass(frozen=True, slots=True)
class Pair:
    """One labelled pair."""

    of: str
    original: str
    candidate: str
    verdict: str
    labels: tuple[str, ...]


def read_groups(folder: Path) -> list[Group]:
    """Return the groups of a folder; those of one wording that stand in several files are one."""
    found: dict[str, Group] = {}
    for path in sorted(folder.glob("*.yaml")):
        for one in yaml.safe_load(path.read_text(encoding="utf-8")):
            group = _group(one)
            if group.of in found:
                group = _group(one, before=found[group.of].changed)
            found[group.of] = group
    return list(found.values())


def _group(one: dict[str, Any], before: tuple[Changed, ...] = ()) -> Group:
    changed = before + tuple(Changed(text["text"], text["verdict"]) for text in one["changed"])
    labels = tuple(one["labels"]) if "labels" in one else None
    return Group(one["task"], one["of"], one["text"], changed, labels)


def read_pairs(folder: Path) -> list[Pair]:
    """Return the pairs of a folder."""
    return [
        Pair(group.of, group.text, one.text, one.verdict, group.labels)
        for group in read_groups(folder)
        for one in group.changed
    ]


def design(pairs: Sequence[Pair], kind: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return names of the signs, their values (pair, sign), and which pairs kept the meaning."""
    network = None if kind == "rules" else shipped_comparer()
    rows = [
        fitted.features(pair.original, pair.candidate, pair.labels, comparer=network)
        for pair in pairs
    ]
    names = list(rows[0])
    values = np.array([[row[name] for name in names] for row in rows])
    return names, values, np.array([pair.verdict == "kept" for pair in pairs])
