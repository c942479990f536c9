"""``comparison.html``: several runs of one suite side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.errors import ComparisonError
from evalkit.records import Estimate
from evalkit.report.drawing import Drawing, by_task, value_of
from evalkit.report.evidence import Evidence
from evalkit.report.evidence.across import RankOverPhrasings, phrasing_means
from evalkit.report.figures import (
    ChangeRow,
    Dot,
    IntervalRow,
    RankRow,
    ScoreRow,
    plot_change,
    plot_gap,
    plot_ranks,
    plot_scores,
)
from evalkit.report.limits import Limit, limits
from evalkit.report.page import drawn, environment, policy, template_text
from evalkit.report.run_view import RunView
from evalkit.report.text import asked_of

__all__ = [
    "Ranks",
    "comparison_drawings",
    "refuse_different_suites",
    "render_comparison",
    "run_names",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """How the order of models depends on the wording."""

    rows: Sequence[RankOverPhrasings]
    """Models, best first."""
    kendall_w: float
    """Agreement of phrasings on the order; NaN when undefined."""
    n_phrasings: int
    """Phrasings all runs share."""


def run_names(runs: Sequence[RunView], folders: Sequence[str]) -> list[str]:
    """Return one name per run: its model's, with the folder where two runs have the same model."""
    labels = [run.manifest.model.label for run in runs]
    return [
        label if labels.count(label) == 1 else f"{label} ({folder})"
        for label, folder in zip(labels, folders, strict=True)
    ]


def refuse_different_suites(runs: Sequence[RunView], names: Sequence[str]) -> None:
    """Refuse runs whose tasks, phrasings or instances differ.

    Raises
    ------
    ComparisonError
        Naming the first run that differs and what differs.
    """
    first = runs[0].manifest.suite
    for run, name in zip(runs[1:], names[1:], strict=True):
        suite = run.manifest.suite
        if suite.digest == first.digest:
            continue
        only = sorted(set(first.tasks) ^ set(suite.tasks))
        changed = sorted(
            task
            for task in set(first.tasks) & set(suite.tasks)
            if first.tasks[task] != suite.tasks[task]
        )
        what = (
            f"{len(only)} tasks are in one alone ({only[0]})"
            if only
            else f"tasks, phrasings or instances of {len(changed)} tasks differ ({changed[0]})"
            if changed
            else f"suite versions {first.version} and {suite.version}"
        )
        raise ComparisonError(
            f"{name}: was run on another suite than {names[0]} (digest {suite.digest[:8]} and {first.digest[:8]}): {what}. "
            "Compare runs of the same suite with the same --limit, --phrasings and --seed."
        )


def comparison_drawings(
    runs: Sequence[RunView], names: Sequence[str], ranks: Ranks
) -> Iterator[Drawing]:
    """Yield the figures of several runs.

    Parameters
    ----------
    runs, names
        Runs of one suite and what they are called.
    ranks
        Their ranks over phrasings.
    """
    values = [by_task(run.estimates).get("all", {}) for run in runs]
    question = asked_of(row for found in values for row in found.values())
    rows = [
        ScoreRow(
            label=name,
            dots=[
                Dot(score=mean.score, seen=mean.seen if mean.seen != "mixed" else "unknown")
                for mean in phrasing_means(run.evidence)
            ],
            mean=value_of(found, "mean"),
            low=value_of(found, "mean", "low"),
            high=value_of(found, "mean", "high"),
        )
        for run, name, found in zip(runs, names, values, strict=True)
    ]
    rows.sort(key=lambda row: -row.mean)
    yield Drawing(
        name="models",
        title="Score under every phrasing, by model",
        caption="A mark is one phrasing over the tasks that use it, the difficulty of the tasks taken out: blue seen, orange unseen, grey unknown or mixed. Thick line: interval of the mean"
        + _for(question)
        + ".",
        draw=lambda ax: plot_scores(rows, ax=ax),
    )
    gaps = [
        IntervalRow(
            label=name,
            value=value_of(found, "gap"),
            low=value_of(found, "gap", "low"),
            high=value_of(found, "gap", "high"),
        )
        for name, found in zip(names, values, strict=True)
    ]
    known = [row for row in gaps if row.value == row.value]
    gap = next((one["gap"].question for one in values if "gap" in one and one["gap"].question), "")
    title = "Seen minus unseen wording, by model"
    if known:
        yield Drawing(
            name="gaps",
            title=title,
            caption="Right of 0: unseen wording is worse. Line: interval" + _for(gap) + ".",
            draw=lambda ax: plot_gap(known, ax=ax),
        )
    else:
        yield Drawing(
            name="gaps", title=title, why="No run has tasks with seen and unseen phrasings."
        )
    yield _ranks(ranks)
    if len(runs) == 2:
        yield _change(runs, names)


def _for(question: str) -> str:
    """What an interval answers, behind its name."""
    return f", for {question}" if question else ""


def _ranks(ranks: Ranks) -> Drawing:
    title = "Rank of each model under every phrasing"
    if not ranks.n_phrasings:
        return Drawing(name="ranks", title=title, why="The runs share no phrasing.")
    rows = [
        RankRow(label=row.model, rank=row.rank, low=row.low, high=row.high, shares=row.shares)
        for row in ranks.rows
    ]
    agreement = (
        ""
        if ranks.kendall_w != ranks.kendall_w
        else f" Kendall's W {ranks.kendall_w:.2f} (1: every phrasing gives the same order)."
    )
    return Drawing(
        name="ranks",
        title=title,
        caption=f"Tick: rank by the mean over phrasings. Line: central 95% of ranks over {ranks.n_phrasings} phrasings.{agreement}",
        draw=lambda ax: plot_ranks(rows, ax=ax),
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
        caption=f"Open: {names[0]}. Filled: {names[1]}. The {min(24, len(rows))} tasks that change most.",
        draw=lambda ax: plot_change(rows[:24], ax=ax),
    )


def render_comparison(runs: Sequence[RunView], names: Sequence[str], ranks: Ranks) -> str:
    """Return the page of several runs of one suite.

    Parameters
    ----------
    runs, names
        Runs and what they are called.
    ranks
        Their ranks over phrasings.
    """
    from markupsafe import Markup

    values = [by_task(run.estimates) for run in runs]
    figures = [
        (drawing, Markup(drawn(drawing))) for drawing in comparison_drawings(runs, names, ranks)
    ]
    order = {row.model: place for place, row in enumerate(ranks.rows)}
    models = sorted(zip(names, runs, values, strict=True), key=lambda found: order[found[0]])
    style = template_text("report.css")
    return (
        environment()
        .get_template("comparison.html.j2")
        .render(
            policy=policy(style),
            style=Markup(style),
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
            models=[
                {"name": name, "run": run, "values": found.get("all", {})}
                for name, run, found in models
            ],
            limits=_shared_limits(models),
            ranks={row.model: row for row in ranks.rows},
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
