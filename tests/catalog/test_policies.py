"""Gate policies: every mistake with its line, and the one that ships."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.catalog.policies import (
    SHIPPED,
    default_policy_path,
    policy_path,
    read_policy_file,
)
from evalkit.errors import CatalogError

BROKEN = """\
name: " "
level: 1.5
powr: 0.8
inconclusive: maybe
rules:
  - {metric: maen, margin: 0.02}
  - {metric: mean, margin: 0}
  - {metric: gap, margin: 0.02, scope: suite, infromational: true}
  - {metric: gap, margin: 0.03}
  - {metric: std}
waivers:
  - {metric: mean, reason: "", expires: tomorrow}
"""


def test_the_shipped_policy_is_valid_and_decides_something() -> None:
    """Without --policy this one is used."""
    policy = read_policy_file(default_policy_path())

    assert policy.name == "default"
    deciding = [rule for rule in policy.rules if not rule.informational]
    assert [rule.metric for rule in deciding if rule.inconclusive is None] == [
        "mean",
        "gap",
        "worst_phrasing",
        "std",
        "consistency",
        "unparsed_rate",
    ]
    assert [(rule.metric, rule.scope) for rule in deciding if rule.inconclusive == "pass"] == [
        ("mean", "task"),
        *((name, "suite") for name in ("refusal_rate", "cut_rate", "unusable_rate")),
        *((name, "suite") for name in ("adherence", "ifs", "brier_answer", "overconfidence")),
        *(
            (name, "suite")
            for name in ("sure_errors", "ece", "accuracy_norm", "pass_at_5", "pass_at_10")
        ),
        *((name, "suite") for name in ("reliable_at_5", "reliance")),
    ]


def test_every_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    """Keys, types and values of the file, its rules and its waivers, all at once."""
    path = tmp_path / "p.yaml"
    path.write_text(BROKEN)
    with pytest.raises(CatalogError) as caught:
        read_policy_file(path)
    found = {problem.removeprefix(f"{path}:").split(";")[0] for problem in caught.value.problems}

    assert {
        "3: key 'powr' is not known",
        "8: key 'infromational' is not known",
        "1: name is empty",
        "2: level is 1.5",
    } <= found
    assert [line for line in found if line.startswith("4: 'inconclusive' is \"maybe\"")]
    assert [
        line for line in found if line.startswith("10:") and "'rules.4.margin' is missing" in line
    ]


def test_values_of_rules_and_waivers_are_checked(tmp_path: Path) -> None:
    """A metric that is misspelt, a margin that nothing can exclude, a rule twice, a waiver
    without reason or day.
    """
    path = tmp_path / "p.yaml"
    path.write_text(
        "name: x\nrules:\n  - {metric: maen, margin: 0.02}\n  - {metric: mean, margin: "
        "0}\n  - {metric: gap, margin: 0.1}\n"
        '  - {metric: gap, margin: 0.2}\nwaivers:\n  - {metric: mean, reason: "", expires: '
        "tomorrow}\n"
    )
    with pytest.raises(CatalogError) as caught:
        read_policy_file(path)
    found = [problem.removeprefix(f"{path}:") for problem in caught.value.problems]

    assert found[0].startswith("3: metric 'maen' is not one a gate can check; did you mean 'mean'?")
    assert found[1].startswith("4: margin is 0.0; accepted: a fraction above 0 and below 1")
    assert found[2] == "6: rule 4 checks gap by suite again, as rule 3 does. Keep one."
    assert [line.split(";")[0] for line in found[3:]] == [
        "8: reason is empty",
        '8: expires is "tomorrow"',
    ]


def test_a_margin_may_be_a_share_of_the_baseline(tmp_path: Path) -> None:
    """5 % is read with and without the blank; a gap has no such margin,
    and other texts are no margins.
    """
    path = tmp_path / "p.yaml"
    path.write_text(
        "name: p\nrules:\n  - {metric: mean, margin: 5 %}\n  - {metric: std, margin: 2.5%}\n"
    )
    policy = read_policy_file(path)
    assert [(rule.margin, rule.relative) for rule in policy.rules] == [(0.05, True), (0.025, True)]

    path.write_text("name: p\nrules:\n  - {metric: gap, margin: 5 %}\n")
    with pytest.raises(CatalogError, match="margin of gap is a share of the baseline"):
        read_policy_file(path)
    path.write_text("name: p\nrules:\n  - {metric: mean, margin: five}\n")
    with pytest.raises(CatalogError, match="margin"):
        read_policy_file(path)
    path.write_text("name: p\nrules:\n  - {metric: mean, margin: 100 %}\n")
    with pytest.raises(CatalogError, match=r"margin is 1\.0"):
        read_policy_file(path)


def test_a_policy_that_ships_is_named_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of that name in the folder comes first; both are sound,
    and the quick one is the wider.
    """
    monkeypatch.chdir(tmp_path)
    policies = {name: read_policy_file(policy_path(name)) for name in SHIPPED}
    assert [policy.name for policy in policies.values()] == ["default", "quick"]
    margins = {
        name: {(rule.metric, rule.scope): rule.margin for rule in policy.rules}
        for name, policy in policies.items()
    }
    shared = set(margins["default"]) & set(margins["quick"])
    assert shared == set(margins["quick"])
    assert all(margins["quick"][key] > margins["default"][key] for key in shared)
    (tmp_path / "quick").write_text("name: mine\n")
    assert policy_path("quick") == Path("quick")
