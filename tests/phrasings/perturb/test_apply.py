"""Identity, seeds, copies and refusals, for every family that needs no model."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.phrasings.perturb.apply import apply
from evalkit.phrasings.perturb.spec import PerturbationSpec
from evalkit.phrasings.templates import check, slots
from evalkit.records import Phrasing

TEXT = (
    "Read the short sentence below and decide whether it answers {{ question }} with 'yes' or "
    "'no'. Choose `A` then."
)
SPECS = [
    "character",
    "sentence",
    "drop",
    "shuffle",
    "random",
    "layout",
    "order",
    "labels",
    "pig_latin",
    "leet",
]


def phrasing(text: str = TEXT, **fields: object) -> Phrasing:
    """Return a phrasing of `text`."""
    return Phrasing(id="p1", text=text, source="evalkit", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("spec", SPECS)
def test_a_copy_says_what_it_is_made_from(spec):
    """Id, origin, perturbation and source of a copy are set; its meaning is unchecked."""
    (copy, *_), _ = apply([phrasing()], [spec], seed=0)

    assert re.fullmatch(rf"p1\.{spec}-[0-9a-f]{{10}}", copy.id)
    assert (copy.of, copy.perturbation, copy.source, copy.meaning.status) == (
        "p1",
        spec,
        "evalkit+perturbed",
        "unchecked",
    )


@pytest.mark.parametrize("spec", SPECS)
def test_equal_seeds_give_equal_copies_whatever_else_is_perturbed(spec):
    """A copy does not depend on the other phrasings and specifications of the call."""
    alone, _ = apply([phrasing()], [spec], seed=3)
    others, _ = apply(
        [phrasing("Another text with several words in it."), phrasing()],
        ["drop:rate=0.3", spec],
        seed=3,
    )

    assert [
        item
        for item in others
        if item.perturbation == spec and item.text != "Another text with several words in it."
    ][-len(alone) :] == alone


def test_more_copies_begin_with_the_fewer():
    """The first two copies of n=2 are the first two of n=4, and all differ."""
    two, _ = apply([phrasing()], ["character:n=2"], seed=0)
    four, _ = apply([phrasing()], ["character:n=4"], seed=0)

    assert four[:2] == two
    assert len({item.text for item in four}) == len({item.id for item in four}) == 4


def test_a_specification_named_twice_makes_its_copies_once():
    """A suite's own level asked for again on the command line;
    the larger number of copies holds.
    """
    once, _ = apply([phrasing()], ["character:rate=0.3,n=3", "drop"], seed=0)
    twice, _ = apply(
        [phrasing()], ["character:rate=0.3", "drop", "character:rate=0.3,n=3", "drop"], seed=0
    )

    assert twice == once
    assert len({copy.id for copy in twice}) == len(twice)


def test_other_seeds_give_other_copies():
    """The seed matters."""
    assert apply([phrasing()], ["random"], seed=0)[0] != apply([phrasing()], ["random"], seed=1)[0]


@pytest.mark.parametrize("spec", SPECS)
def test_protected_parts_survive_every_family(spec):
    """Slots, code, quoted answers and label words stand in every copy as before."""
    copies, _ = apply(
        [phrasing()],
        [f"{spec}:n=3" if spec not in {"pig_latin", "leet"} else spec],
        seed=0,
        protected_words=["sentence"],
    )

    assert copies
    for copy in copies:
        assert all(
            part in copy.text for part in ("{{ question }}", "'yes'", "'no'", "`A`", "sentence")
        )


@pytest.mark.parametrize(
    "spec", ["character", "drop", "shuffle", "random", "pig_latin", "leet", "sentence"]
)
def test_an_impossible_edit_is_refused_with_its_reason(spec):
    """A text that is one slot gives no copy and one refusal, never the same text again."""
    copies, refused = apply([phrasing("{{ question }}", position="inline", cue="")], [spec], seed=0)

    assert copies == []
    assert [(item.phrasing_id, item.perturbation, item.made, item.wanted) for item in refused] == [
        ("p1", spec, 0, 1)
    ]
    assert refused[0].reason


def test_fewer_copies_than_asked_for_are_said():
    """Pig latin has one form, so three copies cannot be made."""
    copies, refused = apply([phrasing("Read this.")], ["pig_latin:n=3"], seed=0)

    assert len(copies) == 1
    assert str(refused[0]) == (
        "phrasing 'p1': perturbation 'pig_latin' made 1 of 3: 30 tries gave no further "
        "different text."
    )


def test_perturbing_a_perturbed_phrasing_names_both_rules():
    """The chain of rules is kept, and the source is marked once."""
    (once,), _ = apply([phrasing()], ["drop"], seed=0)
    (twice,), _ = apply([once], ["leet"], seed=0)

    assert (twice.perturbation, twice.source, twice.of) == (
        "drop+leet",
        "evalkit+perturbed",
        once.id,
    )


def test_layout_copies_that_differ_in_fields_have_ids_of_their_own():
    """Two copies with the same words but other enumerators are two phrasings."""
    copies, _ = apply([phrasing("Pick one.")], ["layout:kind=enumerator,n=3"], seed=0)

    assert (
        len({copy.id for copy in copies})
        == len({(copy.layout, copy.label_space) for copy in copies})
        == 3
    )
    assert {copy.text for copy in copies} == {"Pick one."}


def test_a_spec_object_with_options_is_taken_as_it_is():
    """Options need not come from text."""
    (copy,), _ = apply([phrasing()], [PerturbationSpec(name="drop", options={"rate": 1.0})], seed=0)

    assert copy.perturbation == "drop:rate=1.0"


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(
            [
                "Read",
                "the",
                "short",
                "sentence.",
                "{{ question }}",
                "'yes'",
                "and",
                "x-ray",
                "`code`",
                "A",
                "\n",
                "9",
            ]
        ),
        max_size=14,
    ),
    st.sampled_from(SPECS),
    st.integers(min_value=0, max_value=5),
)
def test_copies_are_valid_templates_with_the_same_slots_and_never_the_same_text(words, spec, seed):
    """Whatever the text, a copy is a template evalkit accepts, keeps its slots and differs from
    the original.
    """
    original = phrasing(" ".join(words))
    copies, refused = apply([original], [spec], seed=seed)

    assert len(copies) + len(refused) == 1
    for copy in copies:
        assert check(copy.text) == []
        assert slots(copy.text) == slots(original.text)
        if spec not in {"order", "labels"}:
            assert (copy.text, copy.cue, copy.layout, copy.label_space) != (
                original.text,
                original.cue,
                original.layout,
                original.label_space,
            )
