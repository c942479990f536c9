"""What controls tell: what obeying gives by accident,
and seen-but-wrong against unseen-but-right.
"""

import numpy as np
import pandas as pd
import pytest

from evalkit.analysis import Known, estimate
from evalkit.records import Estimate
from evalkit.records.statistics import statistic
from evalkit.report.wordings import familiar
from evalkit.scoring import ScoreTable

N = 60


def rows(name: str, share: float, **traits: str) -> pd.DataFrame:
    """One phrasing with a share of right answers, drawn by its own seed."""
    rng = np.random.default_rng(sum(map(ord, name)))
    return pd.DataFrame(
        {
            "model": "m",
            "task": "toy/one",
            "phrasing_id": name,
            "instance_id": [f"i{k:03}" for k in range(N)],
            "score": (rng.random(N) < share).astype(float),
            "kind": traits.get("kind", "correct"),
            "seen": traits["seen"],
        }
    )


def estimates(*parts: pd.DataFrame, guess: float | None = None) -> dict[str, Estimate]:
    """Metric -> estimate of the task."""
    known = Known(guesses={} if guess is None else {"toy/one": guess})
    found = estimate(ScoreTable.from_frame(pd.concat(parts)), known=known)
    return {row.metric: row for row in found if row.task == "toy/one"}


def test_accident_is_a_guess_for_foreign_words_and_never_for_opposites():
    """Two wrong controls and one opposite on four choices: a quarter each, nothing,
    and their mean.
    """
    found = estimates(
        rows("a", 1.0, seen="seen"),
        rows("w1", 0.2, seen="seen", kind="wrong"),
        rows("w2", 0.2, seen="seen", kind="wrong"),
        rows("o", 0.0, seen="unknown", kind="opposite"),
        guess=0.25,
    )
    assert found["accident_wrong"].value == 0.25
    assert found["accident_opposite"].value == 0.0
    assert found["accident"].value == pytest.approx(0.5 / 3)


def test_where_guessing_is_not_known_nothing_is_said():
    """Free text: what an obedient model would write is not known,
    so no number stands there, least of all 0.
    """
    found = estimates(rows("a", 1.0, seen="seen"), rows("n", 0.2, seen="seen", kind="null"))
    assert not any(name.startswith("accident") for name in found)


def test_familiar_words_that_beat_the_right_ones_are_flagged():
    """A model that answers seen wording whatever it says:
    the interval lies above 0 and the task is named.
    """
    found = estimates(
        *(rows(f"r{k}", 0.95, seen="seen") for k in range(3)),
        *(rows(f"u{k}", 0.2, seen="unseen") for k in range(4)),
        *(rows(f"w{k}", 0.9, seen="seen", kind="wrong") for k in range(4)),
    )
    assert found["seen_wrong"].low > 0
    assert found["seen_wrong_p"].value < 1e-6
    assert "(toy/one; sign flip, Holm over 1 task)" in familiar(found.values())


def test_a_reader_is_not_flagged():
    """A model that does what it is told is far below 0, and no task is named."""
    found = estimates(
        *(rows(f"u{k}", 0.9, seen="unseen") for k in range(4)),
        *(rows(f"w{k}", 0.1, seen="seen", kind="wrong") for k in range(4)),
    )
    assert found["seen_wrong"].high < 0
    assert familiar(found.values()) == ""


def test_p_is_the_exact_sign_flip_of_instances():
    """Six instances, one wording a side, five apart in one direction and one alike:
    2 of 32 signs are as extreme.
    """
    right = rows("u", 0.0, seen="unseen").iloc[:6].assign(score=[0.0, 0, 0, 0, 0, 1])
    wrong = rows("w", 0.0, seen="seen", kind="wrong").iloc[:6].assign(score=1.0)

    assert estimates(right, wrong)["seen_wrong_p"].value == pytest.approx(2 / 32)


def test_instances_of_a_group_change_their_sign_together():
    """Ten instances in two groups are two units: no p below one half."""
    right, wrong = (
        rows(name, 0.0, seen=seen, kind=kind)
        .iloc[:10]
        .assign(score=score, group=[f"g{k % 2}" for k in range(10)])
        for name, seen, kind, score in (
            ("u", "unseen", "correct", 0.0),
            ("w", "seen", "wrong", 1.0),
        )
    )

    assert estimates(right, wrong)["seen_wrong_p"].value == pytest.approx(0.5)


def test_many_tasks_make_one_chance_finding_no_flag():
    """A p of .02 in one of ten tasks is no finding after Holm;
    a file without p is read by its interval.
    """
    task = [f"b/t{k}" for k in range(10)]
    value = [
        Estimate(model="m", benchmark="b", task=t, metric="seen_wrong", value=0.2, low=0.1)
        for t in task
    ]
    p = [
        Estimate(
            model="m",
            benchmark="b",
            task=t,
            metric="seen_wrong_p",
            value=0.02 if t == "b/t3" else 0.6,
        )
        for t in task
    ]

    assert familiar([*value, *p]) == ""
    assert "1 task (b/t3; sign flip, Holm over 1 task)" in familiar([value[3], p[3]])
    assert "10 tasks" in familiar(value)


def test_unseen_wrong_controls_say_nothing_of_it():
    """Only wrong instructions in seen words are meant."""
    found = estimates(rows("u", 0.9, seen="unseen"), rows("w", 0.1, seen="unseen", kind="wrong"))
    assert "seen_wrong" not in found


def test_every_kind_has_words():
    """Tables ask the entry for words, also of kinds."""
    assert statistic("accident_null").words == "obeying null is right by accident"
