"""The gate on run directories: what it decides, and that nothing doubtful ever passes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from manifests import told, write

from evalkit.errors import EvalkitError, GateError, IncompleteError
from evalkit.gating.runs import gate_runs
from evalkit.records.policy import Policy, Rule

DAY = date(2026, 11, 21)
POLICY = Policy(
    name="toy",
    rules=(
        Rule(metric="mean", margin=0.02),
        Rule(metric="gap", margin=0.05),
        Rule(metric="consistency", margin=0.05),
    ),
)


def outcome(candidate: Path, baseline: Path, policy: Policy = POLICY) -> str:
    """Return the outcome of a gate."""
    return gate_runs(candidate, baseline, policy=policy, today=DAY)[0].outcome


def test_the_same_answers_pass(toy: Any) -> None:
    """600 instances without a flip exclude a loss of two points."""
    assert outcome(toy.run("new", toy.scores(0.7)), toy.run("old", toy.scores(0.7))) == "pass"


def test_ten_points_fewer_are_a_regression(toy: Any) -> None:
    """The loss is beyond the margin and beyond chance."""
    decision, explanation = gate_runs(
        toy.run("new", toy.scores(0.6)),
        toy.run("old", toy.scores(0.7)),
        policy=POLICY,
        today=DAY,
        explained=3,
    )

    assert (decision.outcome, decision.exit_code) == ("regression", 1)
    assert [check.metric for check in decision.of("regression")] == ["mean"]
    assert decision.checks[0].harm == pytest.approx(0.1)
    assert explanation is not None
    assert (explanation.n_phrasings, explanation.n_instances) == (12, 60)
    assert explanation.instances[0].answers == (("yes", "no"),)


def test_better_answers_pass(toy: Any) -> None:
    """A gate looks for harm only."""
    assert outcome(toy.run("new", toy.scores(0.8)), toy.run("old", toy.scores(0.7))) == "pass"


def test_twenty_instances_are_not_enough_and_it_says_how_many_are(toy: Any) -> None:
    """No flip on 60 instances leaves up to 4.3 points open; about 230 would decide."""
    decision, _ = gate_runs(
        toy.run("new", toy.scores(0.7, n=20)),
        toy.run("old", toy.scores(0.7, n=20)),
        policy=POLICY,
        today=DAY,
    )

    check = decision.checks[0]
    assert (decision.outcome, decision.exit_code) == ("inconclusive", 3)
    assert check.n_instances == 60
    assert check.instances_needed is not None
    assert 200 < check.instances_needed < 700
    assert check.detectable > 0.02


def test_one_instance_never_passes(toy: Any) -> None:
    """There is no error to be estimated."""
    assert (
        outcome(toy.run("new", toy.scores(0.7, n=1)), toy.run("old", toy.scores(0.7, n=1)))
        == "inconclusive"
    )


def test_a_model_right_only_on_seen_wording_opens_the_gap(toy: Any) -> None:
    """Unseen phrasings fall from 70 to 40: the gap rises by 30 points."""
    bent = toy.scores(0.7)
    for task, matrix in bent.items():
        matrix[2:] = toy.right(0.4, seed=int(task[-1]))[2:]
    decision, _ = gate_runs(
        toy.run("new", bent), toy.run("old", toy.scores(0.7)), policy=POLICY, today=DAY
    )

    assert [check.metric for check in decision.of("regression")] == ["mean", "gap", "consistency"]
    assert decision.checks[1].harm == pytest.approx(0.3)


def test_unusable_answers_are_seen_by_their_own_rule(toy: Any) -> None:
    """One answer in ten refused."""
    refused = toy.scores(0.7)
    for matrix in refused.values():
        matrix[:, :20] = -1
    policy = replace(POLICY, rules=(Rule(metric="unparsed_rate", margin=0.01),))

    assert outcome(toy.run("new", refused), toy.run("old", toy.scores(0.7)), policy) == "regression"


def _swap_texts(manifest: dict[str, Any]) -> dict[str, Any]:
    manifest["suite"]["tasks"]["toy/t0"]["phrasings"]["p0"] = "another text"
    manifest["suite"]["digest"] = "0" * 32
    return manifest


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda m: {**m, "limited": True}, GateError, "was limited"),
        (
            lambda m: {**m, "left_out": {"toy/t9": "no data"}, "limited": True},
            GateError,
            "1 tasks were left out",
        ),
        (lambda m: {**m, "counts": {}, "state": "partial"}, IncompleteError, "was not finished"),
        (
            lambda m: {**m, "scores_digest": "0" * 32},
            GateError,
            "is not the file its manifest was written for",
        ),
        (
            lambda m: {key: value for key, value in m.items() if key != "scores_digest"},
            GateError,
            "does not seal",
        ),
        (
            lambda m: {**m, "model": {**m["model"], "label": "other"}},
            GateError,
            "holds model m, the manifest 'other'",
        ),
        (_swap_texts, GateError, "text of phrasing p0 of toy/t0"),
        (lambda m: {**m, "schema": 99}, GateError, "schema 99 is newer"),
    ],
    ids=[
        "limited",
        "left out",
        "unfinished",
        "other scores",
        "unsealed",
        "other model",
        "other wording",
        "other schema",
    ],
)
@pytest.mark.parametrize("side", ["new", "old"])
def test_a_run_that_cannot_be_trusted_is_an_error(
    toy: Any, change: Any, error: type[EvalkitError], said: str, side: str
) -> None:
    """Whichever side it is, there is an error that says why and no outcome."""
    paths = {"new": toy.run("new", toy.scores(0.7)), "old": toy.run("old", toy.scores(0.7))}
    write(paths[side], change(told(paths[side])))

    with pytest.raises(error) as caught:
        outcome(paths["new"], paths["old"])
    assert said in str(caught.value)


@pytest.mark.parametrize("file", ["manifest.json", "scores.parquet"])
@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "flipped"])
def test_damaged_files_never_pass(toy: Any, file: str, damage: str) -> None:
    """Every form of damage of every file that is read is noticed."""
    new, old = toy.run("new", toy.scores(0.7)), toy.run("old", toy.scores(0.7))
    data = bytearray((old / file).read_bytes())
    if damage == "gone":
        (old / file).unlink()
    else:
        middle = len(data) // 2
        data[middle] ^= 1
        (old / file).write_bytes(
            {"empty": b"", "cut": bytes(data[:middle]), "flipped": bytes(data)}[damage]
        )

    with pytest.raises(GateError):
        outcome(new, old)


def test_a_single_flipped_bit_anywhere_in_the_scores_is_noticed(toy: Any) -> None:
    """Forty bits at random places."""
    new, old = toy.run("new", toy.scores(0.7, n=40)), toy.run("old", toy.scores(0.7, n=40))
    whole = (old / "scores.parquet").read_bytes()
    for place in np.random.default_rng(0).integers(0, len(whole), size=40):
        bent = bytearray(whole)
        bent[place] ^= 4
        (old / "scores.parquet").write_bytes(bytes(bent))
        with pytest.raises(GateError):
            outcome(new, old)


def test_other_instances_of_the_same_number_are_refused(toy: Any) -> None:
    """As many instances, other ids."""
    with pytest.raises(GateError, match="instances of toy/t0"):
        outcome(toy.run("new", toy.scores(0.7), instance="j"), toy.run("old", toy.scores(0.7)))


def test_another_task_is_refused(toy: Any) -> None:
    """The message names the task."""
    with pytest.raises(GateError, match="task toy/t2 only in old"):
        outcome(toy.run("new", toy.scores(0.7, tasks=2)), toy.run("old", toy.scores(0.7)))


def test_a_run_is_not_its_own_baseline(toy: Any) -> None:
    """It would pass anything; a link to it as well."""
    run = toy.run("new", toy.scores(0.7))
    (run.parent / "link").symlink_to(run)

    with pytest.raises(GateError, match="candidate and baseline at once"):
        outcome(run, run.parent / "link")


def test_a_copy_of_a_run_passes_and_says_that_the_model_is_the_same(toy: Any) -> None:
    """Running a model again is legitimate."""
    run = toy.run("old", toy.scores(0.7))
    shutil.copytree(run, run.parent / "copy")
    decision, _ = gate_runs(run.parent / "copy", run, policy=POLICY, today=DAY)

    assert decision.outcome == "pass"
    assert "Candidate and baseline have the same model fingerprint." in decision.notes


def test_missing_cells_beyond_the_tolerance_stop_the_gate(toy: Any) -> None:
    """Twelve cells of 2,400 are 0.5%: refused at 0, accepted at 1%."""
    holed = toy.scores(0.7)
    holed["toy/t0"][:, :3] = np.nan
    new, old = toy.run("new", holed), toy.run("old", toy.scores(0.7))

    with pytest.raises(IncompleteError, match=r"12 of 2400 cells \(0.50%\) are missing"):
        outcome(new, old)
    assert outcome(new, old, replace(POLICY, missing=0.01)) == "pass"


def test_limited_runs_of_the_same_part_are_compared_when_the_policy_says_so(toy: Any) -> None:
    """Both limited alike, and the policy allows it: decided, with a note."""
    both = {"limited": True}
    new, old = (
        toy.run("new", toy.scores(0.7), overrides=both),
        toy.run("old", toy.scores(0.7), overrides=both),
    )
    decision, _ = gate_runs(new, old, policy=replace(POLICY, allow_limited=True), today=DAY)

    assert decision.outcome == "pass"
    assert decision.notes[0].startswith("Both runs were limited")


def test_rows_taken_out_of_the_table_are_noticed_by_count(toy: Any) -> None:
    """A table that lacks rows counts as missing cells, though nothing in it says so."""
    from evalkit.scoring import ScoreTable
    from evalkit.store.atomic import file_digest

    new, old = toy.run("new", toy.scores(0.7)), toy.run("old", toy.scores(0.7))
    fewer = [
        row
        for row in toy.rows(toy.scores(0.7), model="m")
        if not (row.phrasing_id == "p1" and row.instance_id == "i0003")
    ]
    ScoreTable.from_scores(fewer).write_parquet(old / "scores.parquet")
    write(old, {**told(old), "scores_digest": file_digest(old / "scores.parquet")})

    with pytest.raises(IncompleteError, match="3 of 2400 cells"):
        outcome(new, old)


def test_a_gap_that_no_instance_moved_still_has_a_bound_above_zero(toy: Any) -> None:
    """600 instances without a change: a loss of two gap points in one instance of 200 could have
    been missed.
    """
    decision, _ = gate_runs(
        toy.run("new", toy.scores(0.7)), toy.run("old", toy.scores(0.7)), policy=POLICY, today=DAY
    )
    mean, gap, consistency = decision.checks

    assert mean.high == pytest.approx(2.71 / (600 + 2.71), rel=0.02)
    assert gap.high == pytest.approx(2 * mean.high, rel=0.02)
    assert consistency.phrasings_needed is None
