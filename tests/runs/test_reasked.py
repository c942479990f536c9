"""Lost instances asked again in other wordings: following and knowing, planted and told apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from toy_runs import SUITE, Silent, settings

from evalkit.cli.main import invoke
from evalkit.runs.execute import run
from evalkit.runs.read import table_of

WIDE = replace(SUITE, tasks=("procedural/boolean", "procedural/comparison"), limit=30, phrasings=6)


def stored(script: str, out: Path) -> Path:
    """Run a scripted model."""
    return run(settings(script, out, suite=WIDE), Silent()).path


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of the twin."""
    return stored("perfect", tmp_path_factory.mktemp("again") / "old")


def told(candidate: Path, baseline: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the line that asking again adds to a gate."""
    words = ["gate", str(candidate), "--baseline", str(baseline), "--reask", str(out)]
    invoke([*words, "--exit-zero"])
    return next(x for x in capsys.readouterr().out.splitlines() if x.startswith("Asked again"))


def test_what_was_forgotten_stays_lost_in_every_wording(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Instances that are gone whatever the wording are no longer known;
    those that lost nothing are.
    """
    candidate = stored("forgot,strength=0.2,accuracy=1,flips=0", tmp_path / "new")
    line = told(candidate, baseline, tmp_path / "again", capsys)
    assert "0% are right in both" in line
    assert "of those that lost nothing 100% are" in line
    assert "100% in none (the answer is no longer known)" in line


def test_dead_wordings_lose_nothing_that_is_known(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the wordings asked were dead, so other ones bring nearly everything back."""
    candidate = stored("seen_only", tmp_path / "new")
    again = tmp_path / "again"
    line = told(candidate, baseline, again, capsys)
    asked = {name for path in (candidate, baseline) for name in ids(path)}
    assert not set(ids(again)) & asked
    assert len(set(ids(again))) == 4
    assert "instances that lost something" in line


def ids(path: Path) -> list[str]:
    """Return the phrasing ids of a run."""
    return table_of(path, None).frame["phrasing_id"].astype(str).tolist()


def test_without_a_loss_it_says_so(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two perfect runs have nothing to ask again."""
    other = stored("perfect", tmp_path / "new")
    assert "no instance was lost" in told(other, baseline, tmp_path / "again", capsys)
