"""The same items in several forms, with the instruction that belongs to each;
relations as TACRED writes them.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from evalkit.analysis.relation_cuts import f1_shares
from evalkit.catalog.instances import load_instances, read_instances
from evalkit.catalog.phrasings import load_phrasings
from evalkit.catalog.procedural.relations import NO_RELATION, RELATIONS
from evalkit.catalog.tasks import load_task
from evalkit.errors import CatalogError
from evalkit.phrasings.edit_lists import applied, edit_list, edits_between
from evalkit.phrasings.prompts import render_prompt
from evalkit.records import Instance, Response, Source, Task
from evalkit.scoring import Answered
from evalkit.scoring.cell import verdict_of
from evalkit.scoring.edits import edit_list_f05
from evalkit.scoring.relations import relation


def item(**changes):
    """Return one object as TACRED writes it."""
    tokens = [
        "Mirel",
        "Tavash",
        "(",
        "31",
        ")",
        ",",
        "a",
        "native",
        "of",
        "Graz",
        ",",
        "sings",
        ".",
    ]
    tokens[2], tokens[4] = "-LRB-", "-RRB-"
    row = {
        "id": "a1",
        "docid": "d",
        "relation": "per:city_of_birth",
        "token": tokens,
        "subj_start": 0,
        "subj_end": 1,
        "obj_start": 9,
        "obj_end": 9,
        "subj_type": "PERSON",
        "obj_type": "CITY",
        "stanford_ner": ["O"] * len(tokens),
    }
    return row | changes


def read(tmp_path, *rows, **options):
    """Return the instances of a file, and the notes on it."""
    (tmp_path / "test.json").write_text(json.dumps(list(rows)), encoding="utf-8")
    task = Task(
        name="t",
        benchmark="mine",
        reader="relation",
        source=Source(local="{split}.json", options=options),
    )
    return read_instances(task, tmp_path)


def test_a_sentence_is_read_with_its_entities_and_the_relations_their_types_allow(tmp_path):
    """A person and a city: five relations and none; statements hold the entities."""
    (one,), _ = read(tmp_path, item())

    assert one.fields["question"] == (
        "Sentence: Mirel Tavash (31), a native of Graz, sings.\nSubject: Mirel Tavash\nObject: Graz"
    )
    assert set(one.choices) == {
        *("per:cities_of_residence", "per:city_of_birth", "per:city_of_death"),
        *("per:employee_of", NO_RELATION),
    }
    said = json.loads(one.fields["statements"])[one.target]
    assert said == "Mirel Tavash was born in the city of Graz."


def test_the_table_has_tacred_s_relations_and_a_statement_of_both_entities_for_each():
    """41 relations and none of them, each with its slots."""
    assert len(RELATIONS) == 42
    assert all(
        "{subject}" in one.statement and "{object}" in one.statement for one in RELATIONS.values()
    )
    assert len({one.statement for one in RELATIONS.values()}) == 41  # two names for "also called"


def test_all_relations_are_offered_without_types_and_a_table_of_ones_own_is_taken(tmp_path):
    """``typed: false`` lists 42; ``relations`` replaces the table."""
    (one,), _ = read(tmp_path, item(), typed=False)
    table = {"likes": {"statement": "{subject} likes {object}.", "types": ["PERSON:CITY"]}}
    (other,), _ = read(tmp_path, item(relation="likes"), relations=table)

    assert len(one.choices) == 42
    assert other.choices == ("likes", NO_RELATION)


def test_re_tacred_is_read_with_its_own_forty_relations(tmp_path):
    """One relation that only it has says which file it is; TACRED's others are not offered."""
    same = item(id="a2", relation="per:identity", obj_type="PERSON")
    (first, second), _ = read(tmp_path, item(), same, typed=False)

    assert len(first.choices) == len(second.choices) == 40
    assert "org:city_of_branch" in first.choices
    assert "per:alternate_names" not in first.choices
    assert json.loads(second.fields["statements"])[second.target].endswith("are the same person.")


def test_a_relation_that_its_types_do_not_allow_is_left_out_by_name(tmp_path):
    """It could not be answered, and would count as wrong for every model."""
    found, notes = read(tmp_path, item(), item(id="a2", relation="per:age"))

    assert [one.id for one in found] == ["a1"]
    assert "has relation per:age, which the types PERSON:CITY do not allow" in notes[0]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (item(subj_end=40), "subj_start 0, subj_end 40.*no spans of 13 tokens"),
        (item(obj_start=9, obj_end=8), "obj_start 9, obj_end 8"),
        (item(relation="per:shoe_size"), "'per:shoe_size' is not in the table .42 relations."),
        (item(token="a b"), "'token' is no list of texts"),
        (item(subj_type=""), "has no 'subj_type' or no 'obj_type'"),
        ([], "holds list; an object is expected"),
    ],
)
def test_mistakes_of_a_file_are_named(tmp_path, row, words):
    """With the number of the object."""
    with pytest.raises(CatalogError, match=words):
        read(tmp_path, row)


