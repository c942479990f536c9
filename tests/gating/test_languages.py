"""The gate's rule on the language of the instruction."""

from __future__ import annotations

import pandas as pd
import pytest

from evalkit.gating.units import LINEAR, AbsentError
from evalkit.scoring import ScoreTable

MEASURED = LINEAR["against_english"]


def block(scores, languages):
    """Return a block with a phrasing per row of scores, in the language named beside it."""
    rows = [
        {"model": "m", "task": "t/one", "phrasing_id": f"p{row}", "instance_id": f"i{column}"}
        | {"score": float(score), "language": languages[row]}
        for row, line in enumerate(scores)
        for column, score in enumerate(line)
    ]
    return ScoreTable.from_frame(pd.DataFrame(rows)).block("m", "t/one")


def test_a_loss_under_other_languages_is_harm():
    """German goes from 1 to .5 where English stays at 1: the difference falls by .5."""
    languages = ["de", "en"]
    old, new = block([[1, 1], [1, 1]], languages), block([[1, 0], [1, 1]], languages)

    found = MEASURED(old, new)

    assert (found.old, found.new) == (0.0, -0.5)
    assert found.harm.mean() == pytest.approx(0.5)


def test_a_loss_in_every_language_is_none_of_its_harm():
    """Both fall alike: the mean says so, this rule does not."""
    languages = ["de", "en"]
    old, new = block([[1, 1], [1, 1]], languages), block([[1, 0], [1, 0]], languages)

    assert MEASURED(old, new).harm.mean() == pytest.approx(0.0)


@pytest.mark.parametrize("languages", [["en", "en"], ["de", "fr"], ["", ""]])
def test_it_needs_english_and_another_language(languages):
    """Otherwise the rule cannot be measured, and says so."""
    one = block([[1, 1], [1, 0]], languages)

    with pytest.raises(AbsentError, match="no instructions in English and in another language"):
        MEASURED(one, one)
