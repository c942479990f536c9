"""What the coverage benchmarks take as true is true, what fails is shown,
and real tables can be judged.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def grid() -> ModuleType:
    """Return the module of the grid."""
    sys.path.insert(0, str(FOLDER))
    try:
        import coverage_grid
    finally:
        sys.path.remove(str(FOLDER))
    return coverage_grid


def test_truths_are_what_endless_instances_would_give(grid: ModuleType) -> None:
    """Quadrature against 200,000 instances under four wordings, one of them broken."""
    point = grid.Point("broken", 4, 200_000)
    rng = np.random.default_rng(0)
    a, m = np.array([0.4, -0.3, 0.0, 0.8]), np.array([1.0, 1.0, 0.15, 1.0])
    seen = np.array([True, True, False, False])
    known = grid.truths_these(point, grid.chances(point, a, m), seen)
    (base,) = grid.instances(point, rng)
    y = grid.scores(point, a, m, base, rng)
    means = y.mean(axis=1)

    assert known["mean"] == pytest.approx(means.mean(), abs=0.004)
    assert known["gap"] == pytest.approx(means[:2].mean() - means[2:].mean(), abs=0.004)
    assert known["std_excess"] == pytest.approx(means.std(ddof=1), abs=0.004)
    assert known["worst_instance"] == pytest.approx(y.min(axis=0).mean(), abs=0.004)
    assert known["best_instance"] == pytest.approx(y.max(axis=0).mean(), abs=0.004)
    pairs = np.mean([abs(y[p] - y[q]).mean() for p in range(4) for q in range(p)])
    assert known["pss"] == pytest.approx(pairs, abs=0.004)


def test_both_halves_hold_every_kind_of_wording(grid: ModuleType) -> None:
    """What decides and what judges has seen mild, wide, heavy and broken wordings,
    and several tasks.
    """
    for half in (0, 1):
        points = grid.grid()[half::2]
        assert {point.wording for point in points} == {
            "mild",
            "wide",
            "heavy",
            "broken",
            "skewed",
        }
        assert {point.alone for point in points} == {"", "unseen", "second"}
        assert {point.tasks for point in points} == {1, 3, 17}


def test_a_failing_interval_comes_first_and_a_withdrawn_one_is_not_offered(
    grid: ModuleType, tmp_path: Path
) -> None:
    """60 % held is a failure of what is offered;
    the same of what was withdrawn stands with what was withdrawn.
    """
    from dataclasses import asdict

    import coverage_page

    points = [asdict(point) for point in grid.grid()]
    good, bad = [285, 300, 300, 30.0], [180, 300, 300, 30.0]
    hits = {"these|mean|0.95": good, "phrasings|mean|0.95": bad, "normal|median|0.95": bad}
    hits |= {"normal|mean|0.95": bad}
    rounds = [{"point": place, "round": 0, "hits": hits} for place in (0, 1)]
    (tmp_path / "coverage.md").write_text(
        f"head\n{coverage_page.BEGIN}\nSTALE\n{coverage_page.END}\ntail\n", encoding="utf-8"
    )
    coverage_page.write_page(rounds, points, tmp_path, seed=1)
    text = (tmp_path / "coverage.md").read_text(encoding="utf-8")
    fails, rest = text.split("## What was withdrawn")
    fails, normal = fails.split("## What takes effects of wording as normal")

    assert text.startswith("head\n")
    assert text.endswith("tail\n")
    assert "STALE" not in text
    assert "| phrasings | mean |" in fails
    assert "these | mean" not in fails
    assert "normal | mean" not in fails
    assert "| normal | mean |" in normal
    assert "| normal | median |" in rest
    assert "median" not in rest.split("## All that is offered")[1]


def test_a_real_table_is_judged(tmp_path: Path) -> None:
    """A table of prompts and instances gives shares held and W1;
    one of means gives those that need no instances.
    """
    rng = np.random.default_rng(0)
    y = (rng.random((14, 120)) < rng.random(120)).astype(int)
    cells = pd.DataFrame(
        {
            "model": "m",
            "task": "t",
            "phrasing_id": np.repeat([f"p{k:02d}" for k in range(14)], 120),
            "instance_id": np.tile([f"i{k:03d}" for k in range(120)], 14),
            "score": y.ravel(),
        }
    )
    cells.to_csv(tmp_path / "cells.csv", index=False)
    means = cells.groupby(["model", "task", "phrasing_id"], as_index=False)["score"].mean()
    means.to_csv(tmp_path / "means.csv", index=False)
    found = {
        name: subprocess.run(
            [
                sys.executable,
                str(FOLDER / "real_coverage.py"),
                str(tmp_path / f"{name}.csv"),
                *("--draws", "10", "--repeats", "1", "--instances", "50"),
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name in ("cells", "means")
    }

    assert "| m, t (14 x 120) | 5 x 50 | these, mean |" in found["cells"]
    assert "| m, t (14 x 120) | 5 x 50 | any, mean |" in found["cells"]
    assert "| m, t (14 x 120) | 16 |" in found["cells"]
    assert "| 1 | 12 | normal, std |" in found["means"]
