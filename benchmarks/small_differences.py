"""Differences of `worst_instance` of two models where instances are few, on matrices of a seed of
their own.

    python benchmarks/small_differences.py [--draws 200]

Points and truths are those of `coverage_grid.py`: wordings of 0.6 logits, or with one in ten
broken, in everything or in the second model alone; U-shaped instances; 5, 10 and 20 wordings on 25,
50, 100 and 200 instances. What is printed is how often `difference_intervals` holds the truth for
these wordings on new instances.
"""

from __future__ import annotations

import argparse

import numpy as np
from coverage_grid import (
    DIFFERENCE,
    Point,
    both_arms,
    chances,
    instances,
    of_pair,
    scores,
    second_model,
    truths_these,
)

NAMES = ("worst_instance", "mean")


def held(point: Point, draws: int, seed: int) -> list[float]:
    """Return the share of draws in which each difference is held, and the width of the first."""
    rng = np.random.default_rng([seed, point.n_phrasings, point.n_instances, len(point.wording)])
    hits, width = np.zeros(len(NAMES)), 0.0
    for _ in range(draws):
        (a,), (m,), seen = both_arms(point, rng)
        (base,) = instances(point, rng)
        second = second_model(point, a, m, rng)
        old, new = scores(point, a, m, base, rng), scores(point, *second, base, rng)
        before, after = (
            truths_these(point, chances(point, *one), seen) for one in ((a, m), second)
        )
        found = of_pair(point, old, new, "fixed", 0.95, rng)
        for number, name in enumerate(NAMES):
            one = found[f"{DIFFERENCE}{name}"]
            hits[number] += one.low <= after[name] - before[name] <= one.high
        first = found[f"{DIFFERENCE}{NAMES[0]}"]
        width += first.high - first.low
    return [*(hits / draws), width / draws]


def main() -> None:
    """Print a line per point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261130)
    given = parser.parse_args()
    print("| wording | P | N | difference of worst_instance | its mean width | of mean |")
    print("|---|---|---|---|---|---|")
    for wording, alone in (("wide", ""), ("broken", ""), ("broken", "second")):
        for p in (5, 10, 20):
            for n in (25, 50, 100, 200):
                point = Point(wording, p, n, alone=alone)
                worst, mean, width = held(point, given.draws, given.seed)
                said = f"{wording}{', in the second only' if alone else ''}"
                print(
                    f"| {said} | {p} | {n} | {worst:.3f} | {width:.3f} | {mean:.3f} |", flush=True
                )


if __name__ == "__main__":
    main()
