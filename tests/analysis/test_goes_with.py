"""Scores elsewhere against mean and spread of a leaderboard."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from evalkit.analysis.places import Place, goes_with
from evalkit.catalog.two_columns import read_base
from evalkit.errors import EvalkitError


def place(model: str, mean: float, spread: float) -> Place:
    """Return a model's place."""
    return Place(
        model=model,
        mean=mean,
        spread=spread,
        above_chance=math.nan,
        n_above=0,
        of_reference=math.nan,
        n_of_reference=0,
        front=False,
    )


BESIDE = [place("a", 0.9, 0.1), place("b", 0.7, 0.2), place("c", 0.5, 0.3), place("d", 0.4, 0.2)]


def test_rho_by_hand() -> None:
    """Ranks 4 3 2 1 against 4 2 3 1: rho 1 - 6 * 2 / 60 = 0.8;
    4 of 24 orders reach it, both sides 8.
    """
    found = goes_with(BESIDE, {"a": 70, "b": 50, "c": 60, "d": 10, "other": 99})
    assert found.n == 4
    assert found.mean == pytest.approx(0.8)
    assert found.p == pytest.approx(8 / 24)
    assert found.spread < 0


def test_two_models_have_no_correlation() -> None:
    """Fewer than three models say nothing."""
    assert math.isnan(goes_with(BESIDE, {"a": 70, "b": 50}).mean)


def test_other_names_are_refused() -> None:
    """The message lists the models there are."""
    with pytest.raises(EvalkitError, match="names none of the models a, b, c, d"):
        goes_with(BESIDE, {"x": 1.0})


def test_file_of_scores(tmp_path: Path) -> None:
    """Empty is missing; text, twice the same model and other columns are refused with the line."""
    file = tmp_path / "base.csv"
    file.write_text("model,score\na,41.5\nb,\n")
    assert read_base(file) == {"a": 41.5}
    for text, said in (
        ("model,score\na,high\n", ":2: score 'high'"),
        ("model,score\na,1\na,2\n", ":3: model 'a' is named twice"),
        ("name,score\na,1\n", "columns name, score; model and score are needed"),
    ):
        file.write_text(text)
        with pytest.raises(EvalkitError, match=said):
            read_base(file)
