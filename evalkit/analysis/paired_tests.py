"""``tests.csv``: every pair of models, and every attacked phrasing against its reference, tested on shared cells.

Pairs are tested on the cells that both sides have. Instances are the units: all phrasings of an
instance change sides together, so ten phrasings of a question do not count as ten questions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis.drops import drop_pairs
from evalkit.analysis.estimate import headline_phrasings
from evalkit.records import digest
from evalkit.scoring import Block, ScoreTable
from evalkit.store.atomic import write_atomic
from evalkit.store.csv_file import csv_of

__all__ = ["SCHEMA", "PairedTest", "paired_tests", "write_tests"]

Floats: TypeAlias = npt.NDArray[np.float64]

SCHEMA = "evalkit.tests/1"
"""Schema version, in the last column of every row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """One comparison of one task; new minus old."""

    kind: str
    """``models``: old and new are models. ``phrasings``: old is the reference phrasing of `model`,
    new the attacked one."""
    model: str
    """Model of two phrasings; empty for two models."""
    task: str
    """Task."""
    old: str
    """First model, or reference phrasing."""
    new: str
    """Second model, or attacked phrasing."""
    score_old: float
    """Mean of old on the shared cells."""
    score_new: float
    """Mean of new on the shared cells."""
    difference: float
    """Mean of new minus old."""
    drop: float
    """1 - score_new / score_old; NaN when old scores 0."""
    lost: int
    """Cells right in old and wrong in new; a score from one half on is right."""
    gained: int
    """Cells wrong in old and right in new."""
    n_phrasings: int
    """Shared phrasings."""
    n_instances: int
    """Shared instances."""
    p: float
    """Two-sided exact p, clustered by instance; for one phrasing the exact McNemar test."""
    method: str
    """``mcnemar/instances`` for scores of 0 and 1, else ``sign flip/instances``."""
    p_mid: float
    """Mid-p McNemar, one phrasing of 0/1 scores only."""
    p_chi2: float
    """McNemar's chi-square with continuity correction, one phrasing of 0/1 scores only."""
    p_holm_task: float = math.nan
    """Holm over the comparisons of this kind, task and, for phrasings, model."""
    p_bh_task: float = math.nan
    """Benjamini-Hochberg over the same."""
    p_holm: float = math.nan
    """Holm over all comparisons of this kind in the table."""
    p_bh: float = math.nan
    """Benjamini-Hochberg over the same."""


def paired_tests(
    table: ScoreTable, *, reference: str | Mapping[str, str] | None = None, seed: int = 0
) -> list[PairedTest]:
    """Return the tests of every pair of models per task, then of every attacked phrasing against its reference.

    Parameters
    ----------
    table
        Cells.
    reference
        Clean phrasing, or attacked id -> reference id; None: perturbed phrasings against their
        origin.
    seed
        Seed of the random sign flips that scores other than 0 and 1 need.

    Notes
    -----
    Models are compared over the headline phrasings and instances that both have. No correction
    crosses from one kind to the other.
    """
    by_task: dict[str, dict[str, Block]] = {}
    for model in table.models:
        for task in table.tasks(model):
            by_task.setdefault(task, {})[model] = table.block(model, task)
    models = [
        _test(
            "models", ("", task, first, second), *_shared(blocks[first], blocks[second]), seed=seed
        )
        for task, blocks in sorted(by_task.items())
        for first, second in combinations(sorted(blocks), 2)
    ]
    phrasings = []
    for task, blocks in sorted(by_task.items()):
        for model, block in sorted(blocks.items()):
            row = {name: number for number, name in enumerate(block.phrasing_ids)}
            for attacked, clean in drop_pairs(block, reference).items():
                rows = (block.values[[row[clean]]], block.values[[row[attacked]]])
                phrasings.append(
                    _test("phrasings", (model, task, clean, attacked), *rows, seed=seed)
                )
    return [*_adjusted(models), *_adjusted(phrasings)]


