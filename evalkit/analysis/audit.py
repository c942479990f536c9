"""consistency checks on a published score table, per instance or aggregated.

Every check says what it looked at, what it found and what it assumes. It never repairs anything.
Levels: ``error`` (figures made from these rows are not what they claim to be), ``warning`` (may be
right, needs a look), ``note`` (worth knowing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from evalkit.errors import TableError
from evalkit.stats.point.granularity import Fit, find_counts, fits, half_unit

__all__ = ["CHECKS", "Finding", "audit"]

Floats: TypeAlias = npt.NDArray[np.float64]
Level = Literal["error", "warning", "note"]
Declared: TypeAlias = Mapping[str, int] | int | None

UNLIKELY = 1e-6
"""Chance below which a run of zeros is called unfinished cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a check found."""

    check: str
    """Name of the check."""
    level: Level
    """How much it matters."""
    model: str
    """Model, or empty for the whole table."""
    task: str
    """Task, or empty for the whole table."""
    message: str
    """What was found, with the numbers."""


def audit(frame: pd.DataFrame, *, aggregated: bool, declared: Declared = None) -> list[Finding]:
    """Return everything the checks find, sorted by level, model and task.

    Parameters
    ----------
    frame
        Rows with ``model, task, phrasing_id, score``; per instance also ``instance_id``; aggregated
        tables may have ``score_text`` (the score as printed) and ``n_instances``. Rows are taken in
        file order.
    aggregated
        Whether a row is the mean score of a phrasing.
    declared
        Number of instances the table claims, for all tasks or by task; overrides ``n_instances``.

    Raises
    ------
    TableError
        When the table has no rows or no score is a number.
    """
    if frame.empty:
        raise TableError("audit: the table has no rows; at least one is needed.")
    scores = pd.to_numeric(frame["score"], errors="coerce").to_numpy(
        dtype=np.float64, na_value=np.nan
    )
    if np.isnan(scores).all():
        raise TableError("audit: no score is a number; numbers from 0 to 1 are accepted.")
    rows = frame.reset_index(drop=True).assign(score=scores)
    for name in ("model", "task", "phrasing_id", *(["instance_id"] if not aggregated else [])):
        rows[name] = rows[name].astype("category")
    found = list(_whole_table(rows, aggregated=aggregated))
    if np.nanmax(scores) > 1 and np.nanmin(scores) >= 0 and np.nanmax(scores) <= 100 and aggregated:
        rows["score"] = rows["score"] / 100
    checks: list[Callable[[_Part], Iterator[Finding]]] = [_duplicate_texts, _missing]
    checks += (
        [_whole_numbers, _zero_means]
        if aggregated
        else [_instance_sets, _unfinished, _no_answer, _same_cells]
    )
    for (model, task), part in rows.groupby(["model", "task"], observed=True, sort=True):
        context = _Part(
            str(model),
            str(task),
            part,
            _declared(declared, str(task), part),
            bool(np.nanmax(scores) > 1),
        )
        for check in checks:
            found += check(context)
    if not aggregated:
        found += _across_models(rows)
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(
        found,
        key=lambda finding: (
            order[finding.level],
            finding.model,
            finding.task,
            finding.check,
            finding.message,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows of one model on one task."""

    model: str
    task: str
    rows: pd.DataFrame
    declared: int | None
    percent: bool

    def finding(self, check: str, level: Level, message: str) -> Finding:
        return Finding(check=check, level=level, model=self.model, task=self.task, message=message)


def _declared(declared: Declared, task: str, part: pd.DataFrame) -> int | None:
    if isinstance(declared, int):
        return declared
    if declared and task in declared:
        return declared[task]
    if "n_instances" in part and part["n_instances"].notna().any():
        stated = part["n_instances"].dropna()
        return int(stated.mode().iloc[0])
    return None


