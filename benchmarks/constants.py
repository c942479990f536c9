"""Constants that widen an interval, fitted on one half of what was simulated and judged on the
other.

    python benchmarks/constants.py --draws 60

Every draw tells by which factor the interval, not widened, would have had to reach further on its
side to hold the truth. The factor that 95 % of the draws of the deciding half need is the fitted
constant;
how often it, and the one that is shipped, holds the truth is counted on the judging half, which
decided nothing. Order statistics: the points of coverage_grid.py with eight phrasings or more,
which alternate between the halves. Budget: matrices of 20 to 40 prompts that are drawn from no
model of the estimator's, sparse and mixed, with one wording in ten broken in some.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from coverage_grid import Point, both_arms, grid, instances, scores, second_model, truths_new

from evalkit import stats
from evalkit.stats import Interval
from evalkit.stats.comparing import compare
from evalkit.stats.intervals import pivot
from evalkit.stats.planning import budget
from evalkit.stats.planning.budget_design import balanced_design

PIVOTS = 400
LEAST = 8
SHIPPED = {
    "q75": ("ZERO_ONE_WIDER", pivot.ZERO_ONE_WIDER),
    "difference of median, q75": ("DIFFERENCE_WIDER", compare.DIFFERENCE_WIDER),
    "budget: order statistics": ("WIDER", budget.WIDER),
    "budget: mean": ("MEAN_WIDER", budget.MEAN_WIDER),
}
"""What is widened -> name and value of its constant."""


@dataclass(frozen=True)
class Draw:
    """How much further one interval had to reach."""

    what: str
    judged: bool
    needed: float


def needed(found: Interval, truth: float) -> float:
    """Factor by which the side of the truth has to reach further to hold it."""
    reach = found.high - found.value if truth > found.value else found.value - found.low
    distance = abs(truth - found.value)
    return distance / reach if reach > 0 else (np.inf if distance > 1e-12 else 0.0)


def of_order_statistics(draws: int, seed: int) -> Iterator[Draw]:
    """Yield what order statistics and their differences needed, both constants taken out."""
    pivot.ZERO_ONE_WIDER, compare.DIFFERENCE_WIDER = 1.0, 1.0
    for place, point in enumerate(grid()):
        plain = point.tasks == 1 and not point.groups and point.levels == (0.95,)
        if not plain or point.n_phrasings < LEAST or point.alone:
            continue
        truth = truths_new(point, seed + place)
        rng = np.random.default_rng([seed, place, 4])
        for _ in range(draws):
            yield from one_matrix(point, truth, judged=place % 2 == 1, rng=rng)


def one_matrix(
    point: Point, truth: dict[str, float], *, judged: bool, rng: np.random.Generator
) -> Iterator[Draw]:
    """Yield what one pair of matrices needed."""
    (a,), (m,), _ = both_arms(point, rng)
    (base,) = instances(point, rng)
    old = scores(point, a, m, base, rng)
    new = scores(point, *second_model(point, a, m, rng), base, rng)
    options = {"rng": rng, "question": "random", "n_resamples": PIVOTS}
    yield Draw("q75", judged, needed(stats.score_intervals(old, **options)["q75"], truth["q75"]))
    change = stats.difference_intervals(old, new, **options)
    for name in ("median", "q75"):
        found = needed(change[name], truth[f"difference of {name}"])
        yield Draw("difference of median, q75", judged, found)


def of_budget(draws: int, seed: int) -> Iterator[Draw]:
    """Yield what sorted scores of prompts and their mean needed, both constants taken out."""
    points = [
        Point(wording, p, n, items=items)
        for wording in ("mild", "wide", "skewed", "broken")
        for p, n in ((20, 200), (40, 100))
        for items in ("u-shaped", "mild")
    ]
    for place, point in enumerate(points):
        rng = np.random.default_rng([seed, place, 5])
        for number in range(max(1, draws // 8)):
            (a,), (m,), _ = both_arms(point, rng)
            (base,) = instances(point, rng)
            y = scores(point, a, m, base, rng)
            size = (4, 8)[number % 2] * len(y)
            design = balanced_design(*y.shape, budget=size, rng=rng)
            fit = budget.estimate_distribution(np.where(design, y, np.nan), rng=rng)
            drawn, truth = fit.posterior.scores, y.mean(axis=1)
            judged = (place + place // 4) % 2 == 1
            ends = budget.central(np.sort(drawn, axis=1), level=0.95, wider=1.0)
            middle = np.median(np.sort(drawn, axis=1), axis=0)
            for value, low, high, target in zip(middle, *ends, np.sort(truth), strict=True):
                one = Interval(float(value), float(low), float(high), 0.95)
                yield Draw("budget: order statistics", judged, needed(one, float(target)))
            mean = budget.posterior_interval(drawn.mean(axis=1), level=0.95, wider=1.0)
            yield Draw("budget: mean", judged, needed(mean, float(truth.mean())))


def main() -> None:
    """Print a row per constant as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=60, help="matrices of each point")
    parser.add_argument("--seed", type=int, default=20261130)
    given = parser.parse_args()
    found = [
        *of_order_statistics(given.draws, given.seed),
        *of_budget(given.draws, given.seed),
    ]
    print(
        "| widened | constant | shipped | fitted on the deciding half | held on the judging half: "
        "shipped | fitted | intervals judged |"
    )
    print("|---|---|---|---|---|---|---|")
    for what, (name, shipped) in SHIPPED.items():
        decided, judged = (
            np.array([one.needed for one in found if one.what == what and one.judged == half])
            for half in (False, True)
        )
        fitted = float(np.quantile(decided, 0.95))
        held = [f"{np.mean(judged <= factor):.3f}" for factor in (shipped, fitted)]
        print(
            f"| {what} | `{name}` | {shipped:g} | {fitted:.2f} | {' | '.join(held)} | "
            f"{judged.size} |"
        )


if __name__ == "__main__":
    main()
