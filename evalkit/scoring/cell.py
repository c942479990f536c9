"""One cell: what was asked and answered in, score and status out.

Two failures are kept apart. *Unparsed*: the model answered unusably; score 0, counted. *Missing*:
our side failed; no score at all. A third state, *truncated*, is a scored cell whose prompt lost
part of the instance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from evalkit.errors import ScoringError
from evalkit.records import Instance, Phrasing, Response, Score, Seen, Status, Task
from evalkit.registry import METRICS

__all__ = ["Answered", "Verdict", "score_cell", "target_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a metric is given."""

    instance: Instance
    """The item, with its target and references."""
    response: Response
    """What the backend returned; never one with an error."""
    labels: tuple[str, ...] = ()
    """Answer the model was asked for, per choice as shown."""
    order: tuple[int, ...] = ()
    """Index in ``instance.choices`` of each choice shown; empty for upstream order."""

    def choice_index(self, shown: int) -> int:
        """Return the index in ``instance.choices`` of the choice shown at position `shown`."""
        return self.order[shown] if self.order else shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a metric returns."""

    score: float | None
    """Score in [0, 1]; None when the response cannot be scored by our fault."""
    prediction: str | None
    """The answer in canonical form; None when unparsed."""
    status: Status = "ok"
    """``ok``, ``unparsed`` or ``missing``."""
    probability: float | None = None
    """Probability of the prediction, where known."""
    target_probability: float | None = None
    """Probability of the target, where known."""


MISSING = Verdict(score=None, prediction=None, status="missing")


@cache
def _metric(name: str) -> Any:
    """Return a metric; remembered, because millions of cells ask for the same one."""
    return METRICS.load(name)


def score_cell(
    task: Task,
    phrasing: Phrasing,
    answered: Answered | Instance,
    *,
    model: str,
    seen: Seen,
) -> Score:
    """Return the row of one cell.

    Parameters
    ----------
    task, phrasing
        What was asked and in which words.
    answered
        Instance and response; the bare instance when there is no response.
    model
        Model shown in tables.
    seen
        Relation of the phrasing to the model's tuning data.

    Raises
    ------
    ScoringError
        When the metric gives a score outside [0, 1].
    """
    instance = answered if isinstance(answered, Instance) else answered.instance
    verdict = MISSING
    if isinstance(answered, Answered) and not answered.response.error:
        verdict = _metric(task.metric)(answered)
        if verdict.score is not None and not (
            math.isfinite(verdict.score) and 0.0 <= verdict.score <= 1.0
        ):
            raise ScoringError(
                f"{task.id}: metric {task.metric!r} gave {verdict.score!r} for instance {instance.id!r}; a score lies in [0, 1]. Mend the metric."
            )
        if answered.response.truncated and verdict.status == "ok":
            verdict = replace(verdict, status="truncated")
    return Score(
        model=model,
        benchmark=task.benchmark,
        task=task.id,
        phrasing_id=phrasing.id,
        phrasing_source=phrasing.source,
        seen=seen,
        layout=phrasing.layout,
        label_space=phrasing.label_space,
        perturbation=phrasing.perturbation,
        kind=phrasing.kind,
        instance_id=instance.id,
        score=verdict.score,
        status=verdict.status,
        prediction=verdict.prediction,
        target=target_text(instance),
        probability=verdict.probability,
        target_probability=verdict.target_probability,
    )


def target_text(instance: Instance) -> str:
    """Return the correct answer as text: the choice, else the first reference, else empty."""
    if instance.target is not None and instance.choices:
        return instance.choices[instance.target]
    return instance.references[0] if instance.references else ""
