"""Defects planted into a candidate: each is stopped by the default policy, by the check that is
about it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import pytest
from programs import ROOT, program

from evalkit.analysis.compare import paired_blocks, whole_blocks
from evalkit.catalog.policies import default_policy_path, read_policy_file
from evalkit.gating import decide, measure
from evalkit.gating.checks import Decision
from evalkit.scoring import ScoreTable

TASKS, PHRASINGS, INSTANCES = 12, 6, 60
Frame = pd.DataFrame
Mask = np.ndarray


def cells() -> Frame:
    """Return the cells of a model that is right on four instances of five, whatever the wording."""
    rng = np.random.default_rng(7)
    known = rng.random((TASKS, INSTANCES)) < 0.8
    rows = [
        {
            **{"model": "m", "task": f"b/t{task:02d}", "phrasing_id": f"p{phrasing}"},
            **{"instance_id": f"i{one:03d}", "seen": "seen" if phrasing < 3 else "unseen"},
            "kind": "correct" if phrasing < 5 else "wrong",
            "score": float(known[task, one]) * (phrasing < 5),
            "prediction": "right" if known[task, one] else "other",
            "probability": 0.8,
            "state": "right" if known[task, one] and phrasing < 5 else "wrong",
            "form": "whole",
        }
        for task in range(TASKS)
        for phrasing in range(PHRASINGS)
        for one in range(INSTANCES)
    ]
    return pd.DataFrame(rows)


def drawn(frame: Frame, rate: float) -> Mask:
    """Return a random part of the instances of correct phrasings."""
    hit = np.random.default_rng(3).random(len(frame)) < rate
    return hit & (frame["kind"] == "correct").to_numpy()


def put(frame: Frame, where: Mask, **values: object) -> Frame:
    """Return the frame with other values in some rows."""
    found = frame.copy()
    for name, value in values.items():
        found.loc[where, name] = value
    return found


def refusals(frame: Frame) -> Frame:
    """Refuse where it was wrong anyway: no score moves."""
    return put(frame, drawn(frame, 0.15) & (frame["score"] == 0).to_numpy(), state="refused")


def cut(frame: Frame) -> Frame:
    """Run into the limit on tokens, losing the score."""
    return put(frame, drawn(frame, 0.05), state="cut", score=0.0, prediction=None)


def another_format(frame: Frame) -> Frame:
    """Say it in a sentence that cannot be read."""
    return put(
        frame, drawn(frame, 0.05), state="unusable", form="other", score=0.0, prediction=None
    )


def wordy_but_readable(frame: Frame) -> Frame:
    """Say the label in a sentence that the parser reads: every score stays."""
    return put(frame, drawn(frame, 0.15), form="other")


def a_line_behind_the_answer(frame: Frame) -> Frame:
    """Add an advertisement on a second line, which no metric reads."""
    return put(frame, drawn(frame, 0.15), form="line")


def overconfident(frame: Frame) -> Frame:
    """Be surer of the same answers."""
    return put(frame, np.ones(len(frame), dtype=bool), probability=0.98)


def one_bad_task(frame: Frame) -> Frame:
    """Lose a fifth of one task."""
    here = drawn(frame, 0.28) & (frame["task"] == "b/t03").to_numpy()
    return put(frame, here, score=0.0, state="wrong", prediction="other")


def deaf(frame: Frame) -> Frame:
    """Answer wrong instructions as if they were right."""
    known = frame.groupby(["task", "instance_id"])["score"].transform("max") > 0
    here = ((frame["kind"] == "wrong") & known).to_numpy()
    return put(frame, here, score=1.0, state="right", prediction="right")


def decision(old: Frame, new: Frame) -> Decision:
    """Return what the default policy says of two tables."""
    tables = [ScoreTable.from_frame(frame) for frame in (old, new)]
    policy = read_policy_file(default_policy_path())
    measured = measure(paired_blocks(*tables), policy, whole=whole_blocks(*tables))
    return decide(measured, policy, today=date(2026, 1, 1))


@pytest.mark.parametrize(
    ("defect", "check"),
    [
        (refusals, "refusal_rate"),
        (cut, "cut_rate"),
        (another_format, "unusable_rate"),
        (wordy_but_readable, "adherence"),
        (a_line_behind_the_answer, "ifs"),
        (overconfident, "brier_answer"),
        (overconfident, "overconfidence"),
        (one_bad_task, "mean"),
        (deaf, "reliance"),
    ],
)
def test_a_planted_defect_is_stopped_by_its_own_check(
    defect: Callable[[Frame], Frame], check: str
) -> None:
    """The outcome is regression, and the check that is about the defect says so."""
    old = cells()
    found = decision(old, defect(old))

    assert found.outcome == "regression"
    assert check in {one.metric for one in found.of("regression")}


@pytest.mark.parametrize(
    ("defect", "quiet"),
    [
        (refusals, {"mean", "cut_rate", "unusable_rate", "reliance"}),
        (overconfident, {"mean", "refusal_rate", "reliance", "adherence"}),
        (deaf, {"mean", "refusal_rate", "adherence", "overconfidence"}),
        (wordy_but_readable, {"mean", "refusal_rate", "unusable_rate", "overconfidence"}),
    ],
)
def test_a_defect_leaves_the_other_checks_alone(
    defect: Callable[[Frame], Frame], quiet: set[str]
) -> None:
    """What did not change is not named."""
    old = cells()
    named = {one.metric for one in decision(old, defect(old)).of("regression")}

    assert not named & quiet


def test_a_clean_twin_passes() -> None:
    """Equal cells are no regression in any check."""
    assert decision(cells(), cells()).outcome == "pass"


def test_nothing_that_was_once_let_through_passes() -> None:
    """Every defect of the table in docs/gate.md is a regression; the same cells pass;
    its rows stand there.
    """
    planted = program("benchmarks/gate_planted.py")
    page = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8")
    old = planted.cells()

    assert planted.decision(old, old).outcome == "pass"
    for name, defect in planted.DEFECTS.items():
        found = planted.decision(old, defect.put(old))
        assert found.outcome == "regression", name
        assert planted.row(name, found) in page, name
