"""Deviations and drop rates over several tasks:
every reading that published tables use, by hand and against scipy.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from evalkit.analysis import estimate_aggregated

TASKS = {"x": [0.6, 0.4, 0.5], "y": [0.9, 0.7, 0.8, 0.8]}


def frame(tasks, **columns) -> pd.DataFrame:
    """Return an aggregated table of one model."""
    rows = [
        ("m", task, f"p{k}", score)
        for task, scores in tasks.items()
        for k, score in enumerate(scores)
    ]
    return pd.DataFrame(rows, columns=["model", "task", "phrasing_id", "score"]).assign(**columns)


def overall(table: pd.DataFrame, **settings) -> dict[str, float]:
    """Return metric -> value over all tasks."""
    return {
        row.metric: row.value
        for row in estimate_aggregated(table, **settings)
        if (row.benchmark, row.task) == ("all", "all")
    }


def test_every_reading_of_a_pooled_deviation_has_its_name():
    """One list of 7 scores; root mean square of 0.1 and 0.0816;
    weighted by 2 and 3 degrees of freedom.
    """
    found = overall(frame(TASKS))
    listed = np.concatenate([TASKS["x"], TASKS["y"]])
    variances = [np.var(TASKS["x"], ddof=1), np.var(TASKS["y"], ddof=1)]

    assert found["mean"] == pytest.approx((0.5 + 0.8) / 2)
    assert found["mean_pooled"] == pytest.approx(listed.mean())
    assert found["std"] == pytest.approx(np.sqrt(variances).mean())
    assert (found["std_pooled"], found["std0_pooled"]) == pytest.approx(
        (scipy_stats.tstd(listed), listed.std())
    )
    assert found["std_rms"] == pytest.approx(np.sqrt(np.mean(variances)))
    assert found["std0_rms"] == pytest.approx(
        np.sqrt((np.var(TASKS["x"]) + np.var(TASKS["y"])) / 2)
    )
    assert found["std_within"] == pytest.approx(np.sqrt((2 * variances[0] + 3 * variances[1]) / 5))


def test_within_task_deviation_is_the_mean_square_error_of_anova():
    """The F statistic of scipy divides by std_within squared."""
    found = overall(frame(TASKS))
    between = (
        3 * (0.5 - np.mean([*TASKS["x"], *TASKS["y"]])) ** 2
        + 4 * (0.8 - np.mean([*TASKS["x"], *TASKS["y"]])) ** 2
    ) / 1

    assert between / found["std_within"] ** 2 == pytest.approx(
        scipy_stats.f_oneway(TASKS["x"], TASKS["y"]).statistic
    )


def test_deviation_of_means_is_over_phrasings_all_tasks_share():
    """p0 to p2 have means 0.75, 0.55 and 0.65; p3 has one task only."""
    found = overall(frame(TASKS))

    assert (found["std_of_means"], found["std0_of_means"]) == pytest.approx(
        (0.1, np.std([0.75, 0.55, 0.65]))
    )


def test_arms_are_pooled_by_themselves():
    """Seen phrasings 0.6, 0.4 and 0.9, 0.7: root mean square of two equal deviations."""
    seen = ["seen", "seen", "unseen", "seen", "seen", "unseen", "unseen"]
    found = overall(frame(TASKS, seen=seen))

    assert found["seen_std_rms"] == pytest.approx(np.std([0.6, 0.4], ddof=1))
    assert found["unseen_std0_pooled"] == pytest.approx(np.std([0.5, 0.8, 0.8]))


def test_drop_rates_are_pooled_over_all_pairs():
    """1/3 and 1/6 in x; 2/9, 1/9 and 1/9 in y: the mean over tasks and over pairs differ,
    and so do their deviations.
    """
    found = overall(frame(TASKS), reference="p0")
    drops = [1 / 3, 1 / 6, 2 / 9, 1 / 9, 1 / 9]

    assert found["pdr"] == pytest.approx((np.mean(drops[:2]) + np.mean(drops[2:])) / 2)
    assert (found["pdr_pooled"], found["pdr_std_pooled"]) == pytest.approx(
        (np.mean(drops), np.std(drops))
    )


def test_one_task_has_nothing_to_pool():
    """The task's own deviations say it all."""
    assert not [
        name
        for name in overall(frame({"x": TASKS["x"]}))
        if name.endswith(("pooled", "rms", "within", "of_means"))
    ]
