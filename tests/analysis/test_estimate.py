"""From cells to estimates: known answers, levels, and reasons for what is undefined."""

import math

import numpy as np
import pandas as pd
import pytest
from score_tables import table_of

from evalkit import stats
from evalkit.analysis import Known, estimate
from evalkit.analysis.drops import drop_pairs
from evalkit.records.questions import WORDS
from evalkit.scoring import ScoreTable


def random_scores(p: int, n: int, seed: int = 0) -> np.ndarray:
    """Return 0/1 scores whose instances differ in difficulty."""
    rng = np.random.default_rng(seed)
    return (rng.random((p, n)) < rng.random(n)).astype(float)


def values_of(table: ScoreTable, task: str = "b/t", **options) -> dict[str, float]:
    """Return metric -> value of one task."""
    return {
        row.metric: row.value
        for row in estimate(table, **options)
        if row.task == task and not row.group
    }


def test_worked_answers():
    """Phrasings at 0.6 and 0.4: mean 0.5, std0 0.1, std 0.1414, sensitivity 0.1 / 0.5 = 0.2,
    spread 0.2.
    """
    found = values_of(table_of([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0]]))

    assert [round(found[name], 4) for name in ("mean", "std0", "std", "sensitivity", "spread")] == [
        0.5,
        0.1,
        0.1414,
        0.2,
        0.2,
    ]


def test_model_that_is_right_only_on_seen_wording():
    """Two seen phrasings right, two unseen wrong: gap 1, worst_instance 0, best_instance 1."""
    found = values_of(
        table_of([[1] * 4, [1] * 4, [0] * 4, [0] * 4], seen=["seen", "seen", "unseen", "unseen"])
    )

    assert [
        found[name]
        for name in ("gap", "seen_mean", "unseen_mean", "worst_instance", "best_instance")
    ] == [1, 1, 0, 0, 1]


def test_drop_rate_of_a_stated_reference():
    """Clean 0.8, attacked 0.6: pdr 1 - 0.6/0.8 = 0.25."""
    table = table_of([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]])

    assert values_of(table, reference="p0")["pdr"] == pytest.approx(0.25)
    assert values_of(table, reference={"p1": "p0"})["pdr"] == pytest.approx(0.25)
    assert "pdr" not in values_of(table)


def test_perturbed_phrasings_are_set_against_their_origin_and_kept_out_of_the_headline():
    """A perturbed phrasing's id begins with its origin's; it enters pdr and not the mean."""
    table = table_of(
        [[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]],
        phrasing_id=["a.b", "a.b.word-0123"],
        perturbation=["", "word"],
    )
    found = values_of(table)

    assert drop_pairs(table.block("m", "b/t"), None) == {"a.b.word-0123": "a.b"}
    assert (found["mean"], round(found["pdr"], 6)) == (0.8, 0.25)


def test_accuracy_norm_needs_the_score_of_guessing():
    """0.625 on four choices is half-way from guessing to perfect."""
    table = table_of([[1, 1, 1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0, 0, 0]])

    assert values_of(table, known=Known(chance={"b/t": 0.25}))["accuracy_norm"] == pytest.approx(
        0.5
    )
    assert "accuracy_norm" not in values_of(table)


def test_reliance_is_correct_minus_wrong_and_wrong_phrasings_stay_out_of_the_mean():
    """Controls enter reliance only, all together and kind by kind."""
    table = table_of([[1, 1, 1, 0], [0, 0, 1, 0], [1, 0, 0, 0]], kind=["correct", "wrong", "null"])
    found = values_of(table)

    assert [found[name] for name in ("mean", "reliance", "reliance_wrong", "reliance_null")] == [
        0.75,
        0.5,
        0.5,
        0.5,
    ]


def test_consistency_counts_answers_and_not_scores():
    """Two phrasings that give the same wrong answer agree."""
    scores = np.zeros((2, 3))
    frame = table_of(scores).frame.assign(prediction=pd.Categorical(["x", "y", "z", "x", "y", "w"]))
    found = values_of(ScoreTable.from_frame(frame))

    assert found["consistency"] == pytest.approx(2 / 3)


