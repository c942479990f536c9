"""Several instructions in one prompt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evalkit.catalog import load_instances, load_phrasings, load_task
from evalkit.catalog.procedural.chains import STEPS, draw_chain, executed, refuse_mismatch
from evalkit.catalog.procedural.draft import Draws
from evalkit.errors import CatalogError
from evalkit.records import Source

LIST, CHAIN = load_task("composition/list"), load_task("composition/chain")


def with_options(task, **options):
    """Return a task with other options of its source."""
    return replace(task, source=Source(options={**task.source.options, **options}))


def by_id(task):
    """Return the instances of a task by id."""
    return {one.id: one for one in load_instances(task)}


def test_the_instructions_of_an_origin_are_the_first_of_the_longer_lists():
    """K = 2 is the beginning of k = 3, answers included."""
    found = by_id(LIST)
    two, three = found["list-000.2.none"], found["list-000.3.none"]

    assert three.fields["question"].startswith(two.fields["question"])
    assert three.references[0].startswith(two.references[0])


def test_an_instruction_about_the_instructions_changes_the_reply_that_is_right():
    """Backwards, without one, in marks: of the same five answers."""
    found = by_id(LIST)
    given = [line.split(". ", 1)[1] for line in found["list-001.5.none"].references[0].split("\n")]
    back = found["list-001.5.reverse"].references[0].split("\n")
    skipped = found["list-001.5.skip"].references[0].split("\n")

    assert back == [f"{place}. {answer}" for place, answer in enumerate(reversed(given), 1)]
    assert len(skipped) == 4
    assert set(skipped) < {f"{place}. {answer}" for place, answer in enumerate(given, 1)}
    assert found["list-001.5.wrap"].references[0].startswith(f"1. <{given[0]}>")


def test_shuffled_steps_keep_their_numbers_and_their_results():
    """The text differs, the lines do not; and so the results."""
    found = by_id(CHAIN)
    given, shuffled = found["chain-003.5.given"], found["chain-003.5.shuffled"]

    assert given.fields["question"] != shuffled.fields["question"]
    assert sorted(given.fields["question"].split()) == sorted(shuffled.fields["question"].split())
    assert given.references == shuffled.references


def test_drawn_chains_fit_together_and_every_step_has_two_wordings():
    """Two hundred chains of five: the type that goes in is the type that came out."""
    for number in range(200):
        refuse_mismatch(draw_chain(Draws(str(number)), 5), where="test")
    assert all(len(step.wordings) >= 2 for step in STEPS.values())


def test_a_chain_is_executed_step_by_step():
    """By hand: 3 1 2 sorted 1 2 3, largest 3, doubled 6, even."""
    assert executed(["sort", "largest", "double", "parity"], "3 1 2") == ["1 2 3", "3", "6", "even"]


def test_each_task_has_ten_wordings_or_more():
    """All in our words."""
    for task in (LIST, CHAIN):
        assert len(load_phrasings(task)) >= 10


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        (CHAIN, {"chains": [["length", "sort"]]}, "'length' gives number and 'sort' takes digits"),
        (CHAIN, {"chains": [["fold"]]}, "step 'fold' of a chain is not known"),
        (CHAIN, {"chains": ["sort"]}, "a list of step names is accepted"),
        (CHAIN, {"orders": ["up"]}, "'orders' holds 'up'; accepted: given, shuffled"),
        (LIST, {"sizes": [0]}, "'sizes' holds 0; accepted: 1, 2, 3"),
        (LIST, {"form": "ring"}, "'form' holds 'ring'; accepted: list, chain"),
        (LIST, {"of": None}, "source option 'of' is missing"),
        (LIST, {"metas": []}, "'metas' holds 'nothing'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(task, options, message):
    """Before anything is asked."""
    with pytest.raises(CatalogError, match=message):
        load_instances(with_options(task, **options))
