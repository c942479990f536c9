"""Every statistic of one model on one task, with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis.controls import accident_of, reliance_of, seen_wrong_of
from evalkit.analysis.drops import drop_pairs, drop_statistics
from evalkit.analysis.from_answers import CLUSTER, answer_statistics, said_statistics
from evalkit.analysis.from_distances import distance_statistics
from evalkit.analysis.from_states import calibration_statistics, state_statistics
from evalkit.analysis.independent import GROUPED, codes_of, independent_units, of_groups
from evalkit.analysis.new_phrasings import of_new_phrasings, proven
from evalkit.analysis.over_answers import over_answers
from evalkit.analysis.sparse import phrasing_estimates, sparse_statistics
from evalkit.analysis.wordings import gap_matched
from evalkit.records.statistics import PASS_AT, RELIABLE_AT
from evalkit.scoring import STATUSES, AnswerBlock, Block
from evalkit.stats.intervals.fixed_intervals import mean_of_instances
from evalkit.stats.point.missing import mean_over

__all__ = [
    "Options",
    "best_of_both",
    "normed",
    "task_statistics",
    "undefined_mean",
]

Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Found: TypeAlias = dict[str, stats.Interval]

FEW_LABELS = "not estimated from a sparse design: entropy of few labels is too low"
ZERO_MEAN = "the mean is 0, which nothing can be divided by"
HALF_WIDTH = 0.01
"""Half-width that required_phrasings is asked for: one percentage point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the statistics of a task need besides its cells."""

    level: float = 0.95
    """Level of intervals."""
    question: stats.Question = "random"
    """``fixed``: these phrasings on new instances; ``random``: new ones with normal effects too."""
    bounded: bool = False
    """Whether `BOUNDED` statistics are about new phrasings whatever their effects are."""
    n_resamples: int = 4000
    """Draws of the intervals that need them."""
    reference: str | Mapping[str, str] | None = None
    """Clean phrasing for drop rates, or attacked id -> reference id; None: perturbed phrasings
    against their origin."""
    chance: float | None = None
    """Score of guessing, for accuracy_norm."""
    repeats: npt.NDArray[np.float64] | None = None
    """(P, N, R) scores of repeated cells, for var_repeat."""
    confidence: Floats | None = None
    """(P, N) probability of the given answer, for ece."""
    answers: AnswerBlock | None = None
    """What was answered, for the statistics that need more than scores."""
    guess: float = math.nan
    """Score of an answer drawn without regard to the target; NaN where it is not known."""
    said: Mapping[str, Mapping[str, Sequence[float]]] | None = None
    """Phrasing id -> itself or a copy -> probability of each generated answer, from a second
    pass.
    """
    distances: Mapping[str, float] | None = None
    """Phrasing id -> distance to the seen ones, empty when none was asked for; None: not a run, so
    not spoken of."""


def task_statistics(
    block: Block, *, headline: Mask, options: Options, rng: np.random.Generator
) -> Found:
    """Return metric -> value with interval, for every statistic that the block's columns allow.

    Parameters
    ----------
    block
        All cells of one model on one task.
    headline
        (P,) which phrasings the headline statistics are over: the correct, unperturbed ones.
    options
        Level, question, references.
    rng
        Source of all draws.

    Notes
    -----
    Asked for new phrasings, a statistic that has an interval for these phrasings only gets that
    one; the kind of the interval says so. ``none:`` and a reason stand in the kind where there is
    no interval.
    """
    scores = block.values[headline]
    units = independent_units(block, scores)
    arms = np.array(block.seen)[headline]
    whole = bool(block.asked[headline].all())
    if whole:
        found = _of_scores(units, options, rng)
        found |= _of_arms(units, arms == "seen", arms == "unseen", options=options, rng=rng)
        found |= gap_matched(block, units, arms, level=options.level)
    else:
        found = sparse_statistics(
            scores, seen=arms == "seen", unseen=arms == "unseen", level=options.level
        )
    if whole and options.bounded:
        found |= of_new_phrasings(units, arms, level=options.level)
    found["sensitivity"] = _of_nothing(found["sensitivity"], found["mean"])
    each = [one.limited(headline) for one in block.each]
    found |= over_answers([_of_labels(one, options=options, rng=rng) for one in each])
    found |= over_answers([_of_status(one.status, options) for one in each])
    found |= state_statistics(
        block.limited(headline), question=options.question, level=options.level
    )
    found |= drop_statistics(block, options.reference, level=options.level)
    found |= reliance_of(block, question=options.question, level=options.level)
    found |= accident_of(block, options.guess, level=options.level)
    found |= seen_wrong_of(block, question=options.question, level=options.level)
    found["proven_share"] = proven(scores, level=options.level)
    if whole:
        found |= _reliable(scores, options.level)
    codes = codes_of(block)
    if codes is not None and whole:
        found |= of_groups(scores, codes, found, level=options.level)
    if options.chance is not None:
        found["accuracy_norm"] = normed(found["mean"], options.chance)
    if options.repeats is not None:
        found |= _of_repeats(options.repeats[headline], options.level)
    if options.confidence is not None:
        of_cells = calibration_statistics(options.confidence[headline], scores, level=options.level)
        found |= {name: _settled(one) for name, one in of_cells.items()}
    found |= _of_texts(block, headline, options, grouped=codes is not None)
    if options.distances is not None:
        ids = tuple(name for name, kept in zip(block.phrasing_ids, headline, strict=True) if kept)
        a = phrasing_estimates(block, headline)
        found |= distance_statistics(
            a, ids=ids, seen=tuple(arms), distances=options.distances, rng=rng, level=options.level
        )
    return found


def _of_texts(block: Block, headline: Mask, options: Options, *, grouped: bool) -> Found:
    """Statistics of what was answered, and of the second pass over it;
    without intervals where instances are in groups.
    """
    found: Found = {}
    if options.answers is not None:
        of_answers = answer_statistics(
            options.answers, headline=headline, pairs=drop_pairs(block, None), level=options.level
        )
        found = {name: _settled(one) for name, one in of_answers.items()}
        if grouped:
            found = {
                name: one
                if one.method == CLUSTER
                else stats.undefined(one.value, one.reason or GROUPED, level=options.level)
                for name, one in found.items()
            }
    if options.said:
        scores = dict(zip(block.phrasing_ids, block.values, strict=True))
        of_said = said_statistics(options.said, scores=scores, level=options.level)
        found |= {name: _settled(one) for name, one in of_said.items()}
    return found


def _settled(found: stats.Interval) -> stats.Interval:
    """Three digits of a statistic of probabilities.

    These carry the noise of float32 (about 1e-6), so more would differ between two equal runs.
    """
    return replace(
        found, value=round(found.value, 3), low=round(found.low, 3), high=round(found.high, 3)
    )


def _of_nothing(sensitivity: stats.Interval, mean: stats.Interval) -> stats.Interval:
    """Why a sensitivity does not exist, where that is for its mean."""
    if math.isnan(sensitivity.value) and mean.value == 0:
        return replace(sensitivity, reason=ZERO_MEAN)
    return sensitivity


def undefined_mean(
    name: str, value: float, a: Floats, reason: str, *, level: float
) -> stats.Interval:
    """Return a statistic of phrasing scores without an interval, and why its value does not exist.

    Parameters
    ----------
    name
        Its name.
    value
        Its value.
    a
        (P,) scores of phrasings.
    reason
        Why it has no interval.
    level
        Written into it.
    """
    if math.isnan(value):
        known = a[~np.isnan(a)]
        if not known.size:
            reason = "no scores"
        elif name == "sensitivity" and known.mean() == 0:
            reason = ZERO_MEAN
        else:
            reason = "fewer than two phrasings"
    return stats.undefined(value, reason, level=level)


def normed(mean: stats.Interval, chance: float) -> stats.Interval:
    """Return accuracy_norm of a mean, with the ends of its interval moved alike."""
    value, low, high = (
        stats.accuracy_norm(number, chance) for number in (mean.value, mean.low, mean.high)
    )
    return replace(mean, value=value, low=low, high=high)


def _of_scores(scores: Floats, options: Options, rng: np.random.Generator) -> Found:
    """Statistics of phrasing means, variance components and instances."""
    level = options.level
    found = best_of_both(
        partial(
            stats.score_intervals, scores, rng=rng, level=level, n_resamples=options.n_resamples
        ),
        options.question,
    )
    new = found.pop("new_phrasing")
    for name, end in (("new_phrasing_low", new.low), ("new_phrasing_high", new.high)):
        reason = (new.reason or new.name) if math.isnan(end) else "end of a prediction interval"
        found[name] = stats.undefined(end, reason, level=level)
    found["required_phrasings"] = _required(scores, level)
    return found


def _reliable(scores: Floats, level: float) -> Found:
    """Share of items right under all of k wordings, for every k that there are wordings for."""
    found = {}
    for k in RELIABLE_AT:
        items = stats.reliable_at_k(scores, k)
        if np.isfinite(items).any():
            found[f"reliable_at_{k}"] = mean_of_instances(items, level=level)
    return found


def _of_repeats(cube: npt.NDArray[np.float64], level: float) -> Found:
    """Variance between repeats of a cell, the interaction without it, and pass@k of 0/1 scores.

    Nothing where no cell has a second one.
    """
    parts = stats.repeated_components(cube)
    if math.isnan(parts.repeat):
        return {}
    found = {}
    for k in PASS_AT:
        cells = stats.pass_at_k_cells(cube, k)
        if np.isfinite(cells).any():
            found[f"pass_at_{k}"] = mean_of_instances(mean_over(cells, axis=0), level=level)
    return found | {
        "var_repeat": stats.undefined(parts.repeat, "not offered", level=level),
        "var_interaction": stats.undefined(
            parts.interaction, "not offered: repeats are taken out", level=level
        ),
    }


def _required(scores: Floats, level: float) -> stats.Interval:
    """Phrasings for a half-width of one point on these instances, and why there may be none."""
    parts = stats.components(scores)
    if math.isnan(parts.phrasing):
        return stats.undefined(math.nan, "fewer than two phrasings or instances", level=level)
    needed = stats.required_phrasings(parts, half=HALF_WIDTH, level=level)
    reason = (
        f"for a half-width of {HALF_WIDTH:g} on these instances"
        if needed
        else f"no number gives a half-width of {HALF_WIDTH:g}"
    )
    return stats.undefined(float(needed) if needed else math.nan, reason, level=level)


def _of_arms(
    scores: Floats, seen: Mask, unseen: Mask, *, options: Options, rng: np.random.Generator
) -> Found:
    """Statistics of seen and unseen phrasings and their gaps."""
    level, n_resamples = options.level, options.n_resamples
    found: Found = {}
    for name, arm in (("seen", seen), ("unseen", unseen)):
        part, none = scores[arm], stats.undefined(math.nan, f"no {name} phrasing", level=level)
        of_arm = (
            best_of_both(
                partial(stats.score_intervals, part, rng=rng, level=level, n_resamples=n_resamples),
                options.question,
            )
            if arm.any()
            else {}
        )
        found[f"{name}_mean"], found[f"{name}_std"] = (
            of_arm.get("mean", none),
            of_arm.get("std", none),
        )
    gaps = partial(
        stats.gap_intervals,
        scores,
        seen=seen,
        unseen=unseen,
        rng=rng,
        level=level,
        n_resamples=n_resamples,
    )
    return found | best_of_both(gaps, options.question)


def best_of_both(statistics: Callable[..., Found], question: stats.Question) -> Found:
    """Return the intervals for the question asked.

    Those for these phrasings where new phrasings have none.

    Parameters
    ----------
    statistics
        Function of ``question`` that returns metric -> interval.
    question
        ``random`` or ``fixed``.
    """
    found = statistics(question=question)
    if question == "random" and any(math.isnan(interval.low) for interval in found.values()):
        fixed = statistics(question="fixed")
        found = {
            name: fixed[name]
            if math.isnan(interval.low) and name in fixed and not math.isnan(fixed[name].low)
            else interval
            for name, interval in found.items()
        }
    return found


def _of_labels(block: Block, *, options: Options, rng: np.random.Generator) -> Found:
    """Agreement of one answer to every cell of some phrasings; needs recorded predictions."""
    labels, level = block.labels.astype(np.int64), options.level
    answered_unusably = block.status == STATUSES.index("unparsed")
    if (labels < 0).all() and not answered_unusably.any():
        names = ("consistency", "flip_rate", "krippendorff_alpha", "fleiss_kappa", "label_entropy")
        return {
            name: stats.undefined(math.nan, "no predictions in the table", level=level)
            for name in names
        }
    n_labels = len(np.unique(labels[labels >= 0]))
    gone = [STATUSES.index("missing"), STATUSES.index("not_asked")]
    missing = np.isin(block.status, gone) & (labels < 0)
    found = best_of_both(
        partial(
            stats.label_intervals, labels, n_labels=n_labels, rng=rng, missing=missing, level=level
        ),
        options.question,
    )
    if not block.asked.all():
        found["label_entropy"] = stats.undefined(math.nan, FEW_LABELS, level=level)
    kappa = stats.fleiss_kappa(labels)
    return found | {
        "fleiss_kappa": stats.undefined(
            kappa, "not offered" if not math.isnan(kappa) else "needs complete answers", level=level
        )
    }


def _of_status(status: npt.NDArray[np.int8], options: Options) -> Found:
    """Shares of the cells asked.

    Missing of all, unparsed and truncated of those that are not missing.
    """
    asked, missing = status != STATUSES.index("not_asked"), status == STATUSES.index("missing")
    found = {}
    for name, within in (
        ("missing", asked),
        ("unparsed", asked & ~missing),
        ("truncated", asked & ~missing),
    ):
        flags = (status == STATUSES.index(name)) & within
        count = within.sum(axis=0)
        share = np.where(count > 0, flags.sum(axis=0) / np.maximum(count, 1), np.nan)
        found[f"{name}_rate"] = mean_of_instances(
            share, value=stats.rate(flags, of=within), level=options.level
        )
    return found
