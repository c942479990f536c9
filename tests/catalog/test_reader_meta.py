"""Questions about the instructions of other tasks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from evalkit.catalog import load_instances, load_phrasings, load_task
from evalkit.catalog.readers.meta import NONE
from evalkit.errors import EvalkitError
from evalkit.records import Source

SELECT, VERIFY = load_task("meta/select"), load_task("meta/verify")


def with_options(task, **options):
    """Return a task with other options of its source."""
    return replace(task, source=Source(options={**task.source.options, **options}))


def test_none_of_the_above_is_listed_last_and_right_for_about_a_tenth():
    """Five choices each, and never one of them twice."""
    found = load_instances(SELECT)

    assert {len(one.choices) for one in found} == {5}
    assert all(one.choices[-1] == NONE and len(set(one.choices)) == 5 for one in found)
    absent = [one for one in found if one.factors["fitting"] == "absent"]
    assert all(one.references == (NONE,) for one in absent)
    assert 4 <= len(absent) <= 18


def test_no_other_instruction_is_of_the_same_task():
    """A wording of the right task beside the right one would be right, too."""
    own = {
        base: {one.text for one in load_phrasings(load_task(base))}
        for base in SELECT.source.options["of"]
    }
    for one in load_instances(SELECT):
        fitting = [text for text in one.choices if text in own[one.factors["base"]]]
        assert len(fitting) == (one.factors["fitting"] == "listed")


def test_every_origin_is_verified_with_its_own_output_and_with_another():
    """A hundred of each; the other output is not accepted for this input."""
    found = load_instances(VERIFY)
    by_origin = Counter(one.of for one in found)

    assert Counter(one.references[0] for one in found) == {"yes": 100, "no": 100}
    assert set(by_origin.values()) == {2}
    outputs = {
        (one.of, one.references[0]): one.fields["question"].rpartition("Output: ")[2]
        for one in found
    }
    assert all(outputs[name, "yes"] != outputs[name, "no"] for name in by_origin)


def test_each_form_has_ten_wordings_or_more():
    """All in our words."""
    assert min(len(load_phrasings(task)) for task in (SELECT, VERIFY)) >= 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"listed": 9}, "'listed' is 9; 2 to 8 is accepted"),
        ({"of": "procedural/sorting"}, "'of' names 1 task; instructions of two or more"),
        ({"none_of_above": 1.0}, "'none_of_above' is 1.0; a share from 0 to below 1"),
        ({"form": "guess"}, "'form' holds 'guess'; accepted: select, verify"),
        ({"of": "mmlu/anatomy"}, "data"),
    ],
)
def test_a_wrong_option_is_refused_by_name(tmp_path, options, message):
    """Before anything is asked; missing data of a base is said as for the base."""
    with pytest.raises(EvalkitError, match=message):
        load_instances(with_options(SELECT, **options), tmp_path)
