"""Two runs line by line: both values, the difference with interval and test, a verdict, flips.

The same lines stand on the page, in the terminal and in tables for papers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evalkit.analysis.compare import Comparison
from evalkit.records import Estimate
from evalkit.records.statistics import shown_in, statistic
from evalkit.report.summary import IF_ANY
from evalkit.report.terminal import counted
from evalkit.report.text import bracket, p_shown, points, says_something, signed

__all__ = [
    "HEADS",
    "Line",
    "Verdict",
    "apart",
    "asked_in",
    "headline_lines",
    "line_cells",
    "other_questions",
    "reasons",
    "robustness",
    "said_of",
    "task_lines",
    "verdict_of",
]

Verdict = Literal["better", "worse", "no clear difference", "no interval"]
ROBUST = ("min", "worst_instance", "std", "spread", "consistency", "gap", "unparsed_rate")
"""Statistics that speak of robustness to wording, in the order in which they are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One statistic, or one task, of two runs."""

    name: str
    """What it is called."""
    key: str
    """Name of the statistic, or task id."""
    old: float
    """Value of the old run, a fraction; NaN where there is none."""
    new: float
    """Value of the new run."""
    difference: float
    """New minus old, on the cells both have."""
    low: float
    """Lower end of the interval of the difference."""
    high: float
    """Upper end."""
    verdict: Verdict
    """What the interval says of new against old."""
    why: str = ""
    """Why there is no interval; empty with one."""
    p: float = math.nan
    """p of no difference for the mean; of a task adjusted over tasks by Holm, which its verdict
    goes by."""
    lost: int | None = None
    """Cells right in old and wrong in new; None where flips are not of this line."""
    gained: int | None = None
    """Cells wrong in old and right in new."""
    n_cells: int = 0
    """Cells with a score in both."""
    question: str = ""
    """Words of what its interval answers; empty without one."""


def verdict_of(metric: str, low: float, high: float) -> Verdict:
    """Return what the interval of a difference says.

    Examples
    --------
    >>> verdict_of("mean", 0.01, 0.03), verdict_of("std", 0.01, 0.03), verdict_of("mean", -1, 1)
    ('better', 'worse', 'no clear difference')
    """
    if math.isnan(low) or math.isnan(high):
        return "no interval"
    if low <= 0 <= high:
        return "no clear difference"
    return "better" if (low > 0) == (statistic(metric).harm != "rises") else "worse"


def headline_lines(
    found: Comparison, old: Sequence[Estimate], new: Sequence[Estimate]
) -> list[Line]:
    """Return a line per headline statistic over all tasks.

    Parameters
    ----------
    found
        New against old.
    old, new
        Estimates of each by itself.
    """
    mine, theirs = _whole(old), _whole(new)
    changes = {row.metric: row for row in found.estimates if _is_whole(row)}
    test = found.tests[-1]
    names = [entry.name for entry in shown_in("comparison")]
    names.insert(names.index("min") + 1, "worst_instance")
    names += sorted(name for name in changes if name.startswith("reliance"))
    lines = []
    for name in names:
        change = changes.get(name)
        if change is None or math.isnan(change.value) or not says_something(change):
            continue
        if name in IF_ANY and _value(mine.get(name)) == _value(theirs.get(name)) == 0:
            continue
        flips = (test.lost, test.gained) if name == "mean" else (None, None)
        lines.append(
            Line(
                name=statistic(name).title,
                key=name,
                old=_value(mine.get(name)),
                new=_value(theirs.get(name)),
                difference=change.value,
                low=change.low,
                high=change.high,
                verdict=verdict_of(name, change.low, change.high),
                why=change.note if math.isnan(change.low) else "",
                p=test.p if name == "mean" else math.nan,
                lost=flips[0],
                gained=flips[1],
                n_cells=test.n_cells if name == "mean" else 0,
                question=change.question if change.low == change.low else "",
            )
        )
    return lines


def task_lines(found: Comparison, old: Sequence[Estimate], new: Sequence[Estimate]) -> list[Line]:
    """Return a line per task on its mean, the largest loss first.

    Parameters
    ----------
    found, old, new
        As for `headline_lines`.

    Notes
    -----
    With many tasks some intervals leave out 0 by chance, so the verdict goes by the p that is
    adjusted over tasks.
    """
    mine, theirs = _means(old), _means(new)
    changes = {row.task: row for row in found.estimates if row.metric == "mean" and not row.group}
    lines = []
    for test in found.tests:
        change = changes.get(test.task)
        if change is None or test.task == "all":
            continue
        lines.append(
            Line(
                name=test.task,
                key=test.task,
                old=mine.get(test.task, math.nan),
                new=theirs.get(test.task, math.nan),
                difference=change.value,
                low=change.low,
                high=change.high,
                verdict=_after_holm(change, test.p_holm),
                why=change.note if math.isnan(change.low) else "",
                p=test.p_holm,
                lost=test.lost,
                gained=test.gained,
                n_cells=test.n_cells,
                question=change.question if change.low == change.low else "",
            )
        )
    return sorted(lines, key=lambda line: (line.difference, line.name))


HEADS = ("old", "new", "difference", "p", "verdict")
"""Headings of `line_cells`, after the name."""


def asked_in(lines: Sequence[Line], asked: str = "") -> str:
    """Return the words of what most intervals answer; `asked` where there is no interval.

    Examples
    --------
    >>> asked_in([], "q")
    'q'
    """
    counts = Counter(line.question for line in lines if line.question)
    return max(counts, key=lambda words: counts[words]) if counts else asked


def other_questions(lines: Sequence[Line], asked: str) -> list[str]:
    """Return what the stars of `line_cells` mean, a line per question."""
    others: dict[str, list[str]] = {}
    for line in lines:
        if line.question not in {"", asked}:
            others.setdefault(line.question, []).append(line.name)
    return [f"* {', '.join(names)}: interval for {words}" for words, names in others.items()]


def line_cells(line: Line, asked: str = "") -> list[str]:
    """Return a line as cells: name, both values, difference with its interval, p, verdict.

    A star where the interval answers another question than the one asked, when that is given.
    """
    star = "*" if asked and line.question not in {"", asked} else ""
    return [
        line.name,
        points(line.old),
        points(line.new),
        f"{signed(line.difference)} {bracket(line.low, line.high)}{star}".rstrip(),
        p_shown(line.p),
        line.verdict,
    ]


def reasons(lines: Sequence[Line]) -> list[str]:
    """Return why there are no intervals, a sentence per reason."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.why:
            found.setdefault(line.why, []).append(line.name)
    return [f"No interval for {', '.join(names)}: {why}." for why, names in found.items()]


