"""From measured harms to an outcome: decisions worked by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from evalkit.gating import Decision, Measured, decide
from evalkit.records.policy import Policy, Rule, Waiver
from evalkit.stats.comparing.harm import Harm

DAY = date(2026, 11, 21)


def harm(value: float, error: float, *, margin: float = 0.02, p_none: float | None = None) -> Harm:
    """Return a harm as a normal estimate would have it."""
    from statistics import NormalDist

    normal = NormalDist()
    p = 1 - normal.cdf(value / error) if p_none is None else p_none
    return Harm(
        value,
        error,
        1e6,
        p,
        1 - normal.cdf((margin - value) / error),
        value - 1.645 * error,
        value + 1.645 * error,
    )


def one(
    value: float,
    error: float,
    *,
    metric: str = "mean",
    scope: str = "suite",
    p_none: float | None = None,
    **rule: object,
) -> Measured:
    """Return one measured rule with margin 0.02."""
    return Measured(
        rule=Rule(metric=metric, margin=0.02, **rule),  # type: ignore[arg-type]
        scope=scope,
        old=0.7,
        new=0.7 - value,
        harm=harm(value, error, p_none=p_none),
        n_tasks=1,
        n_phrasings=10,
        n_instances=1000,
        phrasing_share=0.5,
    )


def judged(*measured: Measured, **policy: object) -> Decision:
    """Return the decision under a policy of these rules."""
    whole = Policy(name="p", rules=tuple(x.rule for x in measured), **policy)  # type: ignore[arg-type]
    return decide(measured, whole, today=DAY)


@pytest.mark.parametrize(
    ("value", "error", "outcome"),
    [
        (0.0, 0.005, "pass"),  # at most 0.8 points
        (0.01, 0.005, "pass"),  # at most 1.8 points, though worse by more than chance
        (0.015, 0.005, "inconclusive"),  # worse by more than chance, at most 2.3 points
        (0.03, 0.005, "regression"),  # six errors above 0, beyond the margin
        (0.03, 0.03, "inconclusive"),  # beyond the margin, within chance
        (
            -0.03,
            0.02,
            "inconclusive",
        ),  # excludes two points, but would notice such a loss in 26% only
        (-0.03, 0.005, "pass"),
    ],
)
def test_one_check(value: float, error: float, outcome: str) -> None:
    """Regression: p of no harm below 5% and estimate beyond the margin. Pass:
    bound below the margin, and power.
    """
    assert judged(one(value, error)).outcome == outcome


def test_two_checks_share_the_chance_of_a_false_alarm() -> None:
    """With p = 0.03 twice, Holm doubles the smaller one to 0.06, so neither is a regression;
    alone it is one.
    """
    weak = one(0.03, 0.016, p_none=0.03)
    other = one(0.03, 0.016, metric="unseen_mean", p_none=0.03)

    assert judged(weak).outcome == "regression"
    assert judged(weak, other).outcome == "inconclusive"
    assert judged(weak, other, correction="none").outcome == "regression"


def test_every_deciding_check_must_pass() -> None:
    """One pass and one lack of evidence are no pass."""
    assert judged(one(0.0, 0.005), one(0.0, 0.05, metric="gap")).outcome == "inconclusive"


@pytest.mark.parametrize(
    ("short", "outcome", "code"),
    [("report", "inconclusive", 3), ("fail", "regression", 1), ("pass", "pass", 0)],
)
def test_the_policy_says_what_short_evidence_means(short: str, outcome: str, code: int) -> None:
    """An outcome of its own, a regression, or a pass beside a check that did pass."""
    decision = judged(one(0.0, 0.005), one(0.0, 0.05, metric="gap"), inconclusive=short)

    assert (decision.outcome, decision.exit_code) == (outcome, code)


def test_a_rule_may_say_otherwise_than_its_policy() -> None:
    """Short evidence on the gap passes, on the mean it would not."""
    assert (
        judged(one(0.0, 0.005), one(0.0, 0.05, metric="gap", inconclusive="pass")).outcome == "pass"
    )
    assert (
        judged(one(0.0, 0.05), one(0.0, 0.005, metric="gap", inconclusive="pass")).outcome
        == "inconclusive"
    )


def test_informational_rules_decide_nothing_and_cost_nothing() -> None:
    """A disaster in an informational rule passes,
    and does not loosen the correction of the others.
    """
    weak = one(0.03, 0.016, p_none=0.03)
    shown = one(0.5, 0.01, metric="spread", informational=True)

    assert judged(one(0.0, 0.005), shown).outcome == "pass"
    assert judged(weak, shown).outcome == "regression"


def test_a_metric_that_cannot_be_measured_never_passes_unless_the_rule_says_to_skip_it() -> None:
    """Absent is short evidence; skipped rules alone show nothing either."""
    absent = Measured(
        rule=Rule(metric="gap", margin=0.02), scope="suite", absent="no seen phrasing"
    )
    skipped = replace(absent, rule=replace(absent.rule, absent="skip"))

    assert judged(one(0.0, 0.005), absent).outcome == "inconclusive"
    assert judged(one(0.0, 0.005), skipped).outcome == "pass"
    assert judged(skipped).outcome == "inconclusive"
    assert judged(skipped).why == "No deciding rule could be applied, so nothing is shown."


def test_only_informational_rules_show_nothing() -> None:
    """A gate that checks nothing does not pass."""
    assert judged(one(0.0, 0.005, informational=True)).outcome == "inconclusive"


def test_a_waiver_holds_through_its_last_day_and_not_after() -> None:
    """The last day counts; the day after, the waiver is named and ignored."""
    bad = one(0.05, 0.005)
    waiver = Waiver(metric="mean", reason="tokenizer change, known", expires="2026-11-21")
    on_time = judged(bad, one(0.0, 0.005, metric="gap"), waivers=(waiver,))
    late = decide(
        [bad], Policy(name="p", rules=(bad.rule,), waivers=(waiver,)), today=date(2026, 11, 22)
    )

    assert on_time.outcome == "pass"
    assert on_time.checks[0].waiver == "tokenizer change, known (until 2026-11-21)"
    assert late.outcome == "regression"
    assert late.notes == (
        "The waiver of mean (*) expired on 2026-11-21 and is ignored: tokenizer change, known",
    )


def test_a_waiver_covers_its_scope_alone() -> None:
    """Patterns name tasks; other tasks still decide."""
    waiver = Waiver(metric="mean", scope="bbh/*", reason="known", expires="2027-01-01")
    checks = (one(0.05, 0.005, scope="bbh/navigate"), one(0.05, 0.005, scope="mmlu/anatomy"))

    decision = judged(*checks, waivers=(waiver,))
    assert decision.outcome == "regression"
    assert [check.scope for check in decision.of("regression")] == ["mmlu/anatomy"]


def test_an_unneeded_waiver_is_named() -> None:
    """So that lists of waivers stay short."""
    waiver = Waiver(metric="mean", reason="known", expires="2027-01-01")

    assert judged(one(0.0, 0.005), waivers=(waiver,)).notes == (
        "The waiver of mean (*) was not needed; it can be removed.",
    )


def test_how_much_more_would_decide() -> None:
    """Harm 0, error 0.02 on 1,000 instances: 0.02 = (1.645 + 0.842) x 0.02 x sqrt(1000 / n), n =
    6,184.
    """
    check = judged(one(0.0, 0.02)).checks[0]

    assert check.instances_needed == pytest.approx(6184, abs=3)
    assert (
        check.phrasings_needed is None
    )  # half of the squared error stays, whatever the number of phrasings
    assert check.detectable == pytest.approx((1.645 + 0.842) * 0.02, abs=1e-4)


def test_more_phrasings_help_where_they_carry_the_error() -> None:
    """Error 0.010 of which half is phrasings: factor (2.487 x 0.010 / 0.02)^2 = 1.546;
    10 x 0.5 / (1 / 1.546 - 0.5) = 34.1.
    """
    check = judged(one(0.0, 0.010), min_power=0.7).checks[0]

    assert (check.outcome, check.phrasings_needed) == ("inconclusive", 35)


def test_an_estimate_at_the_margin_has_no_number_that_would_decide() -> None:
    """Advice of a million instances is no advice."""
    assert judged(one(0.0199999, 0.01)).checks[0].instances_needed is None
