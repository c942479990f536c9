"""What each family does to a text: character, noise, sentence, cipher, layout."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.phrasings.perturb.apply import apply
from evalkit.phrasings.perturb.character import HOMOGLYPHS, KINDS, NEIGHBOURS, character
from evalkit.phrasings.perturb.cipher import (
    CIPHERS,
    decode,
    encode,
    from_leet,
    from_pig_latin,
    leet,
    pig_latin,
    to_leet,
    to_pig_latin,
)
from evalkit.phrasings.perturb.layout import layout
from evalkit.phrasings.perturb.noise import VOCABULARY, drop, random_words, shuffle
from evalkit.phrasings.perturb.sentence import TAUTOLOGIES, sentence
from evalkit.phrasings.perturb.spec import Impossible, load
from evalkit.records import Phrasing


def phrasing(text: str, **fields: object) -> Phrasing:
    """Return a phrasing of `text`."""
    return Phrasing(id="p", text=text, source="evalkit", **fields)  # type: ignore[arg-type]


def options(name: str, **given: object) -> dict[str, object]:
    """Return all options of a perturbation."""
    return {
        **{key: option.default for key, option in load(name).options.items()},
        "protected_words": (),
        **given,
    }


def rng(seed: int = 0) -> np.random.Generator:
    """Return a generator."""
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("kind", "change"),
    [("insert", 1), ("delete", -1), ("swap", 0), ("keyboard", 0), ("homoglyph", 0)],
)
def test_a_character_edit_changes_one_letter_and_keeps_the_first(kind, change):
    """Each kind changes the length as it should, and the first letter stands."""
    made = character(phrasing("Capital"), rng(), options("character", kind=kind))

    assert len(made.text) == 7 + change
    assert made.text != "Capital"
    assert made.text[0] == "C"


def test_rate_gives_the_number_of_edited_words():
    """A rate of 0.5 edits half of the words that can be edited."""
    text = "alpha bravo candle delta eagle forest garden hammer"
    made = character(phrasing(text), rng(), options("character", kind="swap", rate=0.5))

    assert sum(a != b for a, b in zip(text.split(), made.text.split(), strict=True)) == 4


def test_swap_needs_two_different_letters():
    """A word of one repeated letter cannot be swapped, and the kind is named."""
    made = character(phrasing("aaaa"), rng(), options("character", kind="swap"))

    assert made == Impossible(
        "no word of at least 4 letters outside slots and label words can take an edit of kind "
        "'swap'"
    )


def test_keyboard_neighbours_are_mutual_and_homoglyphs_are_cyrillic():
    """If b is beside v, v is beside b; look-alikes are other characters."""
    assert all(key in NEIGHBOURS[other] for key, others in NEIGHBOURS.items() for other in others)
    assert all("\u0400" <= other <= "\u04ff" for other in HOMOGLYPHS.values())
    assert set(KINDS) == {"insert", "delete", "swap", "keyboard", "homoglyph"}


def test_drop_removes_a_share_of_words_and_their_blanks():
    """Ten words at 0.3 leave seven, without double blanks."""
    made = drop(
        phrasing("a1 one two three four five six seven eight nine ten"),
        rng(),
        options("drop", rate=0.3),
    )

    assert len(made.text.split()) == 8
    assert "  " not in made.text


def test_drop_keeps_one_word_at_full_rate():
    """Nothing is emptied by dropping."""
    assert len(drop(phrasing("one two three"), rng(), options("drop", rate=1.0)).text.split()) == 1


def test_shuffle_keeps_the_first_words_in_another_order_and_slots_in_place():
    """Half of the words stay, as the same multiset, around a slot that does not move."""
    made = shuffle(
        phrasing("one two {{ question }} three four"), rng(), options("shuffle", keep=0.5)
    )

    assert made.text == "two one {{ question }}"


def test_random_words_keep_number_and_capitals():
    """As many words as before, all from the list, capital where there was one."""
    made = random_words(phrasing("Read this text"), rng(), options("random"))

    assert [word.lower() in VOCABULARY for word in made.text.split()] == [True, True, True]
    assert [word[0].isupper() for word in made.text.split()] == [True, False, False]


@pytest.mark.parametrize(
    ("kind", "pattern"), [("handle", "@"), ("url", "https://example.org/"), ("tautology", "")]
)
def test_a_sentence_is_added_after_the_last_one(kind, pattern):
    """The text stands whole, followed by the added sentence."""
    made = sentence(phrasing("Read it. Answer."), rng(), options("sentence", kind=kind))
    added = made.text.removeprefix("Read it. Answer. ")

    assert made.text.startswith("Read it. Answer. ")
    assert added.startswith(pattern)
    assert kind != "tautology" or added in TAUTOLOGIES


def test_no_sentence_is_put_between_a_descriptor_and_its_slot():
    """A text that ends with a colon takes the sentence after its first sentence."""
    made = sentence(phrasing("Read this. Answer:"), rng(), options("sentence", kind="tautology"))

    assert made.text.startswith("Read this. ")
    assert made.text.endswith(" Answer:")


@given(
    st.text(
        alphabet=st.characters(categories=["Ll", "Lu"], max_codepoint=127), min_size=1, max_size=12
    )
)
def test_pig_latin_of_plain_words_is_read_back(word):
    """Lower-case, capitalised and upper-case words come back exactly."""
    for form in (word.lower(), word.upper(), word.capitalize()):
        assert from_pig_latin(to_pig_latin(form)) == form


def test_pig_latin_refuses_what_it_could_not_read_back():
    """A hyphenated word that looks like pig latin makes the edit impossible."""
    assert isinstance(
        pig_latin(phrasing("Take an x-ray now"), rng(), options("pig_latin")), Impossible
    )


@given(st.text(alphabet="aeiostbcdAEIOST .,", min_size=1, max_size=30))
def test_leet_is_read_back(text):
    """Text without digits of its own comes back exactly."""
    assert from_leet(to_leet(text)) == text


def test_leet_refuses_a_text_with_digits():
    """Digits of the text would be read back as letters."""
    assert leet(phrasing("Give 3 letters"), rng(), options("leet")) == Impossible(
        "cannot be read back: it already holds the digits 3"
    )


def test_leet_refuses_a_word_that_would_look_like_a_label():
    """With labels 1 to 4, "a" would become the label 4; other labels are no hindrance."""
    numbers = phrasing("Give a number: 1, 2 or 4")

    assert leet(numbers, rng(), options("leet", protected_words=("1", "2", "4"))) == Impossible(
        "cannot be read back: a word would be taken for a label, as a for 4"
    )
    made = leet(phrasing("Is it 1 or 10?"), rng(), options("leet", protected_words=("1", "10")))
    assert made.text == "I5 17 1 0r 10?"


@pytest.mark.parametrize("kind", ["separator", "casing", "spacing"])
def test_layout_changes_no_word(kind):
    """Whatever the layout, the letters in order are the same but for case."""
    text = "Question: {{ question }}\nOptions:\n{{ choices }}\nReply:"
    made = layout(phrasing(text, position="inline", cue=""), rng(), options("layout", kind=kind))
    letters = [
        "".join(c for c in item.replace("<sep>", "").lower() if c.isalpha())
        for item in (text, made.text)
    ]

    assert made.text != text
    assert letters[0] == letters[1]


def test_layout_keeps_the_label_space_that_the_words_name():
    """An instruction that asks for the letter is never listed with numbers."""
    made = [
        layout(phrasing("Give the letter."), rng(seed), options("layout", kind="enumerator"))
        for seed in range(20)
    ]

    assert {(item.layout, item.label_space) for item in made} == {("parenthesized", "letters")}


def test_layout_without_anything_to_change_is_impossible():
    """A bare instruction with no cue and no listing has no layout."""
    made = layout(phrasing("Go on", cue="", layout="none"), rng(), options("layout"))

    assert made == Impossible(
        "its text, cue '' and layout 'none' hold nothing that kind 'any' could change"
    )


@pytest.mark.parametrize("cipher", CIPHERS)
@given(text=st.text(alphabet=st.sampled_from("aeiostbdrxyAEST 0134579-'.,\n_"), max_size=60))
def test_a_cipher_word_by_word_is_read_back(cipher, text):
    """What is encoded comes back exactly, digits and hyphens included."""
    assert decode(encode(text, cipher), cipher, source=text) == text


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize(
    "answer", ["0 1 3 6", "4x + 10", "17", "3.5 m", "-4/7", "05/01/2015", "No", "aab", "x1"]
)
def test_a_plain_answer_is_left_as_it_is(cipher, answer):
    """Numbers, algebra and labels that a model writes plainly are not read as a cipher."""
    assert decode(answer, cipher, source="Sort the words.") == answer


@pytest.mark.parametrize("kind", ["order", "labels"])
@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("Choose A if the regular expression matches the entire string, and B otherwise.", True),
        ("Enter A for a complete match. Enter B for anything less.", True),
        ("If the pattern fits, write A; if it does not, write B.", True),
        ("Which is true, A or B?", False),
        ("Reply with A, B, C or D.", False),
        ("Does (A) or does (B) above express sarcasm?", False),
    ],
)
def test_choices_are_not_moved_where_the_wording_says_what_a_letter_means(kind, text, refused):
    """Such a wording would be untrue of moved choices; one that only lists letters is not."""
    made, why = apply([phrasing(text)], [kind], seed=0)

    assert bool(why) == refused == (not made)
    assert all("says what a letter means" in one.reason for one in why)


@pytest.mark.parametrize(
    "spec",
    ["word:rate=1,data=none", "sentence:kind=tautology", "back_translation:model=scripted:x"],
)
def test_what_adds_english_leaves_other_languages_alone(spec):
    """A French passage is no excerpt, and nothing English stands in a Chinese wording."""
    origin = Phrasing(id="p", text="Lis le passage. Réponds.", source="own", language="fr")
    made, refused = apply([origin], [spec], seed=0)

    assert made == []
    assert "is in 'fr'" in refused[0].reason


def test_a_stray_sentence_in_another_language_is_a_handle_or_an_address():
    """Of the three kinds only the tautology is English."""
    origin = Phrasing(id="p", text="Lis le passage. Réponds.", source="own", language="fr")
    made, _ = apply([origin], ["sentence:n=20"], seed=0)

    added = {one.text.removeprefix(origin.text).strip()[:1] for one in made}
    assert added == {"@", "h"}
