"""What every instance, or group of instances, adds to a linear harm of one task."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis.from_states import FITTING, SHARES, form_cells, share_cells
from evalkit.analysis.language_cuts import REFERENCE
from evalkit.errors import EvalkitError
from evalkit.records.statistics import PASS_AT, RELIABLE_AT
from evalkit.scoring import STATUSES, Block
from evalkit.stats.intervals.noise import influence
from evalkit.stats.point.missing import mean_over

__all__ = [
    "CONTROLS",
    "LINEAR",
    "RIGHT",
    "WIDE",
    "AbsentError",
    "Units",
    "of_groups",
    "shared_units",
]

Floats: TypeAlias = npt.NDArray[np.float64]
RIGHT = 0.5
"""Score from which a cell counts as right."""


@dataclass(frozen=True, slots=True)
class Units:
    """A linear statistic of one task."""

    harm: Floats
    """Harm of each instance."""
    old: float
    new: float
    within: float = math.nan
    """Variance of `harm` that comes from the finite number of phrasings."""
    used: npt.NDArray[np.bool_] | None = None
    """(N,) the instances of `harm`; None for all."""


class AbsentError(EvalkitError):
    """A metric that a task does not have; the message says why."""


def of_groups(block: Block, units: Floats, used: npt.NDArray[np.bool_] | None) -> Floats:
    """Numbers per instance -> numbers per group with the same mean, where instances are grouped."""
    codes = stats.group_codes(block.groups) if block.groups else None
    if codes is None:
        return units
    _, mine = np.unique(codes if used is None else codes[used], return_inverse=True)
    return np.asarray(stats.by_group(units[None, :], mine.astype(np.int64))[0])


def shared_units(old: Block, new: Block) -> tuple[Floats, Floats]:
    """Scores of the cells both runs have, a column per independent unit."""
    before, after = stats.on_shared_cells(old.values, new.values)
    codes = stats.group_codes(old.groups) if old.groups else None
    if codes is None:
        return before, after
    used = np.asarray(~(np.isnan(old.values) | np.isnan(new.values)).all(axis=0))
    _, mine = np.unique(codes[used], return_inverse=True)
    return stats.by_group(before, mine), stats.by_group(after, mine)


def _per_instance(change: Floats) -> Floats:
    """Numbers per instance with a cell.

    Their mean is the mean over phrasings of the phrasing means.
    """
    rows, columns = (~np.isnan(change)).any(axis=1), (~np.isnan(change)).any(axis=0)
    kept = change[rows][:, columns]
    if not kept.size:
        raise AbsentError("no cell has a score in both runs")
    units: Floats = float(np.nanmean(kept, axis=1).mean()) + kept.shape[1] * influence(kept).mean(
        axis=0
    )
    return units


def _of_rows(old: Block, new: Block, rows: npt.NDArray[np.bool_]) -> Units:
    before, after = stats.on_shared_cells(old.values[rows], new.values[rows])
    harm = _per_instance(before - after)
    return Units(
        harm,
        float(np.nanmean(before, axis=1).mean()),
        float(np.nanmean(after, axis=1).mean()),
        _within(before - after),
        np.asarray(~(np.isnan(old.values[rows]) | np.isnan(new.values[rows])).all(axis=0)),
    )


def _within(change: Floats) -> float:
    """Variance of an instance's mean over phrasings that comes from the number of phrasings."""
    if change.shape[0] < 2 or np.isnan(change).any():
        return math.nan
    return float(np.var(change, axis=0, ddof=1).mean() / change.shape[0])


def _mean(old: Block, new: Block) -> Units:
    return _of_rows(old, new, np.ones(len(old.phrasing_ids), dtype=bool))


def _arms(old: Block, new: Block, *names: str) -> list[npt.NDArray[np.bool_]]:
    if old.seen != new.seen:
        raise AbsentError("the two models have not seen the same phrasings")
    arms = [np.array(old.seen) == name for name in names]
    for name, arm in zip(names, arms, strict=True):
        if not arm.any():
            raise AbsentError(f"no {name} phrasing")
    return arms


def _seen_mean(old: Block, new: Block) -> Units:
    return _of_rows(old, new, *_arms(old, new, "seen"))


def _unseen_mean(old: Block, new: Block) -> Units:
    return _of_rows(old, new, *_arms(old, new, "unseen"))


def _gap(old: Block, new: Block) -> Units:
    return _of_arms(
        old,
        new,
        _arms(old, new, "seen", "unseen"),
        falls=False,
        absent="no instance has a score under seen and unseen phrasings in both runs",
    )


