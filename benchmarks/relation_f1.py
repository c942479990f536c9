"""How often the interval of relation_f1 holds the F1 of the population, beside a percentile
bootstrap.

Type: python benchmarks/relation_f1.py [--draws 200]. Items have a difficulty that three wordings
share; the four populations differ in how many items state a relation, how many of those are named
and how often one is named where there is none.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.special import expit, logit

from evalkit import stats
from evalkit.analysis.relation_cuts import f1_shares

POPULATIONS = ((0.5, 0.7, 0.2), (0.3, 0.4, 0.1), (0.8, 0.95, 0.3), (0.2, 0.8, 0.05))
"""Share of items with a relation, chance that it is named, chance of one named where there is
none.
"""
WORDINGS = 3


def draw(rng, n, population):
    """Return (P, N) recall and precision of so many items."""
    there = rng.random(n) < population[0]
    hard = rng.normal(size=n)
    right = there & (rng.random((WORDINGS, n)) < expit(logit(population[1]) + hard))
    false = ~there & (rng.random((WORDINGS, n)) < expit(logit(population[2]) + hard))
    wrong = there & ~right & (rng.random((WORDINGS, n)) < 0.4)
    named = right | false | wrong
    return np.where(there, 1.0 * right, np.nan), np.where(named, 1.0 * right, np.nan)


def f1(recall, precision):
    """Return the mean over wordings of F1."""
    both = (~np.isnan(recall)).sum(axis=1) + (~np.isnan(precision)).sum(axis=1)
    return float(np.mean(2 * np.nansum(recall, axis=1) / np.maximum(both, 1)))


def held(n, population, draws, seed=0):
    """Return the share of both intervals that hold the truth, and their mean widths."""
    true = f1(*draw(np.random.default_rng(1), 50_000, population))
    rng = np.random.default_rng(seed)
    ours, boots = [], []
    while len(ours) < draws:
        recall, precision = draw(rng, n, population)
        shares = f1_shares(recall, precision)
        if np.isnan(shares).any():
            continue
        part = stats.Part(tuple("abc"), shares)
        error = stats.error_of_means([part], question="fixed")
        found = stats.interval_of(
            error, question="fixed", level=0.95, bounded=True, n_instances=[n]
        )
        ours.append((found.low, found.high))
        again = rng.integers(0, n, (200, n))
        values = [f1(recall[:, rows], precision[:, rows]) for rows in again]
        boots.append(tuple(np.percentile(values, [2.5, 97.5])))
    return [
        (float(np.mean([low <= true <= high for low, high in ends])), float(np.mean(np.diff(ends))))
        for ends in (ours, boots)
    ]


def main():
    """Print a line per size and population."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=200)
    draws = parser.parse_args().draws
    print("items  population           first order      bootstrap")
    for n in (20, 100):
        for population in POPULATIONS:
            (ours, width), (boot, wide) = held(n, population, draws)
            print(
                f"{n:5}  {population!s:20} {ours:.3f} ({width:.2f})   {boot:.3f} ({wide:.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
