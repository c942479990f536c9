"""Language of the instruction crossed with language of the input, on models whose answer is
known on paper.
"""

from __future__ import annotations

import numpy as np
import pytest

import evalkit
from evalkit.analysis.language_cuts import language_cuts
from evalkit.errors import UsageError
from evalkit.scoring import ScoreTable


def values(run):
    """Return (metric, group) -> row over all tasks."""
    frame = run.estimates
    rows = frame[(frame["benchmark"] == "all") & (frame["task"] == "all")]
    return {(row.metric, row.group): row for row in rows.itertuples()}


def english_only(request):
    """Write English, whatever is asked."""
    return "She repaired the old bicycle in the yard."


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return the rows of a model that only understands English, on four inputs."""
    pytest.importorskip("lingua")
    pytest.importorskip("sacrebleu")
    run = evalkit.run(
        english_only,
        tasks=[f"languages/errands_{code}" for code in ("en", "de", "zh", "ar")],
        languages="en,de,zh",
        phrasings=6,
        limit=4,
        out=tmp_path_factory.mktemp("run") / "r",
        no_report=True,
    )
    return values(run)


def test_answers_in_english_agree_with_english_inputs_alone(found):
    """Always English: 1 where the input is English, 0 elsewhere,
    and the instruction's language where that is English.
    """
    assert found["language_agrees", "input=en"].value == 1.0
    assert found["language_agrees", "input=de"].value == 0.0
    assert found["language_agrees", "instruction=en"].value == 0.25
    assert found["language_of_instruction", "input=zh & instruction=en"].value == 1.0
    assert found["language_of_instruction", "input=zh & instruction=de"].value == 0.0
    assert ("language_of_instruction", "input=de & instruction=de") not in found
    assert found["language_agrees", "instruction=own"].value == 0.0


def table(scores, languages):
    """Return the block of one task with a phrasing per row of scores."""
    import pandas as pd

    rows = [
        {
            "model": "m",
            "task": "t/one",
            "phrasing_id": f"p{row}",
            "instance_id": f"i{column}",
            "score": float(score),
            "language": languages[row],
        }
        for row, line in enumerate(scores)
        for column, score in enumerate(line)
    ]
    return ScoreTable.from_frame(pd.DataFrame(rows)).block("m", "t/one")


def cuts(block, spoken="de"):
    """Return (group, statistic) -> its cells."""
    return {
        (group, cut[0]): cut[1:]
        for _, group, cut in language_cuts([block], {}, {"t/one": spoken} if spoken else {})
    }


def test_the_change_pairs_instances_and_wordings_of_both_languages():
    """German 1, 0 and English 1, 1 on two instances each: mean .5 against 1, a change of -.5."""
    block = table([[1, 0], [1, 1], [1, 1]], ["de", "en", "en"])

    part, other = cuts(block)["instruction=de", "against_english"]

    assert part.scores.tolist() == [[1, 0]]
    assert other.scores.tolist() == [[1, 1], [1, 1]]
    assert np.mean(part.scores) - np.mean(other.scores) == -0.5
    assert ("instruction=own", "against_english") in cuts(block)
    assert ("instruction=own", "mean") not in cuts(block, spoken="fr")


def test_an_instance_without_a_score_in_one_language_is_in_neither():
    """The change is over instances that both have."""
    block = table([[np.nan, 0], [1, 1]], ["de", "en"])

    part, other = cuts(block)["instruction=de", "against_english"]

    assert (part.scores.tolist(), other.scores.tolist()) == ([[0]], [[1]])


@pytest.mark.parametrize("languages", [["de", "de"], ["", ""]])
def test_one_language_has_no_rows(languages):
    """Nothing is varied, so nothing is said; likewise where no language is known."""
    assert cuts(table([[1, 0], [1, 1]], languages)) == {}


def test_rows_of_the_input_need_two_inputs():
    """One input language is no dimension of its own."""
    groups = {group for group, _ in cuts(table([[1, 0], [1, 1]], ["de", "en"]))}

    assert groups == {"instruction=de", "instruction=en", "instruction=own"}


def test_a_language_without_phrasings_is_refused_before_anything_is_asked(tmp_path):
    """By name, with those that are there; a task without it in a suite is named."""

    def never(request):
        raise AssertionError("was asked")

    with pytest.raises(
        UsageError,
        match=(
            "languages it: languages/weekdays_de has no phrasing in it; it has ar, de, en, es, "
            "fr, zh"
        ),
    ):
        evalkit.run(never, tasks="languages/weekdays_de", languages="en,it", out=tmp_path / "r")


def test_the_column_and_the_factor_are_there(tmp_path):
    """The language of a wording is a column, and phrasings are drawn in turn from every
    language.
    """
    run = evalkit.run(
        "scripted:perfect",
        tasks="languages/weekdays_fr",
        phrasings=6,
        limit=2,
        out=tmp_path / "r",
        no_report=True,
    )

    assert set(run.scores["language"]) == {"ar", "de", "en", "es", "fr", "zh"}
    assert values(run)["against_english", "instruction=own"].value == 0.0
