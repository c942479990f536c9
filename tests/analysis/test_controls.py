"""What controls tell: what obeying gives by accident, and seen-but-wrong against unseen-but-right."""

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
    """Two wrong controls and one opposite on four choices: a quarter each, nothing, and their mean."""
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
    """Free text: what an obedient model would write is not known, so no number stands there, least of all 0."""
    found = estimates(rows("a", 1.0, seen="seen"), rows("n", 0.2, seen="seen", kind="null"))
    assert not any(name.startswith("accident") for name in found)


def test_familiar_words_that_beat_the_right_ones_are_flagged():
    """A model that answers seen wording whatever it says: the interval lies above 0 and the task is named."""
    found = estimates(
        *(rows(f"r{k}", 0.95, seen="seen") for k in range(3)),
        *(rows(f"u{k}", 0.2, seen="unseen") for k in range(4)),
        *(rows(f"w{k}", 0.9, seen="seen", kind="wrong") for k in range(4)),
    )
    assert found["seen_wrong"].low > 0
    assert "toy/one" in familiar(found.values())


def test_a_reader_is_not_flagged():
    """A model that does what it is told is far below 0, and no task is named."""
    found = estimates(
        *(rows(f"u{k}", 0.9, seen="unseen") for k in range(4)),
        *(rows(f"w{k}", 0.1, seen="seen", kind="wrong") for k in range(4)),
    )
    assert found["seen_wrong"].high < 0
    assert familiar(found.values()) == ""


def test_unseen_wrong_controls_say_nothing_of_it():
    """Only wrong instructions in seen words are meant."""
    found = estimates(rows("u", 0.9, seen="unseen"), rows("w", 0.1, seen="unseen", kind="wrong"))
    assert "seen_wrong" not in found


def test_every_kind_has_words():
    """Tables ask the entry for words, also of kinds."""
    assert statistic("accident_null").words == "obeying null is right by accident"
