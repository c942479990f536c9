"""The meaning check: what each validator catches, what is recorded,
and the measured error rates.
"""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.catalog.library.meaning import (
    MODEL_FREE,
    calibrate,
    calibration_pairs,
    check_meaning,
    labels_kept,
    length_ratio,
    negation_kept,
    slots_kept,
)
from evalkit.catalog.library.validators import encoder_validator, nli_validator
from evalkit.errors import BackendError, ExtraMissingError
from evalkit.records import Meaning, Phrasing


def phrasing(text: str) -> Phrasing:
    """Return a phrasing of `text`."""
    return Phrasing(id="p", text=text, source="evalkit")


def verdict(validator, first, second, labels=()):
    """Return (passed, note) of one validator."""
    found = validator(phrasing(first), phrasing(second), labels)
    return found.passed, found.note


def test_a_lost_or_added_slot_fails():
    """Both directions are named."""
    assert verdict(slots_kept, "{{ a }} and {{ b }}", "{{ b }} or {{ c }}") == (
        False,
        "lost a, added c",
    )
    assert verdict(slots_kept, "{{ a }} then {{ b }}", "{{ b }} then {{ a }}") == (True, "")


def test_a_lost_or_added_answer_fails():
    """Label words, quoted words and letters count; the article a does not."""
    assert verdict(labels_kept, "Say yes or no.", "Say yes.", ["yes", "no"]) == (False, "lost 'no'")
    assert verdict(labels_kept, "Say 'good'.", "Say 'fine'.") == (
        False,
        "lost 'good', added 'fine'",
    )
    assert verdict(labels_kept, "A, B or C?", "A or B?", ["A", "B", "C"]) == (False, "lost 'C'")
    assert verdict(labels_kept, "A good one?", "Is this a good one?") == (True, "")
    assert verdict(labels_kept, 'Fill the "_".', "Fill the gap.") == (True, "")


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ("Is it right?", "Isn't it right?", False),
        ("Do not guess.", "Never guess.", True),
        ("Say whether it holds.", "Say whether or not it holds.", True),
        ("Is it true?", "Is it true or false?", True),
        ("Which is best?", "Which is worst?", False),
        ("Is it false?", "Is it not false?", False),
        ("Don't add words.", "Add words.", False),
    ],
)
def test_negation_must_be_kept(first, second, kept):
    """Negating words are counted by parity, contractions included;
    paired answer words do not count.
    """
    assert verdict(negation_kept, first, second)[0] is kept


def test_length_may_not_collapse_or_explode():
    """A tenth of the words fails, half passes, none fails."""
    long = "word " * 40

    assert verdict(length_ratio, long, "word " * 20)[0]
    assert not verdict(length_ratio, long, "word word")[0]
    assert verdict(length_ratio, long, "{{ a }}") == (False, "no words are left")
    assert verdict(length_ratio, "Sort the numbers below.", "0") == (False, "one word is left")
    assert verdict(length_ratio, "Sort them.", "Sort.")[0]


def test_the_result_is_recorded_as_meaning():
    """All pass: checked; one fails: doubtful, with score, threshold and reason."""
    good = check_meaning(
        phrasing("Say yes or no."),
        phrasing("Reply yes or no."),
        labels=["yes", "no"],
        on="2026-11-21",
    )
    bad = check_meaning(phrasing("Say yes or no."), phrasing("Say yes."), labels=["yes", "no"])

    assert good == Meaning(
        status="checked", by="slots labels negation length", on="2026-11-21", score=1.0
    )
    assert (bad.status, bad.note) == ("doubtful", "labels 0.50 < 1 (lost 'no')")


def test_an_encoder_scores_by_cosine():
    """Slots are read as their names, and the threshold decides."""
    texts: list[str] = []

    def encoder(rows: list[str]) -> np.ndarray:
        texts.extend(rows)
        return np.array([[1.0, 0.0], [0.6, 0.8]])

    found = encoder_validator(encoder, threshold=0.75)(
        phrasing("Ask {{ question }}"), phrasing("Other"), ()
    )

    assert texts == ["Ask question", "Other"]
    assert (round(found.score, 6), found.passed) == (0.6, False)


def test_a_named_encoder_needs_the_optional_part(monkeypatch):
    """Without Transformers the line to type is named."""
    import sys

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ExtraMissingError, match=r"pip install 'evalkit\[semantic\]'"):
        encoder_validator("some/model")


def test_there_are_pairs_enough_of_both_kinds():
    """At least sixty good and sixty bad paraphrases, no pair twice, every bad one with its
    fault.
    """
    pairs = calibration_pairs()

    assert sum(pair.same for pair in pairs) >= 60
    assert sum(not pair.same for pair in pairs) >= 60
    assert len({(pair.original, pair.candidate) for pair in pairs}) == len(pairs)
    assert all(bool(pair.fault) != pair.same for pair in pairs)


def test_model_free_validators_catch_what_breaks_a_task_mechanically():
    """Lost slots and changed labels are always caught; faults of content alone mostly are not."""
    passed = {
        pair.fault
        for pair in calibration_pairs()
        if not pair.same and calibrate(MODEL_FREE, [pair]).passed
    }

    assert passed.isdisjoint({"slot lost", "slot added", "labels", "label lost", "labels lost"})
    assert "other question" in passed


def test_a_folder_that_is_no_nli_model_is_an_environment_error(tmp_path):
    """A wrong model is named with what Transformers said."""
    pytest.importorskip("transformers")
    with pytest.raises(
        BackendError, match="is not a sequence-classification model that Transformers can load"
    ):
        nli_validator(str(tmp_path))(phrasing("a"), phrasing("b"), ())
