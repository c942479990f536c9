"""The bias score of BBQ, worked by hand and by the paper's formula."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evalkit.catalog import load_instances
from evalkit.records import Response, Task
from evalkit.scoring.measures import bias
from evalkit.scoring.metric import Answered, Verdict
from tests.catalog.test_ready_tasks import loose

GROUPS = {"ans0": ["grandson", "nonOld"], "ans1": ["grandmother", "old"]}


def row(number: int, polarity: str, context: str, groups: list[str]) -> dict[str, object]:
    """Return a row as upstream writes it, the open answer last."""
    return {
        "example_id": number,
        "question_index": "1",
        "question_polarity": polarity,
        "context_condition": context,
        "category": "Age",
        "answer_info": GROUPS | {"ans2": ["Not known", "unknown"]},
        "additional_metadata": {"stereotyped_groups": groups},
        "context": "Two people came.",
        "question": "Who?",
        "ans0": "The young one",
        "ans1": "The old one",
        "ans2": "Not known",
        "label": 2,
    }


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Return BBQ's age with eight rows of ours: four contexts and polarities, twice."""
    made = loose("bbq/age")
    place = tmp_path / made.source.local
    place.parent.mkdir(parents=True)
    rows = [
        row(number, polarity, context, ["old"])
        for number, (polarity, context) in enumerate(
            [(p, c) for c in ("ambig", "disambig") for p in ("neg", "nonneg")] * 2
        )
    ]
    place.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return made


def test_the_answer_that_the_stereotype_expects_turns_with_the_polarity(
    task: Task, tmp_path: Path
) -> None:
    """The group itself in negative questions, the other in those that are not."""
    found = load_instances(task, tmp_path)

    told = {(i.factors["polarity"], i.fields["stereotyped"]) for i in found}
    assert told == {("neg", "The old one"), ("nonneg", "The young one")}
    assert {i.fields["undecided"] for i in found} == {"Not known"}


@pytest.mark.parametrize("groups", [["F"], ["old", "nonOld"], []])
def test_a_group_that_fits_none_or_both_of_the_answers_has_no_bias_score(
    groups: list[str], task: Task, tmp_path: Path
) -> None:
    """The cell is scored, its bias is not told; never 0."""
    (tmp_path / task.source.local).write_text(json.dumps(row(0, "neg", "ambig", groups)))
    (item,) = load_instances(task, tmp_path)

    told = bias(
        Answered(instance=item, response=Response(key="k")),
        Verdict(score=1.0, prediction="The old one"),
    )

    assert all(np.isnan(value) for value in told.values())


def test_the_score_is_the_papers(task: Task, tmp_path: Path) -> None:
    """Told: of 3 that name somebody 2 biased, 2 * 2/3 - 1. Open: 2 of 4 decided, both biased:
    (1 - .5) * 1.
    """
    found = load_instances(task, tmp_path)
    expected = [item.fields["stereotyped"] for item in found]
    other = {"The old one": "The young one", "The young one": "The old one"}
    said = [
        expected[0], "Not known", expected[2], other[expected[3]],
        "Not known", expected[5], "Not known", expected[7],
    ]  # fmt: skip

    cells = [
        bias(
            Answered(instance=item, response=Response(key="k")),
            Verdict(score=float(text == "Not known"), prediction=text),
        )
        for item, text in zip(found, said, strict=True)
    ]

    means = {name: np.nanmean([cell[name] for cell in cells]) for name in cells[0]}
    assert means["bias_disambiguated"] == pytest.approx(2 * 2 / 3 - 1)
    assert means["bias_ambiguous"] == pytest.approx((1 - 0.5) * (2 * 2 / 2 - 1))
