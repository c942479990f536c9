"""Coverage where the population is real: any table of many prompts x many instances.

    python benchmarks/real_coverage.py TABLE [--model M] [--task T] [--draws 200] [--repeats 20]

Takes a score table (or a run directory) as everything there is: its prompts are all prompts, its
instances all instances. From every matrix of it samples of P prompts (without replacement) and N
instances (with, so that they come from an endless population of just these) are drawn, and
intervals from a sample are held against what the whole matrix says: those for these prompts on new
instances (these), those for new prompts whatever they do (any) and with normal effects (normal).
Then the budget estimator sees 4, 8 and 16 cells a prompt of the whole matrix, and W1 is the mean
distance of its sorted prompt scores from the true ones. The floor beside it is the W1 of an oracle
that is told every difference between prompts and estimates their common level alone, as efficiently
as can be from cells of different instances: what no estimator without other knowledge of the
instances can be expected to fall below.

Where a table has no instances (means of prompts), samples of prompts are drawn and the intervals
that need no instances are judged. Prompts from a small population hold more than from an endless
one: how many there are is printed. `--draws 0` and `--repeats 0` leave either half out, and
`--most-instances` keeps that many instances of each population, drawn by the seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evalkit import stats
from evalkit.catalog.score_tables import read_score_table
from evalkit.scoring import ScoreTable
from evalkit.stats import Interval
from evalkit.stats.intervals.phrasing_only import (
    gap_of_phrasings,
    mean_of_phrasings,
    std_of_phrasings,
)
from evalkit.stats.planning.budget import estimate_distribution
from evalkit.stats.planning.budget_design import balanced_design

LEAST_PROMPTS = 12
LEAST_INSTANCES = 100
SIZES = (5, 8, 12)
PIVOTS = 400
CELLS = (4, 8, 16)
NAMED = {"fixed": "these", "random": "normal"}
"""Question of the functions -> of the command."""
ORACLES = 40
GOALS = {4: 0.03, 8: 0.02, 16: 0.015}


def matrices(path: Path, given: argparse.Namespace) -> Iterator[tuple[str, np.ndarray]]:
    """Name and complete scores (prompt, instance) of everything large enough."""
    table = ScoreTable.from_frame(read_score_table(path).frame, origin=str(path))
    for model in table.models:
        for task in table.tasks(model):
            if given.model and model not in given.model:
                continue
            if given.task and task not in given.task:
                continue
            values = table.block(model, task).values
            whole = values[(~np.isnan(values)).mean(axis=1) > 0.9]
            whole = whole[:, ~np.isnan(whole).any(axis=0)]
            if given.most_instances and whole.shape[1] > given.most_instances:
                rng = np.random.default_rng([given.seed, given.most_instances])
                kept = rng.choice(whole.shape[1], given.most_instances, replace=False)
                whole = whole[:, np.sort(kept)]
            if whole.shape[0] >= given.least_prompts and whole.shape[1] >= given.least_instances:
                yield f"{model}, {task}", whole


def note(
    hits: dict[str, list[float]], question: str, found: dict[str, Interval], truth: dict[str, float]
) -> None:
    """Count what was offered and what held."""
    for name, target in truth.items():
        one = found.get(name)
        if one is not None and not np.isnan(one.low):
            entry = hits.setdefault(f"{question} | {name}", [0, 0, 0.0])
            entry[0] += bool(one.low - 1e-12 <= target <= one.high + 1e-12)
            entry[1] += 1
            entry[2] += one.high - one.low


def these(y: np.ndarray) -> dict[str, float]:
    """What is true of these prompts over all instances."""
    a = y.mean(axis=1)
    return {
        "mean": float(a.mean()),
        "std_excess": float(a.std(ddof=1)),
        "worst_instance": stats.worst_instance(y),
        "best_instance": stats.best_instance(y),
        "pss": stats.pss(y),
    }


def sample(
    y: np.ndarray, p: int, n: int, draws: int, seed: int, *, only: str = ""
) -> dict[str, list[float]]:
    """Shares held over samples of p prompts and n instances, of one question or all."""
    hits: dict[str, list[float]] = {}
    rng = np.random.default_rng([seed, p, n])
    expected = [
        np.sort(y[rng.choice(len(y), p, replace=False)][:, rng.choice(y.shape[1], n)].mean(axis=1))
        for _ in range(1000)
    ]  # fmt: skip
    new = {
        "mean": float(y.mean()),
        "q75": float(np.mean(stats.FROM_MEANS["q75"](np.array(expected)))),
    }
    for _ in range(draws):
        rows = rng.choice(len(y), p, replace=False)
        part = y[rows][:, rng.choice(y.shape[1], n)]
        for question, truth in (("fixed", these(y[rows])), ("random", new)):
            if only not in {"", NAMED[question]}:
                continue
            options = {"question": question, "n_resamples": PIVOTS, "rng": rng}
            note(hits, NAMED[question], stats.score_intervals(part, **options), truth)
        if only not in {"", "any"}:
            continue
        bounded = {"mean": stats.bounded_mean_interval(part), "median": stats.median_interval(part)}
        note(
            hits, "any", bounded, {"mean": new["mean"], "median": float(np.median(y.mean(axis=1)))}
        )
    return hits


def of_means(y: np.ndarray, p: int, draws: int, seed: int) -> dict[str, list[float]]:
    """Shares held by the intervals that need no instances, over samples of p prompts of one
    population.
    """
    hits: dict[str, list[float]] = {}
    rng = np.random.default_rng([seed, p])
    truth = {"mean": float(y.mean()), "std": float(y.std())}
    for _ in range(draws):
        a = rng.choice(y, p)  # with replacement: an endless population of just these
        if np.ptp(a) == 0:
            continue
        note(hits, "normal", {"mean": mean_of_phrasings(a), "std": std_of_phrasings(a)}, truth)
        bounded = {
            "mean": stats.bounded_mean_of_phrasings(a),
            "median": stats.median_interval(np.repeat(a[:, None], 2, axis=1)),
        }
        note(hits, "any", bounded, {"mean": truth["mean"], "median": float(np.median(y))})
        gap = gap_of_phrasings(rng.choice(y, p), a)
        note(hits, "normal", {"gap": gap}, {"gap": 0.0})
    return hits


def oracle(y: np.ndarray, cells: int, repeats: int, seed: int) -> float:
    """Mean W1 of who knows how prompts differ and learns the level only, at that many cells a
    prompt.

    Every cell tells the level with the precision 1 / (a (1 - a)) of its prompt; cells not scored
    are then known but for that level, so the error is that of the weighted mean, times the share of
    cells that were not scored.
    """
    a = y.mean(axis=1)
    rng, errors = np.random.default_rng([seed, cells]), []
    for _ in range(repeats):
        known = balanced_design(*y.shape, budget=cells * len(y), rng=rng)
        weights = known / np.maximum(a * (1 - a), 0.5 / y.shape[1])[:, None]
        level = float((weights * (y - a[:, None])).sum() / weights.sum())
        errors.append(abs(level) * (1 - known.mean()))
    return float(np.mean(errors))


def budget(y: np.ndarray, cells: int, repeats: int, seed: int) -> dict[str, float]:
    """W1 errors, and shares of order statistics, spread and mean held, at that many cells a
    prompt.
    """
    truth, found = y.mean(axis=1), []
    ranked = np.sort(truth)
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, cells, repeat])
        known = np.where(balanced_design(*y.shape, budget=cells * len(y), rng=rng), y, np.nan)
        ours = estimate_distribution(known, rng=rng)
        spread, mean = ours.found["spread"], ours.found["mean"]
        averages = np.sort(np.nanmean(known, axis=1))
        found.append(
            {
                "W1": float(np.abs(np.sort(ours.quantiles) - ranked).mean()),
                "W1 of averages": float(np.abs(averages - ranked).mean()),
                "order statistics": float(((ours.low <= ranked) & (ranked <= ours.high)).mean()),
                "spread": float(spread.low <= np.ptp(truth) <= spread.high),
                "mean": float(mean.low <= truth.mean() <= mean.high),
            }
        )
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def line(cells: list[str], *, head: bool = False) -> None:
    """Print a row of a Markdown table."""
    print(
        "| " + " | ".join(cells) + " |" + ("\n|" + "---|" * len(cells) if head else ""), flush=True
    )


def print_shares(name: str, sizes: str, hits: dict[str, list[float]]) -> None:
    """Print a line per interval."""
    for key, (held, offered, width) in hits.items():
        line(
            [
                name,
                sizes,
                key.replace(" | ", ", "),
                f"{held / offered:.3f}",
                f"{width / offered:.3f}",
                str(offered),
            ]
        )


def print_pooled(size: str, hits: dict[str, list[list[float]]]) -> None:
    """Print a line per interval over all populations, with the lowest of them."""
    for key, entries in hits.items():
        held, offered, width = np.array(entries).T
        line(
            [
                f"all {len(entries)}, lowest {(held / offered).min():.3f}",
                size,
                key.replace(" | ", ", "),
                f"{held.sum() / offered.sum():.3f}",
                f"{width.sum() / offered.sum():.3f}",
                f"{offered.sum():.0f}",
            ]
        )


def print_intervals(found: list[tuple[str, np.ndarray]], given: argparse.Namespace) -> None:
    """Print coverage of intervals on every matrix."""
    line(["population", "sample", "interval", "held", "mean width", "offered"], head=True)
    pooled: dict[str, dict[str, list[list[float]]]] = {}
    for name, y in found:
        for p in (size for size in SIZES if 2 * size <= len(y)):
            n = min(given.instances, y.shape[1])
            hits = sample(y, p, n, given.draws, given.seed, only=given.only)
            print_shares(f"{name} ({len(y)} x {y.shape[1]})", f"{p} x {n}", hits)
            for key, entry in hits.items():
                pooled.setdefault(f"{p} x {n}", {}).setdefault(key, []).append(entry)
    if len(found) > 1:
        for size, of_all in pooled.items():
            print_pooled(size, of_all)
    print()


def print_budget(found: list[tuple[str, np.ndarray]], given: argparse.Namespace) -> None:
    """Print errors and coverage of the budget estimator on every matrix."""
    line(
        [
            "population",
            "cells a prompt",
            "W1 (goal)",
            "floor",
            "W1 of averages",
            "order statistics held",
            "spread held",
            "mean held",
        ],
        head=True,
    )
    for name, y in found:
        for cells in CELLS:
            one = budget(y, cells, given.repeats, given.seed)
            shares = [f"{one[key]:.2f}" for key in ("order statistics", "spread", "mean")]
            line(
                [
                    f"{name} ({len(y)} x {y.shape[1]})",
                    str(cells),
                    f"{one['W1']:.3f} ({GOALS[cells]})",
                    f"{oracle(y, cells, ORACLES, given.seed):.3f}",
                    f"{one['W1 of averages']:.3f}",
                    *shares,
                ]
            )


def without_instances(path: Path, given: argparse.Namespace) -> None:
    """Print coverage of what needs no instances, pooled over all populations of a table of
    means.
    """
    frame = read_score_table(path).frame
    if "kind" in frame:
        frame = frame[frame["kind"].astype(str) == "correct"]
    line(
        ["populations", "prompts drawn", "interval", "held", "lowest population", "mean width"],
        head=True,
    )
    for p in SIZES:
        shares: dict[str, list[tuple[float, float]]] = {}
        for _, rows in frame.groupby(["model", "task"], observed=True):
            a = rows["score"].dropna().to_numpy(dtype=float)
            if len(a) >= LEAST_PROMPTS and np.ptp(a) > 0:
                for key, (held, offered, width) in of_means(a, p, given.draws, given.seed).items():
                    shares.setdefault(key, []).append((held / offered, width / offered))
        for key, values in shares.items():
            held, width = np.array(values).T
            line(
                [
                    str(len(values)),
                    str(p),
                    key.replace(" | ", ", "),
                    f"{held.mean():.3f}",
                    f"{held.min():.3f}",
                    f"{width.mean():.3f}",
                ]
            )


def main() -> None:
    """Print everything as Markdown tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--task", action="append", default=[])
    parser.add_argument("--least-prompts", type=int, default=LEAST_PROMPTS)
    parser.add_argument("--least-instances", type=int, default=LEAST_INSTANCES)
    parser.add_argument("--most-instances", type=int, help="of a population (all)")
    parser.add_argument("--instances", type=int, default=100, help="instances of a sample")
    parser.add_argument("--draws", type=int, default=200, help="samples of each size")
    parser.add_argument(
        "--only", choices=("these", "normal", "any"), default="", help="one question"
    )
    parser.add_argument("--repeats", type=int, default=20, help="budgeted designs of each size")
    parser.add_argument("--seed", type=int, default=20261129)
    given = parser.parse_args()
    if read_score_table(given.table).layout != "cells":
        without_instances(given.table, given)
        return
    found = list(matrices(given.table, given))
    if not found:
        raise SystemExit(
            f"{given.table}: no model and task with {given.least_prompts} prompts on "
            f"{given.least_instances} shared instances"
        )
    if given.draws:
        print_intervals(found, given)
    if given.repeats:
        print_budget(found, given)


if __name__ == "__main__":
    main()
