"""A score table made elsewhere -> estimates, tests and phrasings, over the whole and over every
level of its factors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from evalkit.analysis.aggregated import estimate_aggregated
from evalkit.analysis.estimating import Known, estimate
from evalkit.analysis.pairing import PairedTest, paired_tests
from evalkit.analysis.phrasings_file import phrasing_rows
from evalkit.catalog.score_columns import ScoreFile
from evalkit.errors import TableError, UsageError
from evalkit.records import Estimate
from evalkit.records.questions import Named
from evalkit.scoring import ScoreTable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableSettings", "chances", "estimates_of", "phrasings_of", "tests_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSettings:
    """What is computed of a score table."""

    factors: Sequence[str] = ()
    """Columns to group by; every level is analysed too."""
    reference: str | Mapping[str, str] | None = None
    """Clean phrasing of drop rates, or attacked id -> reference id."""
    chance: Mapping[str, float] = field(default_factory=dict)
    """Task id -> score of guessing; under the empty text that of all other tasks."""
    level: float = 0.95
    """Level of intervals."""
    n_resamples: int = 4000
    """Draws per interval that needs draws."""
    question: str = "phrasings"
    """A name in `evalkit.records.questions`, or ``both`` for ``phrasings`` and ``these``."""
    seed: int = 0
    """Seed of the draws."""


def estimates_of(file: ScoreFile, settings: TableSettings) -> list[Estimate]:
    """Return the estimates of the whole table, then of every level of every factor.

    Raises
    ------
    UsageError
        When the table has no such factor or reference.
    TableError
        When the rows cannot be analysed.
    """
    frame = file.frame
    absent = [name for name in settings.factors if name not in frame]
    if absent:
        raise UsageError(
            f"--factor {absent[0]}: {file.origin} has no such column; columns: "
            f"{', '.join(map(str, frame.columns))}."
        )
    reference = settings.reference
    if reference is not None:
        _refuse_unknown(frame, reference, file.origin)
    parts: list[tuple[str, pd.DataFrame]] = [("", frame)]
    for name in settings.factors:
        parts += [
            (f"{name}={value}", part)
            for value, part in frame.groupby(name, observed=True, sort=True)
        ]
    rows: list[Estimate] = []
    for group, part in parts:
        try:
            rows += _one_part(file, part, group, reference=reference, settings=settings)
        except TableError:
            if group or not settings.factors:
                raise
            # subtle: the factor may be what tells two rows of one phrasing apart, so that only its
            # levels can be analysed
            if not frame.duplicated(
                [name for name in ("model", "task", "phrasing_id", "instance_id") if name in frame]
            ).any():
                raise
            continue
        if group and reference is not None:
            rows += _drops_of_group(file, part, group, reference=reference, settings=settings)
    return rows


def _drops_of_group(
    file: ScoreFile,
    part: pd.DataFrame,
    group: str,
    *,
    reference: str | Mapping[str, str],
    settings: TableSettings,
) -> list[Estimate]:
    """Drop rates of a factor level whose references lie outside it.

    Attacks of one kind against the clean phrasing.
    """
    import pandas as pd

    ids = set(part["phrasing_id"].astype(str))
    pairs = (
        dict.fromkeys(ids - {reference}, reference)
        if isinstance(reference, str)
        else {a: c for a, c in reference.items() if a in ids}
    )
    absent = set(pairs.values()) - ids
    if not absent:
        return []
    clean = file.frame[file.frame["phrasing_id"].astype(str).isin(absent)]
    found = _one_part(file, pd.concat([part, clean]), group, reference=pairs, settings=settings)
    return [row for row in found if row.metric.startswith("pdr")]


def _one_part(
    file: ScoreFile,
    frame: pd.DataFrame,
    group: str,
    *,
    reference: str | Mapping[str, str] | None,
    settings: TableSettings,
) -> list[Estimate]:
    rest = settings.chance.get("")
    tasks = [str(task) for task in frame["task"].unique()] if rest is not None else []
    chance = {**dict.fromkeys(tasks, rest or 0.0), **settings.chance}
    if file.layout != "cells":
        return estimate_aggregated(
            frame,
            level=settings.level,
            reference=reference,
            chance=chance,
            group=group,
            origin=file.origin,
            question=cast(Named, "phrasings" if settings.question == "both" else settings.question),
        )
    table = ScoreTable.from_frame(frame, origin=file.origin)
    both = settings.question == "both"
    rows: list[Estimate] = []
    questions: list[Named] = ["random", "fixed"] if both else [cast(Named, settings.question)]
    for question in questions:
        apart = "phrasings=fixed" if both and question == "fixed" else ""
        rows += estimate(
            table,
            level=settings.level,
            n_resamples=settings.n_resamples,
            seed=settings.seed,
            question=question,
            reference=reference,
            known=Known(chance=chance),
            group=", ".join(filter(None, (group, apart))),
        )
    return rows


def _refuse_unknown(frame: pd.DataFrame, reference: str | Mapping[str, str], origin: str) -> None:
    known = {str(name) for name in frame["phrasing_id"].unique()}
    wanted = {reference} if isinstance(reference, str) else {*reference, *reference.values()}
    strange = sorted(wanted - known)
    if strange and (isinstance(reference, str) or len(strange) == len(wanted)):
        raise UsageError(
            f"{origin}: no phrasing {strange[0]!r} to compare with; phrasings: "
            f"{', '.join(sorted(known)[:10])}."
        )


def tests_of(file: ScoreFile, settings: TableSettings) -> list[PairedTest]:
    """Return the paired tests of a per-instance table:
    pairs of models, attacked phrasings against their reference, gaps.

    Raises
    ------
    UsageError
        When the table has no instances.
    """
    if file.layout != "cells":
        raise UsageError(
            f"--tests: {file.origin} has no instances; a paired test needs one row per instance. "
            "Leave --tests out."
        )
    return paired_tests(
        ScoreTable.from_frame(file.frame, origin=file.origin),
        reference=settings.reference,
        level=settings.level,
        seed=settings.seed,
    )


def phrasings_of(file: ScoreFile) -> list[dict[str, Any]] | None:
    """Return the rows of ``phrasings.csv`` of a per-instance table that has one row per cell;
    None of any other.
    """
    keys = ["model", "task", "phrasing_id", "instance_id"]
    keys += ["repeat"] if "repeat" in file.frame else []
    if file.layout != "cells" or file.frame.duplicated(keys).any():
        return None
    table = ScoreTable.from_frame(file.frame, origin=file.origin)
    return [
        row
        for model in table.models
        for row in phrasing_rows(table.select({"model": model}), {}, {})
    ]


def chances(given: Iterable[str]) -> dict[str, float]:
    """Return task -> score of guessing.

    Parameters
    ----------
    given
        ``F`` for all tasks, or ``TASK=F``.

    Raises
    ------
    UsageError
        When there is no such score.

    Examples
    --------
    >>> chances(["0.25", "bbh/navigate=0.5"])
    {'': 0.25, 'bbh/navigate': 0.5}
    """
    found: dict[str, float] = {}
    for text in given:
        task, _, digits = text.rpartition("=")
        try:
            chance = float(digits)
        except ValueError:
            chance = math.nan
        if not 0 <= chance < 1:
            raise UsageError(
                f"--chance: {text!r} is no score of guessing; accepted: F or TASK=F with F from 0 "
                "to below 1, such as 0.25."
            )
        found[task] = chance
    return found
