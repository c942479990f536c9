"""Consistency checks on a published score table, per instance or aggregated.

Every check says what it looked at, what it found and what it assumes. It never repairs anything.
Levels: ``error`` (figures made from these rows are not what they claim to be), ``warning`` (may be
right, needs a look), ``note`` (worth knowing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

import numpy as np
import pandas as pd

from evalkit.analysis.audit_checks import (
    Finding,
    Part,
    duplicate_texts,
    instance_sets,
    missing_scores,
    no_answer,
    no_numbers,
    same_cells,
    unfinished,
    whole_numbers,
    zero_means,
)
from evalkit.errors import TableError

__all__ = ["CHECKS", "audit", "sorted_findings", "unreadable"]

Declared: TypeAlias = Mapping[str, int] | int | None


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
    checks: list[Callable[[Part], Iterator[Finding]]] = [
        duplicate_texts,
        no_numbers,
        missing_scores,
    ]
    checks += (
        [whole_numbers, zero_means]
        if aggregated
        else [instance_sets, unfinished, no_answer, same_cells]
    )
    for (model, task), part in rows.groupby(["model", "task"], observed=True, sort=True):
        context = Part(
            str(model),
            str(task),
            part,
            _declared(declared, str(task), part),
            bool(np.nanmax(scores) > 1),
        )
        for check in checks:
            found += check(context)
    if aggregated:
        found += _sizes_across_models(found)
    else:
        found += _across_models(rows)
    return sorted_findings(found)


def sorted_findings(found: Iterable[Finding]) -> list[Finding]:
    """Return findings by level, model, task and check."""
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


def unreadable(fault: str) -> Finding:
    """Return the finding for a file of a folder that is no score table, from what was wrong with
    it.
    """
    return Finding(check="readable", level="error", model="", task="", message=fault)


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
            message=f"{len(groups)} {'rows' if aggregated else 'cells'} occur more than once, "
            f"{int((groups > 1).sum())} of them with different scores; first {first}",
        )


def _sizes_across_models(found: list[Finding]) -> Iterator[Finding]:
    """Models whose scores of one task fit different numbers of instances, by what was found of
    each.
    """
    sizes: dict[str, dict[str, set[int]]] = {}
    for finding in found:
        if finding.fitted:
            own = sizes.setdefault(finding.task, {})
            own.setdefault(finding.model, set()).add(finding.fitted)
    for task, by_model in sizes.items():
        every = set().union(*by_model.values())
        # subtle: scores that fit half of n fit n too, with even counts
        whole = {n: max(other for other in every if other % n == 0) for n in every}
        found_of = {model: sorted({whole[n] for n in ns}) for model, ns in by_model.items()}
        if len({tuple(ns) for ns in found_of.values()}) > 1:
            stated = ", ".join(
                f"{model} {' and '.join(f'{n:,}' for n in ns)}"
                for model, ns in sorted(found_of.items())
            )
            yield Finding(
                check="different_n",
                level="error",
                model="",
                task=task,
                message=f"models were scored on different numbers of instances: {stated}",
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


CHECKS = {
    "range": "every score lies in [0, 1]",
    "duplicates": "one row per phrasing (aggregated) or per cell",
    "duplicate_text": (
        "no two phrasings of a task have the same text (columns text, phrasing_text or instruction)"
    ),
    "readable": "every file of a folder can be read as a score table",
    "no_number": "every score that is there is a number",
    "missing": "how many scores are empty",
    "whole_number": "score x declared n is a whole number, to the printed precision; assumes "
    "scores of 0 or 1",
    "fits": "which n the printed scores fit, where accident would not",
    "different_n": "one n within a comparison, and for all models on a task",
    "unfinished": "cells that look unfinished but count as 0",
    "instance_sets": "phrasings, arms and models were scored on the same instances",
    "same_cells": "no two phrasings have the same score on every instance",
}
"""Name of every check -> what it verifies."""
