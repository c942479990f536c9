"""A series of checkpoints: known growth, plateau, forgetting and first regression are found,
and nothing else.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_runs import Silent, settings

from evalkit.cli.main import invoke
from evalkit.errors import ComparisonError, UsageError
from evalkit.gating.series import Point, Series, plateau, series, spending
from evalkit.records import Estimate
from evalkit.runs.execute import run
from evalkit.runs.places import place_in, read_places
from evalkit.scoring import ScoreTable


def table(scores: dict[str, np.ndarray]) -> ScoreTable:
    """Return the table of arrays of shape (phrasing, instance)."""
    import pandas as pd

    rows = [
        {
            "model": "m",
            "task": task,
            "phrasing_id": f"p{p}",
            "instance_id": f"i{i:04d}",
            "score": value,
        }
        for task, matrix in scores.items()
        for p, line in enumerate(matrix)
        for i, value in enumerate(line)
    ]
    return ScoreTable.from_frame(pd.DataFrame(rows))


def made(levels: Sequence[dict[str, np.ndarray]]) -> Series:
    """Return the series of score arrays at places 0, 10, 20, ..."""
    points = []
    for k, scores in enumerate(levels):
        mean = float(np.mean([matrix.mean() for matrix in scores.values()]))
        row = Estimate(
            model="m", benchmark="all", task="all", metric="mean", value=mean, low=0, high=1
        )
        points.append(Point(x=10.0 * k, label=f"m{k}", table=table(scores), estimates=[row]))
    return series(points, metrics=["mean"])


def share(value: float, n: int = 100) -> np.ndarray:
    """Return two phrasings that are right on the first instances."""
    return np.tile((np.arange(n) < round(value * n)).astype(float), (2, 1))


def test_growth_and_forgetting_are_those_by_hand() -> None:
    """Task a goes 20, 40, 60 per cent: 2 points per unit, nothing lost; b goes 80, 90, 50:
    40 points lost at the end.
    """
    found = made(
        [{"t/a": share(0.2 * (k + 1)), "t/b": share(b)} for k, b in enumerate((0.8, 0.9, 0.5))]
    )
    a, b = found.growth

    assert a.slope == pytest.approx(0.02)
    assert a.low < a.slope < a.high
    assert a.forgetting[1:] == pytest.approx((-0.2, -0.2))
    assert math.isnan(a.forgetting[0])
    assert b.slope == pytest.approx(-0.015)
    assert b.forgetting[1:] == pytest.approx((-0.1, 0.4))


def test_the_step_that_fell_is_named_and_no_other() -> None:
    """60, 60, 62, 50, 62 per cent: step 30 lost 12 points since step 20."""
    found = made([{"t/a": share(value)} for value in (0.6, 0.6, 0.62, 0.5, 0.62)])

    assert [step.regressed for step in found.steps] == [False, False, False, True, False]
    assert found.first_regression is not None
    assert (found.first_regression.x, found.first_regression.since) == (30, 20)
    assert found.first_regression.harm == pytest.approx(0.12)


def test_small_losses_add_up() -> None:
    """One point a step stays below the margin of two between neighbours,
    and is seen against the first steps.
    """
    values = [0.6 - 0.01 * k for k in range(8)]
    found = made([{"t/a": share(value, n=1000)} for value in values])

    assert found.first_regression is not None
    assert found.first_regression.x == 30
    assert found.first_regression.since == 0


def test_a_series_that_only_flips_does_not_regress() -> None:
    """Sixty series of six equal models whose answers flip at random:
    at most 5 % may regress, that is 8 of 60 with probability below 1 %.
    """
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(60):
        sure = rng.random(60) < 0.5
        levels = [
            {"t/a": np.where(rng.random((2, 60)) < 0.2, ~sure, sure).astype(float)}
            for _ in range(6)
        ]
        hits += made(levels).first_regression is not None

    assert hits <= 8


def test_the_error_rate_is_spent_once() -> None:
    """Over any number of steps together at most 5 %."""
    assert sum(spending(place, 0.95) for place in range(1, 10_000)) < 0.05


@pytest.mark.parametrize(
    ("metric", "values", "x", "reached"),
    [
        ("mean", [0.1, 0.5, 0.505, 0.5], 1, True),
        ("mean", [0.1, 0.5, 0.505, 0.6], 3, False),
        ("gap", [0.3, 0.1, 0.095, 0.1], 1, True),
        ("mean", [0.5, 0.5, 0.5, 0.2], 0, True),
    ],
)
def test_a_plateau_begins_where_nothing_better_follows(
    metric: str, values: list[float], x: int, reached: bool
) -> None:
    """For what should rise and for what should fall; a later loss is no gain."""
    found = plateau(metric, range(4), values, 0.01)

    assert found is not None
    assert (found.x, found.reached) == (x, reached)


def test_other_instances_are_refused() -> None:
    """A series is of one suite."""
    with pytest.raises(ComparisonError, match="instances of t/a"):
        made([{"t/a": share(0.5)}, {"t/a": share(0.5, n=50)}])
    with pytest.raises(ComparisonError, match="two or more are needed"):
        made([{"t/a": share(0.5)}])


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("allenai/OLMo-step2000-tokens8B", "step", 2000),
        ("allenai/OLMo-step2000-tokens8B", "tokens", 8e9),
        ("global_step500", "step", 500),
        ("pythia-70m", "step", None),
        ("footstep-5", "step", None),
        ("fraction-0.1", "fraction", 0.1),
        ("run-2026-13-45", "date", None),
        ("run-20260301", "date", 739676),
        ("run-120260301", "date", None),
    ],
)
def test_places_are_read_from_the_names_people_give(
    name: str, x: str, expected: float | None
) -> None:
    """Trainer's, OLMo's and DeepSpeed's names; a number of parameters is no step."""
    assert place_in(name, x) == expected


