"""Synonyms from a tiny dictionary in WordNet's own format,
and from Debian's WordNet where it is installed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evalkit.errors import DataMissingError
from evalkit.phrasings.perturb.apply import apply
from evalkit.phrasings.perturb.spec import Impossible, PerturbationSpec
from evalkit.phrasings.perturb.thesaurus import interchangeable
from evalkit.phrasings.perturb.word import word
from evalkit.phrasings.perturb.wordnet import (
    DEBIAN_PATHS,
    find_wordnet,
    inflect,
    inflection_of,
    open_wordnet,
)
from evalkit.records import Phrasing


def phrasing(text: str) -> Phrasing:
    """Return a phrasing of `text`."""
    return Phrasing(id="p", text=text, source="evalkit")


def options(folder: str, **given: object) -> dict[str, object]:
    """Return all options of the word perturbation."""
    return {
        "rate": 1.0,
        "senses": 1,
        "data": folder,
        "encoder": "",
        "similarity": 0.8,
        "protected_words": (),
        **given,
    }


def made(text: str, folder: str, **given: object) -> str:
    """Return `text` with every word that has one replaced by a synonym."""
    result = word(phrasing(text), np.random.default_rng(0), options(folder, **given))
    assert isinstance(result, Phrasing)
    return result.text


def test_phrases_that_instructions_use_alike_need_no_dictionary():
    """``data=none`` replaces entries of the thesaurus, capitals kept, and nothing else."""
    assert made("Work out the sum, once more.", "none") == "Figure out the sum, again."
    assert word(phrasing("Zebras yawn."), np.random.default_rng(0), options("none")) == Impossible(
        "no word outside slots and label words has a synonym in the same form"
    )


@pytest.mark.parametrize(
    "text",
    [
        "It is most probably true.",  # "most presumably"
        "Having read the note",  # "having go over the note"
        "Give the one word",  # "the a single word"
        "Do it again and again",
        "who caused it",  # "brought about it"
        "by choosing between",
        "not parse(dialogue)",  # a name in code
        "they don't want to",  # "don't would like to"
    ],
)
def test_beside_other_words_an_entry_has_another_use(text):
    """What may stand for a word in most places stands nowhere that makes other English of it."""
    assert interchangeable(text) == []


def test_no_word_comes_in_that_is_a_label():
    """Right may stand for correct, but not where it is one of the task's labels."""
    given = options("none", protected_words=("right", "wrong"))
    text = phrasing("Is the correct answer here?")

    assert isinstance(word(text, np.random.default_rng(0), given), Impossible)
    assert made(text.text, "none") == "Is the right answer here?"


def test_names_code_and_labels_are_no_words():
    """Words with an underscore, before a bracket, in the midst of a capitalised name,
    or protected stay.
    """
    text = "Reply with movie_name, mistake(x), the Passage or a mistake."

    assert made(text, "none", protected_words=("reply",)) == text.replace("a mistake.", "an error.")


def test_synonyms_fit_part_of_speech_form_and_article(wordnet_folder):
    """Verbs, nouns, adjectives and adverbs are replaced in their own form, capitals kept."""
    assert made("Choose a short sentence.", wordnet_folder) == "Select a brief sentence."
    assert (
        made("She matches questions carefully.", wordnet_folder)
        == "She agrees queries attentively."
    )


def test_the_article_follows_the_new_sound(wordnet_folder):
    """A mistake becomes an error, and back."""
    assert made("Give a mistake.", wordnet_folder) == "Give an error."
    assert made("An error.", wordnet_folder) == "A mistake."


def test_irregular_forms_are_not_made_up(wordnet_folder):
    """Selected is not replaced by choosed; mice, an irregular form, is left."""
    assert isinstance(
        word(phrasing("He selected mice."), np.random.default_rng(0), options(wordnet_folder)),
        Impossible,
    )


def test_a_synonym_never_met_in_that_sense_is_not_used(wordnet_folder):
    """The corpus counts keep rodent out; without counts the shared sense decides."""
    assert open_wordnet(wordnet_folder).synonyms("mouse", "n", senses=2) == []


