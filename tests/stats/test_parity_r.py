"""Variance components, errors and coefficients are those of R's lme4 and of gtheory's formulas.

The numbers were computed once by ``references/crossed.R`` and are stored; no R is needed here. To
make them again: ``python tests/stats/test_parity_r.py`` writes the data, then ``Rscript crossed.R >
crossed.json`` in that folder.
"""

import csv
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from evalkit import stats
from evalkit.stats.intervals.crossed import crossed_error

HERE = Path(__file__).parent / "references"
SETS = {"continuous": (8, 30, 0), "binary": (12, 40, 1), "few": (3, 15, 5), "one-sided": (6, 25, 3)}
"""Set -> phrasings, instances, seed."""


@cache
def data(name: str) -> np.ndarray:
    """Return the scores of a set, shape (phrasing, instance)."""
    with (HERE / "crossed.csv").open(encoding="utf-8", newline="") as file:
        own = [float(row["score"]) for row in csv.DictReader(file) if row["set"] == name]
    return np.reshape(own, SETS[name][:2])


def made(name: str) -> np.ndarray:
    """Return scores of a set as they were made, three decimals or 0 and 1."""
    p, n, seed = SETS[name]
    rng = np.random.default_rng(seed)
    wording = 0.3 if name != "one-sided" else 0.15
    parts = (
        wording * rng.normal(size=(p, 1)) + 0.4 * rng.normal(size=n) + 0.5 * rng.normal(size=(p, n))
    )
    if name == "binary":
        return (2 * parts > -0.3).astype(float)
    return np.round(0.5 + 0.2 * parts, 3)


def stored() -> dict[str, dict[str, float]]:
    """Return what R found."""
    found: dict[str, dict[str, float]] = json.loads(
        (HERE / "crossed.json").read_text(encoding="utf-8")
    )
    return found


@pytest.mark.parametrize("name", SETS)
def test_components_are_those_of_lme4(name):
    """Balanced and inside the bounds, REML and analysis of variance agree: to a millionth."""
    found, known = stats.components(data(name)), stored()[name]

    assert found.phrasing == pytest.approx(known["phrasing"], rel=1e-6)
    assert found.instance == pytest.approx(known["instance"], rel=1e-6)
    assert found.interaction == pytest.approx(known["interaction"], rel=1e-6)


@pytest.mark.parametrize("name", SETS)
def test_the_error_of_a_mean_is_that_of_lme4s_intercept(name):
    """Both draw phrasings and instances: value and standard error of the grand mean."""
    value, variance, _ = crossed_error(data(name), question="random")

    assert value == pytest.approx(stored()[name]["mean"], rel=1e-6)
    assert np.sqrt(variance) == pytest.approx(stored()[name]["error"], rel=1e-6)


@pytest.mark.parametrize("name", SETS)
def test_coefficients_are_those_of_a_decision_study(name):
    """Generalizability and dependability from our components are gtheory's;
    ours is what is not wording in a cell.
    """
    found, known = stats.components(data(name)), stored()[name]
    n = SETS[name][1]
    relative = found.phrasing / (found.phrasing + found.interaction / n)
    absolute = found.phrasing / (found.phrasing + (found.instance + found.interaction) / n)
    parts = np.array([known["phrasing"], known["instance"], known["interaction"]])

    assert relative == pytest.approx(known["generalizability"], rel=1e-6)
    assert absolute == pytest.approx(known["dependability"], rel=1e-6)
    assert stats.g_coefficient(data(name)) == pytest.approx(1 - parts[0] / parts.sum(), rel=1e-6)


def write() -> None:
    """Write crossed.csv."""
    with (HERE / "crossed.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["set", "phrasing", "instance", "score"])
        for name in SETS:
            for p, row in enumerate(made(name)):
                for i, score in enumerate(row):
                    writer.writerow([name, f"p{p:02d}", f"i{i:02d}", f"{score:g}"])


if __name__ == "__main__":
    write()