def recast(of, forms, **options):
    """Return a task that recasts another one."""
    return Task(
        name="r",
        benchmark="mine",
        reader="recast",
        source=Source(options={"of": of, "forms": forms, **options}),
    )


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (recast("procedural/sorting", ["letters"], sought="x"), (
            "'letters' cannot be made of procedural/sorting, which has no choices.*takes text, "
            "edits"
            )),
        (recast("procedural/calendar", ["edits"]), "'edits' cannot be made of procedural/calendar, which has choices"),  # noqa: E501
        (recast("procedural/calendar", ["statements"], sought="the day"), "has no statement for an answer; give source.options.statement"),  # noqa: E501
        (recast("procedural/calendar", ["labels"]), "'sought' is missing; what is to be chosen"),
        (recast("procedural/calendar", ["parse"], sought="x"), "'forms' holds 'parse'; accepted: labels, letters"),  # noqa: E501
        (recast(["procedural/calendar", "procedural/boolean"], ["labels"], sought="x"), "is recast from several tasks"),  # noqa: E501
        (recast("recast/recast_calendar", ["labels"], sought="x"), "made of tasks itself"),
    ],
)  # fmt: skip
def test_a_form_that_a_task_cannot_take_is_refused_by_name(task, words):
    """Before anything is asked, with what it can take."""
    with pytest.raises(CatalogError, match=words):
        load_instances(task)


def by_form(name):
    """Return form -> instances of the first origin of a shipped task."""
    found = load_instances(load_task(name))
    mine = [one for one in found if one.of == found[0].of]
    forms: dict[str, list[Instance]] = {}
    for one in mine:
        forms.setdefault(one.factors["recast"], []).append(one)
    return forms


def test_every_form_asks_the_same_item_with_the_same_right_answer():
    """Labels, letters and statements point at the same choice; of two claims one is true."""
    forms = by_form("recast/recast_relations")
    (labels,), (letters,), (said,) = forms["labels"], forms["letters"], forms["statements"]

    assert labels.target == letters.target == said.target
    assert letters.choices == said.choices == tuple("ABCDE")
    assert [one.references for one in forms["truefalse"]] == [("true",), ("false",)]
    right = json.loads(labels.fields["statements"])[labels.target]
    assert forms["truefalse"][0].fields["question"].endswith(f"Statement: {right}")


@pytest.mark.parametrize("name", ["recast_relations", "recast_calendar", "recast_corrections"])
def test_no_instruction_contradicts_its_form(name):
    """Each prompt asks for its own form's answer and for no other's, in every wording."""
    replies = {
        "labels": "one of the answers listed",
        "letters": "the letter in front of it",
        "statements": "the letter in front of it",
        "truefalse": "true or false",
        "text": "whole corrected text",
        "edits": "wrong -> right",
    }
    task = load_task(f"recast/{name}")
    for form, (one, *_) in by_form(task.id).items():
        for phrasing in load_phrasings(task):
            text = render_prompt(task, phrasing, one).text
            told = {reply for reply in replies.values() if reply in text}

            assert told == {replies[form]}
            assert ("\nA. " in text) == (form in ("letters", "statements"))


def test_f1_leaves_no_relation_out_as_tacred_s_scorer_does():
    """Gold r r n n, answers r s r n: 1 hit, 3 named, 2 there: precision 1/3, recall 1/2, F1 2/5."""
    nan = float("nan")
    recall, precision = np.array([[1.0, 0.0, nan, nan]]), np.array([[1.0, 0.0, 0.0, nan]])

    shares = f1_shares(recall, precision)

    assert shares.mean() == pytest.approx(0.4)
    assert np.isnan(f1_shares(np.full((1, 2), nan), np.full((1, 2), nan))).all()


def answer(one, text):
    """Return an answer with its verdict under the metric of choices that are read."""
    answered = Answered(
        instance=one,
        response=Response(key="k", text=text, finish_reason="stop"),
        labels=one.choices,
    )
    task = Task(name="t", benchmark="b", reader="table", metric="label_match")
    return answered, verdict_of(task, answered)


def test_an_answer_names_the_relation_behind_its_letter():
    """The right letter is a hit; no relation and an unreadable answer name none."""
    one = next(
        each
        for each in load_instances(load_task("recast/recast_relations"))
        if each.factors["recast"] == "letters" and each.target == 0
    )
    none = one.choices[-1]

    assert relation(*answer(one, "A")) == {"relation_recall": 1.0, "relation_precision": 1.0}
    found = relation(*answer(one, none))
    assert (found["relation_recall"], np.isnan(found["relation_precision"])) == (0.0, True)
    found = relation(*answer(one, "I wonder."))
    assert (found["relation_recall"], np.isnan(found["relation_precision"])) == (0.0, True)


def test_a_list_of_edits_makes_the_corrected_text_again():
    """For every made sentence: what the list says is what the correction is."""
    for one in load_instances(load_task("corrections/made")):
        source, right = one.fields["source"], one.references[0]

        assert applied(source, edit_list(source, edits_between(source, right))) == (right, 0)


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("go -> goes; to to -> to", 1.0),
        ("go → goes\n", 1 / (0.2 * 1 / 0.5 + 0.8 * 1 / 1)),  # precision 1, recall 1/2
        ("none", 0.0),
        ("banana -> apple", 0.0),
        ("he goes home", 0.0),
    ],
)
def test_edits_are_scored_by_what_they_make_of_the_text(text, score):
    """F0.5 of edits; an entry that changes nothing there is made and not wanted."""
    one = Instance(
        id="1",
        fields={"question": "He go home to to sleep.", "source": "He go home to to sleep."},
        references=("go -> goes; to to -> to",),
        factors={"recast": "edits"},
    )
    wanted = edits_between(one.fields["source"], "He goes home to sleep.")
    one = Instance(
        id="1",
        fields={**one.fields, "edits": json.dumps([sorted(wanted)])},
        references=one.references,
        factors=one.factors,
    )
    answered = Answered(instance=one, response=Response(key="k", text=text, finish_reason="stop"))

    assert edit_list_f05(answered).score == pytest.approx(score)