def test_without_counts_synonyms_are_still_found(tmp_path, make_wordnet):
    """A dictionary without cntlist.rev works."""
    folder = make_wordnet(tmp_path / "plain", counts=False)

    assert open_wordnet(str(folder)).synonyms("choose", "v", senses=1) == ["select"]


@pytest.mark.parametrize(
    ("words", "index", "expected"),
    [
        (["answer", "the", "question"], 0, "v"),
        (["the", "answer", "is", "short"], 1, "n"),
        (["please", "answer"], 1, "v"),
        (["zyx"], 0, None),
    ],
)
def test_part_of_speech_follows_the_neighbours(tmp_path, make_wordnet, words, index, expected):
    """The word answer is a verb before a determiner and a noun after one;
    an unknown word has no part of speech.
    """
    folder = make_wordnet(tmp_path / "both")
    with (folder / "index.verb").open("a") as file:
        file.write("answer v 1 0 1 1 00000017  \n")

    assert open_wordnet(str(folder)).part_of_speech(words, index) == expected


def test_label_words_and_logic_words_are_never_replaced(wordnet_folder):
    """Protected words and words such as answer stay even where the dictionary has a synonym."""
    result = word(
        phrasing("The answer: query"),
        np.random.default_rng(0),
        options(wordnet_folder, protected_words=("query",)),
    )

    assert isinstance(result, Impossible)


def test_an_encoder_keeps_out_what_drifts(wordnet_folder):
    """A substitution whose cosine with the original is too small is not made."""

    def encoder(texts: list[str]) -> np.ndarray:
        return np.array([[1.0, 0.0] if "Select" not in text else [0.0, 1.0] for text in texts])

    assert made("Choose a query.", wordnet_folder, encoder=encoder) == "Choose a question."
    refused = word(
        phrasing("Choose it."), np.random.default_rng(0), options(wordnet_folder, encoder=encoder)
    )
    assert refused == Impossible("no synonym keeps a similarity of 0.8 with the original")


def test_an_encoder_function_is_named_in_the_specification(wordnet_folder):
    """A function given as option shows by its name, so that the copy says how it was made."""

    def halves(texts: list[str]) -> np.ndarray:
        return np.ones((len(texts), 2))

    spec = PerturbationSpec(name="word", options={"data": wordnet_folder, "encoder": halves})
    (copy,), _ = apply([phrasing("Choose a query.")], [spec], seed=0)

    assert "encoder=halves" in copy.perturbation


def test_absent_wordnet_says_how_to_get_it(monkeypatch):
    """Without any dictionary the message names three ways to one."""
    import nltk.data

    monkeypatch.delenv("EVALKIT_WORDNET", raising=False)
    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setattr(
        "evalkit.phrasings.perturb.wordnet.DEBIAN_PATHS", (Path("/nowhere/wordnet"),)
    )
    with pytest.raises(
        DataMissingError,
        match=r"apt-get install wordnet-base \| python -m nltk.downloader wordnet \| export EVALKIT_WORDNET=FOLDER",  # noqa: E501
    ):
        find_wordnet()


def test_a_folder_that_is_no_wordnet_is_refused(tmp_path, monkeypatch):
    """EVALKIT_WORDNET must name a dictionary folder."""
    monkeypatch.setenv("EVALKIT_WORDNET", str(tmp_path))
    with pytest.raises(DataMissingError, match=r"holds no file data\.noun"):
        find_wordnet()


@pytest.mark.parametrize("form", ["base", "s", "ed", "ing"])
@pytest.mark.parametrize("lemma", ["choose", "classify", "match", "stop", "play", "agree", "fix"])
def test_inflection_is_recognised_as_it_is_made(lemma, form):
    """Every regular form is told back from the lemma."""
    assert inflection_of(inflect(lemma, form), lemma) == form


def test_debian_wordnet_gives_synonyms():
    """The dictionary files of Debian's package wordnet-base, which lack lexnames, work."""
    if not (DEBIAN_PATHS[0] / "data.noun").is_file():
        pytest.skip("Debian's package wordnet-base is not installed (/usr/share/wordnet)")

    assert (
        made("Write what the lawyer said.", str(DEBIAN_PATHS[0])) == "Write what the attorney said."
    )
