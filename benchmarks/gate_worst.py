"""How often the bound of the worst phrasing alone lets a loss of its margin pass, and a release of
which nothing changed, as in ``docs/gate.md``.

Populations, regimes and losses are those of ``gate_power.py``; no other rule decides here.

Run: ``python benchmarks/gate_worst.py``, ``python benchmarks/gate_worst.py --tasks 20 --seeds 2
--releases 80 --regimes "wording does nothing"``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from gate_power import POPULATION, REGIMES, Population, Regime, strength_for

from evalkit.stats.comparing.harm_convex import convex_harm, minus_lowest

METRIC = "worst_phrasing"
MARGIN = 0.05


def outcomes(
    regime: Regime, *, lost: bool, seed: int, releases: int, n_tasks: int
) -> Iterator[bool]:
    """Yield whether each release passes; of one that lost nothing, a coin per instance says which
    answers are called old.
    """
    rng = np.random.default_rng(seed)
    populations = [Population(regime, rng) for _ in range(n_tasks)]
    strength = strength_for(METRIC, populations, MARGIN) if lost else 0.0
    for _ in range(releases):
        pairs = []
        for one in populations:
            columns = rng.integers(0, POPULATION, size=regime.n_instances)
            old = one.old().take(columns).scores
            new = one.new(METRIC, strength).take(columns).scores
            swap = rng.random(regime.n_instances) < (0.0 if lost else 0.5)
            pairs.append((np.where(swap, new, old), np.where(swap, old, new)))
        found = convex_harm(pairs, minus_lowest, margin=MARGIN, rng=rng)
        yield found.p_margin < 0.05 and found.high < MARGIN


def main() -> None:
    """Print the table, per cent."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--releases", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3, help="populations")
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("--regimes", nargs="*", default=None, help="names; default all")
    arguments = parser.parse_args()
    for regime in REGIMES:
        if arguments.regimes and regime.name not in arguments.regimes:
            continue
        shares = []
        for lost in (True, False):
            passed = [
                passes
                for seed in range(5, 5 + arguments.seeds)
                for passes in outcomes(
                    regime,
                    lost=lost,
                    seed=seed,
                    releases=arguments.releases,
                    n_tasks=arguments.tasks,
                )
            ]
            shares.append(f"{100 * np.mean(passed):.1f}")
        print(f"| {regime.name} | {arguments.tasks} | {' | '.join(shares)} |", flush=True)


if __name__ == "__main__":
    main()
