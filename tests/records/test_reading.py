"""JSON is read into records strictly: the field, its value and what is accepted are named."""

from __future__ import annotations

from typing import Any

import pytest
from manifests import made

from evalkit.records import Phrasing
from evalkit.records.manifest import Attempt, Manifest, SuiteRecord, migrated
from evalkit.records.reading import ShapeError, record_of


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "done"}, "state is 'done'; one of partial, complete is expected"),
        ({"seed": 1.5}, "seed is 1.5; a whole number is expected"),
        ({"seed": True}, "seed is True; a whole number is expected"),
        ({"suite": []}, "suite is []; an object is expected"),
        ({"model": None}, "model is None; an object is expected"),
        ({"intervals": {"level": "x", "resamples": 1}}, "intervals.level is 'x'; a number is"),
        ({"attempts": [{"seconds": 1.0}]}, "attempts.0.started is not there; a value is expected"),
        ({"attempts": {}}, "attempts is {}; a list is expected"),
        ({"later": 1}, "later is 1; no such field"),
        ({"counts": {"cells": "many"}}, "counts.cells is 'many'; a whole number is expected"),
        ({"notes": ["a", 1]}, "notes.1 is 1; text is expected"),
    ],
)
def test_a_manifest_of_another_shape_is_refused_by_field(
    changes: dict[str, Any], said: str
) -> None:
    """The way to the field, its value, and what is accepted."""
    content = {**made().to_json(), **changes}

    with pytest.raises(ShapeError, match=r"^") as caught:
        record_of(Manifest, migrated(content))
    assert said in str(caught.value)


def test_a_manifest_says_in_json_what_it_was_read_from() -> None:
    """There and back: nothing is lost, nothing added."""
    manifest = made(attempts=[{"started": "x", "seconds": 1, "engine": {"requests": 3}}])

    assert record_of(Manifest, migrated(manifest.to_json())) == manifest
    assert manifest.attempts == (Attempt(started="x", seconds=1.0, engine={"requests": 3}),)


def test_an_early_manifest_is_read_with_what_it_lacked() -> None:
    """What versions before the first release did not write did not exist for them."""
    content = made().to_json()
    for name in ("left_out", "limited", "notes", "mitigations", "device", "attempts"):
        del content[name]
    found = record_of(Manifest, migrated(content))

    assert (found.left_out, found.limited, found.notes, found.attempts) == ({}, False, (), ())


def test_what_is_not_known_is_not_written() -> None:
    """A run that was not finished has no counts, intervals, versions or seals."""
    found = record_of(
        Manifest,
        migrated(
            {
                name: value
                for name, value in made().to_json().items()
                if name not in {"versions", "intervals"}
            }
            | {"counts": {}, "state": "partial"}
        ),
    )

    assert found.counts is None
    assert {"versions", "intervals", "scores_digest"} & found.to_json().keys() == set()
    assert found.to_json()["counts"] == {}
    assert "budget" not in found.suite.to_json()


def test_lists_become_tuples_and_defaults_fill_what_is_absent() -> None:
    """A stored phrasing of an earlier version, which knew fewer fields."""
    found = record_of(Phrasing, {"id": "p", "text": "t", "source": "s", "tasks": ["a"]})

    assert (found.tasks, found.kind, found.meaning.status) == (("a",), "correct", "unchecked")


def test_a_union_names_the_field_inside_it() -> None:
    """The part of an optional record that is wrong is named, not the union."""
    content = made().suite.to_json()
    content["budget"] = {"design": "paired", "fraction": "half"}

    with pytest.raises(
        ShapeError, match=r"budget\.fraction is 'half'; a number or null is expected"
    ):
        record_of(SuiteRecord, content)
