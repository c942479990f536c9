"""Several changed models against one: what they cost, and which is suggested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from manifests import made

from evalkit.analysis.candidates import Candidate, Cost, changes_of, suggestion
from evalkit.analysis.compare import Settings
from evalkit.cli.compare import command
from evalkit.errors import UsageError
from evalkit.scoring import ScoreTable
from evalkit.store.directory import RunDir

HOW = Settings(n_resamples=100)
FREE = Cost(tokens_ratio=2.0, trained_parameters=0, training_seconds=0.0, training_free=True)


def table(
    shift: float, *, model: str = "plain", seen: tuple[str, ...] = ("seen", "unseen")
) -> ScoreTable:
    """Return four tasks of four phrasings and forty instances, right more often by `shift` in
    unseen phrasings.
    """
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for task in range(4):
        draws = rng.random((4, 40))
        for phrasing in range(4):
            label = seen[phrasing % 2]
            right = draws[phrasing] < 0.5 + (shift if label != "seen" else 0.0) * (1 + task / 10)
            rows += [
                {
                    "model": model,
                    "task": f"b/t{task}",
                    "phrasing_id": f"t{task}-p{phrasing}",
                    "instance_id": f"i{number:03d}",
                    "score": float(value),
                    "seen": label,
                }
                for number, value in enumerate(right)
            ]
    return ScoreTable.from_frame(pd.DataFrame(rows))


def best_of(*found: tuple[str, float, Cost], seen: tuple[str, ...] = ("seen", "unseen")) -> Any:
    """Return the suggestion among candidates of some shifts."""
    plain = table(0.0, seen=seen)
    candidates = [
        Candidate(name=name, table=table(shift, model=name, seen=seen), cost=cost)
        for name, shift, cost in found
    ]
    return suggestion(plain, candidates, [changes_of(plain, one, HOW) for one in candidates], HOW)


def test_the_best_is_suggested_only_when_its_widened_interval_lies_above_zero() -> None:
    """A gain of 30 points holds at the level of the best of two;
    one that is nothing does not, and is still shown with its interval.
    """
    clear, none = (
        best_of(("big", 0.3, FREE), ("small", 0.1, FREE)),
        best_of(("same", 0.0, FREE), ("worse", -0.2, FREE)),
    )

    assert (clear.name, clear.holds, clear.n_candidates, clear.level) == ("big", True, 2, 0.975)
    assert 0 < clear.low < clear.value < clear.high
    assert (none.name, none.holds, none.value) == ("same", False, 0.0)


def test_choosing_among_more_widens_the_interval() -> None:
    """The same candidate as the best of one and of four:
    the second interval is wider, because the choice is paid for.
    """
    one, four = (
        best_of(("a", 0.2, FREE)),
        best_of(("a", 0.2, FREE), *((f"b{k}", 0.0, FREE) for k in range(3))),
    )

    assert one.value == four.value
    assert four.low < one.low
    assert four.high > one.high


def test_trained_candidates_are_not_training_free() -> None:
    """The best without training is named although a trained one is better;
    without any there is no suggestion.
    """
    trained = Cost(trained_parameters=10)

    assert best_of(("trained", 0.4, trained), ("free", 0.2, FREE)).name == "free"
    assert best_of(("trained", 0.4, trained)) is None


def test_unseen_phrasings_decide_where_there_are_some() -> None:
    """The metric is named, so that nobody takes seen wordings for held-out ones."""
    assert best_of(("a", 0.2, FREE)).metric == "unseen_mean"
    assert best_of(("a", 0.2, FREE), seen=("unknown", "unknown")).metric == "mean"


def write_run(
    folder: Path,
    scores: ScoreTable,
    *,
    tokens: int,
    weights: str = "w",
    mitigations: tuple[str, ...] = (),
) -> str:
    """Write a run directory with what a comparison reads."""
    scores.write_parquet(folder / "scores.parquet")
    manifest = made(
        model={"name": str(folder), "fingerprint": {"weights": weights}},
        mitigations=list(mitigations),
        counts={"requests": 10, "prompt_tokens": tokens},
    )
    RunDir(folder).write_manifest(manifest)
    return str(folder)


def test_the_command_shows_costs_and_the_suggestion(tmp_path: Path) -> None:
    """Tokens as a multiple of the plain run's, trained parameters from the record beside the
    weights, and one line that names the best without training.
    """
    runs = [
        write_run(tmp_path / "plain", table(0.0), tokens=100),
        write_run(tmp_path / "voted", table(0.3), tokens=300),
        write_run(tmp_path / "tuned", table(0.4), tokens=110, weights="other"),
    ]
    (tmp_path / "tuned" / "evalkit.json").write_text(
        json.dumps({"trained_parameters": 1280, "seconds": 7})
    )
    done = CliRunner().invoke(
        command, [*runs, "--json", "--resamples", "100"], catch_exceptions=False
    )
    shown = CliRunner().invoke(command, [*runs, "--resamples", "100"], catch_exceptions=False)
    one = CliRunner().invoke(
        command, [runs[0], runs[2], "--resamples", "100"], catch_exceptions=False
    )
    refused = CliRunner().invoke(command, [*runs, "--margin", "0.01"])
    costs = {found["name"]: found["cost"] for found in json.loads(done.stdout)["candidates"]}

    assert costs["voted"] == {
        "tokens_ratio": 3.0,
        "trained_parameters": 0,
        "training_seconds": 0.0,
        "training_free": True,
    }
    assert costs["tuned"] == {
        "tokens_ratio": 1.1,
        "trained_parameters": 1280,
        "training_seconds": 7,
        "training_free": False,
    }
    assert "Without training, voted is suggested: " in shown.stdout
    assert "cost: prompt tokens per request x 1.10, 1,280 parameters trained in 7 s" in one.stdout
    assert isinstance(refused.exception, UsageError)


def test_tables_without_manifest_have_no_known_cost(tmp_path: Path) -> None:
    """Nothing is known of them, so nothing is suggested."""
    names = []
    for name, shift in (("a", 0.0), ("b", 0.2), ("c", 0.3)):
        table(shift).write_parquet(tmp_path / name / "scores.parquet")
        names.append(str(tmp_path / name))
    shown = CliRunner().invoke(command, [*names, "--resamples", "100"], catch_exceptions=False)

    assert "No suggestion: none of the runs is of the same model without training." in shown.stdout


@pytest.mark.parametrize("names", [("x", "y"), ("same", "same")])
def test_runs_are_named_after_their_folders(tmp_path: Path, names: tuple[str, str]) -> None:
    """Two folders of one name are told apart by their paths."""
    plain = write_run(tmp_path / "plain", table(0.0), tokens=100)
    others = [
        write_run(tmp_path / str(number) / name, table(0.1), tokens=100)
        for number, name in enumerate(names)
    ]
    done = CliRunner().invoke(
        command, [plain, *others, "--json", "--resamples", "100"], catch_exceptions=False
    )
    found = [candidate["name"] for candidate in json.loads(done.stdout)["candidates"]]

    assert found == (["x", "y"] if names[0] != names[1] else others)
