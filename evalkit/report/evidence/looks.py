"""What to look at first: the phrasings that hold most of the spread, features that go with low
scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from evalkit.report.evidence.views import Feature, Looks, PhrasingView, TaskView

__all__ = ["HELD", "looks_of"]

HELD = 0.8
"""Share of all squared deviations that the phrasings named first hold."""


def looks_of(views: Sequence[TaskView]) -> Looks:
    """Return what to look at first.

    Notes
    -----
    The spread of a suite is the sum over tasks and headline phrasings of the squared deviation of a
    phrasing's score from the mean of its task. Binomial noise alone would give each phrasing a
    variance of about a(1-a)/N; `Looks.noise` is the share of that in the total.
    """
    rows = [
        row
        for view in views
        for row in view.phrasings
        if row.headline and not math.isnan(row.score)
    ]
    ranked = sorted(rows, key=lambda row: (-row.share, row.task, row.phrasing_id))
    most: list[PhrasingView] = []
    held = 0.0
    for row in ranked:
        if held >= HELD - 1e-12 or row.share == 0:
            break
        most.append(row)
        held += row.share
    low = [row for row in most if row.deviation < 0]
    return Looks(
        n=len(rows),
        most=tuple(most),
        held=held,
        noise=_noise(rows),
        lowest=tuple(low),
        n_by_format=sum(row.by_format for row in low),
        n_by_refusal=sum(row.by_refusal and not row.by_format for row in low),
        features=tuple(_features(rows)),
    )


def _noise(rows: Sequence[PhrasingView]) -> float:
    total = sum(row.deviation**2 for row in rows)
    sampling = sum(row.score * (1 - row.score) / row.n for row in rows if row.n)
    return min(1.0, sampling / total) if total else math.nan


def _features(rows: Sequence[PhrasingView]) -> list[Feature]:
    groups: dict[tuple[str, str], list[PhrasingView]] = {}
    for row in rows:
        for key in _keys(row):
            groups.setdefault(key, []).append(row)
    found = [
        Feature(
            name=name,
            value=value,
            n=len(members),
            deviation=float(np.mean([row.deviation for row in members])),
            unparsed=float(np.mean([row.unparsed for row in members])),
        )
        for (name, value), members in groups.items()
        if 2 <= len(members) < len(rows)
    ]
    return sorted(found, key=lambda feature: (feature.deviation, feature.name, feature.value))


def _keys(row: PhrasingView) -> Iterator[tuple[str, str]]:
    yield "source", row.source
    yield "layout", row.layout
    yield "label space", row.label_space
    for dimension in row.dimensions:
        yield "dimension", dimension