@pytest.mark.parametrize(
    ("second", "line"),
    [("2026/02/01", 3), ("3", 3), ("2026-02-30", 3), ("", 3)],
)
def test_days_of_a_file_are_days_in_every_line(tmp_path: Path, second: str, line: int) -> None:
    """Days in another form, numbers among them, and days that there are not are named."""
    path = tmp_path / "x.csv"
    path.write_text("run,x\na,2026-01-31\nb,2026-02-01\n")
    first, after = read_places(path).values()
    assert after - first == 1
    path.write_text(f"run,x\na,2026-01-31\nb,{second}\n")
    with pytest.raises(UsageError, match=rf"x.csv:{line}: .*in every line a day"):
        read_places(path)


def test_a_file_of_places_is_checked(tmp_path: Path) -> None:
    """The line of a mistake is named."""
    path = tmp_path / "x.csv"
    path.write_text("run,x\na,1e-3\nb,-2\n")
    assert list(read_places(path).values()) == [0.001, -2.0]
    path.write_text("run,x\na,1\nb,inf\n")
    with pytest.raises(UsageError, match=r"x.csv:3: "):
        read_places(path)
    path.write_text("run,x\na,1\na,2\n")
    with pytest.raises(UsageError, match=r"x.csv:3: .*a column run with every run once"):
        read_places(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_places(tmp_path / "none.csv")


@pytest.fixture
def runs(tmp_path: Path) -> Callable[[str, str], Path]:
    """Return a function that makes a run of a scripted model and returns its folder."""

    def get(script: str, name: str) -> Path:
        wanted = settings(script, tmp_path / name)
        run(replace(wanted, model=replace(wanted.model, label=name)), Silent())
        return tmp_path / name

    return get


def test_the_command_tells_and_draws_a_series(
    runs: Callable[[str, str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs in any order; the missing step is named; table, files and figures are there."""
    scripts = {100: "wrong", 200: "knows,accuracy=0.5", 400: "perfect", 500: "wrong"}
    places = [str(runs(script, f"step-{x}")) for x, script in scripts.items()]
    out = tmp_path / "out"

    assert invoke(["series", *reversed(places), "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert "step 300: no run stands there" in told.err
    assert "First regression: step 500 (step-500), 100.0 points below step 400" in told.out
    with (out / "tasks.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["step"] == "500.0"]
    assert {row["forgetting"] for row in rows} == {"1.0"}
    assert {"series.svg", "forgetting.png", "growth.csv", "steps.csv"} <= {
        path.name for path in out.iterdir()
    }
    assert invoke(["series", *places, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["xs"] == [100, 200, 400, 500]


def test_models_are_asked_in_the_same_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each gets a run below --out; the second call asks nothing again."""
    given = ["--tasks", "procedural/boolean", "--limit", "5", "--phrasings", "4", "--no-report"]
    models = ["scripted:knows,seed=1,accuracy=0.2", "scripted:knows,seed=2,accuracy=0.8"]
    words = ["series", *models, "--x", "seed", *given, "--resamples", "100", "-q"]
    out = ["--out", str(tmp_path / "out")]

    assert invoke(["series", *models, "--x", "seed", *given]) == 2
    assert "is no run and would be asked as a model" in capsys.readouterr().err
    assert invoke([*words, *out]) == 0
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 2
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["--x", "tokens"], "--x tokens: says nothing of"),
        (["--metrics", "nonsense"], "--metrics nonsense: is not known"),
        (["--tested", "std"], "--tested std: is not accepted"),
        (["--model", "nowhere/checkpoint-*"], "matches nothing"),
    ],
)
def test_what_means_nothing_is_refused(
    runs: Callable[[str, str], Path],
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    match: str,
) -> None:
    """Words that order nothing, unknown statistics, patterns without a match."""
    places = [str(runs("perfect", "step-1")), str(runs("wrong", "step-2"))]

    assert invoke(["series", *places, *words]) == 2
    assert match in capsys.readouterr().err


def test_equal_places_are_refused(
    runs: Callable[[str, str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two runs cannot stand at one step."""
    places = [str(runs("perfect", "a-step-1")), str(runs("wrong", "b-step-1"))]

    assert invoke(["series", *places]) == 2
    assert "both stand at step 1. Leave one out." in capsys.readouterr().err
