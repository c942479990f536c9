"""Doubtful phrasings stay out of headlines, strata are counted,
and arms that differ in form are told and matched.
"""

import pandas as pd
import pytest

from evalkit.analysis import estimate, wordings_of
from evalkit.analysis.wordings import differing, matched
from evalkit.report.wordings import population, without_doubtful
from evalkit.scoring import ScoreTable


def table(*phrasings: dict) -> ScoreTable:
    """One task of four instances; each phrasing says its id, arm, how many it gets right,
    and its traits.
    """
    rows = []
    for one in phrasings:
        traits = {name: value for name, value in one.items() if name != "right"}
        for item in range(4):
            rows.append(
                {
                    "model": "m",
                    "task": "toy/one",
                    "instance_id": f"i{item}",
                    "score": float(item < one["right"]),
                    **traits,
                }
            )
    return ScoreTable.from_frame(pd.DataFrame(rows))


def phrasing(name: str, seen: str, right: int, **traits: str) -> dict:
    """A phrasing with plain traits unless told otherwise."""
    plain = {"meaning": "checked", "stratum": "plain", "layout": "none", "position": "before"}
    return {"phrasing_id": name, "seen": seen, "right": right, **plain, **traits}


def test_a_doubtful_phrasing_is_in_no_headline_number():
    """The mean over three phrasings is that of the two nobody doubts,
    and the change with the third is told.
    """
    found = table(
        phrasing("a", "seen", 4),
        phrasing("b", "unseen", 2),
        phrasing("c", "unseen", 0, meaning="doubtful"),
    )
    mean = {row.metric: row.value for row in estimate(found) if row.task == "toy/one"}
    told = wordings_of(found)
    assert mean["mean"] == pytest.approx(0.75)
    assert (told.doubtful, told.doubtful_tasks, told.only_doubtful) == (1, 1, ())
    assert told.change == {
        "mean": pytest.approx(-0.25),
        "min": pytest.approx(-0.5),
        "gap": pytest.approx(0.25),
    }


def test_a_copy_that_is_doubted_or_made_of_one_that_is_has_no_drop():
    """Of three copies one asks the task: half of its origin's score is lost; a negated copy and a
    copy of a doubtful wording are left out and counted.
    """
    found = table(
        phrasing("a", "unseen", 4),
        phrasing("a.copy", "unseen", 2, of="a", perturbation="typos"),
        phrasing("a.not", "unseen", 0, of="a", perturbation="typos", meaning="doubtful"),
        phrasing("d", "unseen", 4, meaning="doubtful"),
        phrasing("d.copy", "unseen", 0, of="d", perturbation="typos"),
    )
    drop = {row.metric: row.value for row in estimate(found) if row.task == "toy/one"}
    told = wordings_of(found)

    assert drop["pdr"] == pytest.approx(0.5)
    assert (told.doubtful, told.doubtful_copies) == (1, 2)
    assert "Left out of the drop rates: 2 perturbed phrasings" in without_doubtful(told)


def test_a_task_with_doubtful_phrasings_only_keeps_them_and_is_named():
    """Nothing is left without them, so the score stays and the task is named instead."""
    found = table(phrasing("a", "seen", 2, meaning="doubtful"))
    told = wordings_of(found)
    assert next(row.value for row in estimate(found) if row.metric == "mean") == 0.5
    assert (told.doubtful, told.only_doubtful) == (0, ("toy/one",))


def test_a_table_without_meanings_is_as_before():
    """A table made elsewhere says nothing of meaning, and all of its correct phrasings count."""
    frame = table(phrasing("a", "seen", 4), phrasing("b", "unseen", 0)).frame
    found = ScoreTable.from_frame(frame.drop(columns=["meaning", "stratum", "position"]))
    told = wordings_of(found)
    assert next(row.value for row in estimate(found) if row.metric == "mean") == 0.5
    assert (told.doubtful, told.strata, told.differ) == (0, {}, {})


def test_strata_count_headline_phrasings_alone():
    """Controls and doubtful phrasings are in no stratum."""
    told = wordings_of(
        table(
            phrasing("a", "seen", 4),
            phrasing("b", "seen", 4, stratum="styled"),
            phrasing("c", "seen", 4, meaning="doubtful"),
            phrasing("d", "unseen", 4, kind="null"),
            phrasing("e", "seen", 4, stratum=""),
        )
    )
    assert told.strata == {"plain": 1, "styled": 1, "": 1}
    assert population(told).endswith("1 plain, 1 styled, 1 of no stratum (counted per task).")


def test_arms_of_the_same_forms_do_not_differ():
    """The same mixture on both arms, in other numbers:
    nothing is told and no matched gap is given.
    """
    found = table(
        *(phrasing(f"s{k}", "seen", 4, stratum=("plain", "styled")[k % 2]) for k in range(4)),
        *(phrasing(f"u{k}", "unseen", 2, stratum=("plain", "styled")[k % 2]) for k in range(2)),
    )
    assert differing(found.block("m", "toy/one")) == ()
    assert "gap_matched" not in {row.metric for row in estimate(found)}


def test_the_matched_gap_is_over_equally_many_of_every_form():
    """Wording costs nothing here, the inline form half of the score:
    the gap shows it, the matched gap does not.
    """
    found = table(
        *(phrasing(f"s{k}", "seen", 4) for k in range(3)),
        phrasing("u0", "unseen", 4),
        *(phrasing(f"u{k}", "unseen", 2, position="inline") for k in range(1, 4)),
    )
    block = found.block("m", "toy/one")
    values = {row.metric: row.value for row in estimate(found) if row.task == "toy/one"}
    kept = [name for name, keep in zip(block.phrasing_ids, matched(block), strict=True) if keep]
    assert differing(block) == ("position",)
    assert (values["gap"], values["gap_matched"]) == (pytest.approx(0.375), 0.0)
    assert len(kept) == 2
    assert "u0" in kept


def test_no_common_form_gives_no_matched_gap():
    """Letters on one arm, text on the other: the row says why it has no value."""
    found = table(
        phrasing("s", "seen", 4, label_space="letters"),
        phrasing("u", "unseen", 2, label_space="text"),
    )
    row = next(row for row in estimate(found) if row.metric == "gap_matched")
    assert row.value != row.value
    assert "no form is on both arms" in row.note