def _of_arms(
    old: Block, new: Block, arms: Sequence[npt.NDArray[np.bool_]], *, falls: bool, absent: str
) -> Units:
    """First group of phrasings minus the second: harm where it falls, or where it rises."""
    change = new.values - old.values
    both = np.all([(~np.isnan(change[arm])).any(axis=0) for arm in arms], axis=0)
    if not both.any():
        raise AbsentError(absent)
    first, second = (_per_instance(change[arm][:, both]) for arm in arms)
    gone = np.isnan(change)
    values = []
    for block in (old, new):
        a = np.where(gone, np.nan, block.values)[:, both]
        means = [float(np.nanmean(_not_empty(a[arm]), axis=1).mean()) for arm in arms]
        values.append(means[0] - means[1])
    harm = second - first if falls else first - second
    return Units(harm, values[0], values[1], used=both)


def _against_english(old: Block, new: Block) -> Units:
    """Instructions in other languages minus those in English."""
    told = np.array(old.traits.get("language", ("",) * len(old.phrasing_ids)))
    arms = [(told != REFERENCE) & (told != ""), told == REFERENCE]
    if not all(arm.any() for arm in arms):
        raise AbsentError("no instructions in English and in another language")
    return _of_arms(
        old,
        new,
        arms,
        falls=True,
        absent="no instance has a score under English and other instructions in both runs",
    )


def _not_empty(scores: Floats) -> Floats:
    return scores[(~np.isnan(scores)).any(axis=1)]


def _worst_instance(old: Block, new: Block) -> Units:
    before, after = stats.on_shared_cells(old.values, new.values)
    if not before.size:
        raise AbsentError("no cell has a score in both runs")
    worst = [np.nanmin(scores, axis=0) for scores in (before, after)]
    used = np.asarray(~(np.isnan(old.values) | np.isnan(new.values)).all(axis=0))
    return Units(worst[0] - worst[1], float(worst[0].mean()), float(worst[1].mean()), used=used)


def _consistency(old: Block, new: Block) -> Units:
    if len(old.phrasing_ids) < 2:
        raise AbsentError("one phrasing has nothing to agree with")
    if (old.labels < 0).all() and (new.labels < 0).all():
        raise AbsentError("no predictions are recorded")
    code = STATUSES.index("missing")
    missing = (old.status == code) | (new.status == code)
    shares = [
        mean_over(
            np.stack(
                [
                    stats.consistency_per_instance(
                        one.labels.astype(np.int64), missing=missing | (one.status == code)
                    )
                    for one in block.each
                ]
            ),
            axis=0,
        )
        for block in (old, new)
    ]
    there = ~(np.isnan(shares[0]) | np.isnan(shares[1]))
    before, after = (share[there] for share in shares)
    if not before.size:
        raise AbsentError("no instance has answers under two phrasings in both runs")
    return Units(before - after, float(before.mean()), float(after.mean()), used=there)


def _unparsed_rate(old: Block, new: Block) -> Units:
    missing, unparsed = STATUSES.index("missing"), STATUSES.index("unparsed")
    there = (old.status != missing) & (new.status != missing)
    shares = (
        np.mean([one.status == unparsed for one in block.each], axis=0) for block in (old, new)
    )
    cells = [np.where(there, share, np.nan) for share in shares]
    return _cells(*cells, sign=1.0, absent="no cell was answered in both runs")


def _cells(before: Floats, after: Floats, *, sign: float, absent: str) -> Units:
    """Mean of one number per cell, over the cells that have it in both runs."""
    there = ~(np.isnan(before) | np.isnan(after))
    used = np.asarray(there.any(axis=0))
    if not used.any():
        raise AbsentError(absent)
    count = there.sum(axis=0)[used]
    old, new = (np.where(there, cells, 0.0).sum(axis=0)[used] / count for cells in (before, after))
    return Units(sign * (new - old), float(old.mean()), float(new.mean()), used=used)


def _share(state: str) -> Callable[[Block, Block], Units]:
    return lambda old, new: _cells(
        share_cells(old, state),
        share_cells(new, state),
        sign=1.0,
        absent="no cell was answered in both runs",
    )


def _fitting(names: tuple[str, ...]) -> Callable[[Block, Block], Units]:
    return lambda old, new: _cells(
        form_cells(old, names),
        form_cells(new, names),
        sign=-1.0,
        absent="no text with a form to keep to",
    )


def _answered_mean(old: Block, new: Block) -> Units:
    given = [
        np.where(
            np.maximum(share_cells(one, "refused"), share_cells(one, "cut")) == 0,
            one.values,
            np.nan,
        )
        for one in (old, new)
    ]
    return _cells(*given, sign=-1.0, absent="no cell has an answer in both runs")


def _ece(old: Block, new: Block) -> Units:
    """Calibration error as a mean over cells: confidence minus score, with the sign of its bin.

    The signs are taken as known, which is right but for bins that hold as much confidence as score.
    """
    there = ~np.isnan(old.confidence + old.values + new.confidence + new.values)
    cells = [
        np.where(there, signed_gap(one.confidence, one.values, there), np.nan) for one in (old, new)
    ]
    return _cells(*cells, sign=1.0, absent="no probabilities are recorded")


