"""What the gate prints and writes; text of models and files stays text in every form."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from evalkit.cli.main import invoke
from evalkit.gating import Decision, Explanation
from evalkit.gating.runs import gate_runs
from evalkit.records.policy import Policy, Rule, Waiver
from evalkit.report.gate_ci import gate_github, gate_junit, gate_sarif
from evalkit.report.gate_formats import gate_json, gate_markdown, gate_text

HOSTILE = (
    "<script>x</script>|**b** [l](http://e.vil) @team `c`\n::set-output name=a::b\n##[error]x "
    "\x1b[31m=1+1 ]]>&"
)
POLICY = Policy(
    name=HOSTILE,
    rules=(
        Rule(metric="mean", margin=0.02),
        Rule(metric="gap", margin=0.05),
        Rule(metric="std", margin=0.001),
        Rule(metric="unparsed_rate", margin=0.01),
        Rule(metric="collateral_damage", margin=0.05, informational=True),
        Rule(metric="mean", margin=0.05, scope="task", informational=True),
    ),
    waivers=(Waiver(metric="gap", reason=HOSTILE, expires="2026-01-01"),),
)


@pytest.fixture
def told(toy: Any) -> tuple[Decision, Explanation]:
    """A regression of a model with a hostile name and hostile answers."""
    new = toy.run(
        "new",
        toy.scores(0.6),
        model=HOSTILE,
        instance="@i\n::error::",
        target=HOSTILE,
        wrong="=cmd|'/c calc'!A0",
    )
    old = toy.run(
        "old",
        toy.scores(0.7),
        model=HOSTILE,
        instance="@i\n::error::",
        target=HOSTILE,
        wrong="=cmd|'/c calc'!A0",
    )
    decision, explanation = gate_runs(
        new, old, policy=POLICY, today=date(2026, 11, 21), explained=2
    )
    assert explanation is not None
    return decision, explanation


def test_json_holds_every_check_and_no_number_that_json_has_not(
    told: tuple[Decision, Explanation],
) -> None:
    """The file is read back whole."""
    body = json.loads(gate_json(*told), parse_constant=lambda name: pytest.fail(name))

    assert (body["schema"], body["outcome"], body["exit_code"]) == (
        "evalkit.gate/1",
        "regression",
        1,
    )
    assert [check["metric"] for check in body["checks"]][:5] == [
        "mean",
        "gap",
        "std",
        "unparsed_rate",
        "collateral_damage",
    ]
    assert body["candidate"]["model"] == HOSTILE
    assert len(body["explanation"]["instances"]) == 2


def test_text_is_lines_without_control_characters_or_commands(
    told: tuple[Decision, Explanation],
) -> None:
    """Nothing that a terminal or a CI runner obeys."""
    text = gate_text(*told)

    assert text.splitlines()[0] == "gate: regression (exit code 1)"
    assert all(line.isprintable() for line in text.split("\n"))
    assert not [
        line for line in text.splitlines() if line.strip().startswith("::") or "##[" in line
    ]


def test_github_commands_are_ours_alone(told: tuple[Decision, Explanation]) -> None:
    """One line per command; the last names the outcome; nothing of a file starts a command."""
    lines = gate_github(told[0]).splitlines()

    assert {line.split(" ")[0] for line in lines} <= {"::error", "::warning", "::notice"}
    assert lines[0].startswith(
        "::error title=evalkit gate%3A mean (suite)::regression: mean is worse by 10.0 points"
    )
    assert lines[-1].startswith("::error title=evalkit gate::regression:")
    assert all("##[" not in line and line.count("::") == 2 for line in lines)


def test_junit_is_xml_with_the_right_counts(told: tuple[Decision, Explanation]) -> None:
    """A parser reads it; failures, errors and skips are those of the decision."""
    suite = ElementTree.fromstring(gate_junit(told[0])).find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    failed = [case.get("name") for case in cases if case.find("failure") is not None]

    assert (suite.get("tests"), len(cases)) == (str(len(told[0].checks) + 1),) * 1 + (
        len(told[0].checks) + 1,
    )
    assert failed == ["mean within 0.02", "decision"]
    assert int(suite.get("failures", "")) == 2
    assert int(suite.get("skipped", "")) == len(
        [case for case in cases if case.find("skipped") is not None]
    )


def test_sarif_has_the_structure_of_its_standard(told: tuple[Decision, Explanation]) -> None:
    """Section 3.27: level is none unless kind is fail; every rule index points at its rule."""
    run = json.loads(gate_sarif(told[0], policy_path="gate policy.yaml", version="0.1.0"))["runs"][
        0
    ]
    rules = run["tool"]["driver"]["rules"]

    assert all(
        (result["kind"] == "fail") == (result["level"] == "error") for result in run["results"]
    )
    assert all(result["level"] in {"none", "error"} for result in run["results"])
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert (
        run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        == "gate%20policy.yaml"
    )
    assert run["invocations"][0]["exitCode"] == 1


def test_markdown_holds_no_markup_of_others(told: tuple[Decision, Explanation]) -> None:
    """No HTML, link, mention or table cell that is not ours."""
    text = gate_markdown(*told)
    tables = [line for line in text.splitlines() if line.startswith("| ") and "gap" in line]

    assert "<script" not in text
    assert "@team" not in text
    assert "http://" not in text
    assert "](" not in text
    assert [line.count("|") - line.count("\\|") for line in tables] == [8]


def test_forms_are_as_stored(toy: Any, golden: Callable[[str, str], str]) -> None:
    """Terminal and Markdown forms of a plain regression, paths taken out."""
    new, old = toy.run("new", toy.scores(0.66)), toy.run("old", toy.scores(0.7))
    policy = Policy(
        name="golden",
        rules=(
            Rule(metric="mean", margin=0.02),
            Rule(metric="gap", margin=0.05),
            Rule(metric="consistency", margin=0.001),
            Rule(metric="collateral_damage", margin=0.02, informational=True),
        ),
    )
    made = gate_runs(new, old, policy=policy, today=date(2026, 11, 21), explained=2)
    for name, text in (
        ("gate.txt", gate_text(*made)),
        ("gate.md", gate_markdown(*made)),
        ("gate.github.txt", gate_github(made[0])),
    ):
        plain = text.replace(
            str(new.parent).replace("_", "\\_").replace("-", "\\-"), "RUNS"
        ).replace(str(new.parent), "RUNS")

        assert plain == golden(name, plain)


def test_the_command_exits_with_the_outcome_and_writes_all_forms(
    toy: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Pass 0, regression 1, not enough evidence 3; `--exit-zero` for reports."""
    old, same, worse = (
        toy.run("old", toy.scores(0.7)),
        toy.run("same", toy.scores(0.7)),
        toy.run("worse", toy.scores(0.5)),
    )
    few = [toy.run(name, toy.scores(0.7, n=20)) for name in ("few", "few_old")]
    out = tmp_path / "out"

    assert invoke(["gate", str(same), "--baseline", str(old)]) == 0
    assert invoke(["gate", str(worse), "--baseline", str(old), "--out", str(out), "--explain"]) == 1
    assert invoke(["gate", str(few[0]), "--baseline", str(few[1])]) == 3
    assert (
        invoke(["gate", str(worse), "--baseline", str(old), "--exit-zero", "--format", "github"])
        == 0
    )
    assert sorted(path.name for path in out.iterdir()) == [
        "gate.json",
        "gate.md",
        "gate.sarif",
        "gate.xml",
    ]
    assert "gate: not enough evidence (exit code 3)" in capsys.readouterr().out


