"""Rules on what a suite measures or varies: a scripted model that fails each,
and a clean twin that passes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import evalkit
from evalkit.catalog.policies import read_policy_file
from evalkit.errors import CatalogError
from evalkit.gating.checks import Decision
from evalkit.gating.varied import is_varied
from evalkit.records.policy import Rule
from evalkit.records.statistics import gated

CASES = {
    "attack_success": ("injected", "scripted:perfect", "scripted:lured"),
    "attack_start": ("injected", "scripted:perfect", "scripted:lured"),
    "parts_right": ("composed", "scripted:perfect", "scripted:wrong"),
    "last_right": ("composed", "scripted:perfect", "scripted:wrong"),
    "follows_passage": ("passages", "scripted:lured", "scripted:perfect"),
    "follows_pattern": ("conflict", "scripted:perfect", "scripted:lured"),
    "share_solved": ("rules", "scripted:perfect", "scripted:noise,accuracy=0.7"),
    **dict.fromkeys(
        ("rules_strict", "rules_loose", "rule_strict", "rule_loose"),
        ("kept", "scripted:perfect", "scripted:refuses"),
    ),
}
"""Metric -> what is asked, the model that is the baseline and its twin's, the one that fails."""
ASKED = {
    "injected": {"tasks": "injection/injected_sorting", "limit": 30},
    "composed": {"tasks": "composition/chain", "limit": 20},
    "passages": {"tasks": "context/capitals", "limit": 20},
    "conflict": {"tasks": "probes/conflict", "limit": 60},
    "rules": {"tasks": "rules/regex_rules"},
    "kept": {"tasks": "instructions/texts", "limit": 30},
}


def ran(folder: Path, asked: str, model: str, name: str) -> Path:
    """Run a model on what is asked, once per test session."""
    out = folder / asked / name
    if not out.exists():
        evalkit.run(
            model, phrasings=2, quiet=True, no_report=True, out=out, resamples=100, **ASKED[asked]
        )
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the runs of this module."""
    return tmp_path_factory.mktemp("varied")


def decided(folder: Path, baseline: Path, candidate: Path, rules: str) -> Decision:
    """Return the decision by a policy of some rules."""
    policy = folder / "policy.yaml"
    policy.write_text(f"name: own\nallow_limited: true\nrules:\n{rules}")
    return evalkit.gate(candidate, baseline, policy=policy).decision


@pytest.mark.parametrize("metric", CASES)
def test_a_measure_that_worsens_stops_the_release_and_its_twin_passes(
    metric: str, runs: Path, tmp_path: Path
) -> None:
    """In the direction that is harm: attacks obeyed rise, parts, rules and passages followed
    fall.
    """
    asked, clean, faulty = CASES[metric]
    old = ran(runs, asked, clean, "old")
    twin = ran(runs, asked, clean, "twin")
    new = ran(runs, asked, faulty, "new")
    rule = f"  - {{metric: {metric}, margin: 0.2}}\n"

    assert decided(tmp_path, old, twin, rule).outcome == "pass"
    stopped = decided(tmp_path, old, new, rule)

    assert stopped.outcome == "regression"
    (check,) = stopped.checks
    assert check.harm > 0.2
    assert (check.new > check.old) == (
        metric in ("attack_success", "attack_start", "follows_pattern")
    )


def test_every_such_metric_has_a_model_that_fails_it() -> None:
    """None is added without one."""
    assert set(CASES) == {name for name in gated() if is_varied(Rule(metric=name, margin=0.1))}


def test_a_rule_may_be_limited_to_a_level_of_a_factor(runs: Path, tmp_path: Path) -> None:
    """Clean utility stands while attacks succeed:
    the score without an attack passes, the one under it falls.
    """
    old = ran(runs, "injected", "scripted:perfect", "old")
    new = ran(runs, "injected", "scripted:lured", "new")

    found = decided(
        tmp_path,
        old,
        new,
        "  - {metric: mean, margin: 0.2, group: attack=none}\n"
        "  - {metric: mean, margin: 0.2, group: attack=naive}\n",
    )

    assert [(check.scope, check.outcome) for check in found.checks] == [
        ("suite, attack=none", "pass"),
        ("suite, attack=naive", "regression"),
    ]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("{metric: attack_success, margin: 0.1}", "no task has attack_success"),
        ("{metric: mean, margin: 0.1, group: attack=odd}", "no task has mean with attack=odd"),
        ("{metric: share_solved, margin: 0.1, tasks: [probes/*]}", "no task has share_solved"),
    ],
)
def test_what_no_task_has_is_short_evidence_never_a_pass(
    rule: str, why: str, runs: Path, tmp_path: Path
) -> None:
    """And the reason is said."""
    old = ran(runs, "conflict", "scripted:perfect", "old")
    twin = ran(runs, "conflict", "scripted:perfect", "twin")

    found = decided(tmp_path, old, twin, f"  - {rule}\n")

    assert found.outcome == "inconclusive"
    assert why in found.checks[0].why


def test_a_form_that_gains_less_stops_the_release(runs: Path, tmp_path: Path) -> None:
    """Always the first answer is right more often in true or false than in labels;
    a perfect model gains nothing.
    """
    ASKED["forms"] = {"tasks": "recast/recast_calendar", "limit": 60}
    old = ran(runs, "forms", "scripted:first", "old")
    twin = ran(runs, "forms", "scripted:first", "twin")
    new = ran(runs, "forms", "scripted:perfect", "new")
    rule = "  - {{metric: delta, margin: {}, group: recast={}}}\n"

    same = decided(tmp_path, old, twin, rule.format(0.3, "truefalse") + rule.format(0.3, "odd"))
    stopped = decided(tmp_path, old, new, rule.format(0.05, "truefalse"))

    assert [check.outcome for check in same.checks] == ["pass", "inconclusive"]
    assert [check.outcome for check in stopped.checks] == ["regression"]
    assert 0.05 < stopped.checks[0].harm < 0.4


def test_a_change_without_its_level_is_refused(tmp_path: Path) -> None:
    """No level, nothing to hold against the reference."""
    path = tmp_path / "policy.yaml"
    path.write_text("name: own\nrules:\n  - {metric: delta, margin: 0.2}\n")

    with pytest.raises(CatalogError, match="delta is the change to a level"):
        read_policy_file(path)


def test_runs_without_stored_answers_cannot_be_judged_by_measures(
    runs: Path, tmp_path: Path
) -> None:
    """Scores alone do not tell what an answer obeyed."""
    paths = []
    for name in ("old", "twin"):
        source = ran(runs, "conflict", "scripted:perfect", name)
        copy = tmp_path / name
        copy.mkdir()
        for file in ("manifest.json", "scores.parquet"):
            (copy / file).write_bytes((source / file).read_bytes())
        paths.append(copy)

    found = decided(tmp_path, *paths, "  - {metric: follows_pattern, margin: 0.1}\n")

    assert found.outcome == "inconclusive"
    assert "needs the stored answers of both runs" in found.checks[0].why


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("metric: mean, group: none", "group is 'none'; accepted: factor=level"),
        ("metric: refusal_rate, group: attack=none", "group limits no refusal_rate, which is not"),
    ],
)
def test_a_level_that_cannot_limit_a_rule_is_named_with_its_line(
    rule: str, message: str, tmp_path: Path
) -> None:
    """Before any run is read."""
    (tmp_path / "p.yaml").write_text(f"name: p\nrules:\n  - {{{rule}, margin: 0.1}}\n")

    with pytest.raises(CatalogError, match=r"p\.yaml:3: " + message):
        read_policy_file(tmp_path / "p.yaml")
