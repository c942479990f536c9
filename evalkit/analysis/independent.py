"""Instances in groups: what one task's statistics are made from,
and which have no interval then.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.scoring import Block
from evalkit.stats.intervals.fixed_intervals import mean_of_instances

__all__ = ["GROUPED", "codes_of", "independent_units", "of_groups"]

Floats: TypeAlias = npt.NDArray[np.float64]
Found: TypeAlias = dict[str, stats.Interval]
GROUPED = "not offered for instances in groups"
OF_INSTANCES = (
    *("consistency", "flip_rate", "krippendorff_alpha", "label_entropy"),
    *("missing_rate", "unparsed_rate", "truncated_rate", "pdr", "robust_drop"),
)
"""Statistics whose interval takes single instances as independent, and has no other form here."""


def codes_of(block: Block) -> npt.NDArray[np.int64] | None:
    """Return the group of every instance as a number; None when instances are not grouped."""
    return stats.group_codes(block.groups) if block.groups else None


def independent_units(block: Block, scores: Floats) -> Floats:
    """Return scores with a column per independent unit: its instances, or their groups.

    Parameters
    ----------
    block
        Where the instances stand.
    scores
        (P, N) scores, or differences, of the block's instances.
    """
    codes = codes_of(block)
    return scores if codes is None else stats.by_group(scores, codes)


def of_groups(scores: Floats, codes: npt.NDArray[np.int64], found: Found, *, level: float) -> Found:
    """What grouped instances change in statistics of single instances: Student over groups,
    or no interval.
    """
    parts = stats.score_intervals(
        scores, rng=np.random.default_rng(0), question="fixed", level=level, n_resamples=1
    )
    changed = {
        name: stats.undefined(parts[name].value, GROUPED, level=level)
        for name in ("pss", "var_instance", "var_interaction", "g_coefficient")
    }
    changed |= {
        name: stats.undefined(found[name].value, found[name].reason or GROUPED, level=level)
        for name in found
        if name in OF_INSTANCES or name.startswith("pdr_")
    }
    sides = {"worst_instance": np.nanmin, "best_instance": np.nanmax}
    there = ~np.isnan(scores).all(axis=0)
    for name, side in sides.items():
        each = np.full((1, there.size), np.nan)
        each[0, there] = side(scores[:, there], axis=0)
        over = stats.by_group(each, codes)[0]
        changed[name] = mean_of_instances(over, value=parts[name].value, level=level)
    effect = stats.design_effect(scores, codes)
    return changed | {
        "design_effect": stats.undefined(
            effect, f"{np.unique(codes).size} groups of {codes.size} instances", level=level
        )
    }