def _whole_table(rows: pd.DataFrame, *, aggregated: bool) -> Iterator[Finding]:
    score = rows["score"]
    low, high = float(score.min()), float(score.max())
    if low < 0 or high > 1:
        outside = int(((score < 0) | (score > 1)).sum())
        if aggregated and low >= 0 and high <= 100:
            yield Finding(
                check="range",
                level="note",
                model="",
                task="",
                message=f"scores reach {high:g}: read as percentages and divided by 100",
            )
        else:
            yield Finding(
                check="range",
                level="error",
                model="",
                task="",
                message=f"{outside} scores lie outside [0, 1], from {low:g} to {high:g}",
            )
    key = [
        "model",
        "task",
        "phrasing_id",
        *([] if aggregated else ["instance_id"]),
        *(["repeat"] if "repeat" in rows else []),
    ]
    again = rows.duplicated(key, keep=False)
    if again.any():
        groups = rows[again].groupby(key, observed=True)["score"].nunique(dropna=False)
        first = ", ".join(
            f"{name} {value!r}" for name, value in zip(key, groups.index[0], strict=True)
        )
        yield Finding(
            check="duplicates",
            level="error",
            model="",
            task="",
            message=f"{len(groups)} {'rows' if aggregated else 'cells'} occur more than once, {int((groups > 1).sum())} of them with different "
            f"scores; first {first}",
        )


def _duplicate_texts(part: _Part) -> Iterator[Finding]:
    name = next(
        (column for column in ("text", "phrasing_text", "instruction") if column in part.rows), None
    )
    if name is None:
        return
    texts = part.rows[["phrasing_id", name]].drop_duplicates().dropna()
    same = texts[name].astype(str).str.split().str.join(" ").str.casefold()
    for text, ids in texts["phrasing_id"].astype(str).groupby(same):
        if ids.nunique() > 1 and text:
            shown = str(text) if len(str(text)) <= 60 else f"{str(text)[:57]}..."
            yield part.finding(
                "duplicate_text",
                "error",
                f"phrasings {_some(ids.unique())} have the same text {shown!r} (case and spacing aside); they count as one phrasing",
            )


def _missing(part: _Part) -> Iterator[Finding]:
    missing = int(part.rows["score"].isna().sum())
    if missing:
        yield part.finding(
            "missing",
            "warning",
            f"{missing} of {len(part.rows)} scores are empty; statistics leave them out and must say so",
        )


def _whole_numbers(part: _Part) -> Iterator[Finding]:
    """Check whether score x n is a whole number for the declared n, and find which n does it."""
    means = part.rows["score"].to_numpy()
    texts = (
        part.rows["score_text"].astype(str)
        if "score_text" in part.rows
        else part.rows["score"].map(repr)
    )
    half = np.array([half_unit(text) if text not in ("", "nan") else np.nan for text in texts]) / (
        100 if part.percent else 1
    )
    known = ~np.isnan(means)
    stated = (
        part.rows["n_instances"].dropna().unique() if "n_instances" in part.rows else np.array([])
    )
    if stated.size > 1:
        yield part.finding(
            "different_n",
            "error",
            f"rows state {_some(sorted(int(n) for n in stated))} instances within one comparison",
        )
    n = part.declared
    if n is not None:
        testable = known & (2 * half * n < 0.5)
        if testable.any():
            whole = fits(means, np.maximum(half, 2.0**-23 * np.abs(means)), n)
            off = testable & ~whole
            if off.any():
                first = part.rows.iloc[int(np.argmax(off))]
                yield part.finding(
                    "whole_number",
                    "error",
                    f"{int(off.sum())} of {int(testable.sum())} scores are not a whole number of the declared {n:,} instances; first phrasing "
                    f"{first['phrasing_id']!r}: {first['score']:.9g} x {n} = {first['score'] * n:.3f}",
                )
        elif known.any():
            yield part.finding(
                "whole_number",
                "note",
                f"scores are printed too coarsely to tell whether they come from {n:,} instances",
            )
    yield from _fitting(part, find_counts(means, half))


