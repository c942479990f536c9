"""Figures that only some runs have data for: ladder, budget, task map, distances to the seen
wording.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from evalkit.catalog.procedural.languages import LANGUAGES
from evalkit.records import Estimate
from evalkit.records.questions import WORDS
from evalkit.report.drawing import Drawing, names_of, value_at
from evalkit.report.evidence import OF_THIS_RUN, Evidence
from evalkit.report.figures.lines import (
    Band,
    plot_bands,
    plot_budget,
    plot_reliability,
    plot_risk,
)
from evalkit.report.figures.maps import Grid, plot_matrix
from evalkit.report.figures.points import DistancePoint, TaskPoint, plot_distance, plot_task_map
from evalkit.report.figures.rows import ChangeRow, plot_change

__all__ = [
    "budget_drawing",
    "distance_drawings",
    "diversity_drawing",
    "is_sparse",
    "ladder_drawing",
    "language_drawing",
    "reliability_drawing",
    "risk_drawings",
    "task_map_drawing",
]

_SHOWN_RULES = re.compile(r"perturbation=shots:(?:.*,)?rules=(\d+)\b")
MOST_TASKS = 4
"""Most tasks with a figure of their own where tasks must not be pooled."""


def ladder_drawing(evidence: Evidence, foot: str) -> Drawing:
    """Return scores under perturbed wording beside those of the same phrasings unperturbed."""
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
        ChangeRow(
            label=name,
            before=sum(clean for _, clean in found) / len(found),
            after=sum(score for score, _ in found) / len(found),
        )
        for name, found in sorted(pairs.items())
    ]
    return Drawing(
        name="ladder",
        title=title,
        caption=(
            "Means over tasks and phrasings; the line joins a perturbation to the same "
            f"phrasings unperturbed. {foot}"
        ),
        draw=partial(plot_change, rungs, names=("clean", "perturbed")),
    )


def language_drawing(estimates: Sequence[Estimate], foot: str) -> Drawing | None:
    """Return the matrix of input and instruction language;
    None for a run that does not cross them.
    """
    found: dict[tuple[str, str], float] = {}
    for row in estimates:
        parts = dict(part.partition("=")[::2] for part in row.group.split(" & ") if part)
        over_all = row.benchmark == row.task == "all" and row.metric == "mean"
        if over_all and parts.keys() == {"input", "instruction"}:
            found[parts["input"], parts["instruction"]] = row.value
    if not found:
        return None
    inputs, told = (sorted({key[side] for key in found}) for side in (0, 1))
    data = Grid(
        rows=[LANGUAGES.get(name, name) for name in inputs],
        columns=[LANGUAGES.get(name, name) for name in told],
        values=[[found.get((one, other), math.nan) for other in told] for one in inputs],
        row_label="language of the input",
        column_label="language of the instruction",
    )
    return Drawing(
        name="languages",
        title="Language of the input and of the instruction",
        caption=(
            "Mean score in percentage points over tasks, phrasings and instances. The diagonal is "
            "the instruction in the language of the input. Intervals, and differences to English "
            f"instructions, stand in the tables beside the wording. {foot}"
        ),
        draw=partial(plot_matrix, data),
    )


def diversity_drawing(estimates: Sequence[Estimate], foot: str) -> Drawing | None:
    """Return the score against the number of different rules shown;
    None where fewer than two numbers were.
    """
    found: dict[int, Estimate] = {}
    for row in estimates:
        told = _SHOWN_RULES.search(row.group)
        alone = row.benchmark == row.task == "all" and " & " not in row.group
        if told and alone and row.metric == "mean":
            found[int(told[1])] = row
    if len(found) < 2:
        return None
    xs = sorted(found)
    band = Band(
        label="mean",
        values=[found[x].value for x in xs],
        low=[found[x].low for x in xs],
        high=[found[x].high for x in xs],
    )
    return Drawing(
        name="diversity",
        title="Score against the number of different rules shown",
        caption=(
            "Mean score in percentage points on rules that are not shown, with its interval, under "
            "equally many worked instances of so many different rules. A curve that rises says "
            f"that more rules help, not more instances. {foot}"
        ),
        draw=partial(plot_bands, xs, [band], x_label="different rules shown"),
    )


def budget_drawing(evidence: Evidence, foot: str) -> Drawing:
    """Return what a part of the cells would have told."""
    title = "What fewer cells would have told"
    if not evidence.budget:
        return Drawing(
            name="budget",
            title=title,
            why=(
                "It needs two phrasings and two instances of a task, and an interval narrower "
                "than the scale."
            ),
        )
    return Drawing(
        name="budget",
        title=title,
        caption=f"{_budget_words(evidence)} {foot}",
        draw=partial(plot_budget, evidence.budget),
    )


def is_sparse(evidence: Evidence) -> bool:
    """Return whether the run asked only a part of its cells."""
    return bool(evidence.budget) and evidence.budget[0].line == OF_THIS_RUN


def _budget_words(evidence: Evidence) -> str:
    if is_sparse(evidence):
        return (
            "Sparse run: half-width of the interval of a task's mean, mean over tasks, "
            "for all cells that were asked and had only a part of them been asked; for "
            f"{WORDS['cells']}."
        )
    return (
        f"Half-width of the interval of a task's mean, for {WORDS['normal']}, mean over tasks, "
        "had only a part of the instances or of the phrasings been asked. "
        "The lower line is the better way to save."
    )


def reliability_drawing(evidence: Evidence, foot: str) -> Drawing:
    """Return how often answers are right that the model is so sure of, seen against unseen
    wording.
    """
    title = "Reliability: how sure, and how often right"
    arms = evidence.reliability
    if not arms:
        return Drawing(
            name="reliability",
            title=title,
            why="No probability of an answer is known: choices are scored by log-probability for "
            "it, or a text states its confidence.",
        )
    return Drawing(
        name="reliability",
        title=title,
        caption=(
            "Ten bins of the probability of the given answer; larger marks hold more cells. Below "
            f"the dashed line the model is surer than it is right. {foot}"
        ),
        draw=partial(plot_reliability, arms),
    )


def risk_drawings(evidence: Evidence, foot: str) -> Iterator[Drawing]:
    """Yield how often answers are wrong when only the surest are kept;
    nothing without confidences.
    """
    arms = evidence.risk
    if arms:
        yield Drawing(
            name="risk",
            title="Risk and coverage: what leaving out unsure answers would save",
            caption=(
                "Answers in order of their probability, surest first: the further left, the fewer "
                "are kept. A line that does not fall to the left says that how sure the model is "
                f"tells nothing of how right it is. {foot}"
            ),
            draw=partial(plot_risk, arms),
        )


def task_map_drawing(
    evidence: Evidence, values: Mapping[str, Mapping[str, Estimate]], foot: str
) -> Drawing:
    """Return the map of confidence and prompt uncertainty."""
    title = "Task map: confidence and prompt uncertainty"
    names = names_of(evidence.tasks)
    found = [
        TaskPoint(
            label=names[view.task.id],
            uncertainty=value_at(values, view.task.id, "prompt_uncertainty"),
            confidence=value_at(values, view.task.id, "confidence"),
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
        caption=(
            "Right: answers depend on the wording (ambiguous). Upper left: easy. "
            f"Lower left: difficult. {foot}"
        ),
        draw=partial(plot_task_map, known),
    )


def distance_drawings(
    evidence: Evidence, values: Mapping[str, Mapping[str, Estimate]], foot: str
) -> Iterator[Drawing]:
    """Yield one figure per task, never pooled.

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
        why = (
            "It needs the distance of unseen phrasings to seen ones: add --representations N to a "
            "run of a Transformers model with --tuned-on."
        )
        yield Drawing(name="distance", title=title, why=why)
        return
    names = names_of(evidence.tasks)
    views.sort(
        key=lambda view: (-sum(row.seen == "unseen" for row in known[view.task.id]), view.task.id)
    )
    for number, view in enumerate(views[:MOST_TASKS], start=1):
        points = [
            DistancePoint(distance=row.distance, change=row.change, seen=row.seen)
            for row in known[view.task.id]
        ]
        rho, p = (value_at(values, view.task.id, name) for name in ("distance_rho", "distance_p"))
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
            caption=(
                "Distance: mean Euclidean distance of the model's last hidden states to those of "
                "the seen phrasings. Below the line: worse than the mean of the seen ones. "
                f"{told} Tasks are never pooled.{more} {foot}"
            ),
            draw=partial(plot_distance, points),
        )
