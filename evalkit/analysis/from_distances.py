"""Does distance from the seen wording go with lower scores: one task at a time, never pooled."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.records.statistics import needing

__all__ = ["changes", "distance_statistics"]

NO_VECTORS = "no representations; ask for them with --representations (backend hf)"


def changes(a: npt.NDArray[np.float64], seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return score minus mean score of the seen phrasings; NaN without any."""
    kept = a[seen & ~np.isnan(a)]
    return a - kept.mean() if kept.size else np.full(a.shape, np.nan)


def distance_statistics(
    a: npt.NDArray[np.float64],
    *,
    ids: tuple[str, ...],
    seen: tuple[str, ...],
    distances: Mapping[str, float],
    rng: np.random.Generator,
    level: float,
) -> dict[str, stats.Interval]:
    """Return distance_rho and its permutation p, over the unseen phrasings of one task.

    Parameters
    ----------
    a
        (P,) scores of the headline phrasings.
    ids, seen
        Their ids and relations to the model.
    distances
        Phrasing id -> distance to the seen phrasings; empty when none was asked for.
    rng
        Source of the permutations.
    level
        Written into the rows.
    """
    relation = np.array(seen)
    far = np.array([distances.get(name, math.nan) for name in ids])
    change = changes(a, relation == "seen")
    unseen = relation == "unseen"
    rho, p = stats.distance_rho(far[unseen], change[unseen], rng=rng)
    if not distances:
        reason = NO_VECTORS
    elif np.isnan(change).all():
        reason = "no seen phrasing"
    else:
        reason = "fewer than three unseen phrasings, or no difference among them"
    if math.isnan(rho):
        return {name: stats.undefined(math.nan, reason, level=level) for name in needing("vectors")}
    return {
        "distance_rho": stats.undefined(rho, "its permutation p is distance_p", level=level),
        "distance_p": stats.undefined(p, "two-sided permutation p of distance_rho", level=level),
    }