def _fitting(part: _Part, found: list[Fit]) -> Iterator[Finding]:
    total = int(part.rows["score"].notna().sum())
    arms = part.rows["seen"].astype(str).to_numpy() if "seen" in part.rows else None
    if part.declared:  # a divisor of the declared number is the declared number with even counts
        found = [
            replace(fit, n=part.declared) if part.declared % fit.n == 0 else fit for fit in found
        ]
    for fit in found:
        where = ""
        if arms is not None:
            names, counts = np.unique(arms[list(fit.rows)], return_counts=True)
            where = (
                " ("
                + ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
                + ")"
            )
        hint = ""
        if part.declared and fit.n > part.declared and fit.n % 8 == 0:
            hint = f"; {fit.n:,} is more than declared and a multiple of 8: a last batch that was filled up, or repeated instances"
        elif fit.n == part.declared:
            hint = ", the declared number"
        yield part.finding(
            "fits",
            "note" if part.declared in (None, fit.n) else "error",
            f"{len(fit.rows)} of {total} scores{where} fit {fit.n:,} instances{' to single precision' if fit.single else ''}{hint}",
        )
    if len(found) > 1:
        counts_of = " and ".join(f"{fit.n:,} ({len(fit.rows)} rows)" for fit in found)
        yield part.finding(
            "different_n",
            "error",
            f"scores within one comparison come from different numbers of instances: {counts_of}",
        )
    explained = sum(len(fit.rows) for fit in found)
    if found and explained < total:
        yield part.finding(
            "fits",
            "warning",
            f"{total - explained} of {total} scores fit no number of instances up to 100,000 that accident would not explain",
        )


def _zero_means(part: _Part) -> Iterator[Finding]:
    score = part.rows["score"]
    zero = score == 0
    rest = score[~zero & score.notna()]
    if zero.any() and len(rest) and rest.min() > 0.05:
        yield part.finding(
            "unfinished",
            "warning",
            f"phrasings {_some(part.rows.loc[zero, 'phrasing_id'].astype(str))} score exactly 0 while the lowest other scores {rest.min():.3f}; "
            "an unfinished phrasing counted as 0 looks like this",
        )


def _instance_sets(part: _Part) -> Iterator[Finding]:
    """Check that every phrasing, and every arm, was scored on the same instances."""
    scored = part.rows[part.rows["score"].notna()]
    counts = scored.groupby("phrasing_id", observed=True)["instance_id"].nunique()
    union = int(scored["instance_id"].nunique())
    short = counts[counts < union]
    if len(short):
        everywhere = scored.groupby("instance_id", observed=True)["phrasing_id"].nunique()
        shared = int((everywhere == len(counts)).sum())
        yield part.finding(
            "instance_sets",
            "error",
            f"phrasings were scored on different instances: {len(short)} of {len(counts)} lack some of the {union} (from {int(counts.min())} to "
            f"{int(counts.max())} each), {shared} are shared by all; first {short.index[0]!r}. Differences must be paired on the shared ones",
        )
    if "seen" in scored:
        sets = {
            str(arm): frozenset(ids)
            for arm, ids in scored.groupby("seen", observed=True)["instance_id"]
        }
        if {"seen", "unseen"} <= set(sets) and sets["seen"] != sets["unseen"]:
            yield part.finding(
                "instance_sets",
                "error",
                f"the seen arm has {len(sets['seen'])} instances and the unseen arm {len(sets['unseen'])}, {len(sets['seen'] & sets['unseen'])} shared",
            )
    if part.declared is not None and union != part.declared:
        yield part.finding(
            "different_n", "error", f"{union:,} distinct instances, declared are {part.declared:,}"
        )


