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
