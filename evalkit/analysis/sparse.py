"""Statistics of a task whose cells were asked in a sparse design: from the posterior of all phrasing scores given the cells asked.

The estimand is these phrasings on these instances, all cells. The draws come from a generator that is seeded by the cells themselves, so that the same
cells give the same numbers, whoever asks.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.records import digest
from evalkit.scores import Block
from evalkit.stats.budget import KIND, LOOK_DRAWS, Budgeted, estimate_distribution

__all__ = ["curve_of", "phrasing_estimates", "phrasing_intervals", "posterior", "sparse_statistics"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SPARSE = "not estimated from a sparse design: "
WHOLE = SPARSE + "needs every phrasing on the same instances"
NOT_SPARSE = {
    **dict.fromkeys(("worst_instance", "best_instance", "std_excess", "new_phrasing_low", "new_phrasing_high"), WHOLE),
    **dict.fromkeys(("var_phrasing", "var_instance", "var_interaction", "g_coefficient", "required_phrasings"), WHOLE),
}
"""Metrics of a full run that a sparse one does not give, with the reason."""
SHARES = (0.25, 0.5)
"""Parts of the cells asked whose half-width is drawn beside that of all of them."""


def posterior(scores: Floats, *, level: float = 0.95, n_draws: int = 300) -> Budgeted | None:
    """Return what the cells asked say of all phrasings; None when no cell has a score.

    Parameters
    ----------
    scores
        (P, N) scores, NaN where not asked or missing.
    level
        Level of intervals.
    n_draws
        Draws.
    """
    if np.isnan(scores).all():
        return None
    return _posterior(np.ascontiguousarray(scores).tobytes(), scores.shape, level, n_draws)


@lru_cache(maxsize=256)
def _posterior(cells: bytes, shape: tuple[int, int], level: float, n_draws: int) -> Budgeted:
    scores = np.frombuffer(cells, dtype=np.float64).reshape(shape)
    known = np.nan_to_num(scores, nan=-1.0)
    seed = int(digest([shape, known.ravel().tolist()], length=16), 16)
    return estimate_distribution(scores, rng=np.random.default_rng(seed), level=level, n_draws=n_draws)


def sparse_statistics(scores: Floats, *, seen: Mask, unseen: Mask, level: float) -> dict[str, stats.Interval]:
    """Return the statistics of phrasing scores and of both arms from the posterior, pss from the pairs there are, and reasons for the rest.

    Parameters
    ----------
    scores
        (P, N) scores of the headline phrasings, NaN where not asked or missing.
    seen, unseen
        (P,) arms.
    level
        Level of intervals.
    """
    found = {name: stats.undefined(math.nan, reason, level=level) for name, reason in NOT_SPARSE.items()}
    found["pss"] = stats.pss_interval(scores, question="fixed", level=level)
    arms = {"seen": seen, "unseen": unseen}
    fit = posterior(scores, level=level)
    if fit is None:
        names = (*stats.FROM_MEANS, *stats.GAPS_FROM_MEANS, *(f"{arm}_{what}" for arm in arms for what in ("mean", "std")))
        return found | {name: stats.undefined(math.nan, "no cell has a score", level=level) for name in names}
    found |= fit.found
    draws = fit.posterior.scores  # (draw, phrasing)
    for arm, mask in arms.items():
        for what in ("mean", "std"):
            function = stats.FROM_MEANS[what]
            none = stats.undefined(math.nan, f"no {arm} phrasing", level=level)
            found[f"{arm}_{what}"] = _interval(function(draws[:, mask]), level) if mask.any() else none
    absent = next((arm for arm, mask in arms.items() if not mask.any()), "")
    for name, gap in stats.GAPS_FROM_MEANS.items():
        none = stats.undefined(math.nan, f"no {absent} phrasing", level=level)
        found[name] = none if absent else _interval(gap(draws[:, seen], draws[:, unseen]), level)
    return found


def _interval(draws: Floats, level: float) -> stats.Interval:
    """Median and central part of draws."""
    if np.isnan(draws).all():
        return stats.undefined(math.nan, "fewer than two phrasings", level=level)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return stats.Interval(float(np.median(draws)), float(low), float(high), level, KIND)


def phrasing_estimates(block: Block, headline: Mask) -> Floats:
    """Return the score of every headline phrasing: its mean over instances, or its posterior mean where the design is sparse."""
    scores = block.values[headline]
    fit = None if block.asked[headline].all() else posterior(scores)
    return np.asarray(stats.phrasing_scores(scores)) if fit is None else fit.phrasing


def phrasing_intervals(block: Block, headline: Mask, *, level: float) -> Floats | None:
    """Return (P, 2) ends of the posterior intervals of the headline phrasings of a sparse design; None for any other."""
    fit = None if block.asked[headline].all() else posterior(block.values[headline], level=level)
    if fit is None:
        return None
    return np.asarray(np.quantile(fit.posterior.scores, [(1 - level) / 2, (1 + level) / 2], axis=0).T)


def curve_of(scores: Floats, *, level: float) -> list[tuple[int, float]]:
    """Return (cells, half-width of the mean) had only a part of the cells been asked, and for all of them; empty without a score.

    Parameters
    ----------
    scores
        (P, N) scores of a sparse design.
    level
        Level of intervals.
    """
    whole = posterior(scores, level=level)
    if whole is None:
        return []
    places = np.argwhere(~np.isnan(scores))
    order = np.random.default_rng(0).permutation(len(places))
    steps = []
    for share in SHARES:
        kept = places[order[: round(share * len(places))]]
        part = np.full(scores.shape, np.nan)
        part[kept[:, 0], kept[:, 1]] = scores[kept[:, 0], kept[:, 1]]
        fit = posterior(part, level=level, n_draws=LOOK_DRAWS)
        if fit is not None:
            steps.append((len(kept), _half(fit)))
    return [*steps, (len(places), _half(whole))]


def _half(fit: Budgeted) -> float:
    return (fit.found["mean"].high - fit.found["mean"].low) / 2
