"""What a budget costs in a real run: sparse runs of a model against the run that asks every cell.

Every run goes through ``evalkit run``, reads the shared cache and writes a directory of its own;
truth is the run without a budget. For every task and statistic: error of the estimate, half-width
of its interval, whether it holds the truth. Rates are means over tasks and seeds.

Run: python benchmarks/budget_runs.py --work DIR [--model demo] [--tasks A,B] [--limit 50]
[--budgets 0.05,0.1,0.25] [--seeds 1]
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

METRICS = ("mean", "std", "spread", "min", "max", "q05", "cvar10", "gap")


def run(words: Sequence[str], out: Path) -> dict[tuple[str, str], tuple[float, ...]]:
    """Run once and return (task, metric) -> value, low, high."""
    subprocess.run(
        [sys.executable, "-m", "evalkit", "run", *words, "--out", str(out), "--quiet"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with (out / "estimates.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] in METRICS]
    return {
        (row["task"], row["metric"]): tuple(
            float(row[name]) if row[name] else float("nan") for name in ("value", "low", "high")
        )
        for row in rows
        if row["task"] != "all"
    }


def main() -> None:
    """Print one row per budget and statistic."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", default="demo")
    parser.add_argument(
        "--tasks",
        default="procedural/boolean,procedural/navigation,procedural/calendar,procedural/tracking",
    )
    parser.add_argument("--limit", default="50")
    parser.add_argument("--budgets", default="0.05,0.1,0.25")
    parser.add_argument("--design", default="balanced")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    print(
        "| cells asked | statistic | mean absolute error | half-width | truth held "
        "|\n|---|---|---|---|---|"
    )
    found: dict[tuple[str, str], list[tuple[float, float, bool]]] = defaultdict(list)
    for seed in range(options.seeds):
        words = [
            "--model",
            options.model,
            "--tasks",
            options.tasks,
            "--limit",
            options.limit,
            "--seed",
            str(seed),
        ]
        truth = run(words, options.work / f"whole-{seed}")
        for budget in options.budgets.split(","):
            name = f"{budget}-{options.design}-{seed}"
            part = run(
                [*words, "--budget", budget, "--budget-design", options.design], options.work / name
            )
            for (task, metric), (value, low, high) in part.items():
                true = truth[task, metric][0]
                found[budget, metric].append(
                    (abs(value - true), (high - low) / 2, low <= true <= high)
                )
    for (budget, metric), rows in found.items():
        error, half = (100 * sum(row[place] for row in rows) / len(rows) for place in (0, 1))
        print(
            f"| {float(budget):.0%} | {metric} | {error:.1f} | {half:.1f} | "
            f"{sum(row[2] for row in rows)} of {len(rows)} |"
        )


if __name__ == "__main__":
    main()
