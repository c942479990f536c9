"""What the rule of scoring makes of a run: a row per rule, and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.analysis.by_scorer import ScorerRow, made_by_scorer
from evalkit.report.terminal import counted
from evalkit.report.text import points, signed

__all__ = ["ScorerTable", "made_sentences", "scorer_tables"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerTable:
    """The rules that one kind of answers can be scored by."""

    answers: str
    """Kind of answers."""
    heads: tuple[str, ...]
    """Heads of the columns."""
    rows: tuple[tuple[str, ...], ...]
    """Cells, in percentage points."""
    texts: int
    """How many of the first columns hold names."""
    made: tuple[str, ...]
    """What the rule makes of the spread, a sentence per model."""


def made_sentences(rows: Sequence[ScorerRow]) -> list[str]:
    """Return what the rule alone makes of the spread, a sentence per model and set of cells."""
    said = []
    for found in made_by_scorer(rows):
        most, least = points(found.most.spread), points(found.least.spread)
        where = f"({found.model}, {counted(found.most.n_tasks, 'task')})"
        said.append(
            f"{points(found.share)} of {most} points of this spread are made by the scorer "
            f"{where}: {most} under {_named(found.most)}, {least} under {_named(found.least)}."
            if found.share > 0
            else f"None of the {most} points of this spread are made by the scorer {where}."
        )
    return said


def _named(row: ScorerRow) -> str:
    run = [Path(row.run).name] if row.run else []
    return f"{row.scorer} ({', '.join([row.answers, *run])})"


def scorer_tables(rows: Sequence[ScorerRow]) -> list[ScorerTable]:
    """Return a table per kind of answers; the column of ranks only where models are ranked.

    Parameters
    ----------
    rows
        Runs under rules, as `evalkit.analysis.by_scorer.scorer_rows` returns them.
    """
    found = []
    for kind in dict.fromkeys(row.answers for row in rows):
        mine = [row for row in rows if row.answers == kind]
        several = len({row.run for row in mine}) > 1
        ranked = any(row.rank == row.rank for row in mine)
        names = (*(("run",) if several else ()), "model", "scorer")
        heads = (*names, "tasks", "mean", "spread", "std", "gap", *(("rank",) if ranked else ()))
        cells = tuple(
            (
                *((Path(row.run).name,) if several else ()),
                row.model,
                row.scorer,
                str(row.n_tasks),
                *(points(number) for number in (row.mean, row.spread, row.std)),
                signed(row.gap),
                *((f"{row.rank:g}" if row.rank == row.rank else "–",) if ranked else ()),
            )
            for row in mine
        )
        made = tuple(made_sentences(mine))
        table = ScorerTable(answers=kind, heads=heads, rows=cells, texts=len(names), made=made)
        found.append(table)
    return found
