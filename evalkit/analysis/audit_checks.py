"""Checks of one model on one task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from evalkit.stats.point.granularity import Fit, find_counts, fits, half_unit

__all__ = [
    "Finding",
    "Part",
    "duplicate_texts",
    "instance_sets",
    "missing_scores",
    "no_answer",
    "no_numbers",
    "same_cells",
    "some",
    "unfinished",
    "whole_numbers",
    "zero_means",
]

Level = Literal["error", "warning", "note"]
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
    fitted: int = 0
    """Number of instances that scores were found to fit; 0 for any other finding."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one model on one task."""

    model: str
    task: str
    rows: pd.DataFrame
    declared: int | None
    percent: bool

    def finding(self, check: str, level: Level, message: str, *, fitted: int = 0) -> Finding:
        """Return a finding of this model and task."""
        return Finding(
            check=check,
            level=level,
            model=self.model,
            task=self.task,
            message=message,
            fitted=fitted,
        )


def duplicate_texts(part: Part) -> Iterator[Finding]:
    """Yield phrasings that have one text."""
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
                f"phrasings {some(ids.unique())} have the same text {shown!r} (case and spacing "
                "aside); they count as one phrasing",
            )


def no_numbers(part: Part) -> Iterator[Finding]:
    """Yield scores that are texts."""
    odd = _texts_for_scores(part)
    if odd.size:
        names, counts = np.unique(odd, return_counts=True)
        stated = [f"{str(name)!r} ({count})" for name, count in zip(names, counts, strict=True)]
        yield part.finding(
            "no_number",
            "error",
            f"{odd.size} of {len(part.rows)} scores are no numbers: {some(stated)}; "
            "they are left out of every other check",
        )


def _texts_for_scores(part: Part) -> npt.NDArray[np.str_]:
    """What stands where a score should, and is neither a number nor nothing."""
    if "score_text" not in part.rows:
        return np.array([], dtype=str)
    texts = part.rows.loc[part.rows["score"].isna(), "score_text"].fillna("").astype(str)
    stripped = texts.str.strip()
    absent = stripped.str.lower().isin(["", "nan", "na", "null", "none"])
    return np.array(stripped[~absent], dtype=str)


def missing_scores(part: Part) -> Iterator[Finding]:
    """Yield how many scores are empty."""
    missing = int(part.rows["score"].isna().sum()) - _texts_for_scores(part).size
    if missing:
        yield part.finding(
            "missing",
            "warning",
            f"{missing} of {len(part.rows)} scores are empty; statistics leave them out and must "
            "say so",
        )


def whole_numbers(part: Part) -> Iterator[Finding]:
    """Check whether score x n is a whole number for the declared n, and find which n does it."""
    means = part.rows["score"].to_numpy()
    texts = (
        part.rows["score_text"].astype(str)
        if "score_text" in part.rows
        else part.rows["score"].map(repr)
    )
    known = ~np.isnan(means)
    half = np.array(
        [half_unit(text) if there else np.nan for text, there in zip(texts, known, strict=True)]
    ) / (100 if part.percent else 1)
    stated = (
        part.rows["n_instances"].dropna().unique() if "n_instances" in part.rows else np.array([])
    )
    if stated.size > 1:
        yield part.finding(
            "different_n",
            "error",
            f"rows state {some(sorted(int(n) for n in stated))} instances within one comparison",
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
                    f"{int(off.sum())} of {int(testable.sum())} scores are not a whole number of "
                    f"the declared {n:,} instances; first phrasing {first['phrasing_id']!r}: "
                    f"{first['score']:.9g} x {n} = {first['score'] * n:.3f}",
                )
        elif known.any():
            yield part.finding(
                "whole_number",
                "note",
                f"scores are printed too coarsely to tell whether they come from {n:,} instances",
            )
    yield from _fitting(part, find_counts(means, half))


def _fitting(part: Part, found: list[Fit]) -> Iterator[Finding]:
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
            hint = (
                f"; {fit.n:,} is more than declared and a multiple of 8: a last batch that was "
                "filled up, or repeated instances"
            )
        elif fit.n == part.declared:
            hint = ", the declared number"
        yield part.finding(
            "fits",
            "note" if part.declared in (None, fit.n) else "error",
            f"{len(fit.rows)} of {total} scores{where} fit {fit.n:,} "
            f"instances{' to single precision' if fit.single else ''}{hint}",
            fitted=fit.n,
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
            f"{total - explained} of {total} scores fit no number of instances up to 100,000 that "
            "accident would not explain",
        )


def zero_means(part: Part) -> Iterator[Finding]:
    """Yield phrasings that score exactly 0 where all others are far from it."""
    score = part.rows["score"]
    zero = score == 0
    rest = score[~zero & score.notna()]
    if zero.any() and len(rest) and rest.min() > 0.05:
        yield part.finding(
            "unfinished",
            "warning",
            f"phrasings {some(part.rows.loc[zero, 'phrasing_id'].astype(str))} score exactly 0 "
            f"while the lowest other scores {rest.min():.3f}; an unfinished phrasing counted as 0 "
            "looks like this",
        )


def instance_sets(part: Part) -> Iterator[Finding]:
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
            f"phrasings were scored on different instances: {len(short)} of {len(counts)} lack "
            f"some of the {union} (from {int(counts.min())} to {int(counts.max())} each), "
            f"{shared} are shared by all; first {short.index[0]!r}. "
            "Differences must be paired on the shared ones",
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
                f"the seen arm has {len(sets['seen'])} instances and the unseen arm "
                f"{len(sets['unseen'])}, {len(sets['seen'] & sets['unseen'])} shared",
            )
    if part.declared is not None and union != part.declared:
        yield part.finding(
            "different_n", "error", f"{union:,} distinct instances, declared are {part.declared:,}"
        )


def unfinished(part: Part) -> Iterator[Finding]:
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
            f"phrasings {some(names[flagged])} end in scores of 0 that accident does not explain, "
            f"{names[first]!r} in {int(tail[first])} after {int(done[first])} with mean "
            f"{rate[first]:.3f} (chance {chance[first]:.1e}): unfinished cells counted as 0? "
            "Order in the file is taken as order of work",
        )


def no_answer(part: Part) -> Iterator[Finding]:
    """Yield cells that count as 0 without an answer."""
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
            f"{int(odd.sum())} cells have no prediction and score 0; an unusable answer (0) "
            "and an absent one (empty) cannot be told apart here",
        )


def same_cells(part: Part) -> Iterator[Finding]:
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
            f"phrasings have the same score on every instance: {some(pairs)}; "
            "one of them may be a copy",
        )


def some(names: Any, most: int = 3) -> str:
    """Return the first names and how many more there are."""
    listed = [str(name) for name in names]
    return ", ".join(listed[:most]) + (
        f" and {len(listed) - most} more" if len(listed) > most else ""
    )
