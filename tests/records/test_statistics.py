"""A statistic is one entry: rows, tables, gates and the page of the docs are queries over the
entries.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from programs import program

from evalkit.analysis import estimate, read_estimates
from evalkit.gating.measures import CONVEX
from evalkit.gating.units import LINEAR
from evalkit.gating.varied import is_varied
from evalkit.records.policy import Rule
from evalkit.records.statistics import (
    LEADERBOARD,
    STATISTICS,
    gated,
    needing,
    shown_in,
    statistic,
)
from evalkit.scoring import ScoreTable

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """Return the generator of the page."""
    return program("tools/generate_metrics_page.py")


def rows_of_two_models() -> list[dict[str, object]]:
    """Return cells of two models on three tasks, with controls, perturbed copies and both arms."""
    rng = np.random.default_rng(0)
    kinds = [("correct", "seen", ""), ("correct", "unseen", ""), ("wrong", "unseen", "")]
    kinds += [("correct", "seen", "typo")]
    return [
        {
            **{"model": model, "task": f"b/t{task}", "benchmark": "b"},
            "phrasing_id": f"p{number % 2}.typo-1" if copy else f"p{number}",
            **{"kind": kind, "seen": seen, "perturbation": copy, "instance_id": f"i{instance}"},
            "score": float(rng.random() < 0.6),
            "prediction": str(int(rng.integers(0, 3))),
        }
        for model in "ab"
        for task in range(3)
        for number, (kind, seen, copy) in enumerate(kinds * 2)
        if not (copy and number > 4)
        for instance in range(6)
    ]


def test_every_row_of_a_run_has_an_entry_and_lies_in_its_range() -> None:
    """The released run and a table of two models: a name known, a value between the ends."""
    import pandas as pd

    table = ScoreTable.from_frame(pd.DataFrame(rows_of_two_models()))
    rows = [
        *read_estimates(ROOT / "tests" / "golden" / "run_v1" / "estimates.csv"),
        *estimate(table, n_resamples=100),
    ]
    outside = {
        row.metric
        for row in rows
        if row.value == row.value
        and not row.metric.startswith("var_")  # an estimate of a variance may be negative
        and not statistic(row.metric).low <= row.value <= statistic(row.metric).high
    }

    assert outside == set()
    assert {"reliance_wrong", "kendall_w", "std_of_means"} <= {row.metric for row in rows}


def test_what_a_gate_checks_is_what_it_can_measure() -> None:
    """One name here for each measure there, and a direction for each."""
    measured = {name for name in gated() if is_varied(Rule(metric=name, margin=0.1))}
    assert measured >= {"attack_success", "parts_right", "share_solved"}
    # "delta" is measured too, of the level that a rule's group names
    assert set(gated()) == {*LINEAR, *CONVEX, *measured, "collateral_damage", "delta"}
    assert not measured & {*LINEAR, *CONVEX}
    assert all(STATISTICS[name].harm for name in STATISTICS if STATISTICS[name].gate)


def test_tables_show_statistics_that_exist_and_are_named() -> None:
    """Words of a table never repeat, and the leaderboard names entries."""
    words = [entry.title for entry in STATISTICS.values() if entry.shown]

    assert len(set(words)) == len(words)
    assert set(LEADERBOARD) <= set(STATISTICS)
    assert [entry.name for entry in shown_in("analyse")] == [
        *("mean", "std", "spread", "min", "gap", "consistency")
    ]


def test_a_name_without_an_entry_is_an_error() -> None:
    """A row nobody described cannot be written."""
    with pytest.raises(KeyError, match="made_up"):
        statistic("made_up")
    assert "distance_rho" in needing("vectors")


def test_the_page_of_the_docs_is_current(tool: ModuleType) -> None:
    """Whoever changes an entry runs the generator again."""
    text = tool.PAGE.read_text(encoding="utf-8")

    assert text == tool.page(text), "type: python tools/generate_metrics_page.py"
    assert all(f"`{name}`" in text for name in STATISTICS)
