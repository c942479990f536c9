"""Rewordings made elsewhere, and translation both ways by one language model."""

from __future__ import annotations

import json

import pytest

from evalkit.errors import UsageError
from evalkit.phrasings.perturb.apply import apply
from evalkit.phrasings.perturb.spec import PerturbationSpec
from evalkit.records import Phrasing, Response
from evalkit.registry import BACKENDS

TEXT = "Say whether the review {{ question }} is friendly. Answer yes or no, nothing more."
NEW = "Is the review {{ question }} a friendly one? Reply with yes or no, nothing more."
LABELS = ("yes", "no")


def phrasing() -> Phrasing:
    """Return the phrasing that all files here reword."""
    return Phrasing(id="p1", text=TEXT, source="evalkit")


def written(tmp_path, name: str, text: str) -> str:
    """Return the path of a new file."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def made_of(file: str, n: int = 1, name: str = "back_translation"):
    """Return copies and refusals of one phrasing by a file."""
    spec = PerturbationSpec(name=name, n=n, options={"file": file})
    return apply([phrasing()], [spec], seed=0, protected_words=LABELS)


@pytest.mark.parametrize("name", ["back_translation", "paraphrase"])
@pytest.mark.parametrize(
    ("ending", "content"),
    [
        (".csv", f'of,text\np1,"{NEW}"\n'),
        (".csv", f'\ufeffof,text,by\np1,"{NEW}",somebody\n'),
        (".tsv", f"of\ttext\np1\t{NEW}\n"),
        (".jsonl", json.dumps({"of": "p1", "text": NEW}) + "\n\n"),
        (".jsonl", json.dumps({"of": TEXT.replace(" ", "  "), "text": NEW})),
        (
            ".jsonl",
            json.dumps(
                {
                    "of": "p1",
                    "text": "Is the review [[0]] a friendly one? "
                    "Reply with [[1]] or [[2]], nothing more.",
                }
            ),
        ),
    ],
    ids=["csv", "csv with a mark at its start", "tsv", "jsonl", "by text", "with marks"],
)
def test_a_row_becomes_a_copy_of_its_phrasing(tmp_path, name, ending, content):
    """Whatever the form of the table, the copy has the row's text and names its origin and the
    file.
    """
    file = written(tmp_path, f"rows{ending}", content)

    (copy,), refused = made_of(file, name=name)

    assert copy.text == NEW
    assert copy.of == "p1"
    assert copy.perturbation == f"{name}:file={file}"
    assert refused == []


def test_every_row_is_used_once_and_a_bad_one_takes_no_place(tmp_path):
    """Of four rows one lost a label word: three copies of four, and the reason is said."""
    rows = [
        f"{NEW} Thanks.",
        f"{NEW} Please.",
        "Is the review {{ question }} a friendly one? Reply with yes.",
        NEW,
    ]
    lines = "\n".join(json.dumps({"of": "p1", "text": row}) for row in rows)
    file = written(tmp_path, "rows.jsonl", lines)

    copies, (refusal,) = made_of(file, n=4)

    assert {copy.text for copy in copies} == {rows[0], rows[1], rows[3]}
    assert refusal.made == 3
    assert "lost or repeated one of 3 slots and label words" in refusal.reason


def test_a_label_word_inside_another_word_is_no_label_word(tmp_path):
    """'No' of 'nothing' and 'note' does not stand for the label 'no'."""
    file = written(tmp_path, "r.csv", 'of,text\np1,"{{ question }}: friendly? Note yes, nothing."')

    copies, (refusal,) = made_of(file)

    assert copies == []
    assert "lost or repeated" in refusal.reason


def test_a_phrasing_without_a_row_is_named(tmp_path):
    """Nothing is guessed for it."""
    copies, (refusal,) = made_of(written(tmp_path, "r.csv", f'of,text\nother,"{NEW}"\n'))

    assert copies == []
    assert "has no rewording of it" in str(refusal)
    assert "'p1'" in str(refusal)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("r.csv", "id,wording\np1,x\n", "r.csv:2: lacks 'of' or 'text'"),
        ("r.csv", "of,text\np1\n", "r.csv:2: lacks 'of' or 'text'"),
        ("r.csv", "of,text\np1,\n", "r.csv:2: the text has 0 characters"),
        ("r.csv", "of,text\n", "holds no rewording"),
        ("r.csv", "", "holds no rewording"),
        ("r.jsonl", "{\n", "r.jsonl:1: is not JSON"),
        ("r.jsonl", "[" * 100_000, "r.jsonl:1: is not JSON"),
        ("r.jsonl", "[1]", "r.jsonl:1: is no JSON object"),
        ("r.jsonl", '{"of": "p1", "text": 3}', "r.jsonl:1: lacks 'of' or 'text'"),
        ("r.csv", 'of,text\np1,"' + "x" * 200_000 + '"\n', "r.csv:"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_one_message(tmp_path, name, content, says):
    """Where, what is wrong, and what is accepted."""
    with pytest.raises(UsageError) as caught:
        made_of(written(tmp_path, name, content))

    assert says in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    """Absent, a folder, or not UTF-8."""
    (tmp_path / "bytes.csv").write_bytes(b"of,text\np1,\xff\xfe\n")
    for name in ("absent.csv", "", "bytes.csv"):
        with pytest.raises(UsageError, match="cannot be read"):
            made_of(str(tmp_path / name))


@pytest.mark.parametrize(
    "options",
    [
        {"file": "r.csv", "model": "hf:x"},
        {"model": "hf:x", "there": "a", "back": "b"},
        {"there": "a"},
        {},
    ],
)
def test_two_ways_at_once_are_refused(options):
    """A file, one model or two models, not two of these and not none."""
    spec = PerturbationSpec(name="back_translation", options=options)
    with pytest.raises(UsageError, match=r"back_translation:file=PATH"):
        apply([phrasing()], [spec], seed=0)


class _Translator:
    """A backend that answers as a script says, and keeps what it was asked."""

    asked: list[str]
    script: dict[str, str]

    def __init__(self, model) -> None:
        del model

    def run(self, asks):
        """Yield one batch per request."""
        for request in (ask.request for ask in asks):
            self.asked.append(request.text)
            answer = next(text for start, text in self.script.items() if start in request.text)
            yield [Response(key=request.key, text=answer)]


def scripted(monkeypatch, **script: str) -> list[str]:
    """Let every backend answer by what stands in its prompt, and return what it is asked."""
    asked: list[str] = []
    kind = type("Scripted", (_Translator,), {"asked": asked, "script": script})
    monkeypatch.setattr(BACKENDS, "load", lambda name: kind)
    return asked


def test_one_language_model_translates_there_and_back(monkeypatch):
    """The second prompt holds what the first gave, and neither shows the slot."""
    asked = scripted(
        monkeypatch,
        Italian="Di' se la recensione [[0]] è gentile. Rispondi [[1]] o [[2]], nient'altro.",
        English="Tell if the review [[0]] is kind. Answer [[1]] or [[2]], nothing else.",
    )
    spec = "back_translation:model=scripted:one,language=Italian"

    (copy,), refused = apply([phrasing()], [spec], seed=0, protected_words=LABELS)

    assert copy.text == "Tell if the review {{ question }} is kind. Answer yes or no, nothing else."
    assert refused == []
    assert "into Italian" in asked[0]
    assert "recensione [[0]]" in asked[1]
    assert not any("{{" in prompt for prompt in asked)


def test_a_translation_that_lost_a_label_is_refused(monkeypatch):
    """What the model broke is not repaired."""
    scripted(monkeypatch, into="egal", English="Tell if the review [[0]] is kind.")

    copies, (refusal,) = apply(
        [phrasing()], ["back_translation:model=scripted:two"], seed=0, protected_words=LABELS
    )

    assert copies == []
    assert "the model lost or repeated one of 3" in refusal.reason
