"""Edits, ROUGE-1 and -2, chrF: by hand and against the packages that others use."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.catalog.readers.m2 import read
from evalkit.errors import CatalogError
from evalkit.records import Instance, Response, Source, Task
from evalkit.scoring import Answered
from evalkit.scoring.edits import Edit, Matched, edit_f05, edits_between, matched
from evalkit.scoring.overlap import chrf, rouge_1, rouge_2, rouge_l, rouge_n_f1

M2 = """S This are a sentence .
A 1 2|||R:VERB|||is|||REQUIRED|||-NONE-|||0
A 1 2|||R:VERB|||was|||REQUIRED|||-NONE-|||1
A 2 3|||U:DET||||||REQUIRED|||-NONE-|||1

S Fine as it is .
A -1 -1|||noop|||-NONE-|||REQUIRED|||-NONE-|||0
"""


def answered(instance: Instance, text: str | None) -> Answered:
    """An answer to one instance."""
    return Answered(instance=instance, response=Response(key="k", text=text, finish_reason="stop"))


def sentences(tmp_path: Path, text: str) -> list[Instance]:
    """Read an M2 file."""
    (tmp_path / "x.m2").write_text(text, encoding="utf-8")
    task = Task(name="g", benchmark="b", reader="m2", kind="generate", source=Source(local="x.m2"))
    return read(task, tmp_path, "test")


def test_f05_by_hand() -> None:
    """Two of three edits made are wanted, four are wanted:
    P 2/3, R 1/2, F0.5 = 1.25 PR / (.25 P + R) = .625.
    """
    found = Matched(both=2, made=3, wanted=4)

    assert (found.precision, found.recall) == (pytest.approx(2 / 3), 0.5)
    assert found.f() == pytest.approx(0.625)


def test_an_m2_file_gives_sentences_annotators_and_corrections(tmp_path: Path) -> None:
    """Each annotator is a reference; one who changes nothing is the sentence itself."""
    first, second = sentences(tmp_path, M2)

    assert first.references == ("This is a sentence .", "This was sentence .")
    assert second.references == ("Fine as it is .",)


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("This is a sentence .", 1.0),
        ("This was sentence .", 1.0),
        ("This are a sentence .", 0.0),
        ("This is a sentence !", 1.25 * 0.5 / (0.25 * 0.5 + 1)),
        ("This is a sentence .\nI changed are to is.", 1.0),
    ],
)
def test_the_best_annotator_counts(tmp_path: Path, text: str, score: float) -> None:
    """Right by one annotator is right; nothing made is nothing of what is wanted."""
    first, _ = sentences(tmp_path, M2)

    assert edit_f05(answered(first, text)).score == pytest.approx(score)


def test_a_word_said_twice_may_be_taken_out_at_either_place(tmp_path: Path) -> None:
    """The annotator took the second one out, an alignment finds the first; the text is the same.
    A mistake that is marked without its correction (UNK) is not wanted of anybody.
    """
    text = (
        "S He goes to the the shop .\nA 4 5|||U:DET||||||REQUIRED|||-NONE-|||0\n"
        "A 1 2|||UNK|||goes|||REQUIRED|||-NONE-|||0\n"
    )
    (one,) = sentences(tmp_path, text)

    assert edit_f05(answered(one, "He goes to the shop .")).score == 1.0
    assert edit_f05(answered(one, "He goes to the the shop .")).score == 0.0


def test_leaving_a_right_sentence_alone_is_right(tmp_path: Path) -> None:
    """No edit made, none wanted: precision and recall 1.
    An empty answer is unparsed, no text missing.
    """
    _, second = sentences(tmp_path, M2)

    assert edit_f05(answered(second, "Fine as it is .")).score == 1.0
    assert edit_f05(answered(second, "Fine as it was .")).score == 0.0
    assert edit_f05(answered(second, " ")).status == "unparsed"
    assert edit_f05(answered(second, None)).status == "missing"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("T This\n", "'S sentence'"),
        ("A 0 1|||x|||y|||z|||-|||0\n", "below a sentence"),
        ("S a b\nA 0 one|||x|||y\n", "is no edit"),
        ("S a b\nA 1 7|||x|||y|||z|||-|||0\n", "the sentence has 2"),
    ],
)
def test_a_line_of_another_kind_is_named(tmp_path: Path, text: str, words: str) -> None:
    """File, line and what is expected."""
    with pytest.raises(CatalogError, match=words) as error:
        sentences(tmp_path, text)
    assert "x.m2:" in str(error.value)


def test_edits_of_unchanged_and_of_huge_texts() -> None:
    """Nothing changed is no edit; a megabyte of one word ends."""
    assert edits_between("a b", "a b") == frozenset()
    assert edits_between("a b", "") == {Edit(0, 2, "")}
    assert len(edits_between("a b", "a " * 500_000)) >= 1
    assert matched(frozenset(), [frozenset()]).f() == 1.0


PAIRS = [
    ("the cat sat on the mat", "the cat lay on a mat"),
    ("a", "a"),
    ("one two", "three four"),
    ("", "x"),
    ("running runs quickly", "run quick"),
]


@pytest.mark.parametrize(("said", "right"), PAIRS)
@pytest.mark.parametrize("n", [1, 2])
def test_rouge_agrees_with_the_package_of_its_authors(said: str, right: str, n: int) -> None:
    """rouge-score with stemming gives the same F1 on English."""
    scorer = pytest.importorskip("rouge_score.rouge_scorer")
    found = scorer.RougeScorer([f"rouge{n}"], use_stemmer=True).score(right, said)[f"rouge{n}"]

    assert rouge_n_f1(said, right, n) == pytest.approx(found.fmeasure)


def test_metrics_read_other_scripts_and_the_best_reference() -> None:
    """Chinese characters and Cyrillic words are tokens; the better of two references counts."""
    one = Instance(id="1", fields={}, references=("我爱北京", "совсем другое"))

    assert rouge_1(answered(one, "我爱上海")).score == pytest.approx(0.5)
    assert rouge_2(answered(one, "совсем другое")).score == 1.0
    assert chrf(answered(one, "我爱北京")).score == pytest.approx(1.0)
    assert chrf(answered(one, " ")).status == "unparsed"


def test_texts_without_a_token_are_right_when_they_are_equal() -> None:
    """A reference of marks alone has no token of the rule; said word for word it is right."""
    one = Instance(id="1", fields={}, references=("?!",))

    assert [rouge_l(answered(one, text)).score for text in ("?! ", "?", "Yes")] == [1.0, 0.0, 0.0]


def test_chrf_is_sacrebleus() -> None:
    """As a fraction of what the package gives."""
    sacrebleu = pytest.importorskip("sacrebleu")
    one = Instance(id="1", fields={}, references=("the cat lay on a mat",))
    found = sacrebleu.sentence_chrf("the cat sat", ["the cat lay on a mat"]).score

    assert chrf(answered(one, "the cat sat")).score == pytest.approx(found / 100)


def test_parts_of_an_edit_score_are_measured() -> None:
    """One of two edits made is wanted, of one wanted: precision .5, recall 1;
    six tokens as 2 x 3.
    """
    from evalkit.records import Source, Task
    from evalkit.scoring.cell import verdict_of
    from evalkit.scoring.measures import measured

    instance = Instance(
        id="1",
        fields={"question": "He go to school by bus", "source": "He go to school by bus"},
        references=("He goes to school by bus",),
    )
    task = Task(
        name="t",
        benchmark="b",
        reader="m2",
        source=Source(),
        split="test",
        kind="generate",
        fields=("question",),
        metric="edit_f05",
        licence="",
    )
    answered = Answered(
        instance=instance, response=Response(key="k", text="He goes to school on bus")
    )
    found = measured(task, answered, verdict_of(task, answered))
    assert found == {"edit_precision": 0.5, "edit_recall": 1.0, "span_ratio": 1.0}
