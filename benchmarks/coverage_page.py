"""docs/coverage.md and docs/coverage.csv from the rounds of benchmarks/coverage_grid.py."""

from __future__ import annotations

import csv
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy

BAND = (0.93, 0.97)
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
"""What stands between these in docs/coverage.md is written here."""
WITHDRAWN = {
    ("normal", "median"),
    ("normal", "cps"),
    ("normal", "difference of cps"),
    ("normal", "new_phrasing"),
}
"""Question and interval that the deciding half showed not to hold; no longer offered."""
WITHDRAWN_OVER_TASKS = {("these", "std_excess")}
"""The same for rows over several tasks."""
QUESTIONS = {
    "these": "these tasks and phrasings on new instances",
    "phrasings": "these tasks under new phrasings, whatever the effects of wording are",
    "normal": "these tasks under new phrasings, effects of wording taken as normal",
    "tasks": "tasks like these under new phrasings, effects of wording taken as normal",
}
NEEDS_LAW = ("normal", "tasks")
"""Questions that are answered only when asked by name."""


@dataclass(frozen=True)
class Row:
    """One interval at one point."""

    place: int
    question: str
    metric: str
    level: float
    held: float
    offered: float
    drawn: float
    width: float

    @property
    def coverage(self) -> float:
        """Share of the offered intervals that hold the truth."""
        return self.held / self.offered

    @property
    def low(self) -> bool:
        """Whether it lies below its level by more than two points and two simulation errors."""
        error = float(np.sqrt(self.level * (1 - self.level) / self.offered))
        return self.coverage < self.level - 0.02 - 2 * error

    @property
    def judged(self) -> bool:
        """Whether its point is of the half that decided nothing."""
        return self.place % 2 == 1


def rows_of(rounds: Iterable[dict[str, Any]]) -> list[Row]:
    """Sums over the rounds of every point."""
    sums: dict[tuple[int, str], np.ndarray] = {}
    for row in rounds:
        for name, entry in row["hits"].items():
            key = (row["point"], name)
            sums[key] = sums.get(key, np.zeros(4)) + np.array(entry)
    found = []
    for (place, name), entry in sorted(sums.items()):
        question, metric, level = name.split("|")
        if entry[1] > 0:
            held, offered, drawn, width = (float(x) for x in entry)
            found.append(Row(place, question, metric, float(level), held, offered, drawn, width))
    return found


def described(point: dict[str, Any]) -> str:
    """One line about a point."""
    arms = f"{point['n_phrasings'] - point['unseen']}/{point['unseen']}" if point["unseen"] else ""
    parts = [
        point["wording"],
        f"P {point['n_phrasings']}",
        f"N {point['n_instances']}",
        f"{point['items']} items",
        f"interaction {point['interaction']:g}",
        f"arms {arms}" if arms else "",
        f"in the {point['alone']} only" if point["alone"] else "",
        "seen narrow, unseen wide" if point["unequal"] else "",
        f"{point['groups']} groups" if point["groups"] else "",
        f"{point['tasks']} tasks, {'shared' if point['shared'] else 'own'} phrasings"
        if point["tasks"] > 1
        else "",
    ]
    return ", ".join(part for part in parts if part)


def kind(point: dict[str, Any]) -> str:
    """What a point is there for, in the tables."""
    if point["tasks"] > 1:
        return f"{point['tasks']} tasks, {point['wording']}"
    if point["groups"]:
        return f"{point['groups']} groups, {point['wording']}"
    if point["alone"]:
        return (
            f"broken in the {point['alone']} {'arm' if point['alone'] == 'unseen' else 'model'} "
            "only"
        )
    if point["unequal"]:
        return "arms of unequal spread"
    return str(point["wording"])


def table(rows: Sequence[Row], points: Sequence[dict[str, Any]], question: str) -> list[str]:
    """Coverage by metric and kind of point: pooled, lowest point in brackets."""
    own = [row for row in rows if row.question == question]
    kinds = list(dict.fromkeys(kind(points[row.place]) for row in own))
    metrics = list(dict.fromkeys(row.metric for row in own))
    lines = ["| interval | " + " | ".join(kinds) + " |", "|---|" + "---|" * len(kinds)]
    for metric in metrics:
        cells = []
        for name in kinds:
            here = [r for r in own if r.metric == metric and kind(points[r.place]) == name]
            if not here:
                cells.append("–")
                continue
            pooled = sum(r.held for r in here) / sum(r.offered for r in here)
            least = min(r.coverage for r in here)
            cell = f"{pooled:.3f} ({least:.3f})" if len(here) > 1 else f"{pooled:.3f}"
            cells.append(f"**{cell}**" if any(r.low for r in here) else cell)
        lines.append(f"| {metric} | " + " | ".join(cells) + " |")
    return lines


