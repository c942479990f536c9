"""How close budgeted estimation comes: Wasserstein-1 error, coverage, spread and search, on
simulated matrices.

Shape: 100 phrasings x 100 to 250 instances, mean score 0.35 to 0.85, as in PromptEval's MMLU study
(Polo et al. 2024, arXiv 2405.17202: 100 templates, 57 subjects). logit P(y[p, i] = 1) = s[p] b[i] +
theta[p] + w[p, i] + c, with c set so that the mean score is the one drawn. Regimes:

rasch     b ~ N(0, 2), theta ~ N(0, tau), tau from {0.1, 0.2, 0.4} logits; s = 1, w = 0: the model itself (but for its priors)
slopes    the same with log s ~ N(0, 0.35)
extreme   b = +-4 for 60 % of the instances, N(0, 1) for the rest: most instances are right or wrong whatever the phrasing
broken    8 % of the phrasings have theta ~ N(-2.5, 0.5): two kinds of phrasing, not one population
clusters  phrasings fall into three groups, each with an effect N(0, 1.2) of its own on every instance: breaks additivity
factor    w = u[p] v[i] + e[p, i], u, e ~ N(0, 0.7), v ~ N(0, 1): breaks additivity smoothly
skewed    theta = -tau times an exponential draw: a long tail of bad phrasings, no normal population

Run: python benchmarks/budget.py [--repeats 20] [--seed 0] [--quick]
"""  # noqa: E501

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from budget_rasch import fit_rasch, predicted_scores
from scipy.special import expit

from evalkit.stats.planning.budget import estimate_distribution, gather_cells
from evalkit.stats.planning.budget_design import balanced_design
from evalkit.stats.planning.budget_search import find_phrasing

Floats = npt.NDArray[np.float64]
P = 100
BUDGETS = (400, 800, 1600)
REGIMES = ("rasch", "slopes", "extreme", "broken", "clusters", "factor", "skewed")
ANCHOR = {
    "averages": (0.171, 0.115, 0.075),
    "plain Rasch": (0.068, 0.046, 0.030),
    "fine-tuned embeddings": (0.030, 0.015, 0.008),
}


def simulate(regime: str, rng: np.random.Generator, *, n_prompts: int = P) -> Floats:
    """Return a complete matrix of 0/1 scores."""
    n = int(rng.integers(100, 251))
    tau = float(rng.choice([0.1, 0.2, 0.4]))
    b, theta, slope, w = (
        rng.normal(0, 2, n),
        rng.normal(0, tau, n_prompts),
        np.ones(n_prompts),
        np.zeros((n_prompts, n)),
    )
    if regime == "slopes":
        slope = np.exp(rng.normal(0, 0.35, n_prompts))
    elif regime == "extreme":
        u = rng.random(n)
        b = np.where(u < 0.35, 4.0, np.where(u < 0.6, -4.0, rng.normal(0, 1, n)))
    elif regime == "broken":
        theta = np.where(rng.random(n_prompts) < 0.08, rng.normal(-2.5, 0.5, n_prompts), theta)
    elif regime == "clusters":
        w = rng.normal(0, 1.2, (3, n))[rng.integers(0, 3, n_prompts)]
    elif regime == "factor":
        w = np.outer(rng.normal(0, 0.7, n_prompts), rng.normal(0, 1, n)) + rng.normal(
            0, 0.7, (n_prompts, n)
        )
    elif regime == "skewed":
        theta = -tau * rng.exponential(1.5, n_prompts)
    wanted, low, high = float(rng.uniform(0.35, 0.85)), -12.0, 12.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (
            (middle, high)
            if expit(slope[:, None] * b + theta[:, None] + w + middle).mean() < wanted
            else (low, middle)
        )
    return (
        rng.random((n_prompts, n)) < expit(slope[:, None] * b + theta[:, None] + w + low)
    ).astype(float)


def answering(scores: Floats) -> Callable[[npt.NDArray[np.int64]], Floats]:
    """Return a function that scores cells by looking them up."""
    return lambda cells: scores[cells[:, 0], cells[:, 1]]


def wasserstein(one: Floats, other: Floats) -> float:
    """Return the mean absolute difference of the order statistics of two sets of as many
    numbers.
    """
    return float(np.abs(np.sort(one) - np.sort(other)).mean())


def one_fit(scores: Floats, budget: int, rng: np.random.Generator) -> dict[str, float]:
    """Return the errors of every estimator on one matrix and one balanced design."""
    truth = scores.mean(axis=1)
    design = balanced_design(*scores.shape, budget=budget, rng=rng)
    known = np.where(design, scores, np.nan)
    start = time.process_time()
    ours = estimate_distribution(known, rng=rng)
    seconds = time.process_time() - start
    ranked = np.sort(truth)
    averages = np.nanmean(known, axis=1)
    spread = ours.found["spread"]
    return {
        "averages": wasserstein(averages, truth),
        "rasch 0.01": wasserstein(predicted_scores(known, fit_rasch(known, penalty=0.01)), truth),
        "rasch 0.3": wasserstein(predicted_scores(known, fit_rasch(known)), truth),
        "ours": wasserstein(ours.quantiles, truth),
        "covered": float(((ranked >= ours.low) & (ranked <= ours.high)).mean()),
        "mean covered": float(ours.found["mean"].low <= truth.mean() <= ours.found["mean"].high),
        "spread": float(np.ptp(truth)),
        "spread averages": float(np.ptp(averages)),
        "spread ours": spread.value,
        "spread covered": float(spread.low <= np.ptp(truth) <= spread.high),
        "seconds": seconds,
    }