def test_an_error_leaves_no_older_decision_behind(
    toy: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pass of yesterday must not be read as that of a gate that failed today."""
    old, same = toy.run("old", toy.scores(0.7)), toy.run("same", toy.scores(0.7))
    arguments = ["gate", str(same), "--baseline", str(old), "--out", str(tmp_path / "out")]
    assert invoke(arguments) == 0
    (old / "scores.parquet").write_bytes(b"")

    assert invoke(arguments) == 2
    assert list((tmp_path / "out").iterdir()) == []
    assert "baseline cannot be read, so there is no decision" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--baseline", "nowhere"], 2, "nowhere: is no run directory"),
        (["--baseline", "OLD", "--policy", "nowhere.yaml"], 2, "nowhere.yaml: cannot be read"),
        (["--baseline", "NEW"], 2, "candidate and baseline at once"),
        ([], 2, "--baseline"),
        (
            ["--baseline", "OLD", "--out", "OLD/manifest.json"],
            4,
            "a folder that can be written is accepted",
        ),
    ],
)
def test_wrong_arguments_are_errors(
    toy: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    """Never a pass, always the reason."""
    paths = {
        "OLD": str(toy.run("old", toy.scores(0.7))),
        "NEW": str(toy.run("new", toy.scores(0.7))),
    }

    assert (
        invoke(
            [
                "gate",
                paths["NEW"],
                *(
                    word.replace("OLD", paths["OLD"]).replace("NEW", paths["NEW"])
                    for word in arguments
                ),
            ]
        )
        == code
    )
    assert said in capsys.readouterr().err