def test_suite_rows_are_unweighted_means_over_tasks():
    """A task of 4 instances counts as much as one of 2."""
    table = ScoreTable.concat(
        [table_of([[1, 1, 1, 1]], task="b/t"), table_of([[0, 1]], task="c/u")]
    )
    rows = {(row.benchmark, row.task): row for row in estimate(table) if row.metric == "mean"}

    assert rows["all", "all"].value == 0.75
    assert (rows["b", "all"].value, rows["c", "all"].value) == (1.0, 0.5)
    assert (rows["all", "all"].n_tasks, rows["all", "all"].n_instances) == (2, 6)


@pytest.mark.parametrize(
    ("table", "metric", "note"),
    [
        (table_of([[1, 0]], seen=["seen"]), "gap", "no unseen phrasing"),
        (table_of([[1, 0]], seen=["unseen"]), "gap", "no seen phrasing"),
        (table_of([[1, 0]]), "std", "fewer than two phrasings or instances"),
        (table_of([[1], [0]]), "mean", "fewer than two instances"),
        (table_of([[1, 0], [0, 0]]), "consistency", "no predictions in the table"),
    ],
)
def test_what_is_undefined_says_why(table, metric, note):
    """A value or interval that does not exist is NaN, and its row says why."""
    row = next(row for row in estimate(table) if row.metric == metric and row.task == "b/t")

    assert math.isnan(row.low)
    assert (row.interval, row.note) == ("none", note)


def test_single_phrasing_has_no_spread_but_a_mean():
    """One phrasing: std undefined, std0 and spread 0, the mean stays."""
    found = values_of(table_of([[1, 0, 1, 1]]))

    assert found["mean"] == 0.75
    assert math.isnan(found["std"])
    assert (found["std0"], found["spread"]) == (0, 0)


def test_estimates_do_not_depend_on_row_order_or_other_tasks():
    """The same cells give the same numbers, shuffled or with another task beside them."""
    one, other = table_of(random_scores(6, 40)), table_of(random_scores(5, 30, seed=1), task="b/u")
    shuffled = ScoreTable.from_frame(one.frame.sample(frac=1, random_state=3))
    expected = [str(row) for row in estimate(one) if row.task == "b/t"]

    assert [str(row) for row in estimate(shuffled) if row.task == "b/t"] == expected
    assert [
        str(row) for row in estimate(ScoreTable.concat([other, one])) if row.task == "b/t"
    ] == expected


def test_intervals_stay_within_what_is_possible():
    """A score near 1 has no interval beyond 1."""
    scores = np.ones((4, 30))
    scores[0, 0] = 0
    rows = [
        row
        for row in estimate(table_of(scores))
        if row.metric in {"mean", "best_instance", "max"} and not math.isnan(row.high)
    ]

    assert all(0 <= row.low <= row.high <= 1 for row in rows)
    assert len(rows) >= 3


def test_level_and_question_change_the_interval_and_its_name():
    """A lower level is narrower; with phrasings held fixed the interval says so."""
    table = table_of(random_scores(8, 60))
    wide, narrow = (
        {row.metric: row for row in estimate(table, level=level)}["mean"] for level in (0.95, 0.5)
    )
    normal, fixed = (
        next(row for row in estimate(table, question=question) if row.metric == "mean")
        for question in ("normal", "fixed")
    )

    assert narrow.high - narrow.low < wide.high - wide.low
    assert [row.interval for row in (wide, normal, fixed)] == [
        "gaffke/any phrasings+instances",
        "t-probit/phrasings+instances",
        "t-probit/instances",
    ]
    assert [row.question for row in (wide, normal, fixed)] == [
        WORDS[name] for name in ("phrasings", "normal", "these")
    ]


