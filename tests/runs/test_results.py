"""compare, gate and analyse as calls: the same numbers as the commands, as frames."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import evalkit
from evalkit.cli.main import invoke
from evalkit.errors import ComparisonError, GateError, TableError, UsageError
from evalkit.records.policy import Policy
from evalkit.runs.notebook import Run
from evalkit.store.directory import RunDir

SUITE = evalkit.Suite(
    name="small",
    tasks=("procedural/boolean", "procedural/sorting"),
    phrasings=4,
    limit=8,
)
FEW: dict[str, Any] = {"resamples": 100}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """Return a good run and a worse one of the same suite."""
    folder = tmp_path_factory.mktemp("pair")
    good, bad = (
        evalkit.run(model, SUITE, out=folder / name, cache=False, quiet=True, **FEW)
        for name, model in (("good", "scripted:perfect"), ("bad", "scripted:wrong"))
    )
    return good, bad


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what a command prints as JSON."""
    invoke([*words, "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_compare_gives_the_numbers_of_the_command(
    runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """Differences, tests and flips, row for row; the second minus the first."""
    good, bad = runs
    found = evalkit.compare(good, str(bad.path), margin=0.1, **FEW)
    printed = told(
        ["compare", str(good.path), str(bad.path), "--margin", "0.1", "--resamples", "100"], capsys
    )

    assert len(found.estimates) == len(printed["estimates"])
    assert found.tests["task"].tolist() == [row["task"] for row in printed["tests"]]
    assert found.tests["difference"].tolist() == [-1.0, -1.0, -1.0]
    assert found.headline.set_index("metric").loc["mean", "value"] == -1.0
    assert found.phrasings["lost"].tolist() == [8] * 8
    assert len(found.instances) == 16
    assert repr(found) == "Compared('wrong' minus 'perfect')"


def test_a_run_compares_and_gates_itself(runs: tuple[Run, Run]) -> None:
    """The methods are the functions with the run as the first argument."""
    good, bad = runs

    assert good.compare(bad, **FEW).headline.equals(evalkit.compare(good, bad, **FEW).headline)
    assert bad.gate(good).outcome == evalkit.gate(bad, good).outcome == "regression"


def test_compare_refuses_other_suites(runs: tuple[Run, Run], tmp_path: Path) -> None:
    """As the command does, naming what differs."""
    other = evalkit.run(
        "scripted:perfect", SUITE, limit=4, out=tmp_path, cache=False, quiet=True, **FEW
    )

    with pytest.raises(ComparisonError, match="limit 8 and 4"):
        evalkit.compare(runs[0], other)


def test_gate_gives_the_decision_of_the_command(
    runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """Outcome, exit code and one row per check; its text is what is printed."""
    good, bad = runs
    found = evalkit.gate(bad, good)
    printed = told(["gate", str(bad.path), "--baseline", str(good.path)], capsys)

    assert (found.outcome, found.exit_code) == (printed["outcome"], printed["exit_code"])
    assert found.checks["outcome"].tolist() == [row["outcome"] for row in printed["checks"]]
    assert str(found).startswith("gate: regression (exit code 1)")
    assert repr(found).startswith("Gated('regression', ")


def test_gate_takes_a_policy_as_file_or_record(runs: tuple[Run, Run], tmp_path: Path) -> None:
    """Both are the same policy, and what the file says wrong is told."""
    from evalkit.catalog.policies import default_policy_path, read_policy_file

    good, bad = runs
    policy = read_policy_file(default_policy_path())
    (tmp_path / "wrong.yaml").write_text("name: x\nlevle: 1\n")

    assert isinstance(policy, Policy)
    assert evalkit.gate(bad, good, policy).decision == evalkit.gate(bad, good).decision
    assert evalkit.gate(bad, good, default_policy_path()).outcome == "regression"
    with pytest.raises(evalkit.EvalkitError, match="levle"):
        evalkit.gate(bad, good, tmp_path / "wrong.yaml")


def test_gate_never_passes_a_run_against_itself(runs: tuple[Run, Run]) -> None:
    """As the command does."""
    with pytest.raises(GateError, match="is candidate and baseline at once"):
        runs[0].gate(runs[0])


def table(**more: Any) -> pd.DataFrame:
    """Return a per-instance table of one model and three phrasings."""
    return pd.DataFrame(
        [
            {"model": "m", "task": "t", "phrasing_id": p, "instance_id": i, "score": (i + k) % 2}
            for k, p in enumerate(("a", "b", "c"))
            for i in range(10)
        ]
    ).assign(**more)


def test_analyse_of_a_frame_is_analyse_of_its_file(tmp_path: Path) -> None:
    """Every number, and the frame is left as it was."""
    frame = table(seen=[True] * 10 + [False] * 20, prediction="x")
    before = frame.copy()
    frame.to_csv(tmp_path / "scores.csv", index=False)
    ours = evalkit.analyse(frame, chance={"t": 0.25}, factor="prediction", tests=True, **FEW)
    file = evalkit.analyse(
        tmp_path / "scores.csv", chance=0.25, factor=["prediction"], tests=True, **FEW
    )

    assert ours.estimates.equals(file.estimates)
    assert ours.phrasings.equals(file.phrasings)
    assert len(ours.phrasings) == 3
    assert set(ours.estimates["group"]) == {"", "prediction=x"}
    assert frame.equals(before)


def test_analyse_takes_a_run_and_an_aggregated_frame(runs: tuple[Run, Run]) -> None:
    """A run's own scores; and rows without instances, which have no phrasings file."""
    whole = evalkit.analyse(runs[0], **FEW)
    means = evalkit.analyse(
        pd.DataFrame({"model": "m", "task": "t", "phrasing_id": ["a", "b"], "score": [0.5, 0.7]})
    )

    assert whole.estimates.query("metric == 'mean' and task == 'all'")["value"].tolist()[0] == 1.0
    assert means.estimates.set_index(["task", "metric"]).loc[("t", "mean"), "value"] == 0.6
    assert means.phrasings.empty


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: evalkit.analyse(table(), level=95), r"^level: 95 is out of range"),
        (lambda: evalkit.analyse(table(), resamples=3), r"^resamples: 3 is out of range"),
        (
            lambda: evalkit.analyse(table(), question="x"),
            r"^question: 'x' is not known; phrasings or",
        ),
        (lambda: evalkit.analyse(table(), factor="x"), r"^factor x: the frame has no such column"),
        (lambda: evalkit.analyse(table(), chance=1.5), r"^chance: '1\.5' is no score of guessing"),
        (lambda: evalkit.analyse(table(), reference="x"), r"^the frame: no phrasing 'x'"),
        (lambda: evalkit.analyse([{"score": 1}]), r"^list: is no path, run or"),
        (lambda: evalkit.gate(table(), table()), r"^DataFrame: is no path, run or"),
        (
            lambda: evalkit.analyse(
                pd.DataFrame({"model": "m", "task": "t", "phrasing_id": ["a"], "score": [0.5]}),
                tests=True,
            ),
            r"^tests: the frame has no instances; .* Leave tests out",
        ),
    ],
)
def test_mistakes_in_a_call_name_keywords(call: Any, message: str) -> None:
    """What is wrong and what is accepted, without the spelling of the command line."""
    with pytest.raises(UsageError, match=message):
        call()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (table(score=85), r"score"),
        (table(score="high"), r"the frame: column score holds 30 values that are no number"),
        (table().drop(columns="task"), r"the frame: column task is not there"),
        (table().head(0), r"the frame: the table has a header but no rows"),
    ],
)
def test_a_frame_that_is_no_score_table_is_refused(frame: pd.DataFrame, message: str) -> None:
    """As a file would be, with the frame for its name."""
    with pytest.raises(TableError, match=message):
        evalkit.analyse(frame)


