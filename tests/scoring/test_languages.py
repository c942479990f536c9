"""The language of answers, and that wordings are in the language they say."""

from __future__ import annotations

import pytest

from evalkit.catalog.instances import load_instances
from evalkit.catalog.paths import data_root
from evalkit.catalog.phrasings import read_phrasing_file
from evalkit.catalog.tasks import load_task
from evalkit.errors import ExtraMissingError
from evalkit.records import Instance, Response, Task
from evalkit.runs import execute
from evalkit.scoring import Answered
from evalkit.scoring.languages import OFFERED, language, language_of
from evalkit.scoring.metric import Verdict

pytest.importorskip("lingua")
SAID = Verdict(score=1.0, prediction="x")


def measured(text, expected, told):
    """Return what is measured of a text on an instance in one language, asked in another."""
    one = Instance(id="1", fields={"question": "q", "language": expected}, references=("a",))
    response = Response(key="k", text=text, finish_reason="stop")
    return language(Answered(instance=one, response=response, language=told), SAID)


@pytest.mark.parametrize("code", OFFERED)
def test_every_answer_made_here_is_told_in_its_language(code):
    """Short sentences of the errands, all of them."""
    found = load_instances(load_task(f"languages/errands_{code}"))

    assert {language_of(one.references[0]) for one in found} == {code}


def test_every_wording_is_in_the_language_it_says():
    """The 288 wordings of the six tasks."""
    folders = ("belebele", "languages", "pawsx", "xcopa", "xnli")
    paths = [path for name in folders for path in (data_root("paraphrases") / name).glob("*.yaml")]
    wordings = [one for path in paths for one in read_phrasing_file(path)]

    assert len(wordings) == 288
    assert [one.id for one in wordings if language_of(one.text) != one.language] == []


def test_the_answer_is_held_against_the_input_and_the_instruction():
    """German answer to German input under English: agrees, and is not the instruction's."""
    german = "Anna kaufte am Morgen Brot."

    assert measured(german, "de", "en") == {"language_agrees": 1.0, "language_of_instruction": 0.0}
    assert measured(german, "fr", "de") == {"language_agrees": 0.0, "language_of_instruction": 1.0}
    same = measured(german, "de", "de")
    assert same["language_agrees"] == 1.0
    assert same["language_of_instruction"] != same["language_of_instruction"]


@pytest.mark.parametrize("text", ["", "42", "A.", "…"])
def test_what_is_too_short_says_nothing(text):
    """It is left out of the share instead of counting as another language."""
    assert (
        measured(text, "de", "en")["language_agrees"]
        != measured(text, "de", "en")["language_agrees"]
    )


def test_a_package_that_is_missing_is_named_before_anything_is_asked(monkeypatch):
    """With the command that installs it."""
    monkeypatch.setattr(execute, "find_spec", lambda name: None)
    task = Task(name="t", benchmark="b", reader="table", measures=("language",))

    with pytest.raises(ExtraMissingError, match=r"b/t: measure 'language'.*evalkit\[rules\]"):
        execute._refuse_lacking([task])
