"""One cell: what was asked and answered in, score and status out.

Two failures are kept apart. *Unparsed*: the model answered unusably; score 0, counted. *Missing*:
our side failed; no score at all. A third state, *truncated*, is a scored cell whose prompt lost
part of the instance.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

from evalkit.errors import ScoringError
from evalkit.records import Instance, Task
from evalkit.registry import METRICS
from evalkit.scoring.extract import extracted
from evalkit.scoring.metric import MISSING, UNREAD, Answered, Verdict
from evalkit.scoring.reading.confidence import stated_confidence
from evalkit.scoring.states import FREE, Form, form_of, state_of, status_of

__all__ = ["VERSIONS", "target_text", "verdict_of"]


VERSIONS = {
    "exact_match": 2,
    "label_match": 2,
    "math_match": 3,
    "rouge_l": 3,
    "token_f1": 3,
    "squad_v2": 3,
}
"""Versions of metrics whose numbers moved; every other one is at 1.
Kept with the scores of a run.
"""


@cache
def _metric(name: str) -> Any:
    """Return a metric; remembered, because millions of cells ask for the same one."""
    return METRICS.load(name)


def verdict_of(task: Task, answered: Answered, *, form: Form = FREE) -> Verdict:
    """Return what the metric of a task says of one answer, and what that answer is.

    Parameters
    ----------
    task
        Says which metric.
    answered
        Instance and response; missing when the response holds an error.
    form
        In which form the task asks for its answers.

    Raises
    ------
    ScoringError
        When the metric gives a score outside [0, 1].
    """
    if answered.response.error:
        return MISSING
    if task.extract is not None and answered.text is not None and not answered.response.logprobs:
        taken = extracted(answered.text, task.extract)
        if taken is None:
            return _judged(task, answered, UNREAD, form)
        done = not isinstance(task.extract, str)
        response = replace(
            answered.response,
            text=taken,
            finish_reason="stop" if done else answered.response.finish_reason,
        )
        answered = replace(answered, response=response)
    verdict: Verdict = _metric(task.metric)(answered)
    if verdict.score is not None and not (
        math.isfinite(verdict.score) and 0.0 <= verdict.score <= 1.0
    ):
        raise ScoringError(
            f"{task.id}: metric {task.metric!r} gave {verdict.score!r} for instance "
            f"{answered.instance.id!r}; a score lies in [0, 1]. Correct the metric."
        )
    return _judged(task, answered, verdict, form)


def _judged(task: Task, answered: Answered, verdict: Verdict, form: Form) -> Verdict:
    """The verdict with what the answer is."""
    state = state_of(task, answered, verdict, form=form)
    status = status_of(state, verdict, truncated=answered.response.truncated)
    prediction = None if status == "unparsed" else verdict.prediction
    stated = None
    if verdict.probability is None and prediction is not None and answered.response.text:
        stated = stated_confidence(answered.text or "")
    return replace(
        verdict,
        probability=verdict.probability if stated is None else stated,
        state=state,
        status=status,
        prediction=prediction,
        form=form_of(answered, form),
    )


def target_text(instance: Instance) -> str:
    """Return the correct answer as text: the choice, else the first reference, else empty."""
    if instance.target is not None and instance.choices:
        return instance.choices[instance.target]
    return instance.references[0] if instance.references else ""
