"""The cells behind every row of `evalkit.analysis.dimensions`: which level,
which copies, against what.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis.drops import drop_pairs
from evalkit.scoring import AnswerBlock, Block
from evalkit.stats import Part

__all__ = ["ALONE", "REFERENCES", "SOLVED", "Cut", "cuts", "measures_of"]

Floats: TypeAlias = npt.NDArray[np.float64]
Rows: TypeAlias = npt.NDArray[np.int64]

REFERENCES = ("none", "given", "labels", "text")
"""Levels that other levels of a factor are held against; the first that a factor has."""
TESTED = ("recast",)
"""Factors whose changes have a test beside their interval."""
ALONE = "rule"
"""Factor whose levels are counted, not shown: which rule an instance executes."""
SOLVED = 0.9
"""Accuracy from which a rule counts as solved (Finlayson and others, arXiv 2204.09148)."""
MOST_LEVELS = 24
"""Most levels of a factor that are shown one by one."""
MOST_PAIRS = 36
"""Most pairs of levels of two factors that are shown."""
VOIDED = ("attack_success", "attack_start", "follows_passage")
"""Measures that say nothing of an instance where its reference already has them."""
_WITHOUT_CHANGE = ("attack_start", "void_share")
"""Measures whose change under a perturbation stands in no row: another measure says the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lines:
    """Phrasings that are read together: the headline ones,
    or the copies that one perturbation made.
    """

    label: str
    """Group they are called by; empty for the headline."""
    rows: Mapping[str, list[int]]
    """Phrasing id -> its rows: itself, or its copies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One task: its cells and what its instances vary."""

    block: Block
    """Cells."""
    codes: Rows
    """(N,) origin of every instance, as a number."""
    factors: tuple[Mapping[str, str], ...]
    """(N,) factors of every instance."""
    values: Mapping[str, Floats]
    """``mean`` -> scores, measure -> its values, each (P, N)."""


Cut: TypeAlias = tuple[str, Part, Part | None]
"""Statistic, its cells as (phrasing, origin), and a second arm where it is a gap."""


def cuts(block: Block, answers: AnswerBlock | None) -> Iterator[tuple[str, Cut]]:
    """Yield group and statistic with its cells, for everything that a task varies or measures.

    Parameters
    ----------
    block
        Cells of the task.
    answers
        Its answers, with measures and factors; None: it varies phrasings only.
    """
    yield from _cuts(_task(block, answers))


def _task(block: Block, answers: AnswerBlock | None) -> _Task:
    n = len(block.instance_ids)
    told = answers is not None and bool(answers.factors)
    factors = answers.factors if answers is not None and told else ({},) * n
    origins = answers.origins if answers is not None and told else block.instance_ids
    if tuple(origins) == block.instance_ids and block.groups:
        origins = (
            block.groups
        )  # made from nothing, and still not independent: a passage's questions
    values = {"mean": block.values} | (measures_of(answers) if answers is not None else {})
    return _Task(block=block, codes=_codes(origins), factors=factors, values=values)


def _codes(origins: Sequence[str]) -> Rows:
    return np.unique(np.asarray(origins, dtype=str), return_inverse=True)[1].astype(np.int64)


def measures_of(answers: AnswerBlock) -> dict[str, Floats]:
    """Return everything measured of answers, each (P, N), NaN where it is void;
    with the share that is void.

    Parameters
    ----------
    answers
        Answers of one task.
    """
    told = bool(answers.factors)
    factors = answers.factors if told else ({},) * len(answers.instance_ids)
    codes = _codes(answers.origins if told else answers.instance_ids)
    values = {
        name: _voided(measured, codes, factors) if name in VOIDED else measured
        for name, measured in answers.measures.items()
    }
    if "attack_success" in values:
        raw = answers.measures["attack_success"]
        attacked = np.array([not _is_reference(one) for one in factors])
        void = np.isnan(values["attack_success"]) & ~np.isnan(raw)
        values["void_share"] = np.where(attacked & ~np.isnan(raw), void, np.nan)
    return values


def _is_reference(factors: Mapping[str, str]) -> bool:
    return any(level in REFERENCES[:1] for level in factors.values())


