"""Which figures a run has data for, with captions; and the reason for those it has not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.records import Estimate
from evalkit.records.manifest import Counts
from evalkit.report.evidence import OF_THIS_RUN, Evidence, TaskView
from evalkit.report.figures import (
    BudgetPoint,
    DistancePoint,
    Dot,
    HeatMap,
    IntervalRow,
    LadderLine,
    ScoreRow,
    TaskPoint,
    VarianceRow,
    plot_budget,
    plot_distance,
    plot_gap,
    plot_heatmap,
    plot_ladder,
    plot_scores,
    plot_task_map,
    plot_variance,
)
from evalkit.report.text import share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MOST_ROWS", "Drawing", "by_task", "drawings", "value_of"]

MOST_ROWS = 24
"""Most rows of a figure on the page."""
MOST_TASKS = 4
"""Most tasks with a figure of their own where tasks must not be pooled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One figure, or why there is none."""

    name: str
    """File name without ending."""
    title: str
    """What it shows, in words."""
    caption: str = ""
    """How to read it, with interval, numbers, shares."""
    draw: Callable[[Axes | None], Axes] | None = None
    """Draws it on the given Axes or on new ones; None when there is no data for it."""
    why: str = ""
    """Why there is none."""


def by_task(estimates: Sequence[Estimate]) -> dict[str, dict[str, Estimate]]:
    """Return task id -> metric -> estimate.

    Rows over tasks stand under ``all`` (the whole run) and ``benchmark/``.
    """
    found: dict[str, dict[str, Estimate]] = {}
    for row in estimates:
        if row.group:
            continue
        key = (
            row.task
            if row.task != "all"
            else "all"
            if row.benchmark == "all"
            else f"{row.benchmark}/"
        )
        found.setdefault(key, {})[row.metric] = row
    return found


def drawings(
    evidence: Evidence, estimates: Sequence[Estimate], *, counts: Counts
) -> Iterator[Drawing]:
    """Yield every figure of one run in the order of the page.

    Parameters
    ----------
    evidence, estimates
        Of the run.
    counts
        Totals of its manifest, for captions.
    """
    values = by_task(estimates)
    counted = _foot(evidence, counts)
    foot = f"{evidence.level:.0%} intervals; {counted}"
    yield _scores(evidence, values, foot)
    yield _gap(evidence, values, foot)
    yield _variance(evidence, values, counted)
    yield _heatmap(evidence, counted)
    yield _ladder(evidence, counted)
    yield _budget(evidence, foot)
    yield _task_map(evidence, values, counted)
    yield from _distances(evidence, values, foot)


def _foot(evidence: Evidence, counts: Counts) -> str:
    cells = counts.cells or 1
    n_phrasings = sum(row.headline for view in evidence.tasks for row in view.phrasings)
    n_instances = sum(view.n_instances for view in evidence.tasks)
    return (
        f"{len(evidence.tasks)} tasks, {n_phrasings:,} phrasings (counted per task), {n_instances:,} instances; "
        f"missing {share(counts.missing / cells)}, unparsed {share(counts.unparsed / cells)}."
    )


def _names(views: Sequence[TaskView]) -> dict[str, str]:
    """Task id -> name without benchmark, where that is unambiguous."""
    names = [view.task.name for view in views]
    return {
        view.task.id: view.task.name if names.count(view.task.name) == 1 else view.task.id
        for view in views
    }


def value_of(values: Mapping[str, Estimate], metric: str, end: str = "value") -> float:
    """Return the value of a metric, or an end of its interval; NaN when there is none."""
    row = values.get(metric)
    return math.nan if row is None else float(getattr(row, end))


def _value(
    values: Mapping[str, Mapping[str, Estimate]], task: str, metric: str, end: str = "value"
) -> float:
    return value_of(values.get(task, {}), metric, end)


def _most(
    views: Sequence[TaskView], values: Mapping[str, Mapping[str, Estimate]], metric: str
) -> tuple[list[TaskView], str]:
    """The tasks with the largest values of a metric, in order of their mean, and what to say when some are left out."""

    def size(view: TaskView) -> float:
        value = _value(values, view.task.id, metric)
        return -1.0 if math.isnan(value) else abs(value)

    kept = sorted(views, key=lambda view: (-size(view), view.task.id))[:MOST_ROWS]
    kept.sort(key=lambda view: (-_order(_value(values, view.task.id, "mean")), view.task.id))
    said = (
        ""
        if len(kept) == len(views)
        else f" The {len(kept)} of {len(views)} tasks with the largest {metric} are shown."
    )
    return kept, said


def _order(value: float) -> float:
    return -1.0 if math.isnan(value) else value


def _scores(evidence: Evidence, values: Mapping[str, Mapping[str, Estimate]], foot: str) -> Drawing:
    views, said = _most(evidence.tasks, values, "std")
    names = _names(evidence.tasks)
    sparse = (
        " Sparse run: marks are posterior means, which lie closer together than the scores they stand for."
        if _is_sparse(evidence)
        else ""
    )
    rows = [
        ScoreRow(
            label=names[view.task.id],
            dots=[Dot(score=row.score, seen=row.seen) for row in view.phrasings if row.headline],
            mean=_value(values, view.task.id, "mean"),
            low=_value(values, view.task.id, "mean", "low"),
            high=_value(values, view.task.id, "mean", "high"),
            new_low=_value(values, view.task.id, "new_phrasing_low"),
            new_high=_value(values, view.task.id, "new_phrasing_high"),
            chance=view.chance,
        )
        for view in views
    ]
    return Drawing(
        name="scores",
        title="Score under every phrasing, by task",
        caption=f"A mark is one phrasing: filled blue circle seen, open orange diamond unseen, grey square unknown. Thick line: interval of the mean; thin line: where the score under one new phrasing would lie; dashed: guessing.{sparse}{said} {foot}",
        draw=lambda ax: plot_scores(rows, ax=ax),
    )


def _gap(evidence: Evidence, values: Mapping[str, Mapping[str, Estimate]], foot: str) -> Drawing:
    title = "Seen minus unseen wording, by task"
    with_gap = [
        view for view in evidence.tasks if not math.isnan(_value(values, view.task.id, "gap"))
    ]
    if not with_gap:
        arms = sorted({row.seen for view in evidence.tasks for row in view.phrasings})
        return Drawing(
            name="gap",
            title=title,
            why=f"No task has seen and unseen phrasings: all are {' or '.join(arms)}.",
        )
    views, said = _most(with_gap, values, "gap")
    names = _names(evidence.tasks)
    rows = [_interval_row(values, view.task.id, "gap", names[view.task.id]) for view in views]
    rows.sort(key=lambda row: -row.value)
    if len(evidence.tasks) > 1:
        rows.append(_interval_row(values, "all", "gap", "all tasks", total=True))
    return Drawing(
        name="gap",
        title=title,
        caption=f"Right of 0: unseen wording is worse. Orange and blue: the interval leaves out 0.{said} {foot}",
        draw=lambda ax: plot_gap(rows, ax=ax),
    )


def _interval_row(
    values: Mapping[str, Mapping[str, Estimate]],
    task: str,
    metric: str,
    label: str,
    *,
    total: bool = False,
) -> IntervalRow:
    value, low, high = (_value(values, task, metric, end) for end in ("value", "low", "high"))
    return IntervalRow(label=label, value=value, low=low, high=high, total=total)


def _variance(
    evidence: Evidence, values: Mapping[str, Mapping[str, Estimate]], foot: str
) -> Drawing:
    title = "What a score depends on"
    views, said = _most(evidence.tasks, values, "var_phrasing")
    names = _names(evidence.tasks)
    rows = []
    for view in views:
        parts = [
            max(0.0, _value(values, view.task.id, f"var_{part}"))
            for part in ("phrasing", "instance", "interaction")
        ]
        if sum(parts) > 0:  # NaN is not above 0 either
            phrasing, instance, interaction = (part / sum(parts) for part in parts)
            rows.append(
                VarianceRow(
                    label=names[view.task.id],
                    phrasing=phrasing,
                    instance=instance,
                    interaction=interaction,
                )
            )
    if not rows:
        return Drawing(
            name="variance",
            title=title,
            why="Variance components need two phrasings, two instances and scores that differ.",
        )
    rows.sort(key=lambda row: -row.phrasing)
    return Drawing(
        name="variance",
        title=title,
        caption=f"Crossed random effects of phrasing and instance; negative components count as 0. A large first part: wording moves the score as a whole. A large last part: wording decides which instances are right.{said} {foot}",
        draw=lambda ax: plot_variance(rows, ax=ax),
    )


def _heatmap(evidence: Evidence, foot: str) -> Drawing:
    title = "Scores by task and phrasing"
    views = [view for view in evidence.tasks if sum(row.headline for row in view.phrasings) > 1]
    if len(views) < 2:
        return Drawing(
            name="heatmap", title=title, why="A map needs two tasks with two phrasings each."
        )
    names = _names(evidence.tasks)
    scores = {
        view.task.id: {row.phrasing_id: row.score for row in view.phrasings if row.headline}
        for view in views
    }
    first = scores[views[0].task.id].keys()
    if all(found.keys() == first for found in scores.values()):
        ids = sorted(first, key=lambda name: sum(_order(found[name]) for found in scores.values()))
        grid = [[scores[view.task.id][name] for name in ids] for view in views]
        columns = "phrasings, lowest mean score first"
    else:
        width = max(len(found) for found in scores.values())
        grid = [
            [*sorted(scores[view.task.id].values(), key=_order), *[math.nan] * width][:width]
            for view in views
        ]
        columns = "each task's own phrasings, lowest score first"
    return Drawing(
        name="heatmap",
        title=title,
        caption=f"{columns.capitalize()}. {foot}",
        draw=lambda ax: plot_heatmap(
            HeatMap(tasks=[names[view.task.id] for view in views], values=grid, columns=columns),
            ax=ax,
        ),
    )


def _ladder(evidence: Evidence, foot: str) -> Drawing:
    title = "Score under perturbed wording"
    clean = {
        (view.task.id, row.phrasing_id): row.score
        for view in evidence.tasks
        for row in view.phrasings
        if not row.perturbation
    }
    pairs: dict[str, list[tuple[float, float]]] = {}
    for view in evidence.tasks:
        for row in view.phrasings:
            origin = clean.get((view.task.id, row.phrasing_id.rpartition(".")[0]))
            if (
                row.perturbation
                and origin is not None
                and not math.isnan(row.score)
                and not math.isnan(origin)
            ):
                pairs.setdefault(row.perturbation, []).append((row.score, origin))
    if not pairs:
        return Drawing(
            name="ladder",
            title=title,
            why="No phrasing of this run is perturbed; add --perturb to a run.",
        )
    rungs = [
        LadderLine(
            label=name,
            score=sum(one for one, _ in found) / len(found),
            low=math.nan,
            high=math.nan,
            clean=sum(other for _, other in found) / len(found),
        )
        for name, found in sorted(pairs.items())
    ]
    return Drawing(
        name="ladder",
        title=title,
        caption=f"Means over tasks and phrasings; the dotted line joins a perturbation to the same phrasings unperturbed. {foot}",
        draw=lambda ax: plot_ladder(rungs, ax=ax),
    )


def _budget(evidence: Evidence, foot: str) -> Drawing:
    title = "What fewer cells would have told"
    points = [
        BudgetPoint(line=step.line, cells=step.cells, half_width=step.half_width)
        for step in evidence.budget
    ]
    if not points:
        return Drawing(
            name="budget",
            title=title,
            why="It needs two phrasings and two instances of a task, and an interval narrower than the scale.",
        )
    return Drawing(
        name="budget",
        title=title,
        caption=f"{_budget_words(evidence)} {foot}",
        draw=lambda ax: plot_budget(points, ax=ax),
    )


def _is_sparse(evidence: Evidence) -> bool:
    return bool(evidence.budget) and evidence.budget[0].line == OF_THIS_RUN


def _budget_words(evidence: Evidence) -> str:
    if _is_sparse(evidence):
        return "Sparse run: half-width of the interval of a task's mean, mean over tasks, for all cells that were asked and had only a part of them been asked."
    return (
        "Half-width of the interval of a task's mean, mean over tasks, had only a part of the instances or of the phrasings been asked. "
        "The lower line is the better way to save."
    )


def _task_map(
    evidence: Evidence, values: Mapping[str, Mapping[str, Estimate]], foot: str
) -> Drawing:
    title = "Task map: confidence and prompt uncertainty"
    names = _names(evidence.tasks)
    found = [
        TaskPoint(
            label=names[view.task.id],
            uncertainty=_value(values, view.task.id, "prompt_uncertainty"),
            confidence=_value(values, view.task.id, "confidence"),
        )
        for view in evidence.tasks
    ]
    known = [
        point
        for point in found
        if not math.isnan(point.uncertainty) and not math.isnan(point.confidence)
    ]
    if not known:
        return Drawing(
            name="task_map",
            title=title,
            why="It needs the log-probability of every choice under two phrasings or more.",
        )
    return Drawing(
        name="task_map",
        title=title,
        caption=f"Right: answers depend on the wording (ambiguous). Upper left: easy. Lower left: difficult. {foot}",
        draw=lambda ax: plot_task_map(known, ax=ax),
    )


def _distances(
    evidence: Evidence, values: Mapping[str, Mapping[str, Estimate]], foot: str
) -> Iterator[Drawing]:
    """One figure per task, never pooled.

    Those with the most unseen phrasings, at most `MOST_TASKS`.
    """
    title = "Distance from the seen wording and score"
    known = {
        view.task.id: [
            row
            for row in view.phrasings
            if row.headline and not math.isnan(row.distance) and not math.isnan(row.change)
        ]
        for view in evidence.tasks
    }
    views = [
        view for view in evidence.tasks if any(row.seen == "unseen" for row in known[view.task.id])
    ]
    if not views:
        why = "It needs the distance of unseen phrasings to seen ones: add --representations N to a run of a Transformers model with --tuned-on."
        yield Drawing(name="distance", title=title, why=why)
        return
    names = _names(evidence.tasks)
    views.sort(
        key=lambda view: (-sum(row.seen == "unseen" for row in known[view.task.id]), view.task.id)
    )
    for number, view in enumerate(views[:MOST_TASKS], start=1):
        points = [
            DistancePoint(distance=row.distance, change=row.change, seen=row.seen)
            for row in known[view.task.id]
        ]
        rho, p = (_value(values, view.task.id, name) for name in ("distance_rho", "distance_p"))
        told = (
            "Too few unseen phrasings for a correlation."
            if math.isnan(rho)
            else f"Spearman's rho of the unseen phrasings {rho:.2f}, permutation p {p:.3f}."
        )
        more = (
            f" {len(views)} tasks have distances; those with the most unseen phrasings are drawn."
            if len(views) > MOST_TASKS
            else ""
        )
        yield Drawing(
            name="distance" if number == 1 else f"distance_{number}",
            title=f"{title}: {names[view.task.id]}",
            caption=f"Distance: mean Euclidean distance of the model's last hidden states to those of the seen phrasings. Below the line: worse than the mean of the seen ones. {told} Tasks are never pooled.{more} {foot}",
            draw=lambda ax, points=points: plot_distance(points, ax=ax),  # type: ignore[misc]  # the default binds this task's points
        )
