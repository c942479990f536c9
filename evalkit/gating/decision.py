"""Measured harms -> one outcome: pass, regression, or not enough evidence.

A check is a *regression* when its harm is significantly above 0 (p corrected over all deciding
checks) and its estimate exceeds the margin; it *passes* when a harm of the margin or more is
rejected and the design could have noticed such a harm (or the candidate is shown not to be worse at
all); anything else is *inconclusive*. So, with level 0.95: when nothing changed, some check of a
policy says regression in at most 5% of releases; and when any deciding metric is worse by its
margin, a candidate passes in at most 5%, since every deciding check must pass. A ceiling
(``collateral_damage``) is tested from both sides against the ceiling itself.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase
from statistics import NormalDist
from typing import Any

import numpy as np

from evalkit.gating.checks import CEILINGS, Check, Decision, OfCheck, Outcome
from evalkit.gating.measures import Measured
from evalkit.records.policy import Policy, Waiver
from evalkit.stats import benjamini_hochberg, holm
from evalkit.stats.comparing.harm import Harm

__all__ = ["decide"]

INFORMATIONAL = "informational"
"""Family of the checks that decide nothing."""
HOPELESS = 1000
"""Times the present instances from which a number is no advice any more."""


def decide(
    measured: Sequence[Measured],
    policy: Policy,
    *,
    today: date,
    candidate: Mapping[str, Any] | None = None,
    baseline: Mapping[str, Any] | None = None,
    suite: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> Decision:
    """Return the decision.

    Parameters
    ----------
    measured
        What `measure` returned for the policy.
    policy
        The policy.
    today
        Day that waivers are held against.
    candidate, baseline, suite
        Shown in every output.
    notes
        From `admit`.
    """
    corrected = _corrected_p(measured, policy)
    families = _families_of(measured, policy)
    sizes = Counter(
        family for one, family in zip(measured, families, strict=True) if one.harm is not None
    )
    weights = _weights_of(families)
    checks = [
        _check(
            one,
            p,
            policy,
            n_checks=sizes[family] / weights[family],
        )
        for one, p, family in zip(measured, corrected, families, strict=True)
    ]
    checks, said = _waived(checks, policy, today)
    by_rule = [one.rule.inconclusive or policy.inconclusive for one in measured]
    outcome, why = _outcome(checks, by_rule)
    return Decision(
        outcome=outcome,
        why=why,
        policy=policy,
        checks=tuple(checks),
        notes=(*notes, *said),
        candidate=candidate or {},
        baseline=baseline or {},
        suite=suite or {},
    )


def _check(one: Measured, p: float, policy: Policy, *, n_checks: float) -> Check:
    rule, harm = one.rule, one.harm
    head: dict[str, Any] = {
        "metric": rule.metric,
        "scope": one.scope,
        "margin": rule.margin,
        "informational": rule.informational,
        "alarm": (rule.inconclusive or policy.inconclusive) == "pass",
    }
    if harm is None:
        skipped = rule.absent == "skip"
        why = f"could not be measured: {one.absent}" + (
            "; the rule says to skip it then" if skipped else ""
        )
        return Check(
            **head,
            outcome="skipped" if skipped else "inconclusive",
            counts=not (skipped or rule.informational),
            why=why,
        )
    alpha = 1 - policy.level
    share = alpha if policy.correction == "none" else alpha / max(1, n_checks)
    normal = NormalDist()
    notice = normal.inv_cdf(1 - share)
    power = _power(harm, rule.margin, notice)
    beyond = p < alpha and (rule.metric in CEILINGS or harm.value > rule.margin)
    within = harm.p_margin < alpha and harm.high < rule.margin
    outcome: OfCheck = (
        "regression"
        if beyond
        else "pass"
        if within and (power >= policy.min_power or harm.high <= 0)
        else "inconclusive"
    )
    plan = _needed(one, policy, notice) if outcome == "inconclusive" else (None, None)
    return Check(
        **head,
        outcome=outcome,
        counts=not rule.informational,
        why=_why(outcome, one, p, policy=policy, within=within, power=power),
        old=one.old,
        new=one.new,
        harm=harm.value,
        low=harm.low,
        high=harm.high,
        p_none=harm.p_none,
        p_corrected=p,
        p_margin=harm.p_margin,
        detectable=harm.noticed(notice + normal.inv_cdf(policy.power)),
        power=power,
        instances_needed=plan[0],
        phrasings_needed=plan[1],
        n_tasks=one.n_tasks,
        n_phrasings=one.n_phrasings,
        n_instances=one.n_instances,
    )


def _power(harm: Harm, margin: float, notice: float) -> float:
    """Chance that a harm of the margin is significantly above 0."""
    if harm.error <= 0:
        return 1.0
    return NormalDist().cdf(margin / harm.error - notice)


def _why(
    outcome: str, one: Measured, p: float, *, policy: Policy, within: bool, power: float
) -> str:
    assert one.harm is not None  # for the type checker; callers have looked
    harm, what, margin = one.harm, one.rule.metric, f"{100 * one.rule.margin:.1f}"
    if one.share == one.share:
        margin += f" ({100 * one.share:g} % of the baseline's {100 * one.old:.1f})"
    chance = f"p = {p:.2g}"
    if one.rule.metric in CEILINGS:
        if outcome == "regression":
            return (
                f"{what} is {100 * harm.value:.1f} points, above the ceiling of {margin} ({chance})"
            )
        if outcome == "pass":
            return (
                f"{what} is {100 * harm.value:.1f} points, at most {100 * harm.high:.1f}, "
                f"below the ceiling of {margin}"
            )
        return (
            f"{what} lies between {max(0.0, 100 * harm.low):.1f} and {100 * harm.high:.1f} "
            f"points, the ceiling of {margin} among them"
        )
    size = (
        f"{what} is {'worse' if harm.value >= 0 else 'better'} by {abs(100 * harm.value):.1f} "
        "points"
    )
    if outcome == "regression":
        return f"{size}, more than the margin of {margin}, and by more than chance ({chance})"
    if outcome == "pass":
        return (
            f"{size}; worse by {max(0.0, 100 * harm.high):.1f} at most, less than the margin of "
            f"{margin}"
        )
    if within:
        return (
            f"{size}, but a loss of {margin} would be noticed with {power:.0%} chance only; "
            f"the policy asks for {policy.min_power:.0%}"
        )
    if p < 1 - policy.level and harm.value > 0:
        return (
            f"{size}, by more than chance ({chance}); whether by {margin} or more is open (at "
            f"most {100 * harm.high:.1f})"
        )
    return f"{size}; a loss of up to {100 * harm.high:.1f} is not excluded, {margin} is the margin"


def _needed(one: Measured, policy: Policy, notice: float) -> tuple[int | None, int | None]:
    """Instances, and phrasings on the present instances, at which the present estimate would
    decide with the policy's power.
    """
    harm, rule, normal = one.harm, one.rule, NormalDist()
    assert harm is not None  # for the type checker; callers have looked
    ceiling = rule.metric in CEILINGS
    plan = normal.inv_cdf(policy.power)
    if harm.value < rule.margin:
        room, reach = (
            rule.margin - harm.value,
            harm.guard + (normal.inv_cdf(policy.level) + plan) * harm.error,
        )
    else:
        room, reach = harm.value - (rule.margin if ceiling else 0.0), (notice + plan) * harm.error
    enough = (
        (notice + normal.inv_cdf(policy.min_power)) * harm.error / rule.margin
        if policy.min_power > 0
        else 0.0
    )
    most = max(reach / room if room > 0 else math.inf, enough)
    if most > HOPELESS**harm.rate:
        return None, None
    factor = most ** (1 / harm.rate)
    instances = max(math.ceil(one.n_instances * factor), one.n_instances + 1)
    share = one.phrasing_share
    rest = (
        math.nan if math.isnan(share) else 1 / factor - (1 - share)
    )  # what phrasings may leave of the squared error
    phrasings = math.ceil(one.n_phrasings * share / rest) if rest > 0 else None
    return (
        instances,
        phrasings
        if phrasings is not None and one.n_phrasings < phrasings < HOPELESS * one.n_phrasings
        else None,
    )


def _waived(checks: Sequence[Check], policy: Policy, today: date) -> tuple[list[Check], list[str]]:
    """Checks with the waivers in force, and what is to be said of waivers."""
    said = []
    in_force: list[Waiver] = []
    for waiver in policy.waivers:
        if date.fromisoformat(waiver.expires) < today:
            said.append(
                f"The waiver of {waiver.metric} ({waiver.scope}) expired on {waiver.expires} and "
                f"is ignored: {waiver.reason}"
            )
        else:
            in_force.append(waiver)
    used: set[int] = set()
    done = []
    for check in checks:
        place = next(
            (
                n
                for n, waiver in enumerate(in_force)
                if waiver.metric == check.metric and fnmatchcase(check.scope, waiver.scope)
            ),
            None,
        )
        if place is None or not check.counts or check.outcome not in {"regression", "inconclusive"}:
            done.append(check)
            continue
        used.add(place)
        waiver = in_force[place]
        done.append(
            replace(check, counts=False, waiver=f"{waiver.reason} (until {waiver.expires})")
        )
        said.append(
            f"Waived until {waiver.expires}: {check.outcome} of {check.metric} ({check.scope}). "
            f"Reason: {waiver.reason}"
        )
    for place, waiver in enumerate(in_force):
        if place not in used:
            said.append(
                f"The waiver of {waiver.metric} ({waiver.scope}) was not needed; it can be removed."
            )
    return done, said


def _outcome(checks: Sequence[Check], by_rule: Sequence[str]) -> tuple[Outcome, str]:
    deciding = [
        (check, short) for check, short in zip(checks, by_rule, strict=True) if check.counts
    ]
    bad = [check for check, _ in deciding if check.outcome == "regression"]
    short = [(check, means) for check, means in deciding if check.outcome == "inconclusive"]
    good = [check for check, _ in deciding if check.outcome == "pass"]
    waived = [check for check in checks if check.waiver]
    if bad:
        return "regression", f"{_named(bad)} worse by more than the margin."
    failing = [check for check, means in short if means == "fail"]
    if failing:
        return (
            "regression",
            f"Not enough evidence on {_named(failing)}, which the policy counts as a regression.",
        )
    reported = [check for check, means in short if means == "report"]
    if reported:
        return "inconclusive", f"Not enough evidence on {_named(reported)}."
    if not good and not waived:
        return "inconclusive", "No deciding rule could be applied, so nothing is shown."
    passed = [
        (
            f"{len(good)} of {len(good) + len(short) + len(waived)} deciding checks are within "
            "their margins"
        )
    ]
    if short:
        passed.append(
            f"not enough evidence on {_named([check for check, _ in short])}, "
            "which the policy lets pass"
        )
    if waived:
        passed.append(f"{_named(waived)} waived")
    return "pass", "; ".join(passed) + "."


def _named(checks: Sequence[Check]) -> str:
    names = [
        check.metric if check.scope == "suite" else f"{check.metric} ({check.scope})"
        for check in checks
    ]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _families_of(measured: Sequence[Measured], policy: Policy) -> list[str]:
    """Return in which family each check is corrected.

    Checks that must be shown to hold are one, alarms (short evidence lets them pass) another, so
    that an alarm per task costs the first no power; informational ones stand apart.
    """
    return [
        INFORMATIONAL
        if one.rule.informational
        else "alarms"
        if (one.rule.inconclusive or policy.inconclusive) == "pass"
        else "shown"
        for one in measured
    ]


def _weights_of(families: Sequence[str]) -> dict[str, float]:
    """Return each family's part of the chance of a false alarm;
    alarms get a tenth where there are others.
    """
    both = {"shown", "alarms"} <= set(families)
    return {INFORMATIONAL: 1.0, "shown": 0.9 if both else 1.0, "alarms": 0.1 if both else 1.0}


def _corrected_p(measured: Sequence[Measured], policy: Policy) -> list[float]:
    """Return the p of no harm, corrected within each family, and over the families that decide."""
    p = np.array([math.nan if one.harm is None else one.harm.p_none for one in measured])
    families = np.array(_families_of(measured, policy), dtype=object)
    if policy.correction != "none":
        correct = {"holm": holm, "benjamini_hochberg": benjamini_hochberg}[policy.correction]
        for name, weight in _weights_of(list(families)).items():
            p[families == name] = np.minimum(1.0, correct(p[families == name]) / weight)
    return [float(x) for x in p]
