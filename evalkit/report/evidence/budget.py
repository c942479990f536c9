"""How precise a part of the run would have been: half-widths from the components of variance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from evalkit import stats
from evalkit.analysis import headline_phrasings
from evalkit.records.manifest import CurveStep
from evalkit.scoring import ScoreTable

__all__ = ["SHARES", "budget_steps"]

SHARES = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Parts of the instances or of the phrasings."""
WIDEST = 0.5
"""Half-width of an interval over the whole scale; what is wider says nothing and is left out."""
LINES = ("fewer instances", "fewer phrasings")


def budget_steps(table: ScoreTable, *, level: float) -> tuple[CurveStep, ...]:
    """Return half-widths for parts of the instances under all phrasings,
    and for parts of the phrasings on all instances.

    Parameters
    ----------
    table
        Cells of one model.
    level
        Level of the interval.

    Notes
    -----
    Mean over tasks of `evalkit.stats.half_width` at P and N of each task, one of the two cut to the
    share and rounded, at least 2 and at most once per size. Tasks whose half-width is undefined or
    0 anywhere are left out of every step, so that a line is over the same tasks.
    """
    model = table.models[0]
    found = []
    for task in table.tasks(model):
        block = table.block(model, task)
        scores = block.values[headline_phrasings(block)]
        if min(scores.shape) > 1:
            found.append((stats.components(scores), scores.shape))
    steps: list[CurveStep] = []
    for line in LINES:
        table_of_line = [
            [_step(one, shape, line, share, level) for share in SHARES] for one, shape in found
        ]
        kept = [
            row for row in table_of_line if all(math.isfinite(half) and half > 0 for _, half in row)
        ]
        steps += _line(line, kept)
    return tuple(steps)


def _step(
    components: stats.Components, shape: tuple[int, ...], line: str, share: float, level: float
) -> tuple[int, float]:
    """Cells and half-width of one task under one design."""
    n_phrasings, n_instances = shape
    if line == LINES[0]:
        n_instances = min(n_instances, max(2, round(n_instances * share)))
    else:
        n_phrasings = min(n_phrasings, max(2, round(n_phrasings * share)))
    half = stats.half_width(
        components, n_phrasings=n_phrasings, n_instances=n_instances, level=level
    )
    return n_phrasings * n_instances, half


def _line(name: str, rows: Sequence[Sequence[tuple[int, float]]]) -> list[CurveStep]:
    steps: list[CurveStep] = []
    for column in zip(*rows, strict=True):
        cells = sum(size for size, _ in column)
        half_width = float(np.mean([half for _, half in column]))
        if half_width <= WIDEST and (not steps or steps[-1].cells < cells):
            steps.append(CurveStep(line=name, cells=cells, half_width=half_width))
    return steps
