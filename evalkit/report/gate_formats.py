"""A gate decision as text, JSON and Markdown.

`evalkit.report.gate_ci` has the forms that CI systems read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evalkit.gating import Check, Decision, Explanation, Mover
from evalkit.report.escaping import markdown, markdown_table, plain
from evalkit.report.gate_causes import cause_lines
from evalkit.report.terminal import counted as in_words
from evalkit.report.text import finite_json, number

__all__ = [
    "COLUMNS",
    "HEADLINES",
    "MOVERS",
    "POINTS",
    "SCHEMA",
    "answers_changed",
    "check_row",
    "check_said",
    "gate_json",
    "gate_markdown",
    "gate_text",
    "mover_row",
    "needed",
    "shown_checks",
    "told",
]

SCHEMA = "evalkit.gate/1"
"""Schema of ``gate.json``."""
HEADLINES: Mapping[str, str] = {
    "pass": "pass",
    "regression": "regression",
    "inconclusive": "not enough evidence",
}
"""Outcome -> words."""
MARKER = "<!-- evalkit-gate -->"
"""First line of the Markdown form, by which a comment can be found again."""
COLUMNS = ("check", "baseline", "candidate", "worse by", "at most", "margin", "outcome")
POINTS = (
    "Percentage points; 'worse by' is counted so that more is worse, 'at most' is its one-sided "
    "bound, for these tasks and phrasings on new instances."
)

STD = (
    "std is without the noise of the instances, root mean square over tasks; in summaries and "
    "reports that noise is in it and it is the mean over tasks."
)


def gate_json(decision: Decision, explanation: Explanation | None = None) -> str:
    """Return ``gate.json``: fractions at full precision, null where undefined, exit code and
    every check.
    """
    body = {
        "schema": SCHEMA,
        "outcome": decision.outcome,
        "exit_code": decision.exit_code,
        "why": decision.why,
        "suite": dict(decision.suite),
        "candidate": dict(decision.candidate),
        "baseline": dict(decision.baseline),
        "policy": asdict(decision.policy),
        "checks": [asdict(check) for check in decision.checks],
        "notes": list(decision.notes),
        "causes": None if decision.causes is None else asdict(decision.causes),
    }
    if explanation is not None:
        body["explanation"] = asdict(explanation)
    return json.dumps(finite_json(body), indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def told(check: Check) -> str:
    """Return the outcome of a check in words, with what keeps it from deciding."""
    word = HEADLINES.get(check.outcome, check.outcome)
    if check.waiver:
        return f"{word}, waived"
    return f"{word}, informational" if check.informational else word


def _name(check: Check) -> str:
    return check.metric if check.scope == "suite" else f"{check.metric} {check.scope}"


def check_said(check: Check) -> str:
    """Return why a check came out as it did, behind the task it is of."""
    return check.why if check.scope == "suite" else f"{check.scope}: {check.why}"


def check_row(check: Check) -> list[str]:
    """Return a check as the cells of `COLUMNS`."""
    return [
        _name(check),
        number(check.old),
        number(check.new),
        number(check.harm, sign=True),
        number(check.high, sign=True),
        number(check.margin),
        told(check),
    ]


def shown_checks(decision: Decision) -> tuple[list[Check], list[str]]:
    """Return the checks worth a line of their own, a line on what std is here where it is one,
    and a line for each group of the others.

    Deciding checks, those over the suite and regressions stand alone; the rest of informational
    checks is counted.
    """
    kept: list[Check] = []
    counted: dict[str, dict[str, int]] = {}
    for check in decision.checks:
        if not check.informational or check.scope == "suite" or check.outcome == "regression":
            kept.append(check)
        else:
            words = counted.setdefault(check.metric, {})
            words[HEADLINES.get(check.outcome, check.outcome)] = (
                words.get(HEADLINES.get(check.outcome, check.outcome), 0) + 1
            )
    lines = [
        (
            f"{metric}: {sum(words.values())} more informational checks "
            f"({', '.join(f'{n} {word}' for word, n in sorted(words.items()))})"
        )
        for metric, words in counted.items()
    ]
    return kept, [*([STD] if any(check.metric == "std" for check in kept) else []), *lines]


def needed(decision: Decision) -> Iterator[str]:
    """Yield what would decide the deciding checks that lack evidence."""
    short = decision.of("inconclusive")
    for check in short:
        if check.alarm:
            continue
        if math.isnan(check.harm):
            yield f"{_name(check)}: {check.why}."
            continue
        ways = []
        if check.instances_needed is not None:
            ways.append(f"about {check.instances_needed:,} instances (now {check.n_instances:,})")
        if check.phrasings_needed is not None:
            ways.append(f"about {check.phrasings_needed:,} phrasings (now {check.n_phrasings:,})")
        advice = (
            " or ".join(ways).capitalize() + " would decide, if the estimate stays"
            if ways
            else "The estimate lies at the margin; no realistic number of instances would decide"
        )
        why = check.why.removeprefix(f"{check.metric} is ").removeprefix(f"{check.metric} ")
        yield (
            f"{_name(check)}: {why}. {advice}; a change of {number(check.detectable)} points "
            f"would be noticed with {decision.policy.power:.0%} chance."
        )
    if quiet := [check for check in short if check.alarm]:
        names = ", ".join(dict.fromkeys(check.metric for check in quiet))
        yield (
            f"{in_words(len(quiet), 'alarm')} ({names}) had too little evidence to sound, "
            "which stops no release."
        )


def _identity(side: Mapping[str, Any]) -> str:
    short = str(side.get("fingerprint", ""))[:8]
    return f"{side.get('model', '?')} [{short}] {side.get('run', '')}".rstrip()


def gate_text(decision: Decision, explanation: Explanation | None = None) -> str:
    """Return the terminal form; untrusted text is on one line and harmless."""
    checks, counted = shown_checks(decision)
    lines = [
        f"gate: {HEADLINES[decision.outcome]} (exit code {decision.exit_code})",
        decision.why,
        "",
        f"candidate  {plain(_identity(decision.candidate))}",
        f"baseline   {plain(_identity(decision.baseline))}",
        (
            f"suite      {plain(str(decision.suite.get('name', '?')))} "
            f"[{str(decision.suite.get('digest', ''))[:8]}]"
        ),
        (
            f"policy     {plain(decision.policy.name)}, one-sided level "
            f"{decision.policy.level:g}, {decision.policy.correction.replace('_', '-')} correction"
        ),
        "",
        *_table(COLUMNS, [check_row(check) for check in checks]),
        POINTS,
        *counted,
    ]
    if bad := decision.of("regression"):
        lines += ["", "Regressions:", *(f"  {check_said(check)}." for check in bad)]
    if needs := list(needed(decision)):
        lines += ["", "How much more would decide:", *(f"  {line}" for line in needs)]
    if decision.causes is not None:
        told_of = (f"  {plain(line, limit=400)}" for line in cause_lines(decision.causes))
        lines += ["", "Cause:", *told_of]
    if decision.notes:
        lines += ["", "Notes:", *(f"  {plain(note, limit=400)}" for note in decision.notes)]
    if explanation is not None:
        lines += ["", *_explained_text(explanation)]
    return "\n".join(lines) + "\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of an aligned table: first and last column to the left, numbers to the right."""
    cells = [list(columns), *([plain(cell, limit=60) for cell in row] for row in rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(columns))]
    last = len(columns) - 1
    return [
        "  ".join(
            cell.ljust(width) if k in {0, last} else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def mover_row(mover: Mover) -> list[str]:
    """Return what moved as the cells of `MOVERS`."""
    return [
        f"{mover.task} {mover.name}",
        number(mover.old),
        number(mover.new),
        str(mover.lost),
        str(mover.gained),
        str(mover.n),
        number(mover.share, digits=3),
    ]


MOVERS = ("", "baseline", "candidate", "lost", "gained", "cells", "points of the mean")


def _explained_text(explanation: Explanation) -> list[str]:
    lines = [
        (
            f"Phrasings that pull the mean down most ({len(explanation.phrasings)} of "
            f"{explanation.n_phrasings} that got worse):"
        )
    ]
    lines += _table(MOVERS, [mover_row(mover) for mover in explanation.phrasings])
    lines += [
        "",
        (
            f"Instances that pull the mean down most ({len(explanation.instances)} of "
            f"{explanation.n_instances} that got worse):"
        ),
    ]
    lines += _table(MOVERS, [mover_row(mover) for mover in explanation.instances])
    answers = [mover for mover in explanation.instances if mover.answers]
    if answers:
        lines += ["", "What was answered before and is answered now:"]
        lines += [
            f"  {plain(mover.task)} {plain(mover.name, limit=60)}: {answers_changed(mover)}"
            for mover in answers
        ]
    return lines


def answers_changed(mover: Mover) -> str:
    """Return what was answered before and is answered now; untrusted text is on one line."""
    changes = "; ".join(
        f"'{plain(before, limit=40)}' -> '{plain(now, limit=40)}'" for before, now in mover.answers
    )
    return f"{changes} (correct: '{plain(mover.target, limit=40)}')" if mover.target else changes


def gate_markdown(decision: Decision, explanation: Explanation | None = None) -> str:
    """Return a summary for a pull request or a job page; untrusted text is escaped."""
    checks, counted = shown_checks(decision)
    lines = [
        MARKER,
        f"### evalkit gate: {HEADLINES[decision.outcome]}",
        "",
        markdown(decision.why, limit=1000),
        "",
        _markdown_table(COLUMNS, [check_row(check) for check in checks]),
        "",
        (
            f"{POINTS} Policy {markdown(decision.policy.name)}, one-sided level "
            f"{decision.policy.level:g}."
        ),
        *(f"- {markdown(line)}" for line in counted),
    ]
    if bad := decision.of("regression"):
        lines += ["", "**Regressions**", "", *(f"- {markdown(check_said(check))}" for check in bad)]
    if needs := list(needed(decision)):
        lines += [
            "",
            "**How much more would decide**",
            "",
            *(f"- {markdown(line, limit=400)}" for line in needs),
        ]
    if decision.causes is not None:
        told_of = (f"- {markdown(line, limit=400)}" for line in cause_lines(decision.causes))
        lines += ["", "**Cause**", "", *told_of]
    lines += ["", "| | model | fingerprint | run |", "|---|---|---|---|"]
    for side, shown in (("candidate", decision.candidate), ("baseline", decision.baseline)):
        cells = [markdown(str(shown.get(name, ""))) for name in ("model", "fingerprint", "run")]
        lines.append(f"| {side} | {' | '.join(cells)} |")
    lines += [
        "",
        (
            f"Suite {markdown(str(decision.suite.get('name', '')))}, digest "
            f"{markdown(str(decision.suite.get('digest', '')))}."
        ),
    ]
    lines += (
        ["", *(f"- {markdown(note, limit=400)}" for note in decision.notes)]
        if decision.notes
        else []
    )
    if explanation is not None:
        lines += _explained_markdown(explanation)
    return "\n".join(lines) + "\n"


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return markdown_table(columns, rows, title="", right=[bool(n) for n in range(len(columns))])


def _explained_markdown(explanation: Explanation) -> list[str]:
    lines = []
    for title, movers, total in (
        ("Phrasings", explanation.phrasings, explanation.n_phrasings),
        ("Instances", explanation.instances, explanation.n_instances),
    ):
        lines += [
            "",
            (
                f"<details><summary>{title} that pull the mean down most ({len(movers)} of "
                f"{total} that got worse)</summary>"
            ),
            "",
        ]
        lines.append(_markdown_table(MOVERS, [mover_row(mover) for mover in movers]))
        answers = [
            (
                f"- {markdown(mover.task)} {markdown(mover.name)}: "
                f"{markdown(answers_changed(mover), limit=400)}"
            )
            for mover in movers
            if mover.answers
        ]
        lines += ["", *answers] if answers else []
        lines += ["", "</details>"]
    return lines
