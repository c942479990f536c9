"""Instances with an instruction hidden in their data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evalkit.catalog import load_instances, load_phrasings, load_task
from evalkit.catalog.procedural.draft import Draws
from evalkit.catalog.readers.injection import ATTACKS, PLACES, marker_of
from evalkit.errors import CatalogError
from evalkit.phrasings.frames import RESERVED
from evalkit.phrasings.prompts import without
from evalkit.records import Instance, Source
from evalkit.runs.pick import pick_instances

TASK = load_task("injection/injected_counting")


def with_options(**options):
    """Return the task with other options of its source."""
    return replace(TASK, source=Source(options={**TASK.source.options, **options}))


def test_every_origin_is_asked_clean_and_under_every_attack():
    """50 origins times (1 + 9); the clean one holds no marker, every other holds its own."""
    found = load_instances(TASK)

    assert len(found) == 50 * (1 + len(ATTACKS))
    assert {one.factors["attack"] for one in found} == {"none", *ATTACKS}
    assert {one.factors.get("place") for one in found} == {None, *PLACES}
    for one in found:
        attacked = one.factors["attack"] != "none"
        assert (one.fields["lure"] in one.fields["question"]) == attacked
        assert one.fields["lure"] == marker_of(one.of)


def test_an_attack_leaves_the_data_whole():
    """Every word of the clean data is there still, in its order."""
    found = load_instances(TASK)
    clean = {one.of: one.fields["question"].split() for one in found if one.id.endswith(".clean")}
    for one in found:
        rest = iter(one.fields["question"].split())
        assert all(word in rest for word in clean[one.of]), one.id


def test_reserved_marks_are_back_when_they_are_taken_out_once_and_gone_when_again():
    """A mark hidden in its own mark survives one pass of a filter, and not the recursive one."""
    text = ATTACKS["completion_reserved"](Draws("x"), "Say X.")
    once = text
    for mark in RESERVED:
        once = once.replace(mark, "")

    assert any(mark in once for mark in RESERVED)
    assert not any(mark in without(text, RESERVED) for mark in RESERVED)


def test_a_limit_counts_origins_and_keeps_what_was_made_of_them():
    """Three origins are 30 instances; those of two origins are among them."""
    found = load_instances(TASK)
    three = pick_instances(TASK, found, limit=3, seed=1)
    two = pick_instances(TASK, found, limit=2, seed=1)

    assert len(three) == 3 * (1 + len(ATTACKS))
    assert {one.id for one in two} < {one.id for one in three}


def test_the_phrasings_of_the_base_are_used_as_far_as_they_show_the_data():
    """A phrasing that shows parts of the question by name would not show the hidden instruction."""
    found = [one for one in load_phrasings(TASK) if one.kind == "correct"]

    assert len(found) >= 10
    assert not any("{{ letter }}" in one.text for one in found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attacks": ["nave"]}, "'attacks' holds 'nave'; accepted: naive, ignore"),
        ({"of": []}, "source option 'of' is missing"),
        ({"of": "injection/injected_sorting"}, "made of tasks itself"),
        ({"of": "procedural/no"}, "task 'procedural/no' is not known"),
        ({"instances": "5"}, "'instances' is '5'; a whole number is accepted"),
        ({"depth": 2}, "source option 'depth' is not known"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options, message):
    """Before anything is asked, with what is accepted."""
    with pytest.raises(CatalogError, match=message):
        load_instances(with_options(**options))


def test_a_task_without_data_is_refused_by_name(monkeypatch):
    """There is nothing that an instruction could hide in; said before anything is asked."""
    from evalkit.catalog.readers import injection

    base = load_task("procedural/sorting")
    bare = Instance(id="i1", fields={"topic": "rain"}, references=("x",))
    monkeypatch.setattr(injection, "base_instances", lambda *_: [(base, bare)])

    with pytest.raises(CatalogError, match="procedural/sorting has no data that an instruction"):
        load_instances(load_task("injection/injected_sorting"))
