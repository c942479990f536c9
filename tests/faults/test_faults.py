"""The short form of the fault campaign; ``nox -s faults`` runs the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from programs import program

CAMPAIGN = program("tests/faults/campaign.py")


@pytest.mark.slow
def test_killed_runs_lose_nothing_and_end_equal_to_an_undisturbed_one(tmp_path: Path) -> None:
    """Promises 1 and 2: acknowledged is kept; resumed equals uninterrupted."""
    report = CAMPAIGN.kill_until_complete(tmp_path, kills=4, seed=1)

    assert (report.kills, report.lost, report.changed, report.differing) == (4, 0, 0, [])


@pytest.mark.slow
def test_a_command_killed_once_is_ended_by_the_line_that_goes_on() -> None:
    """One kill at a random moment in every command that makes something;
    nothing lost, wrong, called finished too early or left behind.
    """
    script = Path(__file__).parent / "kills.py"
    done = subprocess.run(
        [sys.executable, str(script), "--kills", "9", "--seed", "3"], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 kills, 0 wrong" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", CAMPAIGN.FAULTS, ids=lambda fault: fault.__name__.removeprefix("fault_")
)
def test_a_fault_has_the_expected_outcome(fault: object, tmp_path: Path) -> None:
    """What is expected is observed, for every fault we know how to inject."""
    expected, observed, holds = fault(tmp_path)  # type: ignore[operator]

    assert holds, f"expected {expected}; observed {observed}"
