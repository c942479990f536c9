"""`evalkit analyse`: from a file to numbers, and every kind of bad file."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from evalkit.analysis import read_estimates
from evalkit.cli.analyse import command
from evalkit.errors import EvalkitError, TableError, UsageError


def cells(scores, **by_phrasing) -> pd.DataFrame:
    """Return the per-instance table of a matrix (phrasing, instance)."""
    scores = np.asarray(scores, dtype=float)
    p, n = scores.shape
    columns = {
        name: np.repeat(np.asarray(values, dtype=object), n) for name, values in by_phrasing.items()
    }
    return pd.DataFrame(
        {
            "model": "m",
            "task": "b/t",
            "phrasing_id": np.repeat([f"p{k}" for k in range(p)], n),
            "instance_id": np.tile([f"i{k}" for k in range(n)], p),
            "score": scores.ravel(),
            **columns,
        }
    )


def analyse(path: Path, *options: str) -> list[dict]:
    """Run the command with --json and return its estimates."""
    result = CliRunner().invoke(command, [str(path), "--json", *options], catch_exceptions=False)
    assert result.exit_code == 0
    return json.loads(result.stdout)["estimates"]


def test_values_are_the_same_from_csv_gz_and_parquet(tmp_path):
    """The format of the file does not change a digit."""
    frame = cells(
        np.random.default_rng(0).integers(0, 2, (6, 40)), seen=["seen"] * 3 + ["unseen"] * 3
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    first, *others = (analyse(tmp_path / name) for name in ("t.csv", "t.csv.gz", "t.parquet"))

    assert others == [first, first]


def test_out_holds_what_json_prints(tmp_path):
    """estimates.csv has the same rows as the JSON."""
    cells([[1, 0, 1, 1], [1, 0, 0, 1]]).to_csv(tmp_path / "t.csv", index=False)
    printed = analyse(tmp_path / "t.csv", "--out", str(tmp_path / "out"))
    written = read_estimates(tmp_path / "out" / "estimates.csv")

    assert len(written) == len(printed)
    assert {(row.task, row.metric) for row in written} == {
        (row["task"], row["metric"]) for row in printed
    }


def test_factor_adds_a_group_per_level(tmp_path):
    """--factor analyses every level of a column beside the whole."""
    cells([[1, 1, 1, 0], [1, 0, 0, 0]], layout=["lettered", "inline"]).to_csv(
        tmp_path / "t.csv", index=False
    )
    means = {
        row["group"]: row["value"]
        for row in analyse(tmp_path / "t.csv", "--factor", "layout")
        if row["metric"] == "mean" and row["task"] != "all"
    }

    assert means == {"": 0.5, "layout=inline": 0.25, "layout=lettered": 0.75}


def test_factor_may_be_what_tells_rows_apart(tmp_path):
    """Rows of one cell at several shots are refused as a whole and fine per level."""
    frame = pd.concat([cells([[1, 0]]).assign(shots=0), cells([[1, 1]]).assign(shots=5)])
    frame.to_csv(tmp_path / "t.csv", index=False)
    means = {
        row["group"]: row["value"]
        for row in analyse(tmp_path / "t.csv", "--factor", "shots")
        if row["metric"] == "mean" and row["task"] != "all"
    }

    assert means == {"shots=0": 0.5, "shots=5": 1.0}


def test_reference_and_pairs_give_drop_rates(tmp_path):
    """Clean 0.8, attacked 0.6: 1 - 0.6 / 0.8 = 0.25, by reference and by pair."""
    cells([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]]).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "pairs.csv").write_text("attacked_id,reference_id\np1,p0\n")
    by_reference, by_pair = (
        {
            row["metric"]: row["value"]
            for row in analyse(tmp_path / "t.csv", *option)
            if row["task"] == "b/t"
        }["pdr"]
        for option in (["--reference", "p0"], ["--pairs", str(tmp_path / "pairs.csv")])
    )

    assert (round(by_reference, 9), round(by_pair, 9)) == (0.25, 0.25)


def test_drop_rates_per_factor_level_use_the_reference_outside_it(tmp_path):
    """Clean 0.75; word attack 0.5; sentence attack 0.25:
    each kind of attack has its own drop rate, the clean level none.
    """
    table = cells([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]], attack=["clean", "word", "sentence"])
    table.to_csv(tmp_path / "t.csv", index=False)
    rows = analyse(tmp_path / "t.csv", "--reference", "p0", "--factor", "attack")
    found = {
        row["group"]: row["value"]
        for row in rows
        if row["metric"] == "pdr" and row["task"] == "b/t"
    }
    means = {
        row["group"]: row["value"]
        for row in rows
        if row["metric"] == "mean" and row["task"] == "b/t"
    }

    assert found == pytest.approx({"": 0.5, "attack=word": 1 / 3, "attack=sentence": 2 / 3})
    assert means["attack=word"] == 0.5


def test_tests_of_models_are_printed_and_written(tmp_path):
    """Two models, one phrasing, 6 lost and none gained: p = 2 / 2^6;
    aggregated tables are refused.
    """
    both = pd.concat([cells([[1] * 8]), cells([[1, 1] + [0] * 6]).assign(model="n")])
    both.to_csv(tmp_path / "t.csv", index=False)
    result = CliRunner().invoke(
        command,
        [str(tmp_path / "t.csv"), "--tests", "--out", str(tmp_path / "o"), "--json"],
        catch_exceptions=False,
    )
    (test,) = json.loads(result.stdout)["tests"]

    assert (test["lost"], test["gained"], test["p"], test["p_holm"]) == (
        6,
        0,
        pytest.approx(0.03125),
        pytest.approx(0.03125),
    )
    assert pd.read_csv(tmp_path / "o" / "tests.csv")["p"][0] == pytest.approx(0.03125)
    assert pd.read_csv(tmp_path / "o" / "phrasings.csv")["score"].tolist() == [1.0, 0.25]
    both.drop(columns="instance_id").drop_duplicates(["model", "task", "phrasing_id"]).to_csv(
        tmp_path / "a.csv", index=False
    )
    with pytest.raises(
        UsageError, match="has no instances; a paired test needs one row per instance"
    ):
        CliRunner().invoke(
            command,
            [str(tmp_path / "a.csv"), "--tests"],
            catch_exceptions=False,
            standalone_mode=False,
        )


def test_chance_and_reference_give_normalised_scores_and_effects(tmp_path):
    """0.625 on four choices is half way; clean 0.75 and attacked 0.5:
    h = 2 (asin sqrt 0.5 - asin sqrt 0.75) / pi = -1/6.
    """
    table = cells([[1, 1, 1, 0], [1, 1, 0, 0]])
    table.to_csv(tmp_path / "t.csv", index=False)
    found = {
        row["metric"]: row["value"]
        for row in analyse(tmp_path / "t.csv", "--chance", "0.25", "--reference", "p0")
        if row["task"] == "b/t"
    }
    table.groupby(["model", "task", "phrasing_id"], as_index=False)["score"].mean().to_csv(
        tmp_path / "a.csv", index=False
    )
    other = {
        row["metric"]: row["value"]
        for row in analyse(tmp_path / "a.csv", "--chance", "b/t=0.25", "--reference", "p0")
        if row["task"] == "b/t"
    }

    assert found["accuracy_norm"] == other["accuracy_norm"] == pytest.approx(0.5)
    assert found["cohen_h"] == other["cohen_h"] == pytest.approx(-1 / 6)
    assert found["hedges_g"] < 0
    with pytest.raises(UsageError, match="is no score of guessing"):
        CliRunner().invoke(
            command,
            [str(tmp_path / "t.csv"), "--chance", "25"],
            catch_exceptions=False,
            standalone_mode=False,
        )


def test_wide_tables_are_told_how_to_become_long(tmp_path):
    """One column per phrasing is not guessed at."""
    (tmp_path / "w.csv").write_text("model,task,p0,p1\nm,t,0.5,0.6\n")
    with pytest.raises(TableError, match=r"melt"):
        CliRunner().invoke(
            command, [str(tmp_path / "w.csv")], catch_exceptions=False, standalone_mode=False
        )


def test_both_questions_are_answered_when_asked(tmp_path):
    """--question both adds rows for these phrasings under a group of their own."""
    cells(np.random.default_rng(0).integers(0, 2, (8, 60))).to_csv(tmp_path / "t.csv", index=False)
    found = {
        row["group"]: row["interval"].partition("/")[2]
        for row in analyse(tmp_path / "t.csv", "--question", "both")
        if row["metric"] == "mean"
    }

    assert found == {"": "any phrasings+instances", "phrasings=fixed": "instances"}


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        (cells([[1, 2]]), TableError, r"1 of 2 values lie outside \[0, 1\], first 2"),
        (cells([[48.1, 50.0]]), TableError, "Divide percentages by 100"),
        (pd.concat([cells([[1, 0]])] * 2), TableError, "2 cells occur twice"),
        (cells([[1, 0]]).drop(columns="task"), TableError, "column task is not there"),
        (cells([[1, 0]]).head(0), TableError, "a header but no rows"),
        (cells([[1, 0]], seen=["maybe"]), TableError, "column seen holds 'maybe'"),
        (
            cells([[1, 0]]).drop(columns="instance_id"),
            TableError,
            "1 phrasings have more than one row",
        ),
    ],
)
def test_bad_tables_end_with_a_message_and_exit_code_2(tmp_path, frame, error, message):
    """No bad table ends in a number or a traceback."""
    frame.to_csv(tmp_path / "t.csv", index=False)
    result = CliRunner().invoke(command, [str(tmp_path / "t.csv")])

    assert isinstance(result.exception, error)
    assert isinstance(result.exception, EvalkitError)
    assert result.exception.exit_code == 2
    with pytest.raises(error, match=message):
        raise result.exception


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--factor", "colour"], "--factor colour: .* has no such column"),
        (["--reference", "p9"], "no phrasing 'p9' to compare with; phrasings: p0, p1"),
        (["--reference", "p0", "--pairs", "x.csv"], "--reference and --pairs are both given"),
    ],
)
def test_options_that_cannot_be_honoured_are_refused(tmp_path, options, message):
    """An option that names something that is not there is no silent no-op."""
    cells([[1, 0], [1, 1]]).to_csv(tmp_path / "t.csv", index=False)
    result = CliRunner().invoke(command, [str(tmp_path / "t.csv"), *options])

    assert isinstance(result.exception, UsageError)
    with pytest.raises(UsageError, match=message):
        raise result.exception


@pytest.mark.parametrize(
    ("frame", "line"),
    [
        (cells([[1, 0, 1]]), "undefined (fewer than two phrasings"),
        (cells([[1], [0]]), "fewer than two"),
        (
            cells([[1, 0], [0, 0]], seen=["seen", "seen"]),
            "undefined (no unseen phrasing): unseen_mean, unseen_std, gap",
        ),
        (cells([[1, 0], [0, 0]]), "undefined (no predictions in the table): consistency"),
    ],
)
def test_what_cannot_be_computed_is_printed_with_its_reason(tmp_path, frame, line):
    """One phrasing, one instance, one arm, no predictions:
    a dash in the table and a line that says why.
    """
    frame.to_csv(tmp_path / "t.csv", index=False)
    result = CliRunner().invoke(command, [str(tmp_path / "t.csv")], catch_exceptions=False)

    assert result.exit_code == 0
    assert line in " ".join(result.stdout.split())


def test_aggregated_tables_give_what_can_be_said_without_instances(tmp_path):
    """Phrasings at 0.6, 0.5 and 0.4 seen, 0.3, 0.4 and 0.5 unseen: gap 0.1;
    consistency is absent with its reason.
    """
    rows = [("a", 0.6), ("b", 0.5), ("e", 0.4), ("c", 0.3), ("f", 0.4), ("d", 0.5)]
    lines = [
        f"m,t,{name},{score},{'seen' if place < 3 else 'unseen'}"
        for place, (name, score) in enumerate(rows)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["model,task,phrasing_id,score,seen", *lines]))
    found, normal = (
        {row["metric"]: row for row in analyse(tmp_path / "t.csv", *asked) if row["task"] == "t"}
        for asked in ((), ("--question", "normal"))
    )

    assert found["gap"]["value"] == pytest.approx(0.1)
    assert found["gap"]["note"] == "needs normal effects of wording (--question normal)"
    assert normal["gap"]["interval"] == "welch/phrasings"
    assert [rows["mean"]["interval"] for rows in (found, normal)] == [
        "gaffke/any phrasings",
        "t/phrasings",
    ]
    assert found["std"]["note"].startswith("withdrawn for new phrasings")
    assert (found["consistency"]["value"], found["consistency"]["note"]) == (
        None,
        "needs one row per instance",
    )
    assert found["spread"]["value"] == pytest.approx(0.3)


def test_unicode_ids_and_a_hundred_thousand_phrasings(tmp_path):
    """Any script and 10^5 phrasings go through."""
    n = 100_000
    frame = pd.DataFrame(
        {
            "model": "模型",
            "task": "задача",
            "phrasing_id": [f"指示{k}" for k in range(n)],
            "score": np.linspace(0.4, 0.6, n),
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    found = {
        row["metric"]: row for row in analyse(tmp_path / "t.parquet") if row["task"] == "задача"
    }

    assert found["mean"]["value"] == pytest.approx(0.5)
    assert found["mean"]["n_phrasings"] == n


def test_a_hundred_thousand_phrasings_with_instances(tmp_path):
    """10^5 phrasings on three instances are analysed cell by cell."""
    scores = np.random.default_rng(0).integers(0, 2, (100_000, 3))
    cells(scores).to_parquet(tmp_path / "t.parquet")
    found = {
        row["metric"]: row["value"]
        for row in analyse(tmp_path / "t.parquet")
        if row["task"] == "b/t"
    }

    assert found["mean"] == pytest.approx(scores.mean())


@pytest.mark.data
@pytest.mark.skipif(
    not os.environ.get("EVALKIT_DATA")
    or not Path(os.environ["EVALKIT_DATA"], "instructioneval/result_csv").is_dir(),
    reason="needs instructioneval/result_csv under EVALKIT_DATA",
)
def test_lead_papers_mmlu_row():
    """Flan-T5-XL on MMLU: 48.1 +- 0.3 seen and 47.5 +- 0.9 unseen (Sun et al. 2023, table 1)."""
    path = Path(os.environ["EVALKIT_DATA"], "instructioneval/result_csv/Main/MMLU/Flan-T5-XL.csv")
    found = {
        row["metric"]: round(100 * row["value"], 1)
        for row in analyse(path)
        if row["task"] == "MMLU_General" and row["value"] is not None
    }
    printed = (
        CliRunner()
        .invoke(command, [str(path)], catch_exceptions=False, env={"COLUMNS": "200"})
        .stdout
    )

    assert [found[name] for name in ("seen_mean", "seen_std", "unseen_mean", "unseen_std")] == [
        48.1,
        0.3,
        47.5,
        0.9,
    ]
    assert "48.1 ± 0.3" in printed
    assert "47.5 ± 0.9" in printed


def answers(labels: list[str]) -> pd.DataFrame:
    """Return a per-instance table of predictions, one text of letters per phrasing,
    without scores.
    """
    frame = cells(np.zeros((len(labels), len(labels[0]))))
    return frame.drop(columns="score").assign(prediction=list("".join(labels)))


@pytest.mark.parametrize("scores", ["absent", "empty", "zero"])
def test_agreement_needs_no_scores(tmp_path, scores):
    """Two wordings agree on 3 of 4 instances whether the table has no scores, empty ones or
    zeros.
    """
    frame = answers(["ABAB", "ABAA"])
    if scores != "absent":
        frame["score"] = "" if scores == "empty" else 0
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = {row["metric"]: row for row in analyse(tmp_path / "t.csv") if row["task"] == "b/t"}

    assert found["consistency"]["value"] == 0.75
    assert found["krippendorff_alpha"]["value"] == pytest.approx(1 - 0.25 / (30 / 56))
    assert (found["mean"]["value"] == 0) is (scores == "zero")


def test_unparsed_and_absent_answers_are_told_apart_without_scores(tmp_path):
    """An empty prediction without a score is no answer: it leaves its pair out."""
    frame = answers(["ABAB", "ABA?"]).replace({"prediction": {"?": ""}})
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = {row["metric"]: row["value"] for row in analyse(tmp_path / "t.csv")}

    assert found["consistency"] == 1.0


def test_pairs_print_the_drop_rates_asked_for(tmp_path):
    """--reference prints the drop of every perturbation with its interval,
    not only estimates.csv.
    """
    rng = np.random.default_rng(0)
    scores = [rng.random(80) < share for share in (0.9, 0.6, 0.6, 0.3)]
    edits = ["", "typos", "typos", "noise"]
    cells(scores, perturbation=edits).to_csv(tmp_path / "t.csv", index=False)
    result = CliRunner().invoke(command, [str(tmp_path / "t.csv"), "--reference", "p0"])
    found = {row["metric"]: row for row in analyse(tmp_path / "t.csv", "--reference", "p0")}
    a = np.mean(scores, axis=1)

    assert found["pdr"]["value"] == pytest.approx(np.mean(1 - a[1:] / a[0]))
    assert found["pdr_typos"]["value"] == pytest.approx(np.mean(1 - a[1:3] / a[0]))
    assert found["pdr_noise"]["low"] < 1 - a[3] / a[0] < found["pdr_noise"]["high"]
    heading = next(line for line in result.output.splitlines() if "pdr_noise" in line)
    assert heading.split()[:5] == ["task", "pdr", "pdr_noise", "pdr_typos", "pdr_std"]
    assert f"{100 * found['pdr']['value']:.1f} [" in result.output


@pytest.mark.parametrize("whole", [True, False])
def test_a_drop_from_nothing_says_so(tmp_path, whole):
    """A reference of 0 is the reason, with cells and without."""
    frame = cells([[0, 0, 0], [1, 0, 1]])
    if not whole:
        frame = frame.groupby(["model", "task", "phrasing_id"], as_index=False)["score"].mean()
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = {row["metric"]: row["note"] for row in analyse(tmp_path / "t.csv", "--reference", "p0")}

    assert found["pdr"] == "every reference scores 0"


@pytest.mark.parametrize("whole", [True, False])
def test_a_sensitivity_of_a_mean_of_nothing_says_so(tmp_path, whole):
    """Nothing can be divided by a mean of 0; that is the reason, with cells and without."""
    frame = cells(np.zeros((3, 4)))
    if not whole:
        frame = frame.groupby(["model", "task", "phrasing_id"], as_index=False)["score"].mean()
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = {row["metric"]: row["note"] for row in analyse(tmp_path / "t.csv")}

    assert found["sensitivity"] == "the mean is 0, which nothing can be divided by"


def test_means_over_benchmarks_count_every_benchmark_once(tmp_path):
    """Two tasks of one benchmark at 20 and 40 points and one of another at 90:
    60 by benchmark, 50 by task; all lines printed.
    """
    rows = [("x/1", 0.2), ("x/2", 0.4), ("y/1", 0.9)]
    frame = pd.DataFrame(
        [
            {"model": "m", "task": task, "phrasing_id": f"p{k}", "score": score, "seen": arm}
            for task, score in rows
            for k, arm in enumerate(("seen", "unseen"))
        ]
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    printed = CliRunner().invoke(command, [str(tmp_path / "t.csv")]).output
    found = {
        row["metric"]: row["value"]
        for row in analyse(tmp_path / "t.csv")
        if (row["benchmark"], row["task"]) == ("all", "all")
    }

    assert found["mean"] == pytest.approx(0.5)
    assert found["mean_by_benchmark"] == pytest.approx(0.6)
    assert found["seen_mean_by_benchmark"] == pytest.approx(0.6)
    assert "all of x" in printed
    assert "all of y" not in printed
    assert "Mean of the benchmarks, m: 60.0, seen 60.0" in printed


def test_controls_of_an_aggregated_table_stay_out_of_the_mean(tmp_path):
    """A negated instruction is no wording of the task: mean 60, reliance 60 - 10."""
    frame = pd.DataFrame(
        {
            "model": "m",
            "task": "t",
            "phrasing_id": ["a", "b", "c", "d"],
            "score": [0.5, 0.7, 0.0, 0.2],
            "kind": ["correct", "correct", "negated", "negated"],
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = {row["metric"]: row["value"] for row in analyse(tmp_path / "t.csv")}
    printed = CliRunner().invoke(command, [str(tmp_path / "t.csv")]).output

    assert found["mean"] == pytest.approx(0.6)
    assert found["reliance_negated"] == found["reliance"] == pytest.approx(0.5)
    assert "mean of correct phrasings - mean of controls" in printed


def test_one_phrasing_has_no_spread_to_print(tmp_path):
    """Its spread is 0 whatever the model does, so a dash column is left out;
    the file keeps the number.
    """
    cells([[1, 0, 1, 1]]).to_csv(tmp_path / "t.csv", index=False)
    printed = CliRunner().invoke(command, [str(tmp_path / "t.csv")]).output
    heading = next(line for line in printed.splitlines() if line.startswith("task"))

    assert heading.split() == ["task", "P", "N", "mean"]


def test_tests_hold_differences_with_intervals_and_the_gap(tmp_path):
    """Two models and both arms: a paired interval for each difference,
    and the gap of each model with its sign flip.
    """
    rng = np.random.default_rng(2)
    arms = ["seen"] * 3 + ["unseen"] * 3
    parts = [
        cells(rng.random((6, 80)) < np.array([shift] * 3 + [0.4] * 3)[:, None], seen=arms).assign(
            model=name
        )
        for name, shift in (("a", 0.5), ("b", 0.8))
    ]
    pd.concat(parts).to_csv(tmp_path / "t.csv", index=False)
    options = [str(tmp_path / "t.csv"), "--tests", "--question", "these"]
    tests = json.loads(CliRunner().invoke(command, [*options, "--json"]).stdout)["tests"]
    printed = CliRunner().invoke(command, options).output
    models, *gaps = tests

    assert [test["kind"] for test in tests] == ["models", "gap", "gap"]
    assert models["low"] < models["difference"] < models["high"]
    assert models["low"] > 0
    assert models["p"] < 0.01
    assert gaps[1]["difference"] == pytest.approx(gaps[1]["score_new"] - gaps[1]["score_old"])
    assert gaps[1]["low"] > 0
    assert gaps[1]["p"] < 0.01 < gaps[0]["p"]
    assert "seen against unseen phrasings, paired on instances" in printed
