"""A candidate held against several baselines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evalkit.cli.main import invoke


def test_small_losses_are_seen_against_the_first(
    toy: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """One point less than the last release passes, six less than the first do not;
    the worst outcome is the exit code.
    """
    first, last, new = (
        str(toy.run(name, toy.scores(share)))
        for name, share in (("a", 0.7), ("b", 0.65), ("c", 0.64))
    )

    assert invoke(["gate", new, "--baseline", last, "-q"]) == 0
    assert invoke(["gate", new, "--baseline", last, "--baseline", first]) == 1
    told = capsys.readouterr().out
    assert "exit code 1 over 2 baselines, each at level 0.975" in told


def test_a_pattern_names_a_history_and_the_end_says_since_when_losses_add_up(
    toy: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """More than three points are lost against v1 and one against v2: v1 is named; the candidate
    and what is no run are left out of the pattern.
    """
    for number, share in enumerate((0.685, 0.66, 0.65), 1):
        moment = f"2026-01-0{number}T00:00:00Z"
        attempts = [{"started": moment, "seconds": 1.0}]
        toy.run(f"v{number}", toy.scores(share, n=600), overrides={"attempts": attempts})
    (tmp_path / "v4.txt").write_text("no run")
    words = ["gate", str(tmp_path / "v3"), "--baseline", str(tmp_path / "v[0-9]*")]

    assert invoke(words) == 1
    told = capsys.readouterr().out
    assert "Slow loss since v1: a regression against v1, none against v2." in told
    assert [line.split()[:2] for line in told.splitlines() if line.startswith("v")] == [
        ["v1", "regression"],
        ["v2", "pass"],
    ]
    assert invoke(["gate", str(tmp_path / "v3"), "--baseline", str(tmp_path / "w*")]) == 2
    assert "matches no other run" in capsys.readouterr().err


def test_a_loss_since_the_last_release_is_no_slow_one(
    toy: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the latest baseline shows at once has not added up."""
    for number, share in enumerate((0.65, 0.7, 0.65), 1):
        moment = f"2026-01-0{number}T00:00:00Z"
        attempts = [{"started": moment, "seconds": 1.0}]
        toy.run(f"v{number}", toy.scores(share, n=600), overrides={"attempts": attempts})

    assert invoke(["gate", str(tmp_path / "v3"), "--baseline", str(tmp_path / "v*")]) == 1
    assert "Slow loss" not in capsys.readouterr().out


def test_every_baseline_has_its_own_files(
    toy: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON is a list; a form that holds one decision is refused, and so is one baseline twice."""
    runs = [str(toy.run(name, toy.scores(0.7, n=500))) for name in ("a", "b", "c")]
    words = ["gate", runs[0], "--baseline", runs[1], "--baseline", runs[2]]
    out = tmp_path / "decisions"

    assert invoke([*words, "--json", "--out", str(out)]) == 0
    assert [one["outcome"] for one in json.loads(capsys.readouterr().out)] == ["pass", "pass"]
    assert sorted(path.name for path in out.iterdir()) == ["b", "c"]
    assert (out / "b" / "gate.sarif").is_file()
    assert invoke([*words, "--format", "junit"]) == 2
    assert "holds one decision, and 2 baselines are named" in capsys.readouterr().err
    assert invoke([*words, "--baseline", runs[1]]) == 2
    assert "two baselines have one folder name" in capsys.readouterr().err