def test_several_models_are_named_by_keyword(runs: tuple[Run, Run], tmp_path: Path) -> None:
    """The message says model_a and model_b, which the call takes."""
    frame = pd.concat([table(), table(model="n")])
    frame.to_csv(tmp_path / "two.csv", index=False)
    table().to_csv(tmp_path / "one.csv", index=False)

    with pytest.raises(ComparisonError, match=r"Name it with model_a and model_b\.$"):
        evalkit.compare(tmp_path / "two.csv", tmp_path / "one.csv")
    found = evalkit.compare(tmp_path / "two.csv", tmp_path / "one.csv", model_a="n", **FEW)
    assert repr(found) == "Compared('m' minus 'n')"


def test_a_run_has_its_summary_and_its_answers(runs: tuple[Run, Run]) -> None:
    """The headline is what the command prints; a response stands there per cell."""
    good, _ = runs

    assert good.headline["words"].tolist()[:3] == [
        "mean score",
        "typical wording (median)",
        "std over phrasings",
    ]
    assert good.headline.set_index("metric").loc["mean", ["value", "n_tasks"]].tolist() == [1.0, 2]
    assert len(good.responses) == len(good.scores) == 64
    assert good.responses["request"].str.len().eq(32).all()


def test_the_headline_of_one_benchmark_is_its_own(tmp_path: Path) -> None:
    """A run of one task has no row over benchmarks."""
    found = evalkit.run(
        "scripted:perfect", tasks="procedural/boolean", limit=3, phrasings=2, out=tmp_path,
        cache=False, quiet=True, **FEW,
    )  # fmt: skip

    assert found.headline.set_index("metric").loc["mean", "value"] == 1.0


def test_a_notebook_shows_what_things_say(runs: tuple[Run, Run]) -> None:
    """A title and numbers in percentage points; text of a model is escaped."""
    good, bad = runs
    texts = [
        good._repr_html_(),
        good.compare(bad, **FEW)._repr_html_(),
        bad.gate(good)._repr_html_(),
        evalkit.analyse(table(model="<b>m</b>"), **FEW)._repr_html_(),
    ]

    assert "<b>perfect on small</b>" in texts[0]
    assert "<td>mean score</td><td>100.0</td>" in texts[0]
    assert "<td>mean score</td><td>-100.0</td>" in texts[1]
    assert "gate: regression" in texts[2]
    assert "&lt;b&gt;m&lt;/b&gt;, t: mean" in texts[3]


def test_an_unfinished_run_can_be_shown(runs: tuple[Run, Run], tmp_path: Path) -> None:
    """It says so, and has no numbers."""
    with RunDir(tmp_path) as directory:
        directory.write_manifest(replace(runs[0].manifest, state="partial", counts=None))

    assert "the run was not finished" in evalkit.load_run(tmp_path)._repr_html_()
