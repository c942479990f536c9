"""The summary says where the exactness of the fast path comes from."""

from __future__ import annotations

from evalkit.cli.summary import _remembered


def test_a_remembered_proof_is_said_with_its_day_and_its_check() -> None:
    """The reader sees that this process proved nothing, and how far the two ways lay apart."""
    proof = {"error": 1e-5, "remembered": "2026-11-30T06:37:41Z", "checked": 1.72e-05}

    assert _remembered({"proof": proof}) == (
        "The fast path was proven on 2026-11-30T06:37:41Z on this machine, and held against one "
        "prompt of this run: 1.7e-05 nat apart."
    )


def test_a_proof_of_this_process_and_engines_without_one_need_no_line() -> None:
    """Served models, scripted ones and first runs say nothing."""
    for engine in ({}, {"proof": {}}, {"proof": {"error": 1e-5}}, {"proof": None}):
        assert not _remembered(engine)