def _voided(values: Floats, codes: Rows, factors: Sequence[Mapping[str, str]]) -> Floats:
    """Values without the references, and without what a reference of the same origin already
    has.
    """
    kept = values.copy()
    reference = np.array([_is_reference(one) for one in factors])
    if not reference.any():
        return kept
    for code in np.unique(codes):
        mine = codes == code
        has = np.nan_to_num(values[:, mine & reference]).max(axis=1, initial=0.0) > 0
        kept[np.ix_(has, mine)] = np.nan
    kept[:, reference] = np.nan
    return kept


def _lines(block: Block) -> list[_Lines]:
    """Headline phrasings, then the copies of every perturbation under the ids of their origins."""
    place = {name: row for row, name in enumerate(block.phrasing_ids)}
    headline = [row for row, kept in enumerate(block.headline) if kept]
    found = [_Lines(label="", rows={block.phrasing_ids[row]: [row] for row in headline})]
    copies: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for copy, origin in drop_pairs(block, None).items():
        label = block.perturbations[place[copy]]
        copies[f"perturbation={label}"][origin].append(place[copy])
    return [*found, *(_Lines(label=label, rows=dict(rows)) for label, rows in copies.items())]


def _levels(factors: Sequence[Mapping[str, str]]) -> list[tuple[str, list[int]]]:
    """Group -> columns: nothing, every level of every factor,
    and every pair of levels that occurs.
    """
    columns: dict[str, list[int]] = {"": list(range(len(factors)))}
    counts: dict[str, set[str]] = defaultdict(set)
    for one in factors:
        for name, level in one.items():
            counts[name].add(level)
    shown = {
        name for name, levels in counts.items() if name != ALONE and 1 < len(levels) <= MOST_LEVELS
    }
    small = {
        pair
        for pair in combinations(sorted(shown), 2)
        if len(counts[pair[0]]) * len(counts[pair[1]]) <= MOST_PAIRS
    }
    for column, one in enumerate(factors):
        mine = [f"{name}={level}" for name, level in sorted(one.items()) if name in shown]
        pairs = [
            f"{a}={one[a]} & {b}={one[b]}"
            for a, b in combinations(sorted(one), 2)
            if (a, b) in small
        ]
        for group in [*mine, *pairs]:
            columns.setdefault(group, []).append(column)
    return list(columns.items())


def _cuts(task: _Task) -> Iterator[tuple[str, Cut]]:
    """Yield group and statistic with its cells, for everything that a task varies or measures."""
    lines = _lines(task.block)
    levels = _levels(task.factors)
    references = _references(task.factors)
    for line in lines:
        for columns_label, columns in levels:
            if line.label and " & " in columns_label:
                continue  # three things at once are for `evalkit analyse --factor`
            group = " & ".join(part for part in (line.label, columns_label) if part)
            for name, values in task.values.items():
                if name == "mean" and not group:
                    continue
                yield from _one(task, line, (name, values), columns, group)
            if line.label:
                yield from _against_origin(task, line, lines[0], columns, group)
            if columns_label and references:
                yield from _against_reference(task, line, columns_label, columns, references, group)
        if line.label:
            yield from _draws(task, line)
    yield from _solved(task, lines[0])


def _cells(
    task: _Task, values: Floats, rows: Mapping[str, Sequence[int]], columns: Sequence[int]
) -> Part | None:
    """(phrasing, origin) values of some rows, copies averaged; None where nothing is there."""
    picked = np.stack(
        [stats.instance_scores(values[list(mine)][:, columns]) for mine in rows.values()]
    )
    return _part(tuple(rows), picked, task.codes[list(columns)])


def _part(names: tuple[str, ...], values: Floats, codes: Rows) -> Part | None:
    if np.isnan(values).all():
        return None
    kept = ~np.isnan(values).all(axis=0)
    codes = np.unique(codes[kept], return_inverse=True)[1].astype(np.int64)
    rows = np.flatnonzero(~np.isnan(values[:, kept]).all(axis=1))
    chosen = tuple(names[row] for row in rows.tolist())
    return Part(chosen, stats.by_group(values[:, kept][rows], codes))


def _one(
    task: _Task, line: _Lines, what: tuple[str, Floats], columns: list[int], group: str
) -> Iterator[tuple[str, Cut]]:
    name, values = what
    part = _cells(task, values, line.rows, columns)
    if part is not None:
        yield group, (name, part, None)
        if name == "mean" and len(part.names) > 1:
            yield group, ("std", part, None)


