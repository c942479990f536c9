"""Boxes, conflicts and made-up facts, solved again from their text."""

from __future__ import annotations

import re

from evalkit.catalog import load_instances, load_phrasings, load_task


def test_boxes_are_tracked_by_reading_the_story():
    """An interpreter of the sentences finds the same box."""
    for one in load_instances(load_task("probes/boxes")):
        story, _, thing = one.fields["question"].partition("\nObject: ")
        place = {}
        for sentence in story.rstrip(".").split(". "):
            if found := re.fullmatch(r"The (\w+) is in (Box \d)", sentence):
                place[found[1]] = found[2]
            elif found := re.fullmatch(r"The (\w+) is moved from (Box \d) to (Box \d)", sentence):
                assert place[found[1]] == found[2]
                place[found[1]] = found[3]
            else:
                a, b = re.findall(r"Box \d", sentence)
                place = {name: {a: b, b: a}.get(box, box) for name, box in place.items()}
        assert place[thing] == one.references[0]


def test_the_rule_decides_and_contradicting_examples_have_a_lure():
    """The answer is the word the rule names; the lure is what the examples lead to."""
    for one in load_instances(load_task("probes/conflict")):
        words = one.fields["question"].rpartition("Words: ")[2].split()
        right = words[0] if "give the first word" in one.fields["question"] else words[-1]
        other = next(word for word in words if word != right)

        assert one.references[0] == right
        assert one.fields["lure"] == (right if one.factors["examples"] == "agree" else other)


def test_made_up_facts_are_told_and_every_form_is_asked():
    """The answer follows from the sentences before the question."""
    found = load_instances(load_task("probes/facts"))

    assert {one.factors["asked_as"] for one in found} == {
        "as told",
        "rephrased",
        "secondary",
        "compared",
        "re-dated",
    }
    for one in found:
        told, _, question = one.fields["question"].partition("\nQuestion: ")
        if one.factors["asked_as"] == "compared":
            first, second = re.findall(r"that of (\w+ \w+)", question)
            earlier = first if told.index(first) < told.index(second) else second
            assert one.references[0] == earlier
        elif one.factors["asked_as"] == "re-dated":
            assert str(int(one.references[0]) - 10) in told
        else:
            assert one.references[0] in told


def test_each_probe_has_ten_wordings_or_more():
    """All in our words."""
    for name in ("boxes", "conflict", "facts"):
        assert len(load_phrasings(load_task(f"probes/{name}"))) >= 10
