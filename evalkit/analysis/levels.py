"""Level of generalisation crossed with wording: three by two, with the interaction.

The interaction at a level is its gap between seen and unseen wording minus the gap at held-out
instances: how much more an unseen wording costs where the task is new, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from evalkit import stats
from evalkit.analysis.estimate_rows import row_of
from evalkit.analysis.independent import independent_units
from evalkit.records import Estimate, instances_digest
from evalkit.records.questions import Within
from evalkit.scoring import Block
from evalkit.stats import Interval, Part

__all__ = ["LEVELS", "level_rows"]

LEVELS = ("instance", "task", "category")
"""From near to far."""


def level_rows(
    blocks: Sequence[Block], levels: Mapping[str, str], *, question: Within, level: float
) -> list[Estimate]:
    """Return mean, seen mean, unseen mean, gap and interaction of every level;
    none where fewer than two levels occur.

    Parameters
    ----------
    blocks
        Tasks of one model.
    levels
        Task id -> its level; tasks without one are left out.
    question, level
        Of the intervals.
    """
    by_level = {
        name: [block for block in blocks if levels.get(block.task) == name and block.asked.all()]
        for name in LEVELS
    }
    by_level = {name: found for name, found in by_level.items() if found}
    if len(by_level) < 2:
        return []
    rows: list[Estimate] = []
    for name, found in by_level.items():
        for metric, interval in _of_level(found, by_level.get("instance", []), question, level):
            rows.append(
                row_of(
                    (blocks[0].model, "all", "all"),
                    metric,
                    interval,
                    counts=(
                        len(found),
                        len({one for block in found for one in block.phrasing_ids}),
                        sum(len(block.instance_ids) for block in found),
                        0,
                    ),
                    ids=instances_digest([f"{b.task}={b.instances_digest}" for b in found]),
                    group=f"level={name}",
                )
            )
    return rows


def _of_level(
    found: Sequence[Block], nearest: Sequence[Block], question: Within, level: float
) -> Iterator[tuple[str, Interval]]:
    """Yield statistic and interval of the tasks of one level."""
    arms = {arm: [_part(block, arm) for block in found] for arm in ("", "seen", "unseen")}
    for arm, parts in arms.items():
        kept = [part for part in parts if part is not None]
        if kept:
            name = f"{arm}_mean" if arm else "mean"
            yield name, _interval([kept], question, level, bounded=True)
    pairs = _pairs(found)
    if pairs is None:
        return
    yield "gap", _interval(pairs, question, level)
    near = _pairs(nearest)
    if near is not None and nearest and found[0].task != nearest[0].task:
        total = len(pairs[0]) + len(near[0])
        weights = (total / len(pairs[0]), -total / len(near[0]))
        both = [
            [*_scaled(mine, weights[0]), *_scaled(theirs, weights[1])]
            for mine, theirs in zip(pairs, near, strict=True)
        ]
        yield "gap_change", _interval(both, question, level)


def _pairs(blocks: Sequence[Block]) -> list[list[Part]] | None:
    """Seen and unseen phrasings of every task; None where a task lacks one of them."""
    arms = [[_part(block, arm) for block in blocks] for arm in ("seen", "unseen")]
    kept = [[part for part in arm if part is not None] for arm in arms]
    return kept if blocks and all(len(arm) == len(blocks) for arm in kept) else None


def _part(block: Block, arm: str) -> Part | None:
    rows = block.headline & (np.array(block.seen) == arm if arm else True)
    if not rows.any():
        return None
    names = tuple(
        name for name, kept in zip(block.phrasing_ids, rows.tolist(), strict=True) if kept
    )
    return Part(names, independent_units(block, block.values[rows]))


def _scaled(parts: Sequence[Part], weight: float) -> list[Part]:
    return [replace(part, scores=weight * part.scores) for part in parts]


def _interval(
    arms: Sequence[Sequence[Part]], question: Within, level: float, *, bounded: bool = False
) -> Interval:
    """Return the mean of one arm over tasks, or the gap of two, with its interval."""
    for how in dict.fromkeys((question, "fixed")):
        error = (
            stats.error_of_means(arms[0], question=how)
            if len(arms) == 1
            else stats.error_of_gaps(arms[0], arms[1], question=how)
        )
        if not math.isnan(error.variance):
            break
    sizes = [max(part.scores.shape[1], 1) for part in arms[0]]
    return stats.interval_of(error, question=how, level=level, bounded=bounded, n_instances=sizes)
