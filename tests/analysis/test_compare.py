"""Paired comparison: known answers, pairing, refusals."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from manifests import made
from score_tables import table_of

from evalkit.analysis.compare import Settings, compare_suites, compare_tables
from evalkit.analysis.standings import standings
from evalkit.cli.compare import command as compare_command
from evalkit.errors import ComparisonError
from evalkit.records.manifest import SuiteRecord, TaskRecord
from evalkit.records.questions import WORDS, of_differences
from evalkit.report.compared import apart
from evalkit.report.summary import reference_sentence
from evalkit.scoring import ScoreTable
from evalkit.store.directory import RunDir


def runs(
    p: int, n: int, shift: float, seed: int = 0, tasks: int = 1
) -> tuple[ScoreTable, ScoreTable]:
    """Return two 0/1 runs that share the difficulty of instances;
    the second is right more often by `shift`.
    """
    rng = np.random.default_rng(seed)
    old, new = [], []
    for task in range(tasks):
        u, d = rng.random((p, n)), rng.random(n)
        old.append(table_of(u < d * 0.8, model="a", task=f"b/t{task}"))
        new.append(table_of(u < d * 0.8 + shift, model="b", task=f"b/t{task}"))
    return ScoreTable.concat(old), ScoreTable.concat(new)


def test_worked_flips():
    """Old right {1,2,3,4}, new right {3,4,5}: lost 2, gained 1, exact McNemar p 1, difference
    -1/6.
    """
    found = compare_tables(
        table_of([[1, 1, 1, 1, 0, 0]]), table_of([[0, 0, 1, 1, 1, 0]], model="n")
    )
    test = found.tests[0]

    assert (test.lost, test.gained, test.p, test.method) == (2, 1, 1.0, "mcnemar/instances")
    assert test.difference == pytest.approx(-1 / 6)
    assert [(row.instance_id, row.lost, row.gained) for row in found.by_instance] == [
        ("i0000", 1, 0),
        ("i0001", 1, 0),
        ("i0004", 0, 1),
    ]
    assert (found.by_phrasing[0].lost, found.by_phrasing[0].gained) == (2, 1)


def test_ten_phrasings_of_five_questions_are_five_units():
    """When every phrasing of five instances flips, p is 2 / 2^5 and not 2 / 2^50."""
    old, new = np.zeros((10, 20)), np.zeros((10, 20))
    new[:, :5] = 1
    these = Settings(question="these")
    found = compare_tables(table_of(old), table_of(new, model="n"), settings=these)

    assert found.tests[0].p == pytest.approx(2 / 2**5)
    assert found.by_phrasing[0].p == pytest.approx(2 / 2**5)


def test_every_headline_estimate_has_its_difference():
    """The difference of each estimate is new minus old, with an interval around the true shift."""
    old, new = runs(12, 200, 0.1)
    found = {row.metric: row for row in compare_tables(old, new).estimates if row.task == "b/t0"}
    means = [
        table.block(model, "b/t0").values.mean(axis=1) for table, model in ((old, "a"), (new, "b"))
    ]

    assert {
        "mean",
        "std",
        "min",
        "max",
        "spread",
        "pss",
        "worst_instance",
        "consistency",
        "gap",
    } <= set(found)
    assert found["min"].value == pytest.approx(means[1].min() - means[0].min())
    assert found["mean"].low < 0.1 < found["mean"].high
    assert found["mean"].high - found["mean"].low < 0.1


def test_reliance_on_the_instruction_is_compared():
    """Old: correct 1, negated 0, so reliance 1. New:
    correct 1, negated 1/2 (deaf to half of the negations), so the difference is -1/2.
    """
    kinds = {"kind": ["correct", "correct", "negated"]}
    old, new = (
        table_of([[1] * 8, [1] * 8, row], model=name, **kinds)
        for name, row in (("a", [0] * 8), ("b", [1, 0] * 4))
    )
    found = {
        row.metric: row
        for row in compare_tables(old, new, settings=Settings(question="fixed")).estimates
        if row.task == "b/t"
    }

    assert found["mean"].value == 0.0
    assert found["reliance"].value == found["reliance_negated"].value == -0.5
    assert found["reliance"].low < -0.5 < found["reliance"].high < 0
    assert "reliance" not in {row.metric for row in compare_tables(*runs(3, 8, 0.1)).estimates}


def test_intervals_of_differences_know_no_bounds():
    """A spread that shrinks has a negative difference, inside its interval and not cut at 0."""
    old, new = runs(6, 80, 0.05, tasks=5)
    rows = [
        row
        for row in compare_tables(new, old).estimates
        if row.low == row.low and row.task == "all"
    ]

    assert not [row.metric for row in rows if not row.low <= row.value <= row.high]
    assert {row.interval for row in rows if row.metric == "mean"} == {"t/instances"}
    assert next(row.value for row in rows if row.metric == "mean") < 0


def test_a_run_against_itself_has_no_difference():
    """Nothing lost, nothing gained, p 1, not worse by any margin."""
    old, _ = runs(4, 50, 0.0, tasks=3)
    found = compare_tables(old, old, settings=Settings(margin=0.01))

    assert {(test.lost, test.gained, test.p, test.not_worse) for test in found.tests} == {
        (0, 0, 1.0, True)
    }
    assert found.by_instance == []


def test_corrections_over_tasks_are_holm_and_bh():
    """The adjusted p of the task tests are those of the two procedures."""
    from evalkit.stats import benjamini_hochberg, holm

    found = compare_tables(*runs(3, 60, 0.08, tasks=4)).tests[:-1]
    p = np.array([test.p for test in found])

    assert [test.p_holm for test in found] == pytest.approx(holm(p).tolist())
    assert [test.p_bh for test in found] == pytest.approx(benjamini_hochberg(p).tolist())


def test_margin_is_one_sided_and_strict():
    """A clear loss is worse by a small margin and not by a huge one."""
    old, new = runs(6, 300, -0.1)
    small, huge = (
        compare_tables(old, new, settings=Settings(margin=margin)).tests[0].not_worse
        for margin in (0.01, 0.5)
    )

    assert (small, huge) == (False, True)


def test_missing_cells_are_left_out_pairwise():
    """A cell missing in one run counts in neither."""
    found = compare_tables(table_of([[1, 1, np.nan, 0]]), table_of([[0, 1, 1, np.nan]], model="n"))

    assert (found.tests[0].n_cells, found.tests[0].lost, found.tests[0].gained) == (2, 1, 0)
    assert apart(found) == [
        "2 cells with a score on one side only: differences are of the 2 that both have, old and "
        "new of all that each has."
    ]


def test_tables_without_a_shared_score_are_refused():
    """Nothing is compared of nothing."""
    with pytest.raises(ComparisonError, match="no cell has a score in both tables"):
        compare_tables(table_of([[1, np.nan]]), table_of([[np.nan, 0]], model="n"))


def test_one_instance_has_a_difference_and_no_interval():
    """The mean of one instance is a number, only its error is not known."""
    found = compare_tables(table_of([[1], [1]]), table_of([[0], [1]], model="n"))
    mean = next(row for row in found.overall if row.metric == "mean")

    assert (mean.value, math.isnan(mean.low)) == (-0.5, True)
    assert "fewer than two" in mean.note


def test_what_cannot_be_guessed_is_not_put_above_chance():
    """Without a level of chance a ratio of means is no share of a score above chance."""
    found = compare_tables(*runs(2, 10, 0.0))
    rows = [replace(row, value=0.5) for row in found.estimates if row.metric == "mean"]
    normed = [replace(row, metric="accuracy_norm") for row in rows]

    assert reference_sentence(rows, rows, "a", "b") == ""
    assert reference_sentence([*rows, *normed], [*rows, *normed], "a", "b") == (
        "Above chance a scores 100.0% of b, mean over 1 task."
    )


def test_graded_scores_are_tested_by_sign_flips():
    """Scores between 0 and 1 have no McNemar test; the p comes from sign flips of instances."""
    rng = np.random.default_rng(0)
    old = rng.random((3, 40)) * 0.5
    these = Settings(question="these")
    found = compare_tables(table_of(old), table_of(old + 0.2, model="n"), settings=these)

    assert found.tests[0].method == "sign flip/instances"
    assert found.tests[0].p < 0.001


def test_gap_needs_models_that_have_seen_the_same():
    """Where the two models have seen different phrasings the difference of gaps is undefined,
    with that reason.
    """
    old, new = (
        table_of(np.eye(4), seen=["seen", "seen", "unseen", "unseen"]),
        table_of(np.eye(4), model="n", seen=["unseen"] * 4),
    )
    row = next(row for row in compare_tables(old, new).estimates if row.metric == "gap")

    assert math.isnan(row.value)
    assert row.note == "the two models have not seen the same phrasings"


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (table_of(np.eye(3), task="b/u"), "task b/t only in old; task b/u only in new"),
        (table_of(np.eye(3)[:2]), "phrasing p2 of b/t only in old|phrasing of b/t p2 only in old"),
        (
            table_of(np.eye(3)[:, :2]),
            r"instances of b/t \(3 and 2; 1 in one only, such as instance i0002 only in old\)",
        ),
    ],
)
def test_different_cells_are_refused_by_name(new, message):
    """What differs is named, and there is no comparison."""
    with pytest.raises(ComparisonError, match=message):
        compare_tables(table_of(np.eye(3)), new)


def test_several_models_in_a_table_are_refused():
    """Which model is meant must be said."""
    both = ScoreTable.concat([table_of(np.eye(2)), table_of(np.eye(2), model="n")])

    with pytest.raises(ComparisonError, match="the old table holds models m, n"):
        compare_tables(both, table_of(np.eye(2)))


def suite(**changes) -> SuiteRecord:
    """Return a suite record of a manifest."""
    task = {
        "benchmark": "b",
        "digest": "d",
        "instances_digest": "x",
        "n_instances": 3,
        "phrasings": {"p": "1", "q": "2"},
    }
    record = {
        "name": "s",
        "version": 1,
        "digest": "whole",
        "limit": None,
        "shots": 0,
        "tasks": {"b/t": TaskRecord(**{**task, **changes.pop("task", {})})},
        **changes,
    }
    return SuiteRecord(**record)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"digest": "x", "limit": 50}, "limit None and 50"),
        ({"digest": "x", "task": {"instances_digest": "y"}}, "instances of b/t"),
        ({"digest": "x", "task": {"phrasings": {"p": "1", "q": "9"}}}, "text of phrasing q of b/t"),
        ({"digest": "x", "task": {"phrasings": {"p": "1"}}}, "phrasing of b/t q only in old"),
        ({"digest": "x", "tasks": {}}, "task b/t only in old"),
        ({"digest": "x"}, "suite digest whole and x"),
    ],
)
def test_suites_that_differ_are_refused_by_name(changes, message):
    """Manifests that disagree name the setting, task, phrasing or instances."""
    with pytest.raises(ComparisonError, match=message):
        compare_suites(suite(), suite(**changes))


def test_runs_of_one_model_may_differ_in_shots_and_that_is_said():
    """Tasks, phrasings and instances are still checked; the digest of a task holds its shots."""
    few = suite(digest="x", shots=4, task={"digest": "with shots"})

    said = compare_suites(suite(), few, of_one_model=True)

    assert said.startswith(
        "The two runs differ in shots, 0 and 4: a difference is what they change"
    )
    assert said.endswith("is the gap with 4 minus the gap with 0.")
    with pytest.raises(ComparisonError, match="shots 0 and 4"):
        compare_suites(suite(), few)
    other = suite(digest="x", shots=4, task={"instances_digest": "y"})
    with pytest.raises(ComparisonError, match="instances of b/t"):
        compare_suites(suite(), other, of_one_model=True)
    with pytest.raises(ComparisonError, match="content of b/t"):
        compare_suites(suite(), suite(digest="x", task={"digest": "e"}), of_one_model=True)


def test_the_gap_at_no_shots_against_the_gap_at_four_has_an_interval():
    """Three seen and three unseen phrasings that lose half of what is right:
    shots close that gap.
    """
    rng = np.random.default_rng(5)
    right = rng.random(200) < 0.9
    lost = np.where(rng.random(200) < 0.5, False, right)
    seen = ["seen"] * 3 + ["unseen"] * 3
    none = table_of(np.array([right] * 3 + [lost] * 3), seen=seen)
    four = table_of(np.array([right] * 6), seen=seen)

    found = compare_tables(none, four)
    (row,) = [row for row in found.overall if row.metric == "gap"]

    assert row.value == pytest.approx(lost.mean() - right.mean())
    assert row.low < row.value < row.high < 0


def test_equal_suites_and_plain_tables_pass():
    """Equal digests pass; tables without a manifest are checked on their cells only."""
    compare_suites(suite(), suite())
    compare_suites(None, suite())


def test_command_compares_run_directories(tmp_path):
    """Two run directories go in; JSON with differences, tests and flips comes out,
    and other suites are refused.
    """
    from evalkit.cli.compare import command

    old, new = runs(3, 30, 0.2, tasks=2)
    for name, table, record in (
        ("a", old, suite()),
        ("b", new, suite()),
        ("c", new, suite(digest="x", shots=5)),
    ):
        table.write_parquet(tmp_path / name / "scores.parquet")
        manifest = made(suite=record.to_json())
        if name == "c":
            model = replace(manifest.model, fingerprint={"model": "another"})
            manifest = replace(manifest, model=model)
        RunDir(tmp_path / name).write_manifest(manifest)
    done = CliRunner().invoke(
        command,
        [str(tmp_path / "a"), str(tmp_path / "b"), "--json", "--margin", "0.02"],
        catch_exceptions=False,
    )
    table = CliRunner().invoke(
        command, [str(tmp_path / "a"), str(tmp_path / "b")], catch_exceptions=False
    )
    refused = CliRunner().invoke(command, [str(tmp_path / "a"), str(tmp_path / "c")])

    assert [test["task"] for test in json.loads(done.stdout)["tests"]] == ["b/t0", "b/t1", "all"]
    assert "b minus a, percentage points" in table.stdout
    assert isinstance(refused.exception, ComparisonError)
    assert "shots 0 and 5" in str(refused.exception)


@pytest.mark.parametrize("question", ["these", "phrasings", "normal", "tasks"])
@pytest.mark.parametrize("shift", [0.0, 0.02, 0.08])
def test_interval_and_p_of_a_difference_answer_one_question(question, shift):
    """Both say the same words; where p is made from the error of the interval, p < 0.05 means
    that 0 lies outside.
    """
    old, new = runs(8, 60, shift, tasks=5)
    found = compare_tables(old, new, settings=Settings(question=question))
    mean = next(row for row in found.estimates if (row.benchmark, row.metric) == ("all", "mean"))
    test = found.tests[-1]

    words = WORDS[of_differences(question)]
    assert (mean.question, test.question, found.question) == (words, words, words)
    assert words == WORDS["these"] or (test.p < 0.05) == (not mean.low <= 0 <= mean.high)
    assert math.isnan(found.wilcoxon) == (question != "tasks")


@pytest.mark.parametrize("question", ["these", "phrasings", "normal", "tasks"])
def test_a_tie_of_the_leaderboard_is_an_interval_of_compare_that_holds_0(question):
    """One place computes both: for every question and a range of differences they agree."""
    seen = set()
    for shift in (0.0, 0.03, 0.06, 0.12):
        old, new = runs(8, 60, shift, tasks=5, seed=3)
        order = standings([("a", old), ("b", new)], question=question, n_resamples=100)
        found = compare_tables(old, new, settings=Settings(question=question))
        mean = next(
            row for row in found.estimates if (row.benchmark, row.metric) == ("all", "mean")
        )
        seen.add(bool(order.rows[0].tied_with))
        assert bool(order.rows[0].tied_with) == (mean.low <= 0 <= mean.high)
    assert seen == {True, False}


def test_two_tables_of_one_model_are_told_apart_by_their_places(tmp_path):
    """'m minus m' says nothing; the files do. One phrasing has no spread to compare."""
    for name, scores in (("before", [1, 0, 0, 1]), ("after", [1, 1, 0, 1])):
        pd.DataFrame(
            {
                "model": "m",
                "task": "t",
                "phrasing_id": "p",
                "instance_id": [f"i{k}" for k in range(4)],
                "score": scores,
            }
        ).to_csv(tmp_path / f"{name}.csv", index=False)
    printed = (
        CliRunner()
        .invoke(compare_command, [str(tmp_path / "before.csv"), str(tmp_path / "after.csv")])
        .output
    )
    words = " ".join(printed.split())

    assert f"m ({tmp_path / 'after.csv'}) minus m ({tmp_path / 'before.csv'})" in words
    assert "spread" not in words
