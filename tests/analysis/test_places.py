"""What stands beside the ranks of a leaderboard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import evalkit
from evalkit.analysis.places import places
from evalkit.cli.main import invoke
from evalkit.errors import UsageError


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two scripted models on one task with five choices and one with two."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("knows,accuracy=0.9", "noise,accuracy=0.5"):
        evalkit.run(
            f"scripted:{name}",
            tasks="procedural/counting,procedural/boolean",
            limit=20,
            phrasings=4,
            out=folder / name[:5],
            no_report=True,
            quiet=True,
            resamples=100,
        )
    return [folder / "knows", folder / "noise"]


def test_every_run_holds_its_score_above_chance(runs: list[Path]) -> None:
    """(mean - chance) / (1 - chance) with a fifth and a half."""
    from evalkit.analysis import read_estimates

    rows = {(row.task, row.metric): row.value for row in read_estimates(runs[1] / "estimates.csv")}
    for task, chance in (("procedural/counting", 0.2), ("procedural/boolean", 0.5)):
        mean = rows[task, "mean"]
        assert rows[task, "accuracy_norm"] == pytest.approx((mean - chance) / (1 - chance))


def test_the_leaderboard_shows_chance_reference_and_what_an_order_is_worth(
    runs: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The reference is 100 % of itself; the better and steadier model alone is on the front."""
    words = [
        "leaderboard",
        *map(str, runs),
        "--resamples",
        "100",
        "--reference",
        "knows,accuracy=0.9",
    ]
    assert invoke([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    best, other = found["places"]
    assert best["of_reference"] == pytest.approx(1.0)
    assert other["of_reference"] < 1
    assert (best["front"], other["front"]) == (True, False)
    assert found["wordings"]["n_pairs"] == 12

    assert invoke(words) == 0
    said = capsys.readouterr().out
    assert "above chance" in said
    assert "Kendall's tau" in said


def test_a_reference_that_is_no_model_is_named(runs: list[Path]) -> None:
    """The message lists what is accepted."""
    with pytest.raises(UsageError, match="accepted: a, b"):
        places([("a", []), ("b", [])], reference="c")


def test_the_summary_and_the_comparison_say_what_is_above_chance(
    runs: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """By hand of the two tasks: the mean of (mean - chance) / (1 - chance), and of its shares."""
    from evalkit.analysis import read_estimates
    from evalkit.report.summary import reference_sentence, summary_rows

    rows = [read_estimates(path / "estimates.csv") for path in runs]
    above = [
        {
            task: (one.value - chance) / (1 - chance)
            for task, chance in (("procedural/counting", 0.2), ("procedural/boolean", 0.5))
            for one in found
            if (one.task, one.metric, one.group) == (task, "mean", "")
        }
        for found in rows
    ]
    share = sum(above[1][task] / above[0][task] for task in above[0]) / 2
    sentence = reference_sentence(rows[1], rows[0], "b", "a")
    assert sentence == f"Above chance b scores {share:.1%} of a, mean over 2 tasks."
    assert reference_sentence(rows[1], [], "b", "a") == ""
    (line,) = [line for line in summary_rows(rows[0])[1] if line[0] == "above chance"]
    assert float(line[1].split()[0]) == pytest.approx(50 * sum(above[0].values()), abs=0.051)
    assert invoke(["compare", *map(str, runs), "--resamples", "100"]) == 0
    assert f"scores {share:.1%} of" in capsys.readouterr().out
