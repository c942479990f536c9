"""How answers are drawn: limits, temperature and repeats of a suite in place of those of its
tasks.
"""

from __future__ import annotations

from dataclasses import replace

from evalkit.errors import UsageError
from evalkit.records import ModelSpec, Suite, Task

__all__ = ["as_drawn", "drawing_notes", "refuse_drawing"]

_ALWAYS_SAME = frozenset({"hf", "vllm", "lm-eval"})
"""Backends whose answers at temperature 0 are the same every time."""


def refuse_drawing(suite: Suite) -> None:
    """Refuse values out of range, and repeats in designs that choose cells by single answers.

    Raises
    ------
    UsageError
        When something is refused.
    """
    if suite.temperature is not None and not 0 <= suite.temperature <= 10:
        raise UsageError(
            f"--temperature: {suite.temperature:g} is out of range; 0 to 10 is accepted."
        )
    if suite.top_p is not None and not 0 < suite.top_p <= 1:
        raise UsageError(f"--top-p: {suite.top_p:g} is out of range; above 0 up to 1 is accepted.")
    by_answers = suite.half_width or suite.find or suite.budget_design == "adaptive"
    if by_answers and (suite.repeats or 1) > 1:
        raise UsageError(
            "--repeats: does not go with --half-width, --find or an adaptive budget, "
            "which choose cells by one answer each. Leave one of them out."
        )


def as_drawn(task: Task, suite: Suite) -> Task:
    """Return a task with what the suite says in place of its own;
    one that scores choices as it is.
    """
    if task.kind != "generate":
        return task
    told = {
        name: getattr(suite, name)
        for name in ("max_tokens", "temperature", "top_p", "repeats")
        if getattr(suite, name) is not None
    }
    return replace(task, **told)


def drawing_notes(tasks: list[Task], suite: Suite, model: ModelSpec) -> list[str]:
    """Return what a reader must know of how answers are drawn.

    Raises
    ------
    UsageError
        When every repeat would be the same answer.
    """
    writing = [task for task in tasks if task.kind == "generate"]
    same = [task for task in writing if task.repeats > 1 and task.temperature == 0]
    if same and model.backend in _ALWAYS_SAME:
        raise UsageError(
            f"--repeats: at temperature 0 the model gives {same[0].id} the same answer every "
            "time. Add --temperature, or leave --repeats out."
        )
    asked = [
        f"--{name.replace('_', '-')}"
        for name in ("max_tokens", "temperature", "top_p", "repeats")
        if getattr(suite, name) is not None
    ]
    rest = len(tasks) - len(writing)
    if not asked or not rest:
        return []
    which = (
        "the task scores" if rest == 1 and not writing else f"{rest} of {len(tasks)} tasks score"
    )
    return [f"{', '.join(asked)}: {which} choices, which are not drawn, and are asked once"]
