"""Every statistic of one model on one task, with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.scores import STATUSES, Block
from evalkit.stats.component_intervals import consistency_interval, pss_interval, var_instance_interval, var_interaction_interval
from evalkit.stats.crossed import gap_interval, mean_interval, new_phrasing_interval
from evalkit.stats.pivot import gap_pivots, pivots
from evalkit.stats.resample import Interval, undefined

__all__ = ["Options", "drop_pairs", "task_statistics"]

Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the statistics of a task need besides its cells."""

    level: float = 0.95
    """Level of intervals."""
    question: stats.Question = "random"
    """``fixed``: these phrasings on new instances; ``random``: new phrasings too."""
    n_resamples: int = 1000
    """Resamples of the intervals that need them."""
    reference: str | Mapping[str, str] | None = None
    """Clean phrasing for drop rates, or attacked id -> reference id; None: perturbed phrasings against their origin."""
    chance: float | None = None
    """Score of guessing, for accuracy_norm."""


def task_statistics(block: Block, *, headline: Mask, options: Options, rng: np.random.Generator) -> dict[str, Interval]:
    """Return every statistic of a block that its columns allow.

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
    """
    scores = block.values[headline]
    arms = np.array(block.seen)[headline]
    seen, unseen = arms == "seen", arms == "unseen"
    found = _of_means(scores, options, rng)
    found |= _of_arms(scores, seen, unseen, options, rng)
    found |= _of_instances(scores, options)
    found |= _of_labels(block, headline, options)
    found |= _of_status(block.status[headline], options)
    found |= _of_drops(block, options)
    found |= _of_kinds(block, options)
    if options.chance is not None:
        value = stats.accuracy_norm(found["mean"].value, options.chance)
        ends = [stats.accuracy_norm(end, options.chance) for end in (found["mean"].low, found["mean"].high)]
        found["accuracy_norm"] = Interval(value, ends[0], ends[1], options.level, found["mean"].kind)
    return found


def _of_means(scores: Floats, options: Options, rng: np.random.Generator) -> dict[str, Interval]:
    """Statistics of the phrasing means and variance components."""
    found = {"mean": mean_interval(scores, question=options.question, level=options.level)}
    if options.question == "fixed":
        found |= {
            name: interval
            for name, interval in stats.bootstrap(
                scores, rng=rng, question="fixed", n_resamples=options.n_resamples, level=options.level
            ).items()
            if name != "mean"
        }
    else:
        found |= pivots(scores, rng=rng, level=options.level)
    found["var_instance"] = var_instance_interval(scores, question=options.question, level=options.level)
    found["var_interaction"] = var_interaction_interval(scores, question=options.question, level=options.level)
    new = new_phrasing_interval(scores, level=options.level)
    for name, end in (("new_phrasing_low", new.low), ("new_phrasing_high", new.high)):
        found[name] = undefined(
            end, "end of a prediction interval" if not math.isnan(end) else new.kind.removeprefix("none: "), level=options.level
        )
    return found


def _of_arms(scores: Floats, seen: Mask, unseen: Mask, options: Options, rng: np.random.Generator) -> dict[str, Interval]:
    """Statistics of seen and unseen phrasings and their gaps."""
    found: dict[str, Interval] = {}
    for name, arm in (("seen", seen), ("unseen", unseen)):
        if arm.any():
            found[f"{name}_mean"] = mean_interval(scores[arm], question=options.question, level=options.level)
            found[f"{name}_std"] = (
                undefined(stats.std(scores[arm]), "these phrasings", level=options.level)
                if options.question == "fixed"
                else pivots(scores[arm], rng=rng, level=options.level)["std"]
            )
        else:
            found[f"{name}_mean"] = found[f"{name}_std"] = undefined(math.nan, f"no {name} phrasings", level=options.level)
    if not (seen.any() and unseen.any()):
        which = "seen" if not seen.any() else "unseen"
        return found | {name: undefined(math.nan, f"no {which} phrasings", level=options.level) for name in ("gap", "gap_worst", "gap_std")}
    found["gap"] = gap_interval(scores, seen=seen, unseen=unseen, question=options.question, level=options.level)
    return found | gap_pivots(scores, seen=seen, unseen=unseen, rng=rng, level=options.level)


def _mean_over_instances(values: Floats, level: float) -> Interval:
    """Mean of one number per instance with its Student interval; these phrasings, new instances."""
    known = values[~np.isnan(values)]
    if known.size == 0:
        return undefined(math.nan, "no instance has a value", level=level)
    return mean_interval(known[None, :], question="fixed", level=level)


def _of_instances(scores: Floats, options: Options) -> dict[str, Interval]:
    there = ~np.isnan(scores).all(axis=0)
    kept = scores[:, there]
    worst = np.nanmin(kept, axis=0) if kept.size else np.empty(0)
    best = np.nanmax(kept, axis=0) if kept.size else np.empty(0)
    return {
        "worst_instance": _mean_over_instances(worst, options.level),
        "best_instance": _mean_over_instances(best, options.level),
        "pss": pss_interval(scores, question=options.question, level=options.level),
    }


