"""Tasks by uncertainty and confidence."""

from __future__ import annotations

from evalkit.records import Estimate
from evalkit.report.task_classes import task_classes


def rows(task, uncertainty, confidence):
    """Return the two estimates of one task."""
    return [
        Estimate(model="m", benchmark="b", task=task, metric=name, value=value)
        for name, value in (("prompt_uncertainty", uncertainty), ("confidence", confidence))
    ]


def test_tasks_are_named_by_both_and_ranked_by_uncertainty():
    """0.2 is ambiguous whatever the confidence; 0.05 is easy at 0.9 and difficult at 0.3."""
    estimates = [*rows("easy", 0.05, 0.9), *rows("difficult", 0.04, 0.3), *rows("torn", 0.2, 0.9)]

    found = [(one.task, one.name) for one in task_classes(estimates)]
    assert found == [("torn", "ambiguous"), ("easy", "easy"), ("difficult", "difficult")]


def test_a_task_without_probabilities_has_no_class():
    """NaN is not zero uncertainty."""
    assert task_classes(rows("text", float("nan"), 0.9)) == []