def test_only_what_needs_no_law_is_about_new_phrasings():
    """By default means and the median are about any new phrasings; nothing else claims to be."""
    table = table_of(random_scores(12, 60), seen=["seen"] * 6 + ["unseen"] * 6)
    rows = {row.metric: row for row in estimate(table) if row.task == "b/t"}
    new = {name for name, row in rows.items() if row.question == WORDS["phrasings"]}
    asked = {row.question for row in rows.values() if row.low == row.low}

    assert new == {"mean", "median", "seen_mean", "unseen_mean"}
    assert asked == {WORDS["phrasings"], WORDS["these"]}
    assert rows["gap"].question == WORDS["these"]
    assert "--question normal" in rows["q75"].note


def test_shared_phrasings_get_the_crossed_interval_over_tasks():
    """Where tasks share their phrasings, phrasings and tasks are both random in the interval of
    the mean.
    """
    tables = [
        table_of(random_scores(6, 40, seed=k), task=f"b/t{k}", seen=["seen"] * 3 + ["unseen"] * 3)
        for k in range(4)
    ]
    rows = {
        row.metric: row
        for row in estimate(ScoreTable.concat(tables), question="tasks")
        if row.task == "all" and row.benchmark == "b"
    }

    assert [rows[name].interval.partition("/")[2] for name in ("mean", "gap", "std")] == [
        "phrasings+tasks",
        "phrasings+tasks",
        "tasks",
    ]


def test_several_models_get_ranks_and_the_agreement_of_phrasings():
    """Three models, two of them tied: ranks 1, 2.5, 2.5 and competition ranks 1, 2, 2;
    phrasings agree fully on the order.
    """
    tables = [
        table_of(scores, model=name)
        for name, scores in (
            ("a", np.ones((3, 4))),
            ("b", np.zeros((3, 4))),
            ("c", np.zeros((3, 4))),
        )
    ]
    rows = {
        (row.model, row.metric): row.value
        for row in estimate(ScoreTable.concat(tables))
        if row.task == "b/t"
    }

    assert [rows[model, "rank"] for model in "abc"] == [1.0, 2.5, 2.5]
    assert [rows[model, "competition_rank"] for model in "abc"] == [1.0, 2.0, 2.0]
    assert rows["all", "kendall_w"] == pytest.approx(1.0)
    assert [rows[model, "rank_low"] for model in "abc"] == [1.0, 2.0, 2.0]
    assert [rows[model, "rank_high"] for model in "abc"] == [1.0, 2.0, 2.0]
    assert [rows[model, "p_best"] for model in "abc"] == [1.0, 0.0, 0.0]


def test_ranks_can_be_by_the_best_phrasing_and_models_on_other_instances_have_no_interval():
    """Model b has the best single phrasing and the lower mean; b lacks an instance,
    so no resample is shared.
    """
    a, b = np.full((2, 10), 1.0), np.full((2, 9), 1.0)
    a[:, :3], b[1, :6] = 0.0, 0.0
    rows = {
        (row.model, row.metric): row
        for row in estimate(ScoreTable.concat([table_of(a, model="a"), table_of(b, model="b")]))
    }

    assert [rows[model, "rank"].value for model in "ab"] == [1.0, 2.0]
    assert [rows[model, "rank_max"].value for model in "ab"] == [2.0, 1.0]
    assert np.isnan(rows["a", "rank_low"].value)
    assert (
        rows["a", "rank_low"].note
        == "the models were not scored on the same phrasings and instances"
    )


def test_deviation_of_fractions_has_no_end_beyond_what_fractions_can_do():
    """An interval of a deviation is cut where fractions end:
    0.71 for a sample of two, 0.5 for a population.
    """
    scores = np.repeat([[1.0], [0.0]], 40, axis=1)
    scores[0, :10], scores[1, :5] = 0.0, 1.0
    rows = {row.metric: row for row in estimate(table_of(scores)) if row.task == "b/t"}

    assert rows["std"].value < rows["std"].high <= np.sqrt(0.5)
    assert rows["std0"].value < rows["std0"].high <= 0.5


