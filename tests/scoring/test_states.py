"""What an answer is, for every kind of task, and that a state never changes a score."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from evalkit.errors import TableError
from evalkit.records import Instance, Response, Task
from evalkit.scoring import Answered, ScoreTable, Verdict, verdict_of
from evalkit.scoring.states import asked_form

CHOICE = Task(name="c", benchmark="b", reader="rows", metric="choice_accuracy")
FREE = Task(name="g", benchmark="b", reader="rows", kind="generate", metric="exact_match")


def instance(reference: str = "Paris", *, choices: tuple[str, ...] = ()) -> Instance:
    """Return an item with one right answer."""
    target = choices.index(reference) if choices else None
    return Instance(
        id="1",
        fields={"question": "?"},
        references=(reference,),
        choices=choices,
        target=target,
    )


def judged(
    text: str, *, task: Task = FREE, item: Instance | None = None, cut: bool = False
) -> Verdict:
    """Return the verdict on a text."""
    item = item or instance()
    answered = Answered(
        instance=item,
        response=Response(key="k", text=text, finish_reason="length" if cut else "stop"),
        labels=("A", "B")[: len(item.choices)],
    )
    return verdict_of(task, answered, form=asked_form(task, [item]))


@pytest.mark.parametrize(
    ("text", "cut", "state"),
    [
        ("Paris", False, "right"),
        ("Paris\nIt lies on the Seine and", True, "right"),
        ("Lyon", False, "wrong"),
        ("Lyon\nbecause it is the seat of", True, "wrong"),
        ("Well, there is much to be said about this", True, "cut"),
        ("<think>Is it Paris or", True, "cut"),
        ("I'm sorry, but I can't help with that.", False, "refused"),
        ("I don't know.", False, "refused"),
        ("", False, "unusable"),
        ("<think>Paris?</think>", False, "unusable"),
        ("The answer is Paris because I say so.", False, "unusable"),
        ("Sure! Here is what you asked for:\n\nParis", False, "unusable"),
        ("Sure:\nLyon", False, "unusable"),
        ("Visit\nParis", False, "unusable"),
        ("One might think of many cities on many rivers here", False, "unusable"),
    ],
)
def test_a_short_answer(text: str, cut: bool, state: str) -> None:
    """Each of the five, and only the right one scores."""
    found = judged(text, cut=cut)

    assert (found.state, found.score) == (state, float(state == "right"))
    assert found.status == ("ok" if state in {"right", "wrong"} else "unparsed")


@pytest.mark.parametrize("metric", ["exact_match", "rouge_l", "token_f1", "squad_v2"])
def test_a_refusal_that_is_the_reference_is_right(metric: str) -> None:
    """A list of refusals never overrides a matching reference."""
    told = "I'm sorry, I can't help with that."
    task, item = replace(FREE, metric=metric), instance(told)

    assert (judged(told, task=task, item=item).state, judged(told, task=task, item=item).score) == (
        "right",
        1.0,
    )
    assert judged("I don't know.", task=task, item=item).state != "refused"


@pytest.mark.parametrize(
    ("text", "cut", "state"),
    [
        ("B", False, "right"),
        ("A. Paris", False, "wrong"),
        ("I think A, since it", True, "wrong"),
        ("Let us consider every", True, "cut"),
        ("I cannot answer this question.", False, "refused"),
        ("Both are fine", False, "unusable"),
    ],
)
def test_a_choice_by_text(text: str, cut: bool, state: str) -> None:
    """A label that was read is an answer, whatever stands around it."""
    found = judged(text, task=CHOICE, item=instance("Lyon", choices=("Paris", "Lyon")), cut=cut)

    assert found.state == state


def test_choices_by_log_probability_are_right_or_wrong() -> None:
    """There is no text that could refuse or be cut."""
    item = instance("Lyon", choices=("Paris", "Lyon"))
    states = [
        verdict_of(
            CHOICE,
            Answered(
                instance=item,
                response=Response(key="k", logprobs=values, token_counts=(1, 1)),
                labels=("A", "B"),
            ),
        ).state
        for values in ((-2.0, -1.0), (-1.0, -2.0), (float("nan"), -1.0))
    ]

    assert states == ["right", "wrong", "missing"]


@pytest.mark.parametrize(
    ("text", "cut", "state"),
    [
        ("12", False, "right"),
        ("So we add 5 and 8 and get 13.", False, "wrong"),
        ("So we add 5 and 8 and then", True, "cut"),
        ("The answer is 13. To see why, look at", True, "wrong"),
        ("Many.", False, "unusable"),
    ],
)
def test_a_number(text: str, cut: bool, state: str) -> None:
    """A number on the way to an answer that was cut off is no answer."""
    task = replace(FREE, metric="math_match")

    assert judged(text, task=task, item=instance("12"), cut=cut).state == state


def test_free_text_keeps_the_score_of_its_metric() -> None:
    """Overlap with long references: a state says what is behind a score and never changes it."""
    long = "The old mill by the river was sold to a family from the north who wanted to bake."
    task, item = replace(FREE, metric="rouge_l"), instance(long)
    cut = judged("The old mill by the river was", task=task, item=item, cut=True)
    whole = judged("The old mill by the river was", task=task, item=item)
    refused = judged("I cannot help with that.", task=task, item=item)

    assert (cut.state, whole.state, refused.state) == ("cut", "partial", "refused")
    assert (cut.score, cut.status) == (whole.score, "ok")


@pytest.mark.parametrize(
    ("references", "kind"),
    [
        (("12", "1/2"), "number"),
        (("Paris", "New York City"), "short"),
        (("one two three four five six seven eight nine ten eleven twelve thirteen",), "free"),
        (("a\nb",), "free"),
    ],
)
def test_the_form_asked_for_is_that_of_the_references(
    references: tuple[str, ...], kind: str
) -> None:
    """Number, short answer or free text."""
    assert asked_form(FREE, [instance(text) for text in references]).kind == kind


@pytest.mark.parametrize(
    ("text", "form"),
    [("Paris", "whole"), ("Paris\nVisit us!", "line"), ("The answer is Paris", "other")],
)
def test_how_much_is_in_the_form_asked_for(text: str, form: str) -> None:
    """The whole text, its first line, or neither."""
    assert judged(text).form == form


def rows(**columns: list[object]) -> pd.DataFrame:
    """Return cells of one task."""
    n = len(next(iter(columns.values())))
    same = {"model": "m", "task": "b/t", "phrasing_id": "p"}
    return pd.DataFrame({**same, "instance_id": [str(k) for k in range(n)], **columns})


def test_a_table_without_states_gets_them_from_status_and_score() -> None:
    """Tables that earlier versions wrote."""
    table = ScoreTable.from_frame(
        rows(
            score=[1.0, 0.5, 0.0, 0.0, None, None, 1.0],
            status=["ok", "ok", "ok", "unparsed", "missing", "not_asked", "truncated"],
        )
    )

    assert list(table.frame["state"]) == [
        *("right", "partial", "wrong", "unusable", "missing", "not_asked", "right")
    ]


def test_a_state_that_contradicts_its_score_is_refused() -> None:
    """A missing cell has no score, and a state that nobody knows is named."""
    with pytest.raises(TableError, match="1 rows have a score and state missing"):
        ScoreTable.from_frame(rows(score=[1.0, 0.0], state=["right", "missing"]))
    with pytest.raises(TableError, match="column state holds 'odd'"):
        ScoreTable.from_frame(rows(score=[1.0], state=["odd"]))


def test_a_table_survives_csv_where_any_text_will_do(tmp_path) -> None:
    """An empty form is none, as the export writes it."""
    rows = pd.DataFrame(
        {
            "model": "m",
            "task": "t",
            "phrasing_id": "p",
            "instance_id": ["a", "b"],
            "score": [1.0, 0.0],
            "form": ["whole", None],
        }
    )
    table = ScoreTable.from_frame(rows, origin="rows")
    table.frame.to_csv(tmp_path / "rows.csv", index=False)
    again = pd.read_csv(tmp_path / "rows.csv", keep_default_na=False)

    assert ScoreTable.from_frame(again, origin="again").frame["form"].tolist()[0] == "whole"
    assert ScoreTable.from_frame(again, origin="again").frame["form"].isna().tolist() == [
        False,
        True,
    ]
