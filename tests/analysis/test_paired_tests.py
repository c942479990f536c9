"""Tests between models and between phrasings of one table, against statsmodels and by hand."""

import csv

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from evalkit.analysis import PairedTest, paired_tests, write_tests
from evalkit.analysis.pairing import gap_tests
from evalkit.scoring import ScoreTable


def table(scores: np.ndarray) -> ScoreTable:
    """Return the table of (model, phrasing, instance) scores on one task."""
    rows = [("abc"[m], "t", f"p{p}", f"i{i}", value) for (m, p, i), value in np.ndenumerate(scores)]
    return ScoreTable.from_frame(
        pd.DataFrame(rows, columns=["model", "task", "phrasing_id", "instance_id", "score"])
    )


@pytest.fixture
def scores() -> np.ndarray:
    """Three models, three phrasings, 60 instances, 0/1."""
    rng = np.random.default_rng(5)
    return (rng.random((3, 3, 60)) < np.array([0.8, 0.6, 0.55])[:, None, None]).astype(float)


def test_pairs_of_models_under_one_phrasing_equal_statsmodels(scores):
    """Exact, corrected chi-square, Holm and Benjamini-Hochberg over the three pairs, to the last
    digit printed.
    """
    found = [test for test in paired_tests(table(scores[:, :1])) if test.kind == "models"]
    pairs = [(0, 1), (0, 2), (1, 2)]
    tables = []
    for first, second in pairs:
        old, new = scores[first, 0], scores[second, 0]
        tables.append([[0, int((old > new).sum())], [int((old < new).sum()), 0]])
    exact = [mcnemar(cells, exact=True).pvalue for cells in tables]

    assert [(test.old, test.new) for test in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [test.p for test in found] == pytest.approx(exact, rel=1e-12)
    assert [test.p_chi2 for test in found] == pytest.approx(
        [mcnemar(cells, exact=False).pvalue for cells in tables], rel=1e-12
    )
    assert [test.p_holm for test in found] == pytest.approx(
        multipletests(exact, method="holm")[1], rel=1e-12
    )
    assert [test.p_bh_task for test in found] == pytest.approx(
        multipletests(exact, method="fdr_bh")[1], rel=1e-12
    )


def test_pairs_of_models_over_phrasings_count_instances_not_cells(scores):
    """Three copies of a phrasing give the p of one, not that of three times as many instances."""
    once = paired_tests(table(scores[:2, :1]))[0]
    thrice = paired_tests(table(np.repeat(scores[:2, :1], 3, axis=1)))[0]

    assert thrice.lost == 3 * once.lost
    assert thrice.p == pytest.approx(once.p, rel=1e-9)
    assert np.isnan(thrice.p_chi2)


def test_attacked_phrasings_are_tested_against_their_reference(scores):
    """Two attacks per model against p0, corrected within the model and over all six."""
    found = [
        test for test in paired_tests(table(scores), reference="p0") if test.kind == "phrasings"
    ]
    first = found[0]
    clean, attacked = scores[0, 0], scores[0, 1]

    assert len(found) == 6
    assert (first.model, first.old, first.new) == ("a", "p0", "p1")
    assert first.drop == pytest.approx(1 - attacked.mean() / clean.mean())
    assert first.p == pytest.approx(
        mcnemar([[0, (clean > attacked).sum()], [(clean < attacked).sum(), 0]], exact=True).pvalue
    )
    p = [test.p for test in found]
    assert [test.p_holm for test in found] == pytest.approx(multipletests(p, method="holm")[1])
    assert [test.p_holm_task for test in found[:2]] == pytest.approx(
        multipletests(p[:2], method="holm")[1]
    )


def test_models_scored_on_other_instances_are_compared_on_shared_ones(scores):
    """Model b lacks ten instances: 50 are left, and missing cells count for neither side."""
    full = table(scores[:2])
    frame = full.frame
    lacking = frame[
        ~((frame["model"] == "b") & frame["instance_id"].isin([f"i{k}" for k in range(10)]))
    ]
    found = paired_tests(ScoreTable.from_frame(lacking))[0]

    assert found.n_instances == 50
    assert found.score_old == pytest.approx(scores[0, :, 10:].mean())


def test_fractions_are_tested_by_sign_flips_and_the_file_keeps_every_digit(scores, tmp_path):
    """Scores that are not 0 or 1 have no McNemar p; the seed decides."""
    graded = table(np.clip(scores[:2] * 0.7 + 0.1, 0, 1))
    tests = paired_tests(graded, seed=3)
    write_tests(tests, tmp_path / "tests.csv")
    rows = list(csv.DictReader((tmp_path / "tests.csv").read_text(encoding="utf-8").splitlines()))

    assert repr(tests) == repr(paired_tests(graded, seed=3))  # a p that does not exist is NaN
    assert rows[0]["method"] == "sign flip/instances"
    assert float(rows[0]["p"]) == tests[0].p
    assert rows[0]["p_mid"] == ""


def test_the_interval_of_a_difference_is_that_of_paired_instances(scores):
    """Over phrasings Student's on the instances' mean changes;
    for one phrasing of 0 and 1 that of paired shares.
    """
    from scipy import stats as distributions

    over = paired_tests(table(scores[:2]))[0]
    each = (scores[1] - scores[0]).mean(axis=0)
    expected = distributions.ttest_1samp(each, 0).confidence_interval(0.95)
    one = paired_tests(table(scores[:2, :1]))[0]
    change = scores[1, 0] - scores[0, 0]
    p, q = ((change == side).sum() + 1 for side in (1, -1))
    half = 1.959964 * np.sqrt((p + q - (p - q) ** 2 / 62) / 62**2)

    assert (over.low, over.high) == pytest.approx((expected.low, expected.high))
    assert (one.low, one.high) == pytest.approx(((p - q) / 62 - half, (p - q) / 62 + half))


def test_groups_of_instances_change_sides_whole(scores):
    """Six groups of ten instances, all better by the same:
    p is that of six coins, whatever 60 would say.
    """
    better = np.stack([np.zeros((1, 60)), np.ones((1, 60))])
    frame = table(better).frame.assign(group=np.tile([f"g{k // 10}" for k in range(60)], 2))
    order = frame["instance_id"].str.removeprefix("i").astype(int) // 10
    (test,) = paired_tests(ScoreTable.from_frame(frame.assign(group="g" + order.astype(str))))

    assert (test.p, test.method) == (pytest.approx(2 / 2**6), "sign flip/groups")


def gaps_of(shift: float, tasks: int = 1) -> list[PairedTest]:
    """Return the tests of the gap of one model, seen phrasings better by a share of the
    instances.
    """
    rng = np.random.default_rng(8)
    rows = [
        ("m", f"t{t}", f"p{p}", f"i{i}", float(rng.random() < 0.5 + shift * (p < 2)), arm)
        for t in range(tasks)
        for p, arm in enumerate(("seen", "seen", "unseen", "unseen"))
        for i in range(60)
    ]
    names = ["model", "task", "phrasing_id", "instance_id", "score", "seen"]
    return paired_tests(ScoreTable.from_frame(pd.DataFrame(rows, columns=names)))


def test_the_gap_of_a_run_has_its_test():
    """Per task, over all tasks where a task counts as one, and by the order of the tasks."""
    (one,) = gaps_of(0.3)
    *each, over, order = gaps_of(0.3, tasks=6)

    assert (one.kind, one.old, one.new) == ("gap", "unseen", "seen")
    assert one.low > 0
    assert one.p < 0.01
    assert [test.task for test in each] == [f"t{t}" for t in range(6)]
    assert over.difference == pytest.approx(np.mean([test.difference for test in each]))
    assert (over.task, over.method) == ("all", "sign flip/instances")
    assert (order.p, order.method) == (pytest.approx(2 / 2**6), "wilcoxon/tasks")


def test_a_gap_that_is_not_there_is_rejected_as_often_as_said():
    """200 runs without a gap: at most 5 % and two errors of them fall below 0.05."""
    rng = np.random.default_rng(9)
    arms = np.array(["seen", "seen", "unseen", "unseen"])
    low = 0
    for _ in range(200):
        ease = rng.beta(0.5, 0.5, 60)
        frame = table((rng.random((1, 4, 60)) < ease).astype(float)).frame
        frame = frame.assign(seen=arms[frame["phrasing_id"].str.removeprefix("p").astype(int)])
        (test,) = gap_tests("a", [ScoreTable.from_frame(frame).block("a", "t")])
        low += test.p < 0.05
    assert low / 200 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
