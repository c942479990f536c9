"""Derived controls: what they are called and made of."""

from __future__ import annotations

import pytest

from evalkit.errors import UsageError
from evalkit.phrasings.perturb.controls import controls
from evalkit.phrasings.perturb.noise import VOCABULARY
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
    ]
    assert {item.perturbation for item in made} == {""}
    assert all(
        item.of in {"own-1", "own-2"} and item.source == "evalkit+perturbed" for item in made
    )


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


def test_opposites_are_not_derived():
    """An opposite instruction needs a person."""
    with pytest.raises(
        UsageError,
        match="control kind 'opposite': cannot be derived; accepted: wrong, null, random, shuffled",
    ):
        controls(TASK, OWN, OTHERS, seed=0, kinds=["opposite"])
