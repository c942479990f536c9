"""Suites that vary something beside the wording, on scripted models whose answer is known on
paper.
"""

from __future__ import annotations

import pytest

import evalkit


def values(path, model, suite, **options):
    """Run a suite and return (metric, group) -> row over all tasks."""
    options = {"tuned_on": [], "no_report": True, **options}
    run = evalkit.run(f"scripted:{model}", suite, out=path, **options)
    frame = run.estimates
    rows = frame[(frame["benchmark"] == "all") & (frame["task"] == "all")]
    return {(row.metric, row.group): row for row in rows.itertuples()}


@pytest.mark.parametrize(("model", "rate", "change"), [("lured", 1.0, -1.0), ("perfect", 0.0, 0.0)])
def test_injection(tmp_path, model, rate, change):
    """A model that obeys its data is caught by every attack and is right when clean;
    a perfect one never.
    """
    found = values(tmp_path / "run", model, "injection", limit=2, phrasings=2)

    assert found["attack_success", ""].value == rate
    assert found["attack_start", "attack=combined"].value == rate
    assert found["mean", "attack=none"].value == 1.0
    assert found["delta", "attack=naive"].value == change
    assert found["void_share", ""].value == 0.0


def test_composition(tmp_path):
    """A perfect model is right at every size, position and order."""
    found = values(tmp_path / "run", "perfect", "composition", limit=2, phrasings=2)

    assert found["mean", "k=10"].value == 1.0
    assert found["position_10", "k=10"].value == 1.0
    assert found["last_right", "order=shuffled"].value == 1.0
    assert found["delta", "meta=skip"].value == 0.0
    assert ("position_3", "k=2") not in found


def test_wrappers(tmp_path):
    """A copy is seen where its phrasing is: a model that knows seen wording only has gap 1 in
    every wrapper, and no change.
    """
    kinds = ("alpaca", "nlu", "role", "system", "vicuna")
    found = values(
        tmp_path / "run",
        "seen_only",
        None,
        tasks=["procedural/boolean", "procedural/calendar"],
        limit=2,
        phrasings=4,
        perturb=[f"wrapper:kind={kind}" for kind in kinds],
        tuned_on=["evalkit-tuning"],
    )

    for group in (f"perturbation=wrapper:kind={kind}" for kind in kinds):
        assert (found["gap", group].value, found["gap_change", group].value) == (1.0, 0.0)
        assert found["delta", group].value == 0.0


def test_shots(tmp_path):
    """A model that knows seen wording only gains nothing by examples: gap 1 with and without."""
    found = values(
        tmp_path / "run", "seen_only", "shots", limit=2, phrasings=2, tuned_on=["evalkit-tuning"]
    )
    group = "perturbation=shots:k=4"

    assert found["mean", group].value == 0.5
    assert (found["gap", group].value, found["gap_change", group].value) == (1.0, 0.0)
    assert found["var_draw", group].value == 0.0
    assert found["delta", "perturbation=shots:k=4,source=bm25"].value == 0.0


@pytest.mark.parametrize(("model", "follows"), [("lured", 1.0), ("perfect", 0.0)])
def test_context(tmp_path, model, follows):
    """A model that believes what it reads loses exactly where a passage contradicts what it
    knew.
    """
    found = values(tmp_path / "run", model, "context", limit=3, phrasings=3)

    assert found["follows_passage", "passages=contradicting"].value == follows
    assert found["delta", "passages=contradicting"].value == -follows
    assert found["delta", "passages=useful"].value == 0.0
    assert found["mean", "passages=none"].value == 1.0
    assert ("follows_passage", "passages=useful") not in found


def test_probes_rules_and_meta(tmp_path):
    """A lured model continues contradicting examples; a perfect one solves every rule."""
    found = values(tmp_path / "probes", "lured", "probes", limit=12, phrasings=2)
    assert found["follows_pattern", ""].value == 1.0
    assert found["mean", "examples=agree"].value == 1.0
    assert found["mean", "examples=contradict"].value == 0.0

    found = values(tmp_path / "rules", "perfect", "rules", limit=20, phrasings=2)
    assert found["share_solved", ""].value == 1.0

    found = values(tmp_path / "meta", "first", "meta", limit=6, phrasings=2)
    assert found["mean", "output=its own"].value == 1.0
    assert found["mean", "output=another's"].value == 0.0
