"""Which figures a run has data for, with captions; and the reason for those it has not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from evalkit.records import Estimate
from evalkit.records.manifest import Counts
from evalkit.report.asked import most_asked
from evalkit.report.drawing import Drawing, by_task, names_of, value_at
from evalkit.report.drawings_of_some import (
    budget_drawing,
    distance_drawings,
    diversity_drawing,
    is_sparse,
    ladder_drawing,
    language_drawing,
    reliability_drawing,
    risk_drawings,
    task_map_drawing,
)
from evalkit.report.evidence import Evidence, TaskView
from evalkit.report.figures.maps import Grid, plot_heatmap
from evalkit.report.figures.rows import IntervalRow, VarianceRow, plot_gap, plot_variance
from evalkit.report.figures.scores import Dot, ScoreRow, plot_scores
from evalkit.report.terminal import counted
from evalkit.report.text import share

__all__ = ["MOST_ROWS", "drawings"]

MOST_ROWS = 24
"""Most rows of a figure on the page."""


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
    about = _foot(evidence, counts)
    foot = f"{evidence.level:.0%} intervals; {about}"
    yield _scores(evidence, values, foot)
    yield _gap(evidence, values, foot)
    yield _variance(evidence, values, about)
    yield _heatmap(evidence, about)
    for some in (language_drawing(estimates, about), diversity_drawing(estimates, foot)):
        if some is not None:
            yield some
    yield ladder_drawing(evidence, about)
    yield budget_drawing(evidence, foot)
    yield reliability_drawing(evidence, about)
    yield from risk_drawings(evidence, about)
    yield task_map_drawing(evidence, values, about)
    yield from distance_drawings(evidence, values, foot)


def _foot(evidence: Evidence, counts: Counts) -> str:
    cells = counts.cells or 1
    n_phrasings = sum(row.headline for view in evidence.tasks for row in view.phrasings)
    n_instances = sum(view.n_instances for view in evidence.tasks)
    return (
        f"{counted(len(evidence.tasks), 'task')}, {counted(n_phrasings, 'phrasing')} (counted per "
        f"task), {counted(n_instances, 'instance')}; missing {share(counts.missing / cells)}, "
        f"unparsed {share(counts.unparsed / cells)}."
    )


def _most(
    views: Sequence[TaskView], values: Mapping[str, Mapping[str, Estimate]], metric: str
) -> tuple[list[TaskView], str]:
    """The tasks with the largest values of a metric, largest first,
    and what to say when some are left out.
    """

    def size(view: TaskView) -> float:
        value = value_at(values, view.task.id, metric)
        return -1.0 if math.isnan(value) else abs(value)

    kept = sorted(views, key=lambda view: (-size(view), view.task.id))[:MOST_ROWS]
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
    names = names_of(evidence.tasks)
    sparse = (
        (
            " Sparse run: marks are posterior means, which lie closer together than the scores "
            "they stand for."
        )
        if is_sparse(evidence)
        else ""
    )
    rows = [
        ScoreRow(
            label=names[view.task.id],
            dots=[Dot(score=row.score, seen=row.seen) for row in view.phrasings if row.headline],
            mean=value_at(values, view.task.id, "mean"),
            low=value_at(values, view.task.id, "mean", "low"),
            high=value_at(values, view.task.id, "mean", "high"),
            new_low=value_at(values, view.task.id, "new_phrasing_low"),
            new_high=value_at(values, view.task.id, "new_phrasing_high"),
            chance=view.chance,
        )
        for view in views
    ]
    asked = _for(values, "mean")
    return Drawing(
        name="scores",
        title="Score under every phrasing, by task",
        caption=(
            "A mark is one phrasing: filled blue circle seen, open orange diamond unseen, "
            f"grey square unknown. Thick line: interval of the mean{asked.removesuffix(',')}; "
            "thin line: where the score under one new phrasing would lie; dashed: "
            f"guessing.{sparse}{said} {foot}"
        ),
        draw=partial(plot_scores, rows),
    )


def _for(values: Mapping[str, Mapping[str, Estimate]], metric: str) -> str:
    """What the intervals of a statistic of tasks are for, behind their name."""
    asked = most_asked(found.get(metric) for task, found in values.items() if task != "all")
    return f" (for {asked})" if asked else ""


def _gap(evidence: Evidence, values: Mapping[str, Mapping[str, Estimate]], foot: str) -> Drawing:
    title = "Seen minus unseen wording, by task"
    with_gap = [
        view for view in evidence.tasks if not math.isnan(value_at(values, view.task.id, "gap"))
    ]
    if not with_gap:
        arms = sorted({row.seen for view in evidence.tasks for row in view.phrasings})
        return Drawing(
            name="gap",
            title=title,
            why=f"No task has seen and unseen phrasings: all are {' or '.join(arms)}.",
        )
    views, said = _most(with_gap, values, "gap")
    names = names_of(evidence.tasks)
    rows = [_interval_row(values, view.task.id, "gap", names[view.task.id]) for view in views]
    rows.sort(key=lambda row: -row.value)
    if len(evidence.tasks) > 1:
        rows.append(_interval_row(values, "all", "gap", "all tasks", total=True))
    if not math.isnan(value_at(values, "all", "gap_matched")):
        label = "like forms (gap_matched)"
        rows.append(_interval_row(values, "all", "gap_matched", label, total=True))
    asked = _for(values, "gap")
    return Drawing(
        name="gap",
        title=title,
        caption=(
            "Right of 0: unseen wording is worse. "
            f"Orange and blue: the interval{asked} leaves out 0.{said} {foot}"
        ),
        draw=partial(plot_gap, rows),
    )


def _interval_row(
    values: Mapping[str, Mapping[str, Estimate]],
    task: str,
    metric: str,
    label: str,
    *,
    total: bool = False,
) -> IntervalRow:
    value, low, high = (value_at(values, task, metric, end) for end in ("value", "low", "high"))
    return IntervalRow(label=label, value=value, low=low, high=high, total=total)


def _variance(
    evidence: Evidence, values: Mapping[str, Mapping[str, Estimate]], foot: str
) -> Drawing:
    title = "What a score depends on"
    views, said = _most(evidence.tasks, values, "var_phrasing")
    names = names_of(evidence.tasks)
    rows = []
    for view in views:
        parts = [
            max(0.0, value_at(values, view.task.id, f"var_{part}"))
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
        caption=(
            "Crossed random effects of phrasing and instance; negative components count as 0. "
            "A large first part: wording moves the score as a whole. "
            f"A large last part: wording decides which instances are right.{said} {foot}"
        ),
        draw=partial(plot_variance, rows),
    )


def _heatmap(evidence: Evidence, foot: str) -> Drawing:
    title = "Scores by task and phrasing"
    views = [view for view in evidence.tasks if sum(row.headline for row in view.phrasings) > 1]
    if len(views) < 2:
        return Drawing(
            name="heatmap", title=title, why="A map needs two tasks with two phrasings each."
        )
    names = names_of(evidence.tasks)
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
    data = Grid(rows=[names[view.task.id] for view in views], values=grid, column_label=columns)
    return Drawing(
        name="heatmap",
        title=title,
        caption=f"{columns.capitalize()}. {foot}",
        draw=partial(plot_heatmap, data),
    )