def adaptive(scores: Floats, budget: int, rng: np.random.Generator) -> float:
    """Return the error when cells are chosen adaptively."""
    known = gather_cells(answering(scores), scores.shape, budget=budget, rng=rng, choose="adaptive")
    return wasserstein(estimate_distribution(known, rng=rng).quantiles, scores.mean(axis=1))


def regret(scores: Floats, budget: int, rng: np.random.Generator, method: str) -> float:
    """Return how far the phrasing found lies below the best one."""
    truth = scores.mean(axis=1)
    if method == "uniform":
        known = np.where(balanced_design(*scores.shape, budget=budget, rng=rng), scores, np.nan)
        return float(truth.max() - truth[int(np.nanargmax(np.nanmean(known, axis=1)))])
    found = find_phrasing(answering(scores), scores.shape, budget=budget, rng=rng)
    return float(truth.max() - truth[found.phrasing])


def line(cells: list[str], *, heads: bool = False) -> None:
    """Print a row of a Markdown table."""
    print(
        "| " + " | ".join(cells) + " |" + ("\n|" + "---|" * len(cells) if heads else ""), flush=True
    )


HEADS = [
    *(
        "regime",
        "cells",
        "averages",
        "Rasch (penalty 0.01)",
        "Rasch (0.3, best)",
        "evalkit",
        "order statistics covered",
        "mean covered",
    ),
    *("true spread", "spread of averages", "evalkit spread", "spread covered", "CPU s"),
]


def by_regime(repeats: int, seed: int) -> dict[int, list[dict[str, float]]]:
    """Print errors and coverage by regime and budget; return all of them by budget."""
    everything: dict[int, list[dict[str, float]]] = {budget: [] for budget in BUDGETS}
    line(HEADS, heads=True)
    for regime in REGIMES:
        for budget in BUDGETS:
            found = []
            for one in np.random.SeedSequence([seed, REGIMES.index(regime), budget]).spawn(repeats):
                rng = np.random.default_rng(one)
                found.append(one_fit(simulate(regime, rng), budget, rng))
            everything[budget] += found
            mean = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
            errors = [
                f"{mean[name]:.3f}" for name in ("averages", "rasch 0.01", "rasch 0.3", "ours")
            ]
            shares = [f"{mean[name]:.2f}" for name in ("covered", "mean covered")]
            spreads = [f"{mean[name]:.3f}" for name in ("spread", "spread averages", "spread ours")]
            line(
                [
                    regime,
                    str(budget),
                    *errors,
                    *shares,
                    *spreads,
                    f"{mean['spread covered']:.2f}",
                    f"{mean['seconds']:.2f}",
                ]
            )
    return everything


NAMES = {
    "averages": "averages",
    "plain Rasch, penalty 0.01": "rasch 0.01",
    "plain Rasch, best penalty": "rasch 0.3",
    "evalkit": "ours",
}


def overall(everything: dict[int, list[dict[str, float]]]) -> None:
    """Print the errors over all regimes beside the published ones."""
    print()
    line(["W1 error, all regimes", *map(str, BUDGETS)], heads=True)
    for name, key in NAMES.items():
        line(
            [
                name,
                *(f"{np.mean([one[key] for one in everything[budget]]):.3f}" for budget in BUDGETS),
            ]
        )
    for name, values in ANCHOR.items():
        line([f"PromptEval on MMLU: {name}", *(f"{value:.3f}" for value in values)])


def choosing(repeats: int, seed: int) -> None:
    """Print what adaptive choice and the searches bring."""
    print()
    line(
        [
            "regime",
            "W1 adaptive, 800",
            "W1 balanced, 800",
            "regret uniform, 1600",
            "regret halving",
        ],
        heads=True,
    )
    for regime in REGIMES:
        rngs = [
            np.random.default_rng([seed, REGIMES.index(regime), k])
            for k in range(max(4, repeats // 3))
        ]
        pairs = [(simulate(regime, rng), rng) for rng in rngs]
        error = [
            np.mean([adaptive(y, 800, rng) for y, rng in pairs]),
            np.mean([one_fit(y, 800, rng)["ours"] for y, rng in pairs]),
        ]
        many = [
            np.mean([regret(y, 1600, rng, method) for y, rng in pairs for _ in range(10)])
            for method in ("uniform", "halving")
        ]
        line([regime, *(f"{value:.3f}" for value in (*error, *many))])


def main() -> None:
    """Run everything and print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="leave out adaptive choice and search")
    settings = parser.parse_args()
    overall(by_regime(settings.repeats, settings.seed))
    if not settings.quick:
        choosing(settings.repeats, settings.seed)


if __name__ == "__main__":
    main()
