"""Tasks by how sure the model is of its answers and how much that hangs on the wording.

References
----------
P. Kung and others, "Active Instruction Tuning", EMNLP 2023 (arXiv 2311.00288): ambiguous, easy and
difficult tasks, and tuning on ambiguous ones first. The thresholds are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evalkit.records import Estimate

__all__ = ["AMBIGUOUS", "SURE", "TaskClass", "task_classes"]

AMBIGUOUS = 0.1
"""Prompt uncertainty from which a task counts as ambiguous."""
SURE = 0.5
"""Confidence from which a task that is not ambiguous counts as easy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskClass:
    """One task on the map."""

    task: str
    """Task id."""
    uncertainty: Estimate
    """Its prompt uncertainty."""
    confidence: Estimate
    """Mean probability of the model's own answer."""
    name: Literal["ambiguous", "easy", "difficult"]
    """Ambiguous: sure or not, the words decide it; easy: sure whatever the words; difficult: unsure
    whatever the words."""


def task_classes(estimates: Sequence[Estimate]) -> list[TaskClass]:
    """Return the tasks whose uncertainty was measured, the most uncertain first:
    the ones to tune next.
    """
    values = {
        (row.task, row.metric): row
        for row in estimates
        if row.task != "all" and not row.group and row.value == row.value
    }
    found = []
    for (task, metric), row in values.items():
        confidence = values.get((task, "confidence"))
        if metric == "prompt_uncertainty" and confidence is not None:
            ambiguous = row.value >= AMBIGUOUS
            easy = confidence.value >= SURE
            name: Literal["ambiguous", "easy", "difficult"] = (
                "ambiguous" if ambiguous else "easy" if easy else "difficult"
            )
            found.append(TaskClass(task=task, uncertainty=row, confidence=confidence, name=name))
    return sorted(found, key=lambda one: (-one.uncertainty.value, one.task))
