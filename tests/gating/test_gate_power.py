"""The simulation behind the table of the docs, small: error rates held, losses noticed."""

from __future__ import annotations

import pytest
from programs import program


@pytest.mark.slow
def test_error_rates_hold_and_losses_are_noticed() -> None:
    """25 releases: at most 5% false alarms and 5% passes at the margin, plus three standard errors;
    twice the margin is noticed.

    `benchmarks/gate_power.py` simulates hundreds of every regime.
    """
    power = program("benchmarks/gate_power.py")
    policy = power.deciding(power.read_policy_file(power.default_policy_path()))

    found = power.simulate(
        power.REGIMES[0],
        releases=25,
        policy=policy,
        seed=3,
        metrics=("mean", "worst_phrasing", "std"),
    )

    assert found["nothing"]["regression"] <= 0.05 + 3 * (0.05 * 0.95 / 50) ** 0.5
    assert found["nothing"]["pass"] >= 0.5
    for metric in ("mean", "worst_phrasing", "std"):
        assert found[metric]["1"]["pass"] <= 0.05 + 3 * (0.05 * 0.95 / 25) ** 0.5
        assert found[metric]["2"]["regression"] >= 0.8


@pytest.mark.slow
def test_losses_that_add_up_are_seen_against_the_first_release() -> None:
    """Three chains of five releases that lose a point each: none passes against the first,
    with one baseline or two.
    """
    power = program("benchmarks/gate_power.py")
    policy = power.deciding(power.read_policy_file(power.default_policy_path()))

    found = power.chained(power.REGIMES[2], loss=0.01, releases=3, policy=policy, seed=5)

    assert found["the fifth against the first"] == {"regression": 3}
    assert found["both"] == {"regression": 3}
    assert found["one release against the one before"]["pass"] >= 12
