"""``comparison.html``: several runs of one suite side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from evalkit import stats
from evalkit.analysis.by_scorer import ranked
from evalkit.analysis.compare import Comparison, FlipCount
from evalkit.analysis.standings import Standings
from evalkit.records import Estimate
from evalkit.records.questions import WORDS
from evalkit.report.compared import (
    Line,
    apart,
    asked_in,
    headline_lines,
    other_questions,
    said_of,
    task_lines,
)
from evalkit.report.drawing import Drawing, by_task, value_of
from evalkit.report.evidence import Evidence
from evalkit.report.evidence.across import phrasing_means
from evalkit.report.figures.points import FrontPoint, plot_front
from evalkit.report.figures.rows import (
    ArmsRow,
    ChangeRow,
    IntervalRow,
    plot_arms,
    plot_change,
    plot_gap,
    plot_ranks,
)
from evalkit.report.limits import Limit, limits
from evalkit.report.page import drawn, environment, policy, template_text
from evalkit.report.page_tables import COLUMNS
from evalkit.report.run_view import RunView
from evalkit.report.scorers import scorer_tables
from evalkit.report.text import asked_of

__all__ = [
    "Against",
    "against",
    "comparison_drawings",
    "render_comparison",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """One run against the first."""

    old: str
    """What the first is called."""
    new: str
    """What it is called."""
    question: str
    """Words of what intervals and tests answer."""
    stars: Sequence[str]
    """What the stars of its lines mean."""
    asked_of_tasks: str
    """Words of what intervals and tests of single tasks answer."""
    stars_of_tasks: Sequence[str]
    """What the stars of the lines of tasks mean."""
    said: Sequence[str]
    """What is better and worse, in sentences."""
    lines: Sequence[Line]
    """Headline statistics."""
    tasks: Sequence[Line]
    """Tasks, the largest loss first."""
    lost: int
    """Cells right in the first and wrong here."""
    gained: int
    """Cells wrong in the first and right here."""
    n_cells: int
    """Cells with a score in both."""
    moved: Sequence[tuple[FlipCount, str]]
    """Phrasings with most flips, and their texts."""


MOST_MOVED = 10
"""Phrasings named for having moved."""


def against(found: Comparison, old: RunView, new: RunView, names: tuple[str, str]) -> Against:
    """Return what the page says of one run against the first.

    Parameters
    ----------
    found
        New against old.
    old, new
        The two runs.
    names
        What they are called.
    """
    lines = headline_lines(found, old.estimates, new.estimates)
    tasks = task_lines(found, old.estimates, new.estimates)
    texts = {
        (row.task, row.phrasing_id): row.text
        for view in new.evidence.tasks
        for row in view.phrasings
    }
    moved = sorted(
        (row for row in found.by_phrasing if row.lost + row.gained),
        key=lambda row: (row.p, -row.lost - row.gained, row.task, row.phrasing_id),
    )[:MOST_MOVED]
    test, asked = found.tests[-1], asked_in(tasks, found.question)
    return Against(
        old=names[0],
        new=names[1],
        question=found.question,
        stars=other_questions(lines, found.question),
        asked_of_tasks=asked,
        stars_of_tasks=other_questions(tasks, asked),
        said=[*said_of(lines, tasks, *names), *apart(found)],
        lines=lines,
        tasks=tasks,
        lost=test.lost,
        gained=test.gained,
        n_cells=test.n_cells,
        moved=[(row, texts.get((row.task, row.phrasing_id)) or row.phrasing_id) for row in moved],
    )


def _front(names: Sequence[str], values: Sequence[Mapping[str, Estimate]]) -> Drawing:
    """How good against how dependent on the wording."""
    means, spreads = (
        np.array([value_of(found, name) for found in values]) for name in ("mean", "spread")
    )
    title = "How good, and how dependent on the wording"
    if np.isnan(means + spreads).any() or len(names) < 2:
        why = "It needs two models with a mean and a spread."
        return Drawing(name="front", title=title, why=why)
    points = [
        FrontPoint(label=name, mean=float(mean), spread=float(spread), front=bool(front))
        for name, mean, spread, front in zip(
            names, means, spreads, stats.not_dominated(means, spreads), strict=True
        )
    ]
    return Drawing(
        name="front",
        title=title,
        caption=(
            "Right is better, low is steadier. Filled and joined: no model is better in mean "
            "without a wider spread, or steadier without a lower mean. Spread grows with the "
            "number of wordings, which is the same for all."
        ),
        draw=partial(plot_front, points),
    )


def comparison_drawings(
    runs: Sequence[RunView], names: Sequence[str], order: Standings
) -> Iterator[Drawing]:
    """Yield the figures of several runs, models in the order of their standings.

    Parameters
    ----------
    runs, names
        Runs of one suite and what they are called.
    order
        Their standings.
    """
    place = {row.model: number for number, row in enumerate(order.rows)}
    both = sorted(zip(names, runs, strict=True), key=lambda found: place[found[0]])
    ordered, shown = [run for _, run in both], [name for name, _ in both]
    values = [by_task(run.estimates).get("all", {}) for run in ordered]
    rows = [
        ArmsRow(
            label=name,
            seen=[mean.seen for mean in means],
            scores=[mean.score for mean in means],
            mean=value_of(found, "mean"),
        )
        for name, run, found in zip(shown, ordered, values, strict=True)
        if (means := phrasing_means(run.evidence))
    ]
    yield Drawing(
        name="models",
        title="Scores under seen and unseen wordings, by model",
        caption=(
            "A wording's score is over the tasks that use it, the difficulty of the tasks taken "
            "out. Thin line: from the worst to the best wording; thick: the middle half; tick: "
            "the median; cross: the model's mean."
        ),
        draw=partial(plot_arms, rows),
    )
    yield _front(shown, values)
    yield _gaps(shown, values)
    yield _ranks(order)
    if len(runs) == 2:
        yield _change(runs, names)


def _gaps(names: Sequence[str], values: Sequence[Mapping[str, Estimate]]) -> Drawing:
    """Return the gap of every model, or why there is none."""
    rows = [
        IntervalRow(
            label=f"{name}{more}",
            value=value_of(found, metric),
            low=value_of(found, metric, "low"),
            high=value_of(found, metric, "high"),
        )
        for name, found in zip(names, values, strict=True)
        for metric, more in (("gap", ""), ("gap_matched", ", like forms"))
    ]
    known = [row for row in rows if row.value == row.value]
    gap = next((one["gap"].question for one in values if "gap" in one and one["gap"].question), "")
    title = "Seen minus unseen wording, by model"
    if not known:
        why = "No run has tasks with seen and unseen phrasings."
        return Drawing(name="gaps", title=title, why=why)
    like = (
        " Like forms: over as many of every form on both arms, where the arms differ in more than "
        "words; for these phrasings."
        if any(row.label.endswith(", like forms") for row in known)
        else ""
    )
    return Drawing(
        name="gaps",
        title=title,
        caption="Right of 0: unseen wording is worse. Line: interval" + _for(gap) + "." + like,
        draw=partial(plot_gap, known),
    )


def _for(question: str) -> str:
    """What an interval answers, behind its name."""
    return f", for {question}" if question else ""


def _ranks(order: Standings) -> Drawing:
    rows = [
        IntervalRow(label=row.model, value=row.rank, low=row.rank_low, high=row.rank_high)
        for row in order.rows
    ]
    w = order.kendall_w
    said = f" Kendall's W {w:.2f} (1: every wording gives the same order)."
    agreement = f" Agreement of the phrasings on the order:{said}" if w == w else ""
    return Drawing(
        name="ranks",
        title="Rank of each model",
        caption=(
            "Tick: rank; models that cannot be told apart share one. "
            f"Line: {order.level:.0%} interval of the rank, for "
            f"{WORDS[order.question]}.{agreement}"
        ),
        draw=partial(plot_ranks, rows),
    )


def _change(runs: Sequence[RunView], names: Sequence[str]) -> Drawing:
    before, after = (by_task(run.estimates) for run in runs)
    tasks = [view.task.id for view in runs[0].evidence.tasks]
    rows = [
        ChangeRow(
            label=task, before=value_of(before[task], "mean"), after=value_of(after[task], "mean")
        )
        for task in tasks
    ]
    rows.sort(key=lambda row: -abs(row.after - row.before))
    return Drawing(
        name="change",
        title="Before and after, by task",
        caption=(
            f"Open: {names[0]}. Filled: {names[1]}. "
            f"The {min(24, len(rows))} tasks that change most."
        ),
        draw=partial(plot_change, rows[:24]),
    )


def render_comparison(
    runs: Sequence[RunView],
    names: Sequence[str],
    order: Standings,
    compared: Sequence[Against] = (),
) -> str:
    """Return the page of several runs of one suite.

    Parameters
    ----------
    runs, names
        Runs and what they are called.
    order
        Their standings.
    compared
        Every other run against the first.
    """
    from markupsafe import Markup

    values = [by_task(run.estimates) for run in runs]
    figures = [
        (drawing, Markup(drawn(drawing))) for drawing in comparison_drawings(runs, names, order)
    ]
    place = {row.model: number for number, row in enumerate(order.rows)}
    models = sorted(zip(names, runs, values, strict=True), key=lambda found: place[found[0]])
    style, script = template_text("report.css"), template_text("sort.js")
    return (
        environment()
        .get_template("comparison.html.j2")
        .render(
            policy=policy(style, script),
            style=Markup(style),
            script=Markup(script),
            suite=runs[0].manifest.suite,
            level=runs[0].evidence.level,
            question=asked_of(row for one in values for row in one.get("all", {}).values()),
            of_tasks=asked_of(
                row
                for one in values
                for task, found in one.items()
                if task != "all"
                for row in found.values()
            ),
            shown=[one.get("all", {}).get(name) for one in values for name in COLUMNS],
            models=[
                {"name": name, "run": run, "values": found.get("all", {})}
                for name, run, found in models
            ],
            scorers=scorer_tables(
                ranked([replace(row, run=name) for name, run, _ in models for row in run.scorers])
            ),
            limits=_shared_limits(models),
            standings={row.model: row for row in order.rows},
            order=order,
            about=WORDS[order.question],
            compared=compared,
            tasks=_task_table(runs[0].evidence, [found for _, _, found in models]),
            figures=figures,
        )
    )


def _shared_limits(
    models: Sequence[tuple[str, RunView, Any]],
) -> list[tuple[str, tuple[Limit, ...]]]:
    """Names of the models that share their limits, and the limits.

    Those without any are left out.
    """
    found: dict[tuple[Limit, ...], list[str]] = {}
    for name, run, _ in models:
        found.setdefault(tuple(limits(run.manifest)), []).append(name)
    return [
        ("All runs" if len(names) == len(models) > 1 else ", ".join(names), said)
        for said, names in found.items()
        if said
    ]


def _task_table(
    evidence: Evidence, values: Sequence[dict[str, dict[str, Estimate]]]
) -> list[tuple[str, list[Estimate | None]]]:
    """Task id and the mean of every model."""
    return [
        (view.task.id, [found.get(view.task.id, {}).get("mean") for found in values])
        for view in evidence.tasks
    ]
