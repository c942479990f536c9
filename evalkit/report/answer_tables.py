"""Tables of what answers are beside their scores: refusals and form,
and how sure the model is of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalkit.records import Estimate

__all__ = ["AnswerTable", "answer_tables"]

_FORM = (
    *("mean", "answered_mean", "refusal_rate", "refusal_flip_rate"),
    *("adherence", "ifs", "label_adherence", "label_meant"),
)
_CALIBRATION = (
    *("ece", "ece_mass", "brier_answer", "brier_reliability", "brier_resolution"),
    *("overconfidence", "sure_errors", "aurc", "average_precision", "confidence_shift"),
)
_TOKENS = (
    *("confidence", "ece_tokens", "brier_tokens", "overconfidence_tokens"),
    *("aurc_tokens", "average_precision_tokens"),
)
_HEADS: Mapping[str, str] = {
    "mean": "mean score",
    "answered_mean": "of answers given",
    "refusal_flip_rate": "refused under one wording of two",
    "adherence": "first line in the form",
    "ifs": "whole text in the form",
    "label_adherence": "first line a label",
    "label_meant": "means a label",
    "ece": "ECE",
    "ece_mass": "ECE, equal mass",
    "brier_answer": "Brier score",
    "brier_reliability": "of it miscalibration",
    "brier_resolution": "telling right from wrong",
    "sure_errors": "wrong at 99 % or more",
    "aurc": "risk over coverage",
    "confidence_shift": "shift between wordings",
    "ece_tokens": "ECE",
    "brier_tokens": "Brier score",
    "overconfidence_tokens": "overconfidence",
    "aurc_tokens": "risk over coverage",
    "average_precision_tokens": "average precision",
}
"""Statistic -> head of its column; others have their name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTable:
    """Some statistics of every task that has any of them."""

    title: str
    """What they are of."""
    words: str
    """How to read them."""
    metrics: tuple[str, ...]
    """Statistics, in the order of the columns."""
    rows: tuple[tuple[str, Mapping[str, Estimate]], ...]
    """Task and metric -> estimate; all tasks together last."""

    @property
    def shown(self) -> tuple[Estimate, ...]:
        """Return its estimates."""
        return tuple(row[name] for _, row in self.rows for name in self.metrics if name in row)

    @property
    def heads(self) -> tuple[str, ...]:
        """Return the heads of its columns."""
        return tuple(_HEADS.get(name, name.replace("_", " ")) for name in self.metrics)


def answer_tables(
    values: Mapping[str, Mapping[str, Estimate]], tasks: Sequence[str]
) -> list[AnswerTable]:
    """Return the tables of form and refusals, of calibration, and of calibration by tokens;
    none for what no task has.

    Parameters
    ----------
    values
        Task, or ``all``, and metric -> estimate.
    tasks
        Tasks in the order of the rows.
    """
    made: tuple[tuple[str, str, tuple[str, ...], set[str]], ...] = (
        (
            "Refusals and form",
            "Of answers given: without refused and cut ones. First line, whole text: in the form "
            "that was asked for; empty for free text.",
            _FORM,
            {"mean", "answered_mean", "refusal_flip_rate"},
        ),
        (
            "How sure, and how often right",
            "Of the probability of the given answer. Lower is better, but for telling right from "
            "wrong and average precision.",
            _CALIBRATION,
            set(),
        ),
        (
            "How sure of what it wrote",
            "Of the mean probability of the tokens of a written answer (--uncertainty).",
            _TOKENS,
            {"confidence"},
        ),
    )
    found = (_table(values, tasks, *one) for one in made)
    return [one for one in found if one is not None]


def _table(
    values: Mapping[str, Mapping[str, Estimate]],
    tasks: Sequence[str],
    title: str,
    words: str,
    names: Sequence[str],
    beside: set[str],
) -> AnswerTable | None:
    """One table; None when no task has a statistic of it, those `beside` it aside."""
    keys = [*tasks, "all"] if len(tasks) > 1 else list(tasks)
    there = {
        key: {
            name: row
            for name, row in values.get(key, {}).items()
            if name in names and row.value == row.value
        }
        for key in keys
    }
    rows = tuple((key, there[key]) for key in keys if set(there[key]) - beside)
    metrics = tuple(name for name in names if any(name in row for _, row in rows))
    if not rows:
        return None
    return AnswerTable(title=title, words=words, metrics=metrics, rows=rows)
