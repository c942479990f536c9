"""The coins of `benchmarks/gate_real.py`: nothing changes but which checkpoint is called old."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the benchmark."""
    folder = Path(__file__).parents[2] / "benchmarks"
    monkeypatch.syspath_prepend(str(folder))
    spec = importlib.util.spec_from_file_location("gate_real", folder / "gate_real.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gate_real", module)
    spec.loader.exec_module(module)
    return module


def rows(score: float, groups: bool) -> pd.DataFrame:
    """Return the cells of a model that scores the same everywhere:
    2 tasks, 3 wordings, 8 instances.
    """
    found = pd.DataFrame(
        [
            {"model": "m", "task": f"b/{task}", "phrasing_id": f"p{p}", "instance_id": f"i{one}"}
            | {"score": score, "group": f"g{one // 2}"}
            for task in "xy"
            for p in range(3)
            for one in range(8)
        ]
    )
    return found if groups else found.drop(columns="group")


@pytest.mark.parametrize("groups", [False, True])
def test_a_coin_decides_for_all_wordings_of_an_instance(real: ModuleType, groups: bool) -> None:
    """Each cell is old in one checkpoint and new in the other, wordings and groups together,
    and both happen.
    """
    frames = [real.ScoreTable.from_frame(rows(score, groups)).frame for score in (0.0, 1.0)]
    pair = real.both(*frames)
    old, new = real.tossed(pair, 1.0, np.random.default_rng(0))
    first, second = old.frame, new.frame

    assert (first["score"] + second["score"] == 1).all()
    assert 0 < first["score"].mean() < 1
    unit = "group" if groups else "instance_id"
    assert (first.groupby(["task", unit], observed=True)["score"].nunique() == 1).all()


def test_a_share_of_the_instances_is_whole(real: ModuleType) -> None:
    """An instance that is left out is left out in every wording and in both."""
    frames = [real.ScoreTable.from_frame(rows(score, False)).frame for score in (0.0, 1.0)]
    old, new = real.tossed(real.both(*frames), 0.5, np.random.default_rng(1))

    assert 0 < len(old) < len(frames[0])
    assert (old.frame.groupby(["task", "instance_id"], observed=True).size() == 3).all()
    assert old.frame["instance_id"].tolist() == new.frame["instance_id"].tolist()


def test_runs_of_other_cells_are_no_pair(real: ModuleType) -> None:
    """One instance less is another suite."""
    whole = real.ScoreTable.from_frame(rows(1.0, False)).frame
    assert real.both(whole, whole.iloc[1:]) is None


def test_the_interval_is_exact(real: ModuleType) -> None:
    """0 of 10 and 10 of 10 by hand: 1 - 0.025 ** 0.1."""
    assert real.interval(0, 10) == (0.0, pytest.approx(1 - 0.025**0.1))
    assert real.interval(10, 10) == (pytest.approx(0.025**0.1), 1.0)
