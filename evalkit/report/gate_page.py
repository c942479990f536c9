"""``gate --html``: a decision as a page, with the parts and the style of the other pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalkit.gating import Check, Decision, Explanation
from evalkit.records.questions import WORDS
from evalkit.report.gate_causes import cause_lines
from evalkit.report.gate_formats import (
    COLUMNS,
    HEADLINES,
    MOVERS,
    POINTS,
    answers_changed,
    check_row,
    check_said,
    mover_row,
    needed,
    shown_checks,
)

__all__ = ["gate_html"]

CLASSES = {"regression": "worse", "pass": "better"}
"""Outcome of a deciding check -> how a verdict is shown."""


def gate_html(decided: Sequence[tuple[Decision, Explanation | None]]) -> str:
    """Return decisions on one candidate as a page that needs nothing else;
    untrusted text is escaped.

    Parameters
    ----------
    decided
        A decision for each baseline, with the phrasings and instances that moved.
    """
    from jinja2 import DictLoader
    from markupsafe import Markup

    from evalkit.report.page import environment, policy, template_text

    names = ("gate.html.j2", "macros.html.j2")
    style, script = template_text("report.css"), template_text("sort.js")
    env = environment().overlay(loader=DictLoader({name: template_text(name) for name in names}))
    return env.get_template(names[0]).render(
        policy=policy(style, script),
        style=Markup(style),
        script=Markup(script),
        decisions=[_shown(*pair) for pair in decided],
        columns=COLUMNS,
        movers=MOVERS,
        about=POINTS,
        these=WORDS["these"],
    )


def _shown(decision: Decision, explanation: Explanation | None) -> dict[str, Any]:
    """What the template shows of one decision."""
    checks, counted = shown_checks(decision)
    explained = (
        ()
        if explanation is None
        else (
            ("Phrasings", explanation.phrasings, explanation.n_phrasings),
            ("Instances", explanation.instances, explanation.n_instances),
        )
    )
    return {
        "decision": decision,
        "head": HEADLINES[decision.outcome],
        "checks": [(check_row(check), _class(check)) for check in checks],
        "counted": counted,
        "strips": _strips([check for check in checks if check.harm == check.harm]),
        "lists": [
            ("Regressions", [f"{check_said(one)}." for one in decision.of("regression")]),
            ("How much more would decide", list(needed(decision))),
            ("Cause", [] if decision.causes is None else cause_lines(decision.causes)),
            ("Notes", decision.notes),
        ],
        "explained": [
            (title, n, [(mover_row(one), answers_changed(one)) for one in moved])
            for title, moved, n in explained
        ],
    }


def _class(check: Check) -> str:
    return CLASSES.get(check.outcome, "") if check.counts else ""


def _strips(checks: Sequence[Check]) -> list[dict[str, str]]:
    """Places of each check's loss, its bound and its margin along one scale with 0 on it."""
    ends = [
        value
        for check in checks
        for value in (0.0, check.harm, check.high, check.margin)
        if value == value
    ]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    room = 0.02 * ((high - low) or 1.0)
    low, high = low - room, high + room

    def place(value: float) -> str:
        return "" if value != value else f"{100 * (value - low) / (high - low):.2f}%"

    return [
        {
            "name": check_row(check)[0],
            "label": ", ".join(
                f"{column} {cell}"
                for column, cell in zip(COLUMNS[3:], check_row(check)[3:], strict=True)
            ),
            "loss": check_row(check)[3],
            "zero": place(0.0),
            "harm": place(check.harm),
            "high": place(check.high),
            "margin": place(check.margin),
        }
        for check in checks
    ]