def _shared(old: Block, new: Block) -> tuple[Floats, Floats]:
    """Scores of the headline phrasings and instances that both blocks have, in one order."""
    sides = []
    kept = [
        dict.fromkeys(np.array(block.phrasing_ids, dtype=object)[headline_phrasings(block)])
        for block in (old, new)
    ]
    phrasings = [name for name in kept[0] if name in kept[1]]
    there = set(new.instance_ids)
    instances = [name for name in old.instance_ids if name in there]
    for block in (old, new):
        row = {name: number for number, name in enumerate(block.phrasing_ids)}
        column = {name: number for number, name in enumerate(block.instance_ids)}
        rows, columns = [row[name] for name in phrasings], [column[name] for name in instances]
        sides.append(block.values[np.ix_(rows, columns)])
    return sides[0], sides[1]


def _test(
    kind: str, names: tuple[str, str, str, str], old: Floats, new: Floats, *, seed: int
) -> PairedTest:
    change = stats.paired_difference(old, new)
    there = ~np.isnan(change)
    used = (there.any(axis=1), there.any(axis=0))
    n_phrasings, n_instances = int(used[0].sum()), int(used[1].sum())
    counts = stats.flips(old, new)
    exact = bool(np.isin(old[there], (0.0, 1.0)).all() and np.isin(new[there], (0.0, 1.0)).all())
    single = exact and n_phrasings == 1
    if not there.any():
        p = math.nan
    elif single:
        p = stats.mcnemar(counts.lost, counts.gained)
    elif exact:
        p = stats.mcnemar_clustered(old, new)
    else:
        sums = np.where(used[1], np.where(there, change, 0.0).sum(axis=0), np.nan)
        p = stats.sign_flip(
            sums, rng=np.random.default_rng(int(digest([seed, *names, "test"], length=16), 16))
        )
    before, after = (float(side[there].mean()) if there.any() else math.nan for side in (old, new))
    return PairedTest(
        kind=kind,
        model=names[0],
        task=names[1],
        old=names[2],
        new=names[3],
        score_old=before,
        score_new=after,
        difference=after - before,
        drop=1 - after / before if before > 0 else math.nan,
        lost=counts.lost,
        gained=counts.gained,
        n_phrasings=n_phrasings,
        n_instances=n_instances,
        p=p,
        method="mcnemar/instances" if exact else "sign flip/instances",
        p_mid=stats.mcnemar_mid(counts.lost, counts.gained) if single and there.any() else math.nan,
        p_chi2=stats.mcnemar_chi2(counts.lost, counts.gained)
        if single and there.any()
        else math.nan,
    )


def _adjusted(tests: Sequence[PairedTest]) -> list[PairedTest]:
    """The same tests with both corrections, over their task and over all."""
    found = list(tests)
    families: dict[tuple[str, str], list[int]] = {}
    for place, test in enumerate(found):
        families.setdefault((test.model, test.task), []).append(place)
    for places in families.values():
        p = np.array([found[place].p for place in places])
        for place, holm, bh in zip(places, stats.holm(p), stats.benjamini_hochberg(p), strict=True):
            found[place] = replace(found[place], p_holm_task=float(holm), p_bh_task=float(bh))
    p = np.array([test.p for test in found])
    return [
        replace(test, p_holm=float(holm), p_bh=float(bh))
        for test, holm, bh in zip(found, stats.holm(p), stats.benjamini_hochberg(p), strict=True)
    ]


def write_tests(tests: Iterable[PairedTest], path: Path) -> None:
    """Write the tests at full precision; a number that does not exist is an empty cell.

    Parameters
    ----------
    tests
        As `paired_tests` returns them.
    path
        File that is replaced whole.
    """
    names = [field.name for field in fields(PairedTest)]
    rows = ([*(getattr(test, name) for name in names), SCHEMA] for test in tests)
    write_atomic(path, csv_of([*names, "schema"], rows))