def signed_gap(confidence: Floats, scores: Floats, there: npt.NDArray[np.bool_]) -> Floats:
    """Return numbers per cell whose mean over `there` is the calibration error of ten equal bins.

    Examples
    --------
    >>> sure, y = np.array([[0.95, 0.95, 0.15]]), np.array([[1.0, 0.0, 0.0]])
    >>> signed_gap(sure, y, sure > 0).round(2).tolist()
    [[-0.05, 0.95, 0.15]]
    """
    place = np.clip(np.ceil(np.where(there, confidence, 0.0) * 10).astype(np.int64) - 1, 0, 9)
    gap = np.where(there, confidence - scores, 0.0)
    signs = np.sign(np.bincount(place.ravel(), weights=gap.ravel(), minlength=10))
    return np.asarray(signs[place] * gap)


def _label_adherence(old: Block, new: Block) -> Units:
    if not old.labelled:
        raise AbsentError("no task asks for a label as a text")
    return _fitting(FITTING["adherence"])(old, new)


def _above_chance(old: Block, new: Block) -> Units:
    if not old.chance < 1:
        raise AbsentError("nobody said what guessing scores")
    found = _mean(old, new)
    part = 1.0 / (1.0 - old.chance)
    return replace(
        found,
        harm=found.harm * part,
        old=(found.old - old.chance) * part,
        new=(found.new - old.chance) * part,
        within=found.within * part**2,
    )


def _pass_at(k: int) -> Callable[[Block, Block], Units]:
    def units(old: Block, new: Block) -> Units:
        n = min(old.repeats, new.repeats)
        if old.repeats != new.repeats or n < k:
            raise AbsentError(f"needs the same number of repeats in both runs, at least {k}")
        cells = []
        for block in (old, new):
            right = block.values * n
            whole = np.abs(right - np.round(right)) < 1e-6
            table = np.array([stats.pass_at_k(n, c, k) for c in range(n + 1)])
            place = np.where(whole, np.round(right), 0).astype(np.int64)
            cells.append(np.where(whole, table[place], np.nan))
        return _cells(*cells, sign=-1.0, absent="no cell was repeated in both runs")

    return units


def _reliable_at(k: int) -> Callable[[Block, Block], Units]:
    def units(old: Block, new: Block) -> Units:
        gone = np.isnan(old.values) | np.isnan(new.values)
        items = [
            stats.reliable_at_k(np.where(gone, np.nan, one.values), k)[None, :]
            for one in (old, new)
        ]
        return _cells(*items, sign=-1.0, absent=f"no instance has scores under {k} phrasings")

    return units


def _judged(old: Block, new: Block) -> Units:
    if old.judged is None or new.judged is None:
        raise AbsentError("no judge was asked (evalkit judge)")
    return _cells(old.judged, new.judged, sign=-1.0, absent="no answer was judged in both runs")


def _of_confidence(function: Callable[[Floats, Floats], Floats]) -> Callable[[Block, Block], Units]:
    return lambda old, new: _cells(
        *(function(one.confidence, one.values) for one in (old, new)),
        sign=1.0,
        absent="no probabilities are recorded",
    )


def _reliance(old: Block, new: Block) -> Units:
    """Correct phrasings minus controls, of blocks that hold both."""
    kinds = np.array(old.kinds)
    arms = [old.headline & (kinds == "correct"), kinds != "correct"]
    if not (arms[0].any() and arms[1].any()):
        raise AbsentError("no control phrasings were asked (--kinds)")
    return _of_arms(
        old,
        new,
        arms,
        falls=True,
        absent="no instance has a score under correct and control phrasings",
    )


LINEAR: Mapping[str, Callable[[Block, Block], Units]] = {
    "mean": _mean,
    "seen_mean": _seen_mean,
    "unseen_mean": _unseen_mean,
    "gap": _gap,
    "against_english": _against_english,
    "worst_instance": _worst_instance,
    "consistency": _consistency,
    "unparsed_rate": _unparsed_rate,
    **{name: _share(SHARES[name]) for name in ("refusal_rate", "cut_rate", "unusable_rate")},
    **{name: _fitting(forms) for name, forms in FITTING.items()},
    "answered_mean": _answered_mean,
    "judged_mean": _judged,
    "label_adherence": _label_adherence,
    **{"ece": _ece, "accuracy_norm": _above_chance},
    **{f"pass_at_{k}": _pass_at(k) for k in PASS_AT},
    **{f"reliable_at_{k}": _reliable_at(k) for k in RELIABLE_AT},
    "brier_answer": _of_confidence(lambda sure, right: (sure - right) ** 2),
    "overconfidence": _of_confidence(lambda sure, right: sure - right),
    "sure_errors": _of_confidence(stats.sure_errors),
    "reliance": _reliance,
}
"""Metrics that are a mean of one number per instance."""
WIDE = frozenset({"gap", "delta", "against_english", "reliance", "overconfidence", "accuracy_norm"})
"""Metrics whose harm can be as large as 2."""
CONTROLS = frozenset({"reliance"})
"""Those that need control phrasings, which other metrics leave out."""
