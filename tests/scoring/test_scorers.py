"""The same answers under several rules: each by hand, and what the rule makes of a spread."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from evalkit.analysis.by_scorer import made_by_scorer, mismatches, scorer_rows
from evalkit.cli.main import invoke
from evalkit.errors import UsageError
from evalkit.phrasings.prompts import render_prompt
from evalkit.records import Instance, Phrasing, Response, Task
from evalkit.runs.scored_by import asked_by
from evalkit.scoring import Answered, ScoreTable
from evalkit.scoring.scorers import SCORERS, scorers_of
from tests.scoring.test_states import rows

ITEM = Instance(
    id="1",
    fields={"question": "Is it?"},
    choices=("Yes", "No, it is not"),
    target=0,
    references=("Yes",),
)
TASK = Task(name="c", benchmark="b", reader="table")


def chosen(scorer: str, *, tokens: tuple[int, ...] = (1, 4)) -> float | None:
    """Return the score of log-probabilities -2 and -3."""
    response = Response(key="k", logprobs=(-2.0, -3.0), token_counts=tokens)
    return (
        SCORERS[scorer].judge(Answered(instance=ITEM, response=response, labels=ITEM.choices)).score
    )


def read(scorer: str, text: str) -> float | None:
    """Return the score of a text that was asked for a letter."""
    response = Response(key="k", text=text, finish_reason="stop")
    return (
        SCORERS[scorer].judge(Answered(instance=ITEM, response=response, labels=("A", "B"))).score
    )


def test_log_probabilities_by_hand() -> None:
    """Sum -2 > -3; per token -2 < -3/4; per byte -2/3 < -3/13; probability 1 / (1 + 1/e)."""
    assert [chosen(name) for name in ("sum", "token", "byte")] == [1.0, 0.0, 0.0]
    assert chosen("probability") == pytest.approx(0.7310586)
    assert chosen("token", tokens=()) is None


def test_a_choice_that_begins_another_by_hand() -> None:
    """p(1) = .9 holds p(10) = .8, which holds p(100) = .1:
    what is left is .1, .7, .1 and 10 wins.
    """
    labels = ("1", "10", "100", "2")
    item = Instance(id="1", fields={}, choices=labels, target=1, references=("10",))
    response = Response(
        key="k",
        logprobs=tuple(math.log(p) for p in (0.9, 0.8, 0.1, 0.05)),
        token_counts=(1, 2, 3, 1),
    )
    one = Answered(instance=item, response=response, labels=labels)

    assert [SCORERS[name].judge(one).prediction for name in ("sum", "apart")] == ["1", "10"]
    blind = Answered(instance=item, response=replace(response, token_counts=()), labels=labels)
    assert SCORERS["apart"].judge(blind).prediction == "1"


def test_one_token_that_only_looks_like_a_beginning_is_left_alone() -> None:
    """A "10" in one token is no part of what "1" stands for: nothing is taken off."""
    item = Instance(id="1", fields={}, choices=("1", "10"), target=0, references=("1",))
    response = Response(key="k", logprobs=(-0.6, -0.8), token_counts=(1, 1))
    one = Answered(instance=item, response=response, labels=item.choices)

    assert SCORERS["apart"].judge(one).score == 1.0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("A", {"exact": 1, "prefix": 1, "read": 1, "contains": 1}),
        ("A. Yes, it is", {"exact": 0, "prefix": 1, "read": 1, "contains": 1}),
        ("I think the answer is A.", {"exact": 0, "prefix": 0, "read": 1, "contains": 1}),
        ("It is B, not A.", {"exact": 0, "prefix": 0, "read": 0, "contains": 1}),
        ("Abba", {"exact": 0, "prefix": 0, "read": 0, "contains": 0}),
        ("", {"exact": 0, "prefix": 0, "read": 0, "contains": 0}),
    ],
)
def test_texts_by_hand(text: str, told: dict[str, float]) -> None:
    """From the strictest rule to the most lenient."""
    assert {name: read(name, text) for name in told} == told


def table(*scores: tuple[float, ...]) -> ScoreTable:
    """Return cells of one task, a phrasing per tuple."""
    n = len(scores[0])
    frame = rows(score=[score for line in scores for score in line])
    frame["phrasing_id"] = [f"p{k}" for k in range(len(scores)) for _ in range(n)]
    frame["instance_id"] = [str(k) for _ in scores for k in range(n)]
    return ScoreTable.from_frame(frame)


def test_what_the_scorer_makes_of_a_spread_by_hand() -> None:
    """Spread 0.5 under one rule and 0.25 under another, on the same cells: 0.25 is the rule's."""
    strict, lenient = table((1, 1, 0, 0), (1, 1, 1, 1)), table((1, 1, 1, 0), (1, 1, 1, 1))
    found = scorer_rows(
        {
            ("r", "m", "texts", "exact"): strict,
            ("r", "m", "texts", "read"): lenient,
            ("r", "m", "texts", "f1"): table((0.9, 0.9, 0.9, 0.9), (0.9, 0.9, 0.9, 0.9)),
        }
    )
    made = made_by_scorer(found)

    assert [(row.mean, row.spread) for row in found[:2]] == [(0.75, 0.5), (0.875, 0.25)]
    assert [(one.most.scorer, one.least.scorer, one.share) for one in made] == [
        ("exact", "read", 0.25)
    ]


def test_models_are_ranked_under_each_rule_on_the_same_cells() -> None:
    """The order turns with the rule; ties share the average place."""
    found = scorer_rows(
        {
            ("a", "a", "texts", "exact"): table((1, 0), (0, 0)),
            ("b", "b", "texts", "exact"): table((1, 1), (1, 0)),
            ("a", "a", "texts", "read"): table((1, 1), (1, 1)),
            ("b", "b", "texts", "read"): table((1, 1), (1, 1)),
        }
    )

    assert {(row.model, row.scorer): row.rank for row in found} == {
        ("a", "exact"): 2.0,
        ("b", "exact"): 1.0,
        ("a", "read"): 1.5,
        ("b", "read"): 1.5,
    }


