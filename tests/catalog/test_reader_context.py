"""Questions with passages beside them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from evalkit.catalog import load_instances, load_phrasings, load_task
from evalkit.errors import CatalogError
from evalkit.records import Source

TASK = load_task("context/capitals")
ROWS = [
    {
        "question": "who wrote it",
        "answers": ["Ann Lee"],
        "ctxs": [
            {"title": "Book", "text": "Written by Ann Lee.", "hasanswer": True},
            {"title": "Sea", "text": "Waves.", "hasanswer": False},
            {"text": "Hills.", "hasanswer": False},
        ],
    },
    {"question": "who sang", "answers": ["Bo"], "ctxs": [{"text": "Bo sang.", "hasanswer": True}]},
]


def of_file(tmp_path, rows, **options):
    """Return the instances of a file."""
    (tmp_path / "open.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = Source(local="open.jsonl", options=options)
    return load_instances(
        replace(TASK, kind="generate", metric="answer_contained", source=source), tmp_path
    )


def test_the_question_alone_comes_first_and_every_origin_has_the_same_cells():
    """1 without, then mixes by sizes and places; where the key fills all, there is no place."""
    found = load_instances(TASK)
    by_origin = {name: [one for one in found if one.of == name] for name in ("france", "japan")}

    for mine in by_origin.values():
        assert mine[0].factors == {"passages": "none"}
        assert "Passage" not in mine[0].fields["question"]
    factors = [[one.factors for one in mine] for mine in by_origin.values()]
    assert factors[0] == factors[1]
    assert len(found) == 40 * len(factors[0])


def test_a_passage_says_what_its_mix_says():
    """Useful ones name the answer, contradicting ones the other city, mixed ones both."""
    for one in load_instances(TASK):
        passages = one.fields["question"].rpartition("Question:")[0]
        mix = one.factors["passages"]
        assert (one.references[0] in passages) == (mix in ("useful", "mixed")), one.id
        assert (one.fields["lure"] in passages) == (mix in ("contradicting", "mixed")), one.id
        assert passages.count("Passage ") == int(one.factors.get("k", 0))


def test_the_place_is_where_the_key_passage_stands():
    """Start, middle and end of five."""
    found = {one.id: one.fields["question"].split("\n") for one in load_instances(TASK)}
    for place, line in (("start", 0), ("middle", 2), ("end", 4)):
        assert "Paris" in found[f"france.useful.5.{place}"][line]


def test_a_file_as_dpr_writes_it_is_read(tmp_path):
    """The contradicting passage is the useful one with another question's answer."""
    found = {one.id: one for one in of_file(tmp_path, ROWS, sizes=[1, 3])}
    contradicting = found["row-00000.contradicting.1"]

    assert contradicting.fields["question"].startswith("Passage 1: (Book) Written by Bo.")
    assert contradicting.references == ("Ann Lee",)
    assert "row-00000.useful.3.middle" in found
    assert "row-00001.irrelevant.1" not in found


def test_a_list_as_dpr_s_own_program_writes_it_is_read(tmp_path):
    """It writes one JSON list and says ``has_answer``; the same questions come of it."""
    rows = json.loads(json.dumps(ROWS).replace("hasanswer", "has_answer"))
    (tmp_path / "open.json").write_text(json.dumps(rows, indent=4))
    task = replace(
        TASK,
        kind="generate",
        metric="answer_contained",
        source=Source(local="open.json", options={"sizes": [1]}),
    )
    found = load_instances(task, tmp_path)
    lines = of_file(tmp_path, ROWS, sizes=[1])

    assert [one.fields["question"] for one in found] == [one.fields["question"] for one in lines]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answers": []}, "open.jsonl:2: has no answers; a list of texts under 'answers'"),
        ({"question": " "}, "open.jsonl:2: has no text 'question'"),
        ({"ctxs": []}, "open.jsonl:2: has no passages"),
        ({"ctxs": [{"title": "x"}]}, "open.jsonl:2: a passage of 'ctxs' has no text"),
    ],
)
def test_a_row_that_cannot_be_asked_is_refused_with_its_line(tmp_path, row, message):
    """Before anything is asked."""
    with pytest.raises(CatalogError, match=message):
        of_file(tmp_path, [ROWS[0], {**ROWS[1], **row}])


def test_wordings_fit_with_and_without_passages():
    """Ten or more, none of which takes passages for granted without saying so."""
    found = load_phrasings(TASK)

    assert len(found) >= 10