def _of_labels(block: Block, headline: Mask, options: Options) -> dict[str, Interval]:
    """Agreement of the answers; needs recorded predictions."""
    labels, level = block.labels[headline].astype(np.int64), options.level
    names = ("consistency", "flip_rate", "krippendorff_alpha", "fleiss_kappa", "label_entropy")
    if (labels < 0).all() and not (block.status[headline] == STATUSES.index("unparsed")).any():
        return {name: undefined(math.nan, "no predictions in the table", level=level) for name in names}
    missing = block.status[headline] == STATUSES.index("missing")
    same = consistency_interval(labels, missing=missing, question=options.question, level=level)
    n_labels = len(np.unique(labels[labels >= 0]))
    return {
        "consistency": same,
        "flip_rate": Interval(1 - same.value, 1 - same.high, 1 - same.low, level, same.kind),
        "krippendorff_alpha": undefined(stats.krippendorff_alpha(labels), "not offered", level=level),
        "fleiss_kappa": undefined(stats.fleiss_kappa(labels), "not offered", level=level),
        "label_entropy": undefined(stats.label_entropy(labels, n_labels), "not offered", level=level),
    }


def _of_status(status: npt.NDArray[np.int8], options: Options) -> dict[str, Interval]:
    """Shares of cells that were unparsed, truncated or missing."""
    found = {}
    for name in ("unparsed", "truncated", "missing"):
        share = (status == STATUSES.index(name)).astype(np.float64)
        found[f"{name}_rate"] = _mean_over_instances(share.mean(axis=0), options.level)
    return found


def drop_pairs(block: Block, reference: str | Mapping[str, str] | None) -> dict[str, str]:
    """Return attacked id -> reference id of a block.

    Parameters
    ----------
    block
        Cells of one model on one task.
    reference
        One clean phrasing for all others, a map, or None: every perturbed phrasing against the phrasing whose id
        its own id begins with (``origin.perturbation-digest``).
    """
    present = set(block.phrasing_ids)
    if isinstance(reference, str):
        return {name: reference for name in block.phrasing_ids if name != reference} if reference in present else {}
    if reference is not None:
        return {attacked: clean for attacked, clean in reference.items() if {attacked, clean} <= present}
    pairs = {}
    for name, perturbation in zip(block.phrasing_ids, block.perturbations, strict=True):
        origin = name.rpartition(".")[0] if perturbation else ""
        while origin and origin not in present:
            origin = origin.rpartition(".")[0]
        if origin:
            pairs[name] = origin
    return pairs


def _of_drops(block: Block, options: Options) -> dict[str, Interval]:
    """Performance drop rate over pairs, and the drop to the worst case of each instance."""
    pairs = drop_pairs(block, options.reference)
    if not pairs:
        return {}
    row = {name: number for number, name in enumerate(block.phrasing_ids)}
    a = stats.phrasing_scores(block.values)
    attacked, clean = (a[[row[name] for name in names]] for names in (pairs, pairs.values()))
    found = {
        "pdr": _drop_interval(block.values, [(row[x], row[y]) for x, y in pairs.items()], options.level),
        "pdr_std": undefined(stats.pdr_std(attacked, clean), "not offered", level=options.level),
    }
    if isinstance(options.reference, str):
        found["robust_drop"] = undefined(
            stats.robust_drop(block.values, reference=row[options.reference]), "not offered", level=options.level
        )
    return found


def _drop_interval(scores: Floats, pairs: list[tuple[int, int]], level: float) -> Interval:
    """Mean drop rate with the delta-method interval over instances; these pairs, new instances."""
    there = ~np.isnan(scores)
    count = np.maximum(there.sum(axis=1), 1)
    a = stats.phrasing_scores(scores)
    residual = np.where(there, scores - a[:, None], 0.0) / count[:, None]  # influence of each instance on a[p]
    attacked, clean = np.array([x for x, _ in pairs]), np.array([y for _, y in pairs])
    value = stats.pdr(a[attacked], a[clean])
    usable = a[clean] > 0
    if math.isnan(value) or scores.shape[1] < 2:
        return undefined(value, "a reference score of 0" if math.isnan(value) else "fewer than two instances", level=level)
    attacked, clean = attacked[usable], clean[usable]
    shift = -residual[attacked] / a[clean][:, None] + (a[attacked] / a[clean] ** 2)[:, None] * residual[clean]
    influence = shift.mean(axis=0)
    n = influence.size
    found = mean_interval((influence * n)[None, :], question="fixed", level=level)
    return Interval(value, value + found.low - found.value, value + found.high - found.value, level, "delta/instances")


def _of_kinds(block: Block, options: Options) -> dict[str, Interval]:
    """Mean of correct phrasings minus mean of wrong ones, over all wrong kinds and for each."""
    kinds = np.array(block.kinds)
    correct = (kinds == "correct") & (np.array(block.perturbations) == "")
    others = sorted(set(kinds) - {"correct"})
    if not others or not correct.any():
        return {}
    masks = {"reliance": kinds != "correct"} | {f"reliance_{kind}": kinds == kind for kind in others}
    return {
        name: gap_interval(block.values, seen=correct, unseen=wrong, question=options.question, level=options.level)
        for name, wrong in masks.items()
    }
