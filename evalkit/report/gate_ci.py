"""A gate decision in the forms that CI systems read: GitHub annotations, JUnit XML, SARIF 2.1.0."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

from evalkit.gating import Check, Decision
from evalkit.records.statistics import gated
from evalkit.report.escaping import github_data, github_property, plain, xml_text
from evalkit.report.gate_formats import HEADLINES, told

__all__ = ["gate_github", "gate_junit", "gate_sarif"]

HELP = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"


def gate_github(decision: Decision) -> str:
    """Return workflow commands: an error per regression, a warning per lack of evidence, a notice
    with the outcome.

    Everything after the command is escaped, so no text of a model or a file can be read as a
    command of its own.
    """
    commands = []
    for check in decision.checks:
        if check.outcome in {"pass", "skipped"} or (
            check.informational and check.outcome == "inconclusive"
        ):
            continue
        kind = (
            "notice"
            if not check.counts
            else "error"
            if check.outcome == "regression"
            else "warning"
        )
        title = github_property(plain(f"evalkit gate: {check.metric} ({check.scope})"))
        commands.append(
            f"::{kind} "
            f"title={title}::{github_data(plain(f'{told(check)}: {check.why}', limit=1000))}"
        )
    kind = {"pass": "notice", "regression": "error", "inconclusive": "warning"}[decision.outcome]
    text = plain(f"{HEADLINES[decision.outcome]}: {decision.why}", limit=1000)
    return "\n".join([*commands, f"::{kind} title=evalkit gate::{github_data(text)}"]) + "\n"


def gate_junit(decision: Decision) -> str:
    """Return JUnit XML: a test per check.

    A regression is a failure, lack of evidence that stops a release an error.

    What does not decide (informational, waived, skipped, let pass by the policy) is skipped unless
    it passed.
    """
    suite = ElementTree.Element("testsuite", name="evalkit gate")
    counts = {"failure": 0, "error": 0, "skipped": 0}
    for check in decision.checks:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=xml_text(f"evalkit.gate.{check.scope}"),
            name=xml_text(f"{check.metric} within {check.margin:g}"),
        )
        verdict = _junit_verdict(check, decision)
        if verdict:
            counts[verdict] += 1
            attributes = {"message": xml_text(f"{told(check)}: {check.why}")} | (
                {} if verdict == "skipped" else {"type": check.outcome}
            )
            ElementTree.SubElement(case, verdict, attributes).text = xml_text(_numbers(check))
    outcome = ElementTree.SubElement(suite, "testcase", classname="evalkit.gate", name="decision")
    if decision.outcome != "pass":
        tag = "failure" if decision.outcome == "regression" else "error"
        counts[tag] += 1
        ElementTree.SubElement(
            outcome, tag, {"message": xml_text(decision.why), "type": decision.outcome}
        )
    suite.set("tests", str(len(decision.checks) + 1))
    suite.set("failures", str(counts["failure"]))
    suite.set("errors", str(counts["error"]))
    suite.set("skipped", str(counts["skipped"]))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        + ElementTree.tostring(root, encoding="unicode")
        + "\n"
    )


def _junit_verdict(check: Check, decision: Decision) -> str:
    if check.outcome == "pass":
        return ""
    if not check.counts:
        return "skipped"
    if check.outcome == "regression":
        return "failure"
    return "skipped" if decision.outcome == "pass" else "error"


def _numbers(check: Check) -> str:
    return (
        f"baseline {check.old:.6g}, candidate {check.new:.6g}, harm {check.harm:.6g} "
        f"[{check.low:.6g}, {check.high:.6g}], margin {check.margin:g}, "
        f"p of no harm {check.p_corrected:.3g} (corrected), p of a harm of the margin "
        f"{check.p_margin:.3g}"
    )


def gate_sarif(decision: Decision, *, policy_path: str = "policy.yaml", version: str = "") -> str:
    """Return SARIF 2.1.0: one result per check, placed at the policy file.

    Parameters
    ----------
    decision
        The decision.
    policy_path
        Where results are placed, relative to the repository; SARIF viewers want a file.
    version
        Version of evalkit.

    Notes
    -----
    Regressions that decide have kind ``fail`` and level ``error``; deciding checks without evidence
    ``open``, informational and waived ones ``informational``, the others ``pass``; SARIF asks for
    level ``none`` with these kinds.
    """
    metrics = list(dict.fromkeys(check.metric for check in decision.checks))
    rules = [
        {
            "id": f"evalkit/{name}",
            "name": name,
            "shortDescription": {"text": gated().get(name, name)},
        }
        for name in metrics
    ]
    body = {
        "$schema": HELP,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "evalkit", "version": version, "rules": rules}},
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "exitCode": decision.exit_code,
                        "exitCodeDescription": HEADLINES[decision.outcome],
                    }
                ],
                "columnKind": "unicodeCodePoints",
                "results": [
                    _sarif_result(check, metrics, policy_path) for check in decision.checks
                ],
            }
        ],
    }
    return json.dumps(body, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def _sarif_result(check: Check, metrics: list[str], policy_path: str) -> dict[str, Any]:
    if check.outcome in {"pass", "skipped"}:
        kind = "pass" if check.outcome == "pass" else "notApplicable"
    elif not check.counts:
        kind = "informational"
    else:
        kind = "fail" if check.outcome == "regression" else "open"
    return {
        "ruleId": f"evalkit/{check.metric}",
        "ruleIndex": metrics.index(check.metric),
        "kind": kind,
        "level": "error" if kind == "fail" else "none",
        "message": {"text": plain(f"{told(check)}: {check.why}", limit=1000)},
        "partialFingerprints": {"check/v1": f"{check.metric}:{check.scope}:{check.margin:g}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(policy_path)},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": plain(check.scope), "kind": "module"}],
            }
        ],
    }


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(path.replace("\\", "/"))
