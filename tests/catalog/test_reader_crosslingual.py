"""XNLI, PAWS-X, XCOPA and Belebele are read as published; each mistake is named with its line."""

from __future__ import annotations

import json

import pytest

from evalkit.catalog.instances import load_instances, read_instances
from evalkit.catalog.tasks import load_task
from evalkit.errors import CatalogError
from evalkit.records import Source, Task

XNLI = (
    "language\tgold_label\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
    "sentence2_parse\tsentence1\tsentence2\tpromptID\tpairID\tgenre\tlabel1\tlabel2\tlabel3\t"
    "label4\tlabel5\tsentence1_tokenized\tsentence2_tokenized\tmatch"
)


def task(reader, language, name, labels=(), **options):
    """Return a task of one file."""
    return Task(
        name="mine",
        benchmark="mine",
        reader=reader,
        source=Source(local=name, options=options),
        fields=("question",),
        labels=labels,
        languages=(language,),
    )


def xnli_row(language, gold, premise, hypothesis, pair):
    """Return a row as upstream writes it; parses are empty there."""
    head = [language, gold, "", "", "", "", premise, hypothesis, "1", pair, "letters"]
    return "\t".join([*head, *[gold] * 5, premise, hypothesis, "True"])


def write(path, *lines):
    """Write the lines of a file."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_xnli_keeps_the_rows_of_one_language(tmp_path):
    """The table holds all languages; quotes are ordinary letters; labels are the task's words."""
    rows = [
        xnli_row("ar", "neutral", "أ", "ب", "1"),
        xnli_row("de", "contradiction", 'Er sagte "nein.', "Er sagte ja.", "1"),
        xnli_row("de", "entailment", "Es regnet stark.", "Es regnet.", "2"),
    ]
    write(tmp_path / "x.tsv", XNLI, *rows)
    labels = ("Folgerung", "neutral", "Widerspruch")

    found = load_instances(task("xnli", "de", "x.tsv", labels), tmp_path)

    assert [one.id for one in found] == ["1", "2"]
    assert [one.choices[one.target] for one in found] == ["Widerspruch", "Folgerung"]
    assert found[0].fields["question"] == ('Prämisse: Er sagte "nein.\nHypothese: Er sagte ja.')


def test_pawsx_leaves_out_what_was_not_translated_and_takes_quotes_away(tmp_path):
    """Label 1 is yes; a pair with the placeholder NS is left out by name."""
    write(
        tmp_path / "t.tsv",
        "id\tsentence1\tsentence2\tlabel",
        '1\t"""Angel"" war ein Lied."\tEin Lied war ""Angel"".\t1',
        "2\tNS\tEin Satz.\t0",
        "3\tA schlug B.\tB schlug A.\t0",
        "4\tEin Satz.\tNS\t1",
    )

    found, notes = read_instances(task("pawsx", "de", "t.tsv", ("ja", "nein")), tmp_path)

    assert [one.references for one in found] == [("ja",), ("nein",)]
    assert found[0].fields["sentence1"] == '"Angel" war ein Lied.'
    assert "2 of 4 instances left out" in notes[0]
    assert "t.tsv:3, 5: each holds NS" in notes[0]


def test_xcopa_asks_for_cause_or_effect_in_the_language_of_the_input(tmp_path):
    """The question stands in the instance; ids are told apart by split."""
    row = {"premise": "灯灭了。", "choice1": "停电了。", "choice2": "天亮了。"}
    rows = [
        {**row, "question": asked, "label": 0, "idx": n}
        for n, asked in enumerate(("cause", "effect"))
    ]
    write(tmp_path / "v.jsonl", *(json.dumps(one, ensure_ascii=False) for one in rows))

    found = load_instances(task("xcopa", "zh", "v.jsonl"), tmp_path)

    assert [one.id for one in found] == ["test-0", "test-1"]
    assert found[0].fields["question"] == "情景: 灯灭了。\n原因是什么？"
    assert found[1].fields["asks"] == "结果发生了什么？"


def belebele(**changes):
    """Return a row as upstream writes it."""
    row = {
        "link": "https://example.org/a",
        "question_number": 1,
        "flores_passage": "Le chat dort sur le toit.",
        "question": "Où dort le chat ?",
        **{
            f"mc_answer{n}": text
            for n, text in enumerate(("Ici", "Là", "Sur le toit", "Nulle part"), 1)
        },
        "correct_answer_num": "3",
        "dialect": "fra_Latn",
        "ds": "2023-05-03",
    }
    return json.dumps(row | changes, ensure_ascii=False)


