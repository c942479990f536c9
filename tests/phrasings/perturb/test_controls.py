"""Derived controls: what they are called and made of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.catalog.paths import data_root
from evalkit.catalog.phrasings import read_phrasing_file
from evalkit.errors import UsageError
from evalkit.phrasings.perturb.controls import controls, null, wrong
from evalkit.phrasings.perturb.noise import VOCABULARY
from evalkit.phrasings.templates import slots
from evalkit.records import Phrasing, Task

TASK = Task(name="t", benchmark="b", reader="table")


def phrasing(name: str, text: str, **fields: object) -> Phrasing:
    """Return a phrasing."""
    return Phrasing(id=name, text=text, source="evalkit", **fields)  # type: ignore[arg-type]


OWN = [
    phrasing("own-1", "Pick the true one.", tasks=("b/t",)),
    phrasing("own-2", "Which is true?", tasks=("b/t",)),
]
OTHERS = [
    phrasing("far-1", "Sort the words.", tasks=("c/u",)),
    phrasing("far-2", "Sort {{ words }}.", tasks=("c/u",)),
    phrasing("near-1", "Choose wisely.", tasks=("b/*",)),
]


def test_every_kind_is_labelled_and_remembers_its_origin():
    """Kind, origin and source are set, and a control is no perturbation."""
    made, refused = controls(TASK, OWN, OTHERS, seed=0)

    assert refused == []
    assert [item.kind for item in made] == [
        "wrong",
        "null",
        "random",
        "random",
        "shuffled",
        "shuffled",
        "opposite",
        "opposite",
        "negated",
        "negated",
    ]
    assert {item.perturbation for item in made} == {""}
    assert {item.of for item in made} == {"own-1", "own-2"}
    assert {item.source for item in made if item.kind != "wrong"} == {"evalkit+perturbed"}


def test_wrong_takes_the_words_of_another_task_without_slots():
    """Neither the task's own instructions nor those with slots of another task are taken."""
    made, _ = controls(TASK, OWN, OTHERS, seed=0, kinds=["wrong"])

    assert {item.text for item in made} == {"Sort the words."}


def test_null_has_no_words_and_keeps_slots():
    """Of an inline phrasing only the slots are left."""
    inline = phrasing(
        "in", "Question: {{ question }}\nChoices: {{ choices }}\nNow answer.", position="inline"
    )
    made, _ = controls(TASK, [*OWN, inline], [], seed=0, kinds=["null"])

    assert [item.text for item in made] == ["", "{{ question }}\n{{ choices }}"]


def test_random_has_as_many_unrelated_words():
    """Four words become four nouns of the list."""
    made, _ = controls(TASK, OWN[:1], [], seed=0, kinds=["random"])

    assert all(word.strip(".").lower() in VOCABULARY for word in made[0].text.split())
    assert len(made[0].text.split()) == 4


def test_equal_seeds_give_equal_controls():
    """Controls are reproducible, and another seed gives other ones."""
    assert controls(TASK, OWN, OTHERS, seed=1) == controls(TASK, OWN, OTHERS, seed=1)
    assert controls(TASK, OWN, OTHERS, seed=1, kinds=["random"]) != controls(
        TASK, OWN, OTHERS, seed=2, kinds=["random"]
    )


def test_what_cannot_be_made_is_said():
    """Without foreign instructions there is no wrong control, and each phrasing says so."""
    made, refused = controls(TASK, OWN, OTHERS[2:], seed=0, kinds=["wrong"])

    assert made == []
    assert [item.reason for item in refused] == [
        "no instruction of another task without slots is given"
    ] * 2


def test_a_kind_that_is_none_is_named():
    """The accepted kinds are listed."""
    with pytest.raises(
        UsageError,
        match=(
            "control kind 'correct': cannot be derived; accepted: wrong, null, random, shuffled, "
            "opposite, negated"
        ),
    ):
        controls(TASK, OWN, OTHERS, seed=0, kinds=["correct"])


def test_opposite_and_negated_put_one_line_before_the_instruction():
    """The instruction itself stays, slots and all."""
    inline = phrasing("in", 'The rule "{{ question }}" holds?', position="inline")
    made, refused = controls(TASK, [inline], [], seed=0, kinds=["opposite", "negated"])

    assert refused == []
    assert [item.text for item in made] == [
        "Give the opposite of what is asked for here: an answer that is wrong on purpose.\n"
        'The rule "{{ question }}" holds?',
        'Do not do what is asked for here.\nThe rule "{{ question }}" holds?',
    ]


def test_a_wrong_control_keeps_the_source_of_the_words_it_borrows():
    """The words are the other's to the letter: who saw those saw these."""
    far = phrasing("far-3", "Sort the words.", tasks=("c/u",))
    made, _ = controls(TASK, OWN[:1], [replace(far, source="flan")], seed=0, kinds=["wrong"])

    assert [(item.source, item.origin, item.of) for item in made] == [("flan", "far-3", "own-1")]


def test_wrong_takes_an_instruction_of_the_same_output_form_first():
    """Among foreign instructions those that want a letter stand in for one that wants a letter."""
    free = [
        phrasing(f"free-{i}", f"Write {word}.", tasks=("c/u",), label_space="text", layout="none")
        for i, word in enumerate(("this down", "that down", "it all down"))
    ]
    letters = phrasing("letters", "Mark the oldest one.", tasks=("d/v",))
    for seed in range(5):
        made, _ = controls(TASK, OWN[:1], [*free, letters], seed=seed, kinds=["wrong"])
        assert [item.text for item in made] == ["Mark the oldest one."]


def test_what_is_seen_goes_before_what_has_the_same_form():
    """The rank decides; the best rank is drawn from alone."""
    made, _ = controls(
        TASK,
        OWN[:1],
        OTHERS,
        seed=0,
        kinds=["wrong"],
        rank=lambda own, other: 0 if other.id == "far-1" else 1,
    )

    assert [item.origin for item in made] == ["far-1"]


QUOTES = ("{}", '"{}"', "'{}'", "“{}”", "`{}`", "({})", '"Is {} so?"', "{}.{}")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["question", "choices", "letter | upper", 'items | join(", ")']),
            st.sampled_from(QUOTES),
            st.sampled_from(["", "Read this. ", "Say\n", "and "]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_null_and_wrong_keep_every_slot_in_any_quoting(parts):
    """Slots come back in order and as often as they stood, whatever stands around them."""
    text = " ".join(
        words + quote.replace("{}", "{{ " + name + " }}") for name, quote, words in parts
    )
    inline = phrasing("in", text, position="inline")
    wanted = ["{{ " + name + " }}" for name, quote, _ in parts for _ in range(quote.count("{}"))]
    borrowed = wrong(inline, [OTHERS[0]], seed=0)

    assert null(inline).text.splitlines() == wanted
    assert borrowed.text.splitlines() == ["Sort the words.", *wanted]


def test_no_control_of_the_library_loses_a_slot():
    """Null, wrong, opposite and negated of every shipped inline phrasing show the same fields."""
    for path in sorted(data_root("paraphrases").rglob("*.yaml")):
        for one in read_phrasing_file(path):
            if one.position != "inline" or one.kind != "correct":
                continue
            made, refused = controls(
                TASK, [one], OTHERS, seed=0, kinds=["wrong", "null", "opposite", "negated"]
            )
            assert refused == []
            assert {item.id: slots(item.text) for item in made} == {
                item.id: slots(one.text) for item in made
            }