def failing(rows: Sequence[Row], points: Sequence[dict[str, Any]]) -> list[str]:
    """Every interval that is offered and does not hold, worst first."""
    bad = sorted((row for row in rows if row.low), key=lambda row: row.coverage - row.level)
    if not bad:
        return [
            (
                "No interval that is offered lies below its level by more than two points and two "
                "errors."
            )
        ]
    lines = [
        "| question | interval | point | level | held | offered in | mean width |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in bad:
        share, width = row.offered / row.drawn, row.width / row.offered
        lines.append(
            f"| {row.question} | {row.metric} | {described(points[row.place])} | {row.level:g} "
            f"| {row.coverage:.3f} | {share:.0%} | {width:.3f} |"
        )
    return lines


def write_page(
    rounds: Sequence[dict[str, Any]], points: Sequence[dict[str, Any]], out: Path, *, seed: int
) -> None:
    """Write both files."""
    rows = rows_of(rounds)
    out.mkdir(parents=True, exist_ok=True)
    names = ["question", "metric", "level", "half", "held", "offered", "drawn", "mean_width"]
    with (out / "coverage.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*points[0], *names])
        for row in rows:
            half = "judging" if row.judged else "deciding"
            numbers = [int(row.held), int(row.offered), int(row.drawn)]
            values = [row.question, row.metric, row.level, half, *numbers]
            writer.writerow(
                [*points[row.place].values(), *values, f"{row.width / row.offered:.4g}"]
            )
    page = out / "coverage.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else f"{BEGIN}\n{END}\n"
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    made = "\n".join(tables(rows, rounds, points, seed))
    page.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}", encoding="utf-8")


def offered(row: Row, points: Sequence[dict[str, Any]]) -> bool:
    """Whether an interval is still given."""
    name = (row.question, row.metric)
    over = points[row.place]["tasks"] > 1 and name in WITHDRAWN_OVER_TASKS
    return name not in WITHDRAWN and not over


def tables(
    rows: Sequence[Row],
    rounds: Sequence[dict[str, Any]],
    points: Sequence[dict[str, Any]],
    seed: int,
) -> list[str]:
    """The part of the page that is made of numbers."""
    judged = [row for row in rows if row.judged and offered(row, points)]
    gone = [row for row in rows if not row.judged and not offered(row, points)]
    each = [sum(50 for row in rounds if row["point"] == n) for n in range(len(points))]
    of_each = " to ".join(str(n) for n in sorted({min(each), max(each)}))
    error = np.sqrt(0.95 * 0.05 / max(max(each), 1))
    lines = [
        "## What is offered and fails",
        "",
        "Judging half, lower than its level by more than two points and two simulation errors.",
        "",
        *failing([row for row in judged if row.question not in NEEDS_LAW], points),
        "",
        "## What takes effects of wording as normal, and fails where they are not",
        "",
        "Answered only when it is asked by name (`--question normal` or `tasks`); the same half.",
        "",
        *failing([row for row in judged if row.question in NEEDS_LAW], points),
        "",
        "## What was withdrawn",
        "",
        "The same of the deciding half, for what is therefore no longer offered.",
        "",
        *failing(gone, points),
        "",
        "## All that is offered",
        "",
        f"{sum(n > 0 for n in each)} points, {of_each} matrices each, "
        f"seed {seed}, {time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, "
        f"NumPy {np.__version__}, SciPy {scipy.__version__}; the simulation error of one point is "
        f"about {error:.3f}.",
        "Shares of nominal 95% intervals that hold the truth, pooled over the judging points of a "
        "kind, the lowest of them in brackets; bold where a point fails as above.",
    ]
    for question, words in QUESTIONS.items():
        shown = [row for row in judged if row.level == 0.95]
        lines += ["", f"### {words[0].upper()}{words[1:]}", "", *table(shown, points, question)]
    lines += ["", "### Levels of 80 and 90%", ""]
    lines += ["| question | interval | 80% | 90% |", "|---|---|---|---|"]
    for question, metric in dict.fromkeys((r.question, r.metric) for r in judged if r.level < 0.95):
        cells = []
        for level in (0.8, 0.9):
            here = [
                r for r in judged if (r.question, r.metric, r.level) == (question, metric, level)
            ]
            held, count = sum(r.held for r in here), sum(r.offered for r in here)
            cells.append(f"{held / count:.3f}" if count else "–")
        lines.append(f"| {question} | {metric} | {' | '.join(cells)} |")
    return lines
