"""Refusals, form and calibration stand in the report, of every task that has them and of no
other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest

from evalkit.records import Estimate
from evalkit.report.answer_tables import answer_tables
from evalkit.report.evidence.gather import _risk


def estimates(task: str, **values: float) -> Mapping[str, Estimate]:
    """Return statistics of one task."""
    return {
        name: Estimate(model="m", benchmark="b", task=task, metric=name, value=value)
        for name, value in values.items()
    }


def test_a_choice_task_is_in_the_table_of_calibration_and_a_text_in_that_of_form() -> None:
    """Columns that no task has are left out, and so are tasks without any of a table's."""
    values = {
        "choice": estimates("choice", mean=0.5, answered_mean=0.5, ece=0.1, refusal_rate=math.nan),
        "text": estimates("text", mean=0.4, answered_mean=0.5, refusal_rate=0.2, ifs=math.nan),
        "all": estimates("all", mean=0.45, refusal_rate=0.2, ece=0.1),
    }

    form, sure = answer_tables(values, ["choice", "text"])

    assert [name for name, _ in form.rows] == ["text", "all"]
    assert form.metrics == ("mean", "answered_mean", "refusal_rate")
    assert [name for name, _ in sure.rows] == ["choice", "all"]
    assert (sure.metrics, sure.heads) == (("ece",), ("ECE",))
    assert len(form.shown) == 5


def test_a_run_without_texts_and_probabilities_has_neither_table() -> None:
    """A mean alone makes no table."""
    assert answer_tables({"one": estimates("one", mean=0.5)}, ["one"]) == []


def test_the_line_of_risk_begins_with_the_surest_and_ends_with_all() -> None:
    """Of three sure and right cells and one unsure and wrong one nothing is lost until the last."""
    cells = {
        "seen": (np.array([0.9, 0.8, 0.7, 0.2]), np.array([1.0, 1.0, 1.0, 0.0])),
        "unseen": (np.array([np.nan]), np.array([1.0])),
    }

    found = _risk(cells)

    assert set(found) == {"seen"}
    assert np.allclose(found["seen"], [(0.25, 0.0), (0.5, 0.0), (0.75, 0.0), (1.0, 0.25)])


def test_a_long_line_of_risk_is_thinned_and_keeps_its_ends() -> None:
    """Two hundred points of ten thousand cells, the last of them all cells."""
    sure = np.linspace(0, 1, 10_000)

    (line,) = _risk({"seen": (sure, (sure > 0.5).astype(float))}).values()

    assert len(line) == 200
    assert line[-1] == pytest.approx((1.0, 0.5))