def _after_holm(change: Estimate, p: float) -> Verdict:
    """What the adjusted p of a task says; of a single task, its own."""
    if math.isnan(p):
        return verdict_of("mean", change.low, change.high)
    if p >= 1 - change.level or not change.value:
        return "no clear difference"
    return "better" if change.value > 0 else "worse"


def said_of(lines: Sequence[Line], tasks: Sequence[Line], old: str, new: str) -> list[str]:
    """Return in sentences what is better and worse in the new run: the mean, robustness, tasks.

    Parameters
    ----------
    lines, tasks
        From `headline_lines` and `task_lines`.
    old, new
        What the two are called.
    """
    by_name = {line.key: line for line in lines}
    said = []
    if (mean := by_name.get("mean")) is not None:
        words = {
            "better": "scores higher than",
            "worse": "scores lower than",
            "no clear difference": "is not clearly better or worse than",
        }.get(mean.verdict, "cannot be told from")
        said.append(
            (
                f"{new} {words} {old}: {signed(mean.difference)} points "
                f"{bracket(mean.low, mean.high)}"
            ).rstrip()
            + "."
        )
    robust = [by_name[name] for name in ROBUST if name in by_name]
    for verdict, words in (("better", "More robust in"), ("worse", "Less robust in")):
        if clear := [_said(line) for line in robust if line.verdict == verdict]:
            said.append(f"{words} {', '.join(clear)}.")
    if robust and all(line.verdict == "no clear difference" for line in robust):
        said.append("No clear difference in robustness to wording.")
    moved = [line for line in tasks if line.verdict in {"better", "worse"}]
    if len(tasks) > 1:
        worse = sum(line.verdict == "worse" for line in moved)
        said.append(
            f"Of {len(tasks)} tasks {worse} {'is' if worse == 1 else 'are'} clearly worse and "
            f"{len(moved) - worse} clearly better, the number of tasks paid for (Holm)."
        )
    return said


def apart(found: Comparison) -> list[str]:
    """Return what is said of cells with a score on one side only, where there are any."""
    if not found.n_apart:
        return []
    return [
        f"{counted(found.n_apart, 'cell')} with a score on one side only: differences are of the "
        f"{found.tests[-1].n_cells:,} that both have, old and new of all that each has."
    ]


def robustness(changes: Sequence[Estimate]) -> str:
    """Return in a sentence what differences say of robustness:
    what is clearly better, what clearly worse.

    Parameters
    ----------
    changes
        Differences, new minus old.
    """
    rows = {row.metric: row for row in changes if _is_whole(row)}
    found: dict[str, list[str]] = {"better": [], "worse": []}
    for name in ROBUST:
        row = rows.get(name)
        verdict = "no interval" if row is None else verdict_of(name, row.low, row.high)
        if row is not None and verdict in found:
            found[verdict].append(
                f"{statistic(name).title} {signed(row.value)} {bracket(row.low, row.high)}"
            )
    said = [
        f"{word} robust in {', '.join(names)}"
        for word, names in (("more", found["better"]), ("less", found["worse"]))
        if names
    ]
    return "; ".join(said) or "no clear difference in robustness to wording"


def _said(line: Line) -> str:
    return f"{line.name} ({signed(line.difference)} {bracket(line.low, line.high)})"


def _is_whole(row: Estimate) -> bool:
    return (row.benchmark, row.task) == ("all", "all") and not row.group


def _whole(rows: Sequence[Estimate]) -> Mapping[str, Estimate]:
    return {row.metric: row for row in rows if _is_whole(row)}


def _means(rows: Sequence[Estimate]) -> dict[str, float]:
    return {row.task: row.value for row in rows if row.metric == "mean" and not row.group}


def _value(row: Estimate | None) -> float:
    return math.nan if row is None else row.value
