"""Statistics of a task whose cells were asked in a sparse design.

From the posterior of all phrasing scores given the cells asked.

The estimand is these phrasings on these instances, all cells. The draws come from a generator that
is seeded by the cells themselves, so that the same cells give the same numbers, whoever asks.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.records import digest
from evalkit.records.statistics import STATISTICS
from evalkit.scoring import Block
from evalkit.stats.planning.budget import (
    LOOK_DRAWS,
    Budgeted,
    central,
    estimate_distribution,
    posterior_interval,
)
from evalkit.stats.planning.budget_model import Covariates

__all__ = ["curve_of", "phrasing_estimates", "phrasing_intervals", "posterior", "sparse_statistics"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SPARSE = "not estimated from a sparse design: "
SHARES = (0.25, 0.5)
"""Parts of the cells asked whose half-width is drawn beside that of all of them."""


def posterior(
    scores: Floats, *, seen: Mask, unseen: Mask, level: float = 0.95, n_resamples: int = 300
) -> Budgeted | None:
    """Return what the cells asked say of all phrasings; None when no cell has a score.

    Parameters
    ----------
    scores
        (P, N) scores, NaN where not asked or missing.
    seen, unseen
        (P,) arms; they enter as a covariate, so that each has a level of its own and few cells do
        not draw their gap towards 0.
    level
        Level of intervals.
    n_resamples
        Draws.
    """
    if np.isnan(scores).all():
        return None
    arms = seen.astype(np.float64) - unseen
    return _posterior(
        np.ascontiguousarray(scores).tobytes(), arms.tobytes(), scores.shape, level, n_resamples
    )


@lru_cache(maxsize=256)
def _posterior(
    cells: bytes, arms: bytes, shape: tuple[int, int], level: float, n_resamples: int
) -> Budgeted:
    scores = np.frombuffer(cells, dtype=np.float64).reshape(shape)
    seed = int(digest([shape, np.nan_to_num(scores, nan=-1.0).ravel().tolist()], length=16), 16)
    covariates = Covariates(phrasing=np.frombuffer(arms, dtype=np.float64)[:, None])
    return estimate_distribution(
        scores,
        rng=np.random.default_rng(seed),
        covariates=covariates,
        level=level,
        n_resamples=n_resamples,
    )


def _of_block(block: Block, headline: Mask, *, level: float = 0.95) -> Budgeted | None:
    """Posterior of the headline phrasings of a sparse block; None for any other block."""
    if block.asked[headline].all():
        return None
    relation = np.array(block.seen)[headline]
    return posterior(
        block.values[headline], seen=relation == "seen", unseen=relation == "unseen", level=level
    )


def sparse_statistics(
    scores: Floats, *, seen: Mask, unseen: Mask, level: float
) -> dict[str, stats.Interval]:
    """Return the statistics of phrasing scores and of both arms from the posterior, pss from the
    pairs there are, and reasons for the rest.

    Parameters
    ----------
    scores
        (P, N) scores of the headline phrasings, NaN where not asked or missing.
    seen, unseen
        (P,) arms.
    level
        Level of intervals.
    """
    found = {
        entry.name: stats.undefined(math.nan, SPARSE + entry.sparse, level=level)
        for entry in STATISTICS.values()
        if entry.sparse
    }
    found["pss"] = stats.pss_interval(scores, question="fixed", level=level)
    arms = {"seen": seen, "unseen": unseen}
    fit = posterior(scores, seen=seen, unseen=unseen, level=level)
    if fit is None:
        names = (
            *stats.FROM_MEANS,
            *stats.GAPS_FROM_MEANS,
            *(f"{arm}_{what}" for arm in arms for what in ("mean", "std")),
        )
        return found | {
            name: stats.undefined(math.nan, "no cell has a score", level=level) for name in names
        }
    found |= fit.found
    draws = fit.posterior.scores  # (draw, phrasing)
    for arm, mask in arms.items():
        for what in ("mean", "std"):
            function = stats.FROM_MEANS[what]
            none = stats.undefined(math.nan, f"no {arm} phrasing", level=level)
            found[f"{arm}_{what}"] = (
                posterior_interval(function(draws[:, mask]), level=level) if mask.any() else none
            )
    absent = next((arm for arm, mask in arms.items() if not mask.any()), "")
    for name, gap in stats.GAPS_FROM_MEANS.items():
        none = stats.undefined(math.nan, f"no {absent} phrasing", level=level)
        found[name] = (
            none
            if absent
            else posterior_interval(gap(draws[:, seen], draws[:, unseen]), level=level)
        )
    return found


def phrasing_estimates(block: Block, headline: Mask) -> Floats:
    """Return the score of every headline phrasing.

    Its mean over instances, or its posterior mean where the design is sparse.
    """
    fit = _of_block(block, headline)
    return (
        np.asarray(stats.phrasing_scores(block.values[headline])) if fit is None else fit.phrasing
    )


def phrasing_intervals(block: Block, headline: Mask, *, level: float) -> Floats | None:
    """Return (P, 2) ends of the posterior intervals of the headline phrasings of a sparse
    design; None for any other.
    """
    fit = _of_block(block, headline, level=level)
    if fit is None:
        return None
    return np.asarray(
        np.clip(np.stack(central(fit.posterior.scores, level=level), axis=1), 0.0, 1.0)
    )


def curve_of(block: Block, headline: Mask, *, level: float) -> list[tuple[int, float]]:
    """Return (cells, half-width of the mean) had only a part of the cells been asked,
    and for all of them; empty without a score.

    Parameters
    ----------
    block, headline
        Cells of a sparse design, and which of its phrasings count.
    level
        Level of intervals.
    """
    whole, scores, relation = (
        _of_block(block, headline, level=level),
        block.values[headline],
        np.array(block.seen)[headline],
    )
    if whole is None:
        return []
    places = np.argwhere(~np.isnan(scores))
    order = np.random.default_rng(0).permutation(len(places))
    steps = []
    for share in SHARES:
        kept = places[order[: round(share * len(places))]]
        part = np.full(scores.shape, np.nan)
        part[kept[:, 0], kept[:, 1]] = scores[kept[:, 0], kept[:, 1]]
        fit = posterior(
            part,
            seen=relation == "seen",
            unseen=relation == "unseen",
            level=level,
            n_resamples=LOOK_DRAWS,
        )
        if fit is not None:
            steps.append((len(kept), _half(fit)))
    return [*steps, (len(places), _half(whole))]


def _half(fit: Budgeted) -> float:
    return (fit.found["mean"].high - fit.found["mean"].low) / 2