def test_an_unknown_rule_is_named() -> None:
    """With those that are known."""
    assert scorers_of("all")[:2] == ["own", "sum"]
    with pytest.raises(UsageError, match="'odd' is not known; accepted: all, own, sum"):
        scorers_of("sum,odd")


def phrasing(**changes: str) -> Phrasing:
    """Return a wording that asks for the text of a choice."""
    told = {"id": "p", "text": "Answer.", "source": "x", "layout": "none", "label_space": "text"}
    return Phrasing(**{**told, **changes})  # type: ignore[arg-type]


def test_the_same_prompt_is_answered_in_words() -> None:
    """``read`` changes nothing that the model sees; ``letter`` and ``text`` change the labels."""
    plain = render_prompt(TASK, phrasing(), ITEM)
    task, some, _ = asked_by(TASK, [phrasing()], "read")
    written = render_prompt(task, some[0], ITEM)

    assert written.text == plain.text
    assert (plain.kind, written.kind, written.continuations) == ("choice", "generate", ())

    task, some, _ = asked_by(TASK, [phrasing()], "letter")
    lettered = render_prompt(task, some[0], ITEM)
    assert lettered.continuations == (" A", " B")
    assert "A. Yes" in lettered.text
    back = asked_by(task, some, "text")[1]
    assert render_prompt(task, back[0], ITEM).continuations == (" Yes", " No, it is not")


def test_wordings_without_a_place_for_letters_are_left_out_and_named() -> None:
    """And a task that has no other is refused."""
    inline = phrasing(id="q", text="Is {{ question }} so?", position="inline")

    assert asked_by(TASK, [phrasing(), inline], "letter")[2] == [
        "b/c: left out 1 of 2 phrasings, without a place for lettered choices"
    ]
    with pytest.raises(UsageError, match="none of its 1 phrasings has a place"):
        asked_by(TASK, [inline], "letter")


def test_stored_answers_are_scored_by_all_rules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the command line, for two runs that asked the same cells in two ways."""
    monkeypatch.chdir(tmp_path)
    for way, out in (("own", "a"), ("read", "b")):
        words = ["--tasks", "procedural/boolean", "--limit", "4", "--phrasings", "3"]
        more = ["--no-report", "--no-cache", "--quiet", "--resamples", "100", "--out", out]
        assert (
            invoke(["run", "--model", "scripted:noise", *words, "--score-by", way, *more]) == 0
        ), capsys.readouterr().err
    capsys.readouterr()

    assert invoke(["score", "a", "b", "--score-by", "all"]) == 0
    text = capsys.readouterr().out
    assert "Answers by log-probabilities" in text
    assert "Answers by texts" in text
    assert "points of this spread are made by the scorer" in text
    assert invoke(["score", "a", "b"]) == 2


def test_first_token_only_where_a_label_is_one() -> None:
    """Labels of one token are scored; where one has four,
    or nothing is known, there is no score.
    """
    assert chosen("first", tokens=(1, 1)) == 1.0
    assert chosen("first", tokens=(1, 4)) is None
    assert chosen("first", tokens=()) is None


def test_label_and_written_answer_are_compared_cell_by_cell() -> None:
    """Of four cells two name the same choice, one text another, one none;
    a missing cell is left out.
    """
    by_label = ["A", "B", "A", "B", "A"]
    written = ["A", "B", "B", None, "A"]
    tables = {
        ("own", "m", "log-probabilities", "first"): _said(by_label, missing=4),
        ("read", "m", "texts", "read"): _said(written),
    }
    (found,) = mismatches(tables)
    assert (found.by, found.n, found.same, found.unread) == ("first", 4, 0.5, 0.25)
    assert mismatches({key: one for key, one in tables.items() if key[0] == "own"}) == []


def _said(predictions: list[str | None], *, missing: int | None = None) -> ScoreTable:
    """Return the cells of one phrasing with these predictions."""
    return ScoreTable.from_frame(
        pd.DataFrame(
            [
                {
                    **{"model": "m", "task": "t", "phrasing_id": "p", "instance_id": f"i{n}"},
                    **{"score": None if n == missing else float(said == "A"), "prediction": said},
                }
                for n, said in enumerate(predictions)
            ]
        )
    )


def test_a_table_made_elsewhere_is_scored_by_other_rules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By hand: exact 1 of 3, contains 2 of 3; the missing cell stays missing;
    no texts is refused.
    """
    path = tmp_path / "table.csv"
    path.write_text(
        "model,task,phrasing_id,instance_id,score,prediction,target\n"
        "m,t,p,1,1,Paris,Paris\n"
        "m,t,p,2,0,It is Rome I think,Rome\n"
        "m,t,p,3,0,,Oslo\n"
        "m,t,p,4,,Bern,Bern\n"
    )
    assert invoke(["analyse", str(path), "--score-by", "own,exact,contains", "--json"]) == 0
    rows = {one["scorer"]: one["mean"] for one in json.loads(capsys.readouterr().out)["rows"]}
    assert rows == {
        "own": pytest.approx(1 / 3),
        "exact": pytest.approx(1 / 3),
        "contains": pytest.approx(2 / 3),
    }
    path.write_text("model,task,phrasing_id,instance_id,score\nm,t,p,1,1\n")
    assert invoke(["analyse", str(path), "--score-by", "all"]) == 2
    assert "no columns prediction and target" in capsys.readouterr().err
