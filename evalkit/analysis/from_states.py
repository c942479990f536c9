"""Statistics of what answers are, and of how sure the model was of them.

Shares of the states of `evalkit.scoring.states` among the cells that were answered, the mean of
answers given, refusals that come and go with the wording, and calibration.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.scoring import FORMS, STATES, STATUSES, Block
from evalkit.stats.intervals.crossed import student
from evalkit.stats.intervals.fixed_intervals import mean_of_instances
from evalkit.stats.intervals.resample import OVER
from evalkit.stats.point.missing import mean_over

__all__ = [
    "SHARES",
    "answered_cells",
    "calibration_statistics",
    "form_cells",
    "share_cells",
    "state_differences",
    "state_shares",
    "state_statistics",
    "status_shares",
]

Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Found: TypeAlias = dict[str, stats.Interval]

SHARES = {
    "right_rate": "right",
    "partial_rate": "partial",
    "wrong_rate": "wrong",
    "refusal_rate": "refused",
    "cut_rate": "cut",
    "unusable_rate": "unusable",
}
"""Statistic -> state whose share it is; the six add up to 1."""
FITTING = {"adherence": ("whole", "line"), "ifs": ("whole",)}
"""Statistic -> forms of a text that it counts."""
NOT_GIVEN = ("refused", "cut")
"""States of answers that the model did not give."""
NO_CONFIDENCE = "no probabilities recorded"
ECE = "not offered: biased upward with few cells per bin"


def answered_cells(block: Block) -> Mask:
    """Return the (P, N) cells that have an answer, whatever it is."""
    apart = [STATES.index(name) for name in ("missing", "not_asked")]
    return np.asarray(~np.isin(block.state, apart))


def _over_answers(block: Block, cells: Callable[[Block], Floats]) -> Floats:
    """Mean of one number per cell over the answers that have it."""
    return mean_over(np.stack([cells(one) for one in block.each]), axis=0)


def share_cells(block: Block, state: str) -> Floats:
    """Return 1 for the (P, N) cells of a state, 0 for other answers, NaN without an answer;
    the share of a cell's answers where it has several.
    """

    def cells(one: Block) -> Floats:
        flags = (one.state == STATES.index(state)).astype(np.float64)
        return np.where(answered_cells(one), flags, np.nan)

    return _over_answers(block, cells)


def status_shares(block: Block, name: str, *, of: Callable[[Block], Mask]) -> Floats:
    """Return the (P,) shares of the cells `of` every answer that have a status."""
    shares = [
        stats.rate_per_phrasing(one.status == STATUSES.index(name), of=of(one))
        for one in block.each
    ]
    return mean_over(np.stack(shares), axis=0)


def state_shares(block: Block) -> dict[str, float]:
    """Return state -> share of the answered cells of a block; NaN without any."""
    there = np.stack([answered_cells(one) for one in block.each])
    states = np.stack([one.state for one in block.each])
    return {state: stats.rate(states == STATES.index(state), of=there) for state in SHARES.values()}


def form_cells(block: Block, names: tuple[str, ...]) -> Floats:
    """Return 1 for the (P, N) texts of these forms, 0 for other texts, NaN where there is none;
    the share of a cell's texts where it has several.
    """
    codes = [FORMS.index(name) for name in names]

    def cells(one: Block) -> Floats:
        return np.where(one.form >= 0, np.isin(one.form, codes).astype(np.float64), np.nan)

    return _over_answers(block, cells)


def state_statistics(block: Block, *, question: stats.Question, level: float) -> Found:
    """Return the share of every state, the mean of answers given, and flips of refusal.

    Parameters
    ----------
    block
        Headline phrasings of one task.
    question
        What the interval of ``answered_mean`` is about.
    level
        Level of intervals.
    """
    found: Found = {}
    for name, state in SHARES.items():
        cells = share_cells(block, state)
        found[name] = _rate(cells, level)
    for name, kept_of in FITTING.items():
        found[name] = _rate(form_cells(block, kept_of), level)
    apart = [STATES.index(name) for name in NOT_GIVEN]
    kept = _over_answers(block, lambda one: np.where(np.isin(one.state, apart), np.nan, one.values))
    if np.isnan(kept).all():
        found["answered_mean"] = stats.undefined(math.nan, "no answer was given", level=level)
    else:
        mean = partial(stats.mean_interval, kept, level=level)
        first = mean(question=question)
        found["answered_mean"] = mean(question="fixed") if math.isnan(first.low) else first
    if block.judged is not None:
        found["judged_mean"] = _rate(block.judged, level)
    found["refusal_flip_rate"] = _flips([share_cells(one, "refused") for one in block.each], level)
    return found


def _rate(cells: Floats, level: float) -> stats.Interval:
    """Share over all cells; its interval is over instances."""
    there = ~np.isnan(cells)
    if not there.any():
        return stats.undefined(math.nan, "no such answers", level=level)
    value = float(cells[there].mean())
    return mean_of_instances(stats.instance_scores(cells), value=value, level=level)


def _flips(answers: Sequence[Floats], level: float) -> stats.Interval:
    """Share of (instance, unordered phrasing pair) of which one refuses and the other does not,
    over first answers, second ones and so on.
    """
    shares, flipped, of = [], 0.0, 0.0
    for refused in answers:
        there = ~np.isnan(refused)
        n, yes = there.sum(axis=0), np.where(there, refused, 0.0).sum(axis=0)
        pairs = n * (n - 1) / 2
        shares.append(np.where(pairs > 0, yes * (n - yes) / np.maximum(pairs, 1), np.nan))
        flipped, of = flipped + float((yes * (n - yes)).sum()), of + float(pairs.sum())
    if not of:
        return stats.undefined(math.nan, "needs two phrasings", level=level)
    return mean_of_instances(mean_over(np.stack(shares), axis=0), value=flipped / of, level=level)


def state_differences(old: Block, new: Block, *, level: float) -> Found:
    """Return new minus old of the shares of states and forms, of calibration and of a judge's
    verdicts, on the cells both have.

    Parameters
    ----------
    old, new
        Headline blocks of one task, cell for cell the same.
    level
        Level of intervals, which are over instances.
    """
    cells = {
        name: [share_cells(one, state) for one in (old, new)] for name, state in SHARES.items()
    }
    cells |= {name: [form_cells(one, kept) for one in (old, new)] for name, kept in FITTING.items()}
    if old.judged is not None and new.judged is not None:
        cells["judged_mean"] = [old.judged, new.judged]
    sure = [one.confidence - one.values for one in (old, new)]
    cells |= {"overconfidence": sure, "brier_answer": [one**2 for one in sure]}
    cells["sure_errors"] = [stats.sure_errors(one.confidence, one.values) for one in (old, new)]
    found: Found = {}
    for name, (before, after) in cells.items():
        change = after - before
        there = ~np.isnan(change)
        used = there.any(axis=0)
        if not used.any():
            found[name] = stats.undefined(math.nan, "in neither run, or in one", level=level)
            continue
        mean = np.where(there, change, 0.0).sum(axis=0)[used] / there.sum(axis=0)[used]
        value = float(change[there].mean())
        if mean.size < 2 or not mean.any():
            found[name] = stats.undefined(value, "the same in both runs", level=level)
        else:
            found[name] = student(
                value,
                variance=float(mean.var(ddof=1)) / mean.size,
                df=mean.size - 1,
                level=level,
                over=OVER["fixed"],
            )
    return found


def calibration_statistics(confidence: Floats, scores: Floats, *, level: float) -> Found:
    """Return ece, its equal-mass form, the Brier score of the answers given with its parts,
    overconfidence, sure errors, aurc, average precision, confidence shift.

    Parameters
    ----------
    confidence
        (P, N) probability of the given answer; NaN where none is known.
    scores
        (P, N) scores.
    level
        Level of intervals.
    """
    p, y = confidence.ravel(), scores.ravel()
    parts = stats.brier_parts(p, y)
    values = {
        "ece": stats.ece(p, y),
        "ece_mass": stats.ece_equal_mass(p, y),
        "brier_reliability": parts.reliability,
        "brier_resolution": parts.resolution,
        "brier_uncertainty": parts.uncertainty,
        "aurc": stats.aurc(p, y),
        "average_precision": stats.average_precision(p, y),
    }
    reasons = {"ece": ECE, "ece_mass": ECE}
    found = {
        name: stats.undefined(
            value,
            NO_CONFIDENCE if math.isnan(value) else reasons.get(name, "not offered"),
            level=level,
        )
        for name, value in values.items()
    }
    for name, cells in (
        ("brier_answer", (confidence - scores) ** 2),
        ("overconfidence", confidence - scores),
        ("sure_errors", stats.sure_errors(confidence, scores)),
    ):
        found[name] = (
            stats.undefined(math.nan, NO_CONFIDENCE, level=level)
            if np.isnan(cells).all()
            else _rate(cells, level)
        )
    found["confidence_shift"] = _shift(confidence, level)
    return found


def _shift(confidence: Floats, level: float) -> stats.Interval:
    """Mean over instances and pairs of phrasings of the change in confidence."""
    if np.isnan(confidence).all():
        return stats.undefined(math.nan, NO_CONFIDENCE, level=level)
    ordered = np.sort(confidence, axis=0)
    n = (~np.isnan(ordered)).sum(axis=0)
    rank = np.arange(ordered.shape[0])[:, None]
    total = np.nansum(np.where(np.isnan(ordered), 0.0, ordered) * (2 * rank - n + 1), axis=0)
    pairs = n * (n - 1) / 2
    if not (pairs > 0).any():
        return stats.undefined(math.nan, "needs two phrasings", level=level)
    return mean_of_instances(np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan), level=level)
