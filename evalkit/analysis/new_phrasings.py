"""Means over new phrasings: with an interval that needs no law of wording,
or of scores of phrasings alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.stats.intervals.phrasing_only import gap_of_phrasings, mean_of_phrasings

__all__ = ["of_new_phrasings", "of_phrasing_means", "proven", "same_rows"]

Floats: TypeAlias = npt.NDArray[np.float64]
Found: TypeAlias = dict[str, stats.Interval]
ARMS = ("seen", "unseen")


def of_new_phrasings(scores: Floats, arms: npt.NDArray[np.str_], *, level: float) -> Found:
    """Return the intervals for new phrasings that hold whatever their effects are,
    where there is one.

    Parameters
    ----------
    scores
        (P, N) scores, or those of groups.
    arms
        (P,) relation of each phrasing to the model's tuning data.
    level
        Level of intervals.
    """
    parts = {"mean": scores} | {f"{arm}_mean": scores[arms == arm] for arm in ARMS}
    known = {name: part for name, part in parts.items() if part.size and not np.isnan(part).all()}
    found = {name: stats.bounded_mean_interval(part, level=level) for name, part in known.items()}
    if "mean" in known:
        found["median"] = stats.median_interval(scores, level=level)
    return {name: one for name, one in found.items() if not one.reason}


def proven(scores: Floats, *, level: float) -> stats.Interval:
    """Return the share of phrasings like these that is shown to score the least of these or
    more.
    """
    n_phrasings = int((~np.isnan(scores)).any(axis=1).sum())
    share = stats.proven_share(n_phrasings, level=level)
    return stats.undefined(
        share, f"with {level:.0%} confidence this share or more scores min or more", level=level
    )


def same_rows(parts: Sequence[stats.Part]) -> list[Floats] | None:
    """Return the scores of tasks with one phrasing a place;
    None where they lack one another's phrasings.

    Parameters
    ----------
    parts
        One per task.
    """
    ids, found = sorted(parts[0].names), []
    for part in parts:
        if sorted(part.names) != ids or np.isnan(part.scores).all(axis=1).any():
            return None
        found.append(part.scores[np.argsort(np.array(part.names))])
    return found


def of_phrasing_means(
    a: Floats, relation: npt.NDArray[np.str_], *, level: float, bounded: bool
) -> Found:
    """Return means, arms and gap of scores of phrasings.

    Parameters
    ----------
    a
        (P,) scores, means over the same tasks.
    relation
        (P,) relation of each phrasing to the model's tuning data.
    level
        Level of intervals.
    bounded
        Whether effects of wording are taken as nothing in particular; then there is no gap.
    """
    mean_of = stats.bounded_mean_of_phrasings if bounded else mean_of_phrasings
    arms = {name: a[relation == name] for name in ARMS}
    found = {"mean": mean_of(a, level=level)}
    found |= {f"{name}_mean": mean_of(arm, level=level) for name, arm in arms.items() if arm.size}
    if all(arm.size for arm in arms.values()) and not bounded:
        found["gap"] = gap_of_phrasings(arms["seen"], arms["unseen"], level=level)
    return found