def test_repeats_of_a_cell_have_their_own_component():
    """Equal cell means on both repeats would hide it:
    2 phrasings, 2 instances, 2 repeats, the doctest of repeated_components.
    """
    cube = np.array([[[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 1.0]]])
    rows = [("m", "b/t", f"p{p}", f"i{i}", r, value) for (p, i, r), value in np.ndenumerate(cube)]
    frame = pd.DataFrame(
        rows, columns=["model", "task", "phrasing_id", "instance_id", "repeat", "score"]
    )
    table = ScoreTable.from_frame(frame.sample(frac=1, random_state=0))
    found = {row.metric: row.value for row in estimate(table) if row.task == "b/t"}

    assert table.repeats("m", "b/t").tolist() == cube.tolist()
    assert found["var_repeat"] == 0.25
    assert found["var_interaction"] == pytest.approx(stats.repeated_components(cube).interaction)
    assert (
        ScoreTable.from_frame(frame[frame["repeat"] == 0].drop(columns="repeat")).repeats(
            "m", "b/t"
        )
        is None
    )


def test_two_tasks_say_nothing_about_tasks_like_them():
    """Two tasks have an interval for these two, and none for others, with the reason."""
    table = ScoreTable.concat(
        [table_of(random_scores(6, 40, seed=k), task=f"b/t{k}") for k in range(2)]
    )
    these, others = (
        next(
            row
            for row in estimate(table, question=question)
            if (row.benchmark, row.task, row.metric) == ("b", "all", "mean")
        )
        for question in ("phrasings", "tasks")
    )

    assert (these.interval, these.question) == (
        "gaffke/any phrasings+instances",
        WORDS["phrasings"],
    )
    assert (others.interval, others.note) == ("none", "fewer than 3 tasks")


@pytest.mark.parametrize(
    ("question", "words", "over"),
    [
        ("fixed", WORDS["these"], "instances"),
        ("random", WORDS["phrasings"], "any phrasings+instances"),
        ("normal", WORDS["normal"], "phrasings+instances"),
        ("tasks", WORDS["tasks"], "phrasings+tasks"),
    ],
)
def test_rows_over_tasks_answer_the_question_asked(question, words, over):
    """Twelve tasks from hopeless to easy: what is asked of these is not wide because the tasks
    differ; two phrasings say little of any others.
    """
    tables = [
        table_of(np.tile(np.arange(100) < level, (2, 1)), task=f"b/t{level}")
        for level in range(2, 98, 8)
    ]
    row = next(
        row
        for row in estimate(ScoreTable.concat(tables), question=question)
        if (row.benchmark, row.task, row.metric) == ("all", "all", "mean")
    )

    assert (row.question, row.interval.partition("/")[2]) == (words, over)
    assert (row.high - row.low < 0.1) == (question in {"fixed", "normal"})


def test_intervals_of_tasks_that_share_phrasings_are_averaged_and_others_add_in_squares():
    """What shared wording does to a quantile is the same in every task,
    so more tasks do not take it away.
    """
    shared = [table_of(random_scores(6, 40, seed=k), task=f"b/t{k}") for k in range(4)]
    own = [
        table_of(
            random_scores(6, 40, seed=k), task=f"b/t{k}", phrasing_id=[f"{k}-{p}" for p in range(6)]
        )
        for k in range(4)
    ]
    rows = [
        next(
            row
            for row in estimate(ScoreTable.concat(tables), question="normal")
            if (row.benchmark, row.task, row.metric) == ("b", "all", "q75")
        )
        for tables in (shared, own)
    ]

    assert [row.interval.partition("/")[0] for row in rows] == ["average", "mover"]
    assert rows[0].high - rows[0].low > 1.5 * (rows[1].high - rows[1].low)


def test_missing_cells_are_left_out_and_counted():
    """A missing cell changes no mean of the others and shows in missing_rate."""
    scores = np.array([[1, 0, 1, 1], [1, np.nan, 1, 0]])
    found = values_of(table_of(scores))

    assert found["missing_rate"] == 0.125
    assert found["max"] == 0.75
    assert found["min"] == pytest.approx(2 / 3)
