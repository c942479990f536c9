"""What wordings cost: how many lose how many points against their task, whose they are, and why.

One sentence is made of it, in the terminal and on the page, from the same rows.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["STEPS", "Costs", "Scored", "costs_of", "lost_by_format", "scored_phrasings"]

STEPS = (0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05)
"""Losses that are spoken of."""
ENOUGH = 3
"""Wordings that must lose as much before it is spoken of, where fewer points give as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One correct, unperturbed phrasing on one task."""

    task: str
    """Task id."""
    phrasing_id: str
    """Phrasing id."""
    seen: str
    """seen, unseen or unknown."""
    score: float
    """Mean over its instances."""
    n: int
    """Instances scored."""
    unparsed: float
    """Share of answers that are cut or in another form than the one asked for, refusals are none;
    NaN where nothing is said of answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """How many phrasings lose how much against the mean of their task."""

    n: int
    """Phrasings, counted once per task."""
    points: float
    """Loss from which they are counted, a fraction; the smallest of `STEPS` where none loses it."""
    costing: tuple[Scored, ...]
    """Those that lose as much, the largest loss first."""
    n_by_format: int | None
    """How many of them lose by format; None where nothing is said of answers."""
    by_chance: float
    """How many would lose as much by the draw of instances, were all wordings of a task alike;
    NaN in a sparse run.
    """

    def of(self, seen: str) -> int:
        """Return how many of them have one relation to the model."""
        return sum(row.seen == seen for row in self.costing)


def lost_by_format(score: float, mean: float, unparsed: float) -> bool:
    """Return whether leaving out answers that could not be used closes half of the distance to the
    task's mean, or more.

    >>> lost_by_format(0.4, 0.8, 0.5), lost_by_format(0.4, 0.8, 0.1)
    (True, False)
    """
    if not unparsed or not score < mean:
        return False
    readable = score / (1 - unparsed) if unparsed < 1 else mean
    return readable - score >= (mean - score) / 2


def costs_of(rows: Iterable[Scored], *, sparse: bool = False) -> Costs | None:
    """Return what phrasings cost; None where no task has two of them with a score.

    Parameters
    ----------
    rows
        Phrasings of a run that its headline is over.
    sparse
        Whether scores are posterior means of a sparse run, of which chance is not told.

    Notes
    -----
    A phrasing's loss is the mean over the phrasings of its task minus its own score. Spoken of is
    the largest loss of `STEPS` that at least `ENOUGH` phrasings reach, else the largest that one
    does. `Costs.by_chance` adds up, over phrasings, the chance that a binomial draw of as many
    instances at the task's mean falls as low; scores between 0 and 1 vary less than that.
    """
    means = _means(known := [row for row in rows if not math.isnan(row.score)])
    kept = [row for row in known if row.task in means]
    if not kept:
        return None
    losses = sorted(
        ((means[row.task] - row.score, row) for row in kept),
        key=lambda pair: (-pair[0], pair[1].task, pair[1].phrasing_id),
    )
    points = _spoken_of([loss for loss, _ in losses])
    costing = tuple(row for loss, row in losses if loss >= points - 1e-9)
    return Costs(
        n=len(kept),
        points=points,
        costing=costing,
        n_by_format=None
        if any(math.isnan(row.unparsed) for row in costing)
        else sum(lost_by_format(row.score, means[row.task], row.unparsed) for row in costing),
        by_chance=math.nan if sparse else _by_chance(kept, means, points),
    )


def _means(rows: Sequence[Scored]) -> dict[str, float]:
    """Mean of every task that has two phrasings with a score."""
    scores: dict[str, list[float]] = {}
    for row in rows:
        scores.setdefault(row.task, []).append(row.score)
    return {task: sum(found) / len(found) for task, found in scores.items() if len(found) > 1}


def _spoken_of(losses: Sequence[float]) -> float:
    """The loss that is spoken of."""
    for enough in (ENOUGH, 1):
        for step in STEPS:
            if sum(loss >= step - 1e-9 for loss in losses) >= enough:
                return step
    return STEPS[-1]


def _by_chance(rows: Sequence[Scored], means: dict[str, float], points: float) -> float:
    from scipy.special import bdtr  # loads in a fifth of the time of scipy.stats

    # the smallest number that is not rounded below a count it should equal
    most = np.array([math.floor(row.n * (means[row.task] - points) + 1e-9) for row in rows])
    n = np.array([row.n for row in rows])
    found = bdtr(np.maximum(most, 0), n, [means[row.task] for row in rows])
    return float(np.sum(found, where=most >= 0))


def scored_phrasings(path: Path) -> list[Scored]:
    """Return the phrasings of a run's ``phrasings.csv`` that its headline is over.

    A file of an earlier version does not say which: of every task the correct, unperturbed ones, or
    all where none is.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    plain = {line["task"] for line in lines if _plain(line)}
    return [
        Scored(
            task=line["task"],
            phrasing_id=line["phrasing_id"],
            seen=line["seen"],
            score=float(line["score"] or "nan"),
            n=int(line["n_instances"]),
            unparsed=_by_format(line),
        )
        for line in lines
        if (
            line["headline"] == "1"
            if "headline" in line
            else _plain(line) or line["task"] not in plain
        )
    ]


def _by_format(line: Mapping[str, str]) -> float:
    """Share of cut and unusable answers; a file of an earlier version has the unparsed ones
    only.
    """
    names = ("cut_rate", "unusable_rate") if "cut_rate" in line else ("unparsed_rate",)
    return sum(float(line[name] or 0) for name in names)


def _plain(line: Mapping[str, str]) -> bool:
    return line["kind"] == "correct" and not line["perturbation"]