def test_belebele_counts_answers_from_one(tmp_path):
    """Two questions of a passage have ids of their own; the number may be text or a number."""
    write(tmp_path / "b.jsonl", belebele(), belebele(question_number=2, correct_answer_num=4))

    found = load_instances(task("belebele", "fr", "b.jsonl"), tmp_path)

    assert [one.references[0] for one in found] == ["Sur le toit", "Nulle part"]
    assert len({one.id for one in found}) == 2
    assert found[0].fields["question"].startswith("Texte: Le chat dort sur le toit.\nQuestion: Où")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (("xnli", "de", "x.tsv", ("a", "b", "c")), "no row of language 'de'; it has ar"),
        (("xnli", "ar", "x.tsv", ("a", "b", "c")), "x.tsv:2: gold_label is 'maybe'"),
        (("xnli", "ar", "x.tsv", ("a",)), "has 1 labels; reader 'xnli' expects 3"),
        (("xnli", "sw", "x.tsv", ("a", "b", "c")), "not known in 'sw'.*Give source.options.heads"),
        (("pawsx", "de", "p.tsv", ("ja", "nein")), "p.tsv:2: has 2 cells, the header has 4"),
        (("xcopa", "zh", "c.jsonl"), "c.jsonl:1: question is 'why'; accepted: cause, effect"),
        (("belebele", "fr", "b.jsonl"), "b.jsonl:1: correct_answer_num is '5'"),
        (("belebele", "fr", "n.jsonl"), "n.jsonl:1: has no column 'flores_passage'"),
        (("belebele", "fr", "l.jsonl"), "l.jsonl:1: holds list, an object with named columns"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, what, words):
    """Each says where, what is wrong, what is accepted."""
    write(tmp_path / "x.tsv", XNLI, xnli_row("ar", "maybe", "أ", "ب", "1"))
    write(tmp_path / "p.tsv", "id\tsentence1\tsentence2\tlabel", "1\tcut short")
    row = {"premise": "a", "choice1": "b", "choice2": "c", "question": "why", "label": 0, "idx": 0}
    write(tmp_path / "c.jsonl", json.dumps(row))
    write(tmp_path / "b.jsonl", belebele(correct_answer_num="5"))
    write(tmp_path / "n.jsonl", "{}")
    write(tmp_path / "l.jsonl", "[]")

    with pytest.raises(CatalogError, match=words):
        load_instances(task(*what), tmp_path)


def test_a_further_language_needs_its_heads(tmp_path):
    """With them any language that upstream has is read."""
    row = {
        "premise": "Taa",
        "choice1": "a",
        "choice2": "b",
        "question": "cause",
        "label": 1,
        "idx": 0,
    }
    write(tmp_path / "v.jsonl", json.dumps(row))
    heads = ["Hali", "Sababu ni nini?", "Nini kilitokea?"]

    found = load_instances(task("xcopa", "sw", "v.jsonl", heads=heads), tmp_path)

    assert found[0].fields["question"] == "Hali: Taa\nSababu ni nini?"


@pytest.mark.parametrize("family", ["weekdays", "errands"])
def test_problems_made_here_are_the_same_in_every_language(family):
    """Ids and, for weekdays, the place of the answer agree; no shot is scored."""
    found = {
        code: load_instances(load_task(f"languages/{family}_{code}"))
        for code in ("ar", "de", "en", "es", "fr", "zh")
    }
    shots = load_instances(load_task(f"languages/{family}_de"), split="validation")

    assert len({tuple(one.id for one in each) for each in found.values()}) == 1
    assert len({tuple(one.target for one in each) for each in found.values()}) == 1
    scored = {one.fields["question"] for one in found["de"]}
    assert len(scored) == 100
    assert scored.isdisjoint(one.fields["question"] for one in shots)


def test_weekdays_are_counted_right():
    """Every answer is what the calendar gives, whichever language asks."""
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    for one in load_instances(load_task("languages/weekdays_en")):
        words = one.fields["question"].split()
        start, number = days.index(words[2].rstrip(".")), int(next(w for w in words if w.isdigit()))
        step = -number if "ago?" in words else number

        assert one.references == (days[(start + step) % 7],)


@pytest.mark.parametrize(
    ("options", "languages", "words"),
    [
        ({"family": "months"}, ("de",), "'family' is 'months'; accepted: errands, weekdays"),
        ({"family": "errands"}, ("it",), r"languages is \['it'\]; one of ar, de"),
        (
            {"family": "weekdays", "instances": 900},
            ("de",),
            r"'instances' is 900; 1 to \d+ is accepted",
        ),
        ({"family": "errands", "instances": 0}, ("de",), "'instances' is 0; 1 to "),
    ],
)
def test_a_family_that_is_not_there_is_refused(options, languages, words):
    """By name, before anything is asked."""
    wrong = Task(
        name="mine",
        benchmark="mine",
        reader="languages",
        source=Source(options=options),
        languages=languages,
    )

    with pytest.raises(CatalogError, match=words):
        load_instances(wrong)
