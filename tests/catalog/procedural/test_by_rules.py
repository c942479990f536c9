"""A number of rules, a number of instances of each."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest

from evalkit.catalog import load_instances, load_task
from evalkit.catalog.procedural.generate import by_rules, held_out
from evalkit.errors import CatalogError
from evalkit.records import Source

REGEX, REWRITE = load_task("rules/regex_rules"), load_task("rules/rewrite_rules")


def test_every_rule_is_held_out_and_has_its_instances():
    """25 rules, ten instances each; an expression with few short words has a few less."""
    for task in (REGEX, REWRITE):
        found = load_instances(task)
        counts = Counter(one.factors["rule"] for one in found)

        assert len(counts) == 25
        assert min(counts.values()) >= 8
        assert all(held_out(task.source.options["family"], rule) for rule in counts)


def test_the_share_without_a_match_is_what_was_asked_for():
    """A fifth of the strings stay as they are; half of the others are outside the language."""
    rewritten = load_instances(REWRITE)
    same = [one.references[0] == one.fields["string"] for one in rewritten]
    absent = [one.fields["left"] not in one.fields["string"] for one in rewritten]
    outside = [one.references[0] == "no" for one in load_instances(REGEX)]

    assert same == absent
    assert sum(same) / len(same) == pytest.approx(0.2, abs=0.03)
    assert sum(outside) / len(outside) == pytest.approx(0.5, abs=0.05)


def test_expressions_drawn_again_agree_with_the_library():
    """Every answer is that of Python's own engine."""
    for one in load_instances(REGEX):
        found = re.fullmatch(one.fields["pattern"], one.fields["string"])
        assert one.references[0] == ("yes" if found else "no")


def test_skew_moves_instances_to_the_first_rules_and_keeps_their_number():
    """20 rules of 10: with exponent 1 the first has 56, the last 3, together about 200."""
    found = by_rules("rewrite", "train", rules=20, samples=10, skew=1.0)
    counts = [count for _, count in Counter(one.factors["rule"] for one in found).most_common()]

    assert (counts[0], counts[-1]) == (56, 3)
    assert abs(sum(counts) - 200) <= 10


def test_more_samples_and_rules_keep_the_split():
    """Training rules in training, held-out rules in the test."""
    found = by_rules("rewrite", "train", rules=5, samples=3)

    assert not any(held_out("rewrite", one.factors["rule"]) for one in found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"family": "sorting", "rules": 2, "samples": 2},
            "its rules cannot be asked several times",
        ),
        ({"family": "regex", "rules": 2}, "'samples' is None; an integer from 1"),
        (
            {"family": "regex", "rules": 2, "samples": 2, "noop": 2},
            "'noop' is 2; a number from 0 to 1",
        ),
        ({"family": "regex", "rules": 2, "samples": 2, "instances": 3}, "Leave it out"),
        ({"family": "regex", "rules": 9999, "samples": 1}, "has only"),
    ],
)
def test_what_cannot_be_made_is_refused_by_name(options, message):
    """Before anything is asked."""
    task = replace(REGEX, split="validation", source=Source(options=options))
    with pytest.raises(CatalogError, match=message):
        load_instances(task)
