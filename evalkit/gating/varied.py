"""Rules on what a suite measures or varies beside the score:
one block per task in which the cells are that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit.analysis.dimension_cuts import ALONE, REFERENCES, SOLVED, measures_of
from evalkit.gating.units import LINEAR, AbsentError
from evalkit.records.policy import Rule
from evalkit.records.statistics import STATISTICS
from evalkit.scoring import AnswerBlock, Block

__all__ = ["Sides", "is_varied", "rises", "varied"]

Floats: TypeAlias = npt.NDArray[np.float64]
Pair: TypeAlias = tuple[Block, Block]
Answers: TypeAlias = Mapping[str, AnswerBlock]


@dataclass(frozen=True, slots=True)
class Sides:
    """Answers of the baseline and of the candidate by task, read when a rule first asks for
    them.
    """

    read: Callable[[], tuple[Answers, Answers] | None]
    """Gives them; None where a run keeps none."""


def is_varied(rule: Rule) -> bool:
    """Whether a rule needs stored answers: it is on a measure, on rules solved,
    or on a level of a factor.
    """
    return bool(rule.group) or rule.metric == "share_solved" or _is_measure(rule.metric)


def _is_measure(metric: str) -> bool:
    """Whether a metric of a policy is a measure of answers that a gate takes from them."""
    entry = STATISTICS.get(metric)  # aliases, such as worst_phrasing, are made of scores
    return entry is not None and entry.measure and metric not in LINEAR


def rises(metric: str) -> bool:
    """Whether a measure is harm where it rises."""
    return _is_measure(metric) and STATISTICS[metric].harm == "rises"


def varied(rule: Rule, pairs: Sequence[Pair], sides: Sides | None) -> list[Pair]:
    """Return the pairs whose cells are what the rule is on; instances of one origin are one group.

    Raises
    ------
    AbsentError
        When a run keeps no answers, or no task has the measure or the level.
    """
    found = sides.read() if sides is not None else None
    if found is None:
        raise AbsentError("needs the stored answers of both runs (responses.sqlite)")
    kept = [
        (first, second)
        for old, new in pairs
        if (first := _block(rule, old, found[0].get(old.task)))
        and (second := _block(rule, new, found[1].get(new.task)))
    ]
    if not kept:
        what = f" with {rule.group}" if rule.group else ""
        raise AbsentError(f"no task has {rule.metric}{what}")
    return kept


def _block(rule: Rule, block: Block, answers: AnswerBlock | None) -> Block | None:
    """Return a block with other cells; None for a task without them."""
    if answers is None or answers.instance_ids != block.instance_ids:
        return None
    rows = [answers.phrasing_ids.index(name) for name in block.phrasing_ids]
    factors = answers.factors or ({},) * len(block.instance_ids)
    values = block.values.copy()
    if _is_measure(rule.metric):
        measured = measures_of(answers).get(rule.metric)
        if measured is None:
            return None
        values = measured[rows]
    if rule.metric == "delta":
        origins = answers.origins or block.instance_ids
        return _change(block, values, factors, origins=origins, group=rule.group)
    if rule.group:
        name, _, level = rule.group.partition("=")
        mine = np.array([one.get(name) == level for one in factors])
        if not mine.any():
            return None
        values = np.where(mine, values, np.nan)
    if rule.metric == "share_solved":
        return _by_rule(block, values, factors)
    return replace(block, values=values, groups=answers.origins or block.groups)


def _change(
    block: Block,
    values: Floats,
    factors: Sequence[Mapping[str, str]],
    *,
    origins: Sequence[str],
    group: str,
) -> Block | None:
    """Return a block with a column per origin: its mean at a level minus that at the factor's
    reference.
    """
    name, _, level = group.partition("=")
    told = np.array([one.get(name, "") for one in factors])
    reference = next((one for one in REFERENCES if one in told), "")
    if not reference or level == reference or level not in told:
        return None
    names, codes = np.unique(np.asarray(origins, dtype=str), return_inverse=True)
    arms = []
    for which in (level, reference):
        there = ~np.isnan(values) & (told == which)
        member = (codes[:, None] == np.arange(len(names))).astype(np.float64)
        count = there.astype(np.float64) @ member
        with np.errstate(invalid="ignore"):
            arms.append(np.where(there, values, 0.0) @ member / np.where(count, count, np.nan))
    return replace(block, values=arms[0] - arms[1], instance_ids=tuple(names.tolist()), groups=())


def _by_rule(block: Block, values: Floats, factors: Sequence[Mapping[str, str]]) -> Block | None:
    """Return a block with a column per rule: 1 where 90 % or more of its instances are right."""
    rules = sorted({one[ALONE] for one in factors if ALONE in one})
    if not rules:
        return None
    columns = []
    for rule in rules:
        mine = values[:, [one.get(ALONE) == rule for one in factors]]
        there = ~np.isnan(mine).all(axis=1)
        share = np.full(len(mine), np.nan)
        share[there] = np.nanmean(mine[there], axis=1)
        columns.append(np.where(there, share >= SOLVED - 1e-9, np.nan))
    return replace(block, values=np.stack(columns, axis=1), instance_ids=tuple(rules), groups=())