def _unfinished(part: _Part) -> Iterator[Finding]:
    """Find phrasings whose last cells in file order are all 0, longer than chance explains."""
    scored = part.rows[part.rows["score"].notna()]
    if scored.empty:
        return
    codes = scored["phrasing_id"].cat.codes.to_numpy()
    order = np.argsort(codes, kind="stable")
    score = scored["score"].to_numpy()[order]
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    ends = np.append(starts[1:], len(order))
    last = np.maximum.reduceat(np.where(score > 0, np.arange(len(score)), -1), starts)
    done = np.maximum(last + 1, starts) - starts
    tail = ends - starts - done
    hits = np.add.reduceat(score, starts)
    rate = np.divide(hits, done, out=np.zeros_like(hits), where=done > 0)
    overall = float(score.mean())
    chance = np.power(1 - np.where(done > 0, rate, overall), tail)
    names = part.rows["phrasing_id"].cat.categories[codes[order][starts]]
    flagged = (tail >= 10) & (chance * len(starts) < UNLIKELY)
    if flagged.any():
        first = int(np.argmax(flagged))
        yield part.finding(
            "unfinished",
            "error",
            f"phrasings {_some(names[flagged])} end in scores of 0 that accident does not explain, {names[first]!r} in {int(tail[first])} after "
            f"{int(done[first])} with mean {rate[first]:.3f} (chance {chance[first]:.1e}): unfinished cells counted as 0? Order in the file is taken as order of work",
        )


def _no_answer(part: _Part) -> Iterator[Finding]:
    if "prediction" not in part.rows:
        return
    answer = part.rows["prediction"]
    empty = answer.isna() | (answer.astype(object) == "")
    stated = (
        part.rows["status"].astype(object).isin(["unparsed", "missing"])
        if "status" in part.rows
        else pd.Series(False, index=part.rows.index)
    )
    odd = empty & (part.rows["score"] == 0) & ~stated
    if odd.any() and not empty.all():
        yield part.finding(
            "unfinished",
            "warning",
            f"{int(odd.sum())} cells have no prediction and score 0; an unusable answer (0) and an absent one (empty) cannot be told apart here",
        )


def _same_cells(part: _Part) -> Iterator[Finding]:
    """Find phrasings whose scores are the same cell by cell."""
    seen: dict[Any, str] = {}
    pairs: list[str] = []
    for phrasing, rows in part.rows.groupby("phrasing_id", observed=True):
        if len(rows) < 20 or rows["score"].nunique() < 2:
            continue
        ordered = rows.sort_values("instance_id")
        key = (tuple(ordered["instance_id"].cat.codes), ordered["score"].to_numpy().tobytes())
        other = seen.setdefault(hash(key), str(phrasing))
        if other != str(phrasing):
            pairs.append(f"{other} = {phrasing}")
    if pairs:
        yield part.finding(
            "same_cells",
            "warning",
            f"phrasings have the same score on every instance: {_some(pairs)}; one of them may be a copy",
        )


def _across_models(rows: pd.DataFrame) -> Iterator[Finding]:
    for task, part in rows[rows["score"].notna()].groupby("task", observed=True):
        sets = {
            str(model): frozenset(ids.cat.codes)
            for model, ids in part.groupby("model", observed=True)["instance_id"]
        }
        sizes = {model: len(ids) for model, ids in sets.items()}
        if len(set(sets.values())) > 1:
            shared = len(frozenset.intersection(*sets.values()))
            stated = ", ".join(f"{model} {size}" for model, size in sizes.items())
            yield Finding(
                check="instance_sets",
                level="error",
                model="",
                task=str(task),
                message=f"models were scored on different instances ({stated}; {shared} shared)",
            )


def _some(names: Any, most: int = 3) -> str:
    listed = [str(name) for name in names]
    return ", ".join(listed[:most]) + (
        f" and {len(listed) - most} more" if len(listed) > most else ""
    )


CHECKS = {
    "range": "every score lies in [0, 1]",
    "duplicates": "one row per phrasing (aggregated) or per cell",
    "duplicate_text": "no two phrasings of a task have the same text (columns text, phrasing_text or instruction)",
    "missing": "how many scores are empty",
    "whole_number": "score x declared n is a whole number, to the printed precision; assumes scores of 0 or 1",
    "fits": "which n the printed scores fit, where accident would not",
    "different_n": "one n within a comparison",
    "unfinished": "cells that look unfinished but count as 0",
    "instance_sets": "phrasings, arms and models were scored on the same instances",
    "same_cells": "no two phrasings have the same score on every instance",
}
"""Name of every check -> what it verifies."""
