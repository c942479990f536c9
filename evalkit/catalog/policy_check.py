"""What is wrong with a gate policy that types cannot say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date

from evalkit.catalog.source_check import shown
from evalkit.catalog.yaml_file import Where
from evalkit.records.policy import Policy, Rule, Waiver
from evalkit.records.statistics import STATISTICS, gated
from evalkit.registry import meant

__all__ = ["check_policy"]

OF_SCORES = (
    "mean", "seen_mean", "unseen_mean", "gap", "worst_phrasing", "spread", "std", "share_solved",
    "delta",
)  # fmt: skip
"""Metrics of a gate that are made of scores alone,
so that a rule may limit them to some instances.
"""
ABSOLUTE = {
    "gap": "a gap may be 0 or below, and no share of that is a margin",
    "delta": "a change may be 0 or below, and no share of that is a margin",
    "collateral_damage": "its margin is a ceiling, not a change",
}
"""Metrics without a relative margin, and why."""


def check_policy(policy: Policy) -> Iterator[tuple[Where, str]]:
    """Yield what types cannot say about a gate policy."""
    if not policy.name.strip():
        yield ("name",), "name is empty; accepted: a name for the policy."
    if not policy.rules:
        yield (
            ("rules",),
            (
                "rules is empty; accepted: one or more, such as {metric: mean, margin: 0.02}. "
                "A gate without rules passes anything."
            ),
        )
    if not 0.5 < policy.level < 1:
        yield ("level",), f"level is {policy.level}; accepted: above 0.5 and below 1, such as 0.95."
    if not 0 < policy.power < 1:
        yield ("power",), f"power is {policy.power}; accepted: above 0 and below 1, such as 0.8."
    for field in ("min_power", "missing"):
        if not 0 <= getattr(policy, field) < 1:
            yield (field,), f"{field} is {getattr(policy, field)}; accepted: 0 to below 1."
    yield from _check_rules(policy.rules)
    yield from _check_waivers(policy.waivers)


def _check_rules(rules: Sequence[Rule]) -> Iterator[tuple[Where, str]]:
    """Yield what is wrong with each rule, and which are there twice."""
    told: dict[tuple[object, ...], int] = {}
    for place, rule in enumerate(rules):
        if message := _unknown_metric(rule.metric):
            yield ("rules", place, "metric"), message
        if not 0 < rule.margin < 1:
            yield (
                ("rules", place, "margin"),
                (
                    f"margin is {rule.margin}; accepted: a fraction above 0 and below 1 (0.02 is "
                    "two points). No number of instances shows a change of 0."
                ),
            )
        if rule.relative and rule.metric in ABSOLUTE:
            yield (
                ("rules", place, "margin"),
                (
                    f"margin of {rule.metric} is a share of the baseline; "
                    f"{ABSOLUTE[rule.metric]}. Give points, such as 0.02."
                ),
            )
        if rule.group and not re.fullmatch(r"[^=&]+=[^&]+", rule.group):
            yield (
                ("rules", place, "group"),
                f"group is {rule.group!r}; accepted: factor=level, such as attack=none.",
            )
        if rule.metric == "delta" and not rule.group:
            yield (
                ("rules", place, "group"),
                "group is empty; delta is the change to a level, such as group: recast=letters.",
            )
        if rule.group and not (rule.metric in OF_SCORES or rule.metric in _measures()):
            yield (
                ("rules", place, "group"),
                f"group limits no {rule.metric}, which is not made of scores alone; accepted for: "
                f"{', '.join((*OF_SCORES, *_measures()))}.",
            )
        first = told.setdefault((rule.metric, rule.scope, rule.tasks, rule.group), place)
        if first != place:
            yield (
                ("rules", place),
                (
                    f"rule {place + 1} checks {rule.metric} by {rule.scope} again, "
                    f"as rule {first + 1} does. Keep one."
                ),
            )


def _check_waivers(waivers: Sequence[Waiver]) -> Iterator[tuple[Where, str]]:
    """Yield what is wrong with each waiver."""
    for place, waiver in enumerate(waivers):
        if message := _unknown_metric(waiver.metric):
            yield ("waivers", place, "metric"), message
        if not waiver.reason.strip():
            yield (
                ("waivers", place, "reason"),
                "reason is empty; accepted: why the failure is accepted.",
            )
        try:
            date.fromisoformat(waiver.expires)
        except ValueError:
            yield (
                ("waivers", place, "expires"),
                f"expires is {shown(waiver.expires)}; accepted: a day such as 2027-01-31.",
            )


def _measures() -> tuple[str, ...]:
    """Return the measures of answers that a gate checks."""
    return tuple(name for name in gated() if name in STATISTICS and STATISTICS[name].measure)


def _unknown_metric(name: str) -> str | None:
    """Return what is wrong with the name of a metric of a gate, or None."""
    known = gated()
    if name in known:
        return None
    return (
        f"metric {name!r} is not one a gate can check{meant(name, known)}"
        f"Accepted: {', '.join(known)}."
    )
