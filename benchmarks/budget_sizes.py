"""How many prompts a budgeted estimate needs for a given error,
and what groups of instances do to its intervals.

    python benchmarks/budget_sizes.py [--prompts 15 40 100 200] [--cells 4 8 16] [--repeats 2]
    python benchmarks/budget_sizes.py --groups 20

Matrices are those of `budget.py`, its seven regimes pooled, with 200 instances. W1 is the mean
distance of the sorted estimates from the sorted true scores. The floor is that of an oracle which
is told every difference between prompts and learns their common level from the cells alone: of c
cells spread over the instances, one prompt each time, the mean errs by (w + b (1 - c / N)) / c for
c <= N and by w / c beyond, w the variance within an instance over prompts and b the one between
instances; the mean absolute error is sqrt(2 / pi) times its root, times the share of cells that are
not scored.
With `--groups` every ten instances, or however many make that many groups, share an effect of one
logit, and the design spreads the cells over the groups as a run does.
"""

from __future__ import annotations

import argparse

import budget as simulated
import numpy as np
from real_coverage import GOALS
from scipy.special import expit, logit

from evalkit.stats.planning.budget import estimate_distribution
from evalkit.stats.planning.budget_design import balanced_design

N = 200


def matrix(regime: str, p: int, groups: int, rng: np.random.Generator) -> np.ndarray:
    """Return a matrix (prompt, instance) of 0 and 1;
    with groups, of instances that come in groups.
    """
    if not groups:
        whole = simulated.simulate(regime, rng, n_prompts=p)
        return whole[:, rng.choice(whole.shape[1], N, replace=whole.shape[1] < N)]
    shared = rng.normal(0, 1, groups)[np.arange(N) % groups]
    ease = logit(rng.beta(2, 1.5, N)) + shared
    effects = rng.normal(0, 0.4, p)
    if regime == "broken":
        effects = np.where(rng.random(p) < 0.08, rng.normal(-2.5, 0.5, p), effects)
    return (rng.random((p, N)) < expit(ease + effects[:, None])).astype(float)


def floor(y: np.ndarray, cells: int) -> float:
    """Return the expected error of who knows how prompts differ, at that many cells a prompt."""
    p, n = y.shape
    total, of_instances = cells * p, y.mean(axis=0)
    within = float((of_instances * (1 - of_instances)).mean())
    between = float(of_instances.var()) * max(0.0, 1 - total / n)
    return float(np.sqrt(2 / np.pi * (within + between) / total) * (1 - cells / n))


def one(y: np.ndarray, cells: int, groups: int, rng: np.random.Generator) -> dict[str, float]:
    """Return errors and what is held, for one matrix and budget."""
    codes = np.arange(y.shape[1]) % groups if groups else None
    design = balanced_design(*y.shape, budget=cells * len(y), rng=rng, groups=codes)
    found = estimate_distribution(np.where(design, y, np.nan), rng=rng)
    truth = np.sort(y.mean(axis=1))
    mean = found.found["mean"]
    return {
        "W1": float(np.abs(np.sort(found.quantiles) - truth).mean()),
        "floor": floor(y, cells),
        "order": float(((found.low <= truth) & (truth <= found.high)).mean()),
        "mean": float(mean.low <= truth.mean() <= mean.high),
    }


def main() -> None:
    """Print a line per number of prompts and cells."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=int, nargs="+", default=[15, 40, 100, 200])
    parser.add_argument("--cells", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--groups", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=2, help="matrices of each regime")
    parser.add_argument("--seed", type=int, default=20261130)
    given = parser.parse_args()
    print(
        "| prompts | cells a prompt | W1 (goal) | floor | order statistics held | mean held | "
        "matrices |"
    )
    print("|---|---|---|---|---|---|---|")
    regimes = ("rasch", "broken") if given.groups else simulated.REGIMES
    for p in given.prompts:
        for cells in given.cells:
            rng = np.random.default_rng([given.seed, p, cells, given.groups])
            found = [
                one(matrix(regime, p, given.groups, rng), cells, given.groups, rng)
                for regime in regimes
                for _ in range(given.repeats)
            ]
            mean = {name: float(np.mean([row[name] for row in found])) for name in found[0]}
            goal = f" ({GOALS[cells]})" if cells in GOALS else ""
            print(
                f"| {p} | {cells} | {mean['W1']:.3f}{goal} | {mean['floor']:.3f} | "
                f"{mean['order']:.2f} | {mean['mean']:.2f} | {len(found)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