def _against_origin(
    task: _Task, line: _Lines, headline: _Lines, columns: list[int], group: str
) -> Iterator[tuple[str, Cut]]:
    """Yield what copies change against their phrasings,
    and the gap between seen and unseen under them.
    """
    shared = {name: rows for name, rows in line.rows.items() if name in headline.rows}
    if not shared:
        return
    seen = dict(zip(task.block.phrasing_ids, task.block.seen, strict=True))
    for name, values in task.values.items():
        if name in _WITHOUT_CHANGE or name.startswith("position_"):
            continue
        copied = np.stack(
            [stats.instance_scores(values[rows][:, columns]) for rows in shared.values()]
        )
        own = np.stack([values[headline.rows[one][0]][columns] for one in shared])
        codes = task.codes[columns]
        part = _part(tuple(shared), copied - own, codes)
        if part is not None:
            yield group, ("delta" if name == "mean" else f"delta_{name}", part, None)
        if name != "mean":
            continue
        arms = [np.array([seen[one] == arm for one in shared]) for arm in ("seen", "unseen")]
        if all(arm.any() for arm in arms):
            for metric, cells in (("gap", copied), ("gap_change", copied - own)):
                parts = [
                    _part(tuple(np.array(tuple(shared))[arm].tolist()), cells[arm], codes)
                    for arm in arms
                ]
                if parts[0] is not None and parts[1] is not None:
                    yield group, (metric, parts[0], parts[1])


def _references(factors: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Factor -> the level that others are held against, where it has one."""
    found: dict[str, str] = {}
    for level in reversed(REFERENCES):
        for one in factors:
            found |= {name: level for name, mine in one.items() if mine == level}
    return found


def _against_reference(
    task: _Task,
    line: _Lines,
    label: str,
    columns: list[int],
    references: Mapping[str, str],
    group: str,
) -> Iterator[tuple[str, Cut]]:
    """Yield what a level of a factor changes against the factor's reference."""
    name, _, level = label.partition("=")
    if name not in references or level == references[name] or " & " in label:
        return
    partners = [_partners(task, column, name, references[name]) for column in columns]
    kept = [place for place, mine in enumerate(partners) if mine]
    if not kept:
        return
    values = task.values["mean"]
    rows = [stats.instance_scores(values[list(mine)]) for mine in line.rows.values()]
    changes = np.stack(
        [
            np.array(
                [
                    row[columns[place]] - stats.instance_scores(row[partners[place]][:, None])[0]
                    for place in kept
                ]
            )
            for row in rows
        ]
    )
    part = _part(tuple(line.rows), changes, task.codes[[columns[place] for place in kept]])
    if part is not None:
        yield group, ("delta", part, None)
        if name in TESTED:
            yield group, ("p_of_delta", part, None)


def _partners(task: _Task, column: int, name: str, reference: str) -> list[int]:
    """Instances of the same origin at the reference, equal in every other factor that both have."""
    mine = task.factors[column]
    return [
        other
        for other in np.flatnonzero(task.codes == task.codes[column]).tolist()
        if task.factors[other].get(name) == reference
        and all(
            task.factors[other][key] == level
            for key, level in mine.items()
            if key != name and key in task.factors[other]
        )
    ]


def _draws(task: _Task, line: _Lines) -> Iterator[tuple[str, Cut]]:
    """Yield the copies of one phrasing by the draws that made them,
    for their variance component.
    """
    if all(len(rows) > 1 for rows in line.rows.values()):
        for name, rows in line.rows.items():
            part = _cells(
                task,
                task.values["mean"],
                {f"{name} {draw}": [row] for draw, row in enumerate(rows)},
                list(range(len(task.factors))),
            )
            if part is not None:
                yield line.label, ("var_draw", part, None)


def _solved(task: _Task, headline: _Lines) -> Iterator[tuple[str, Cut]]:
    """Yield which rules are solved under which phrasing."""
    rules = sorted({one[ALONE] for one in task.factors if ALONE in one})
    if not rules:
        return
    columns = [
        [place for place, one in enumerate(task.factors) if one.get(ALONE) == rule]
        for rule in rules
    ]
    rows = [mine[0] for mine in headline.rows.values()]
    accuracy = np.stack(
        [stats.instance_scores(task.values["mean"][rows][:, mine].T) for mine in columns], axis=1
    )
    solved = np.where(np.isnan(accuracy), np.nan, accuracy >= SOLVED - 1e-9)
    yield "", ("share_solved", Part(tuple(headline.rows), solved), None)
