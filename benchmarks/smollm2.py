"""A published study of one real model: SmolLM2-135M-Instruct, with its chat template and without.

Run the two commands of docs/smollm2.md first, then

    python benchmarks/smollm2.py RUN_WITH RUN_WITHOUT --figure docs/figures/smollm2.svg

which prints the tables of that page from the stored responses. Nothing here is measured anew.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evalkit.catalog import load_task
from evalkit.scoring.stored import score_run

DRAWS = 1000
BENCHMARKS = ("bbh", "mmlu", "superni")
COLUMNS = ("mean", "chance", "worst", "spread", "few", "null")


class Letters:
    """Collects which letter was picked under every wording, and which was right."""

    def __init__(self) -> None:
        self.picked: dict[str, Counter[int]] = defaultdict(Counter)
        self.right: dict[str, Counter[int]] = defaultdict(Counter)

    def begin(self, task: Any, instances: Any, phrasings: Any) -> None:
        """Take note of what the next cells belong to."""
        self._task, self._instances, self._phrasings = task, instances, phrasings

    def cell(self, row: int, position: int, *, answered: Any, verdict: Any) -> None:
        """Count one lettered cell of MMLU."""
        del verdict
        if self._task.benchmark != "mmlu" or answered is None:
            return
        if [str(label).strip(" ().") for label in answered.labels] != list("ABCD"):
            return
        wording = self._phrasings[row]
        self.picked[wording][int(np.argmax(answered.response.logprobs))] += 1
        order = answered.order or range(4)
        self.right[wording][list(order).index(self._instances[position].target)] += 1

    def end(self) -> None:
        """Do nothing more."""


def matrices(scores: pd.DataFrame) -> dict[str, Any]:
    """Scores of every task, shape (wording, instance)."""
    return {
        str(task): rows.pivot_table(
            index="phrasing_id", columns="instance_id", values="score", observed=True
        )
        for task, rows in scores.groupby("task", observed=True)
    }


def null(matrix: Any, rng: np.random.Generator) -> Any:
    """Spreads of a task whose wordings do not matter: every instance's scores in another order."""
    values = matrix.to_numpy()
    draws = np.empty(DRAWS)
    for n in range(DRAWS):
        means = rng.permuted(values, axis=0).mean(axis=1)
        draws[n] = means.max() - means.min()
    return draws


def of_few(matrix: Any, rng: np.random.Generator, n: int = 20) -> float:
    """Mean spread that n instances drawn from the task's would have shown."""
    values, spreads = matrix.to_numpy(), []
    for _ in range(DRAWS):
        chosen = rng.choice(values.shape[1], min(n, values.shape[1]), replace=False)
        spreads.append(np.ptp(values[:, chosen].mean(axis=1)))
    return float(np.mean(spreads))


def read(run: Path) -> tuple[pd.DataFrame, Letters, Any]:
    """Scores of a run, letters picked, manifest."""
    letters = Letters()
    manifest, _, _ = score_run(run, collector=letters)
    return pd.read_parquet(run / "scores.parquet"), letters, manifest


def per_task(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per task: mean, spread, its null and the chance of it, worst and best wording."""
    rng, rows = np.random.default_rng(0), []
    for task, matrix in matrices(scores).items():
        means = matrix.mean(axis=1)
        spread, draws = means.max() - means.min(), null(matrix, rng)
        rows.append(
            {
                "task": task,
                "benchmark": task.split("/")[0],
                "mean": means.mean(),
                "chance": load_task(task).chance,
                "spread": spread,
                "null": draws.mean(),
                "few": of_few(matrix, np.random.default_rng(1)),
                "p": (1 + (draws >= spread - 1e-12).sum()) / (1 + DRAWS),
                "worst": means.min(),
                "worst wording": means.idxmin(),
                "same": float((matrix.nunique(axis=0) == 1).mean()),
                "unparsed": (scores[scores.task == task].status == "unparsed").mean(),
            }
        )
    return pd.DataFrame(rows)


def points(value: float) -> str:
    """A share in points."""
    return "" if value is None or np.isnan(value) else f"{100 * value:.1f}"


def table(head: list[str], rows: list[list[str]]) -> None:
    """Print a table in Markdown."""
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def letters_table(arms: dict[str, Letters]) -> None:
    """Print how often each letter was picked and which was right."""
    rows = []
    for name, letters in arms.items():
        picked, right = (
            sum(counts.values(), Counter()) for counts in (letters.picked, letters.right)
        )
        total = sum(picked.values())
        top = [max(counts.values()) / sum(counts.values()) for counts in letters.picked.values()]
        rows.append(
            [
                name,
                f"{total:,}",
                *(points(picked[n] / total) for n in range(4)),
                *(points(right[n] / total) for n in range(4)),
                points(float(np.mean(top))),
            ]
        )
    head = ["arm", "cells", *"ABCD", *(f"right {c}" for c in "ABCD")]
    table([*head, "favourite letter of a wording"], rows)


def figure(arms: dict[str, pd.DataFrame], path: Path) -> None:
    """Draw a row per task and a mark per wording, an arm per panel."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams["svg.hashsalt"] = "evalkit"
    found = {name: matrices(scores) for name, scores in arms.items()}
    tasks = sorted(next(iter(found.values())), reverse=True)
    drawn, axes = plt.subplots(1, 2, figsize=(10.5, 7.6), sharey=True, layout="constrained")
    for axis, (name, by_task) in zip(axes, found.items(), strict=True):
        for y, task in enumerate(tasks):
            means = 100 * by_task[task].mean(axis=1)
            chance = load_task(task).chance
            axis.plot([means.min(), means.max()], [y, y], color="#b9c4d0", lw=3, zorder=1)
            axis.scatter(means, np.full(len(means), y), s=20, color="#1f5f9e", alpha=0.55, zorder=2)
            if chance:
                axis.plot(
                    [100 * chance] * 2, [y - 0.38, y + 0.38], color="#c0392b", lw=1.6, zorder=3
                )
        axis.set_title(f"{name} (red: chance)", fontsize=11)
        axis.set_xlim(-3, 103)
        axis.set_xlabel("score of one wording, points")
        axis.grid(axis="x", color="#e6e6e6")
        axis.set_axisbelow(True)
        for side in ("top", "right", "left"):
            axis.spines[side].set_visible(False)
    shown = [_short(task) for task in tasks]
    axes[0].set_yticks(range(len(tasks)), shown, fontsize=8.5)
    axes[0].tick_params(left=False)
    axes[1].tick_params(left=False)
    drawn.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _short(task: str) -> str:
    benchmark, name = task.split("/")
    words = name.split("_")
    return f"{benchmark}  {' '.join(words[:4])}"


def main() -> None:
    """Print the tables and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("with_template", type=Path)
    parser.add_argument("without", type=Path)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    runs = {
        "chat template": read(given.with_template),
        "no template": read(given.without),
    }
    tasks = {name: per_task(scores) for name, (scores, _, _) in runs.items()}
    rows = []
    for benchmark in BENCHMARKS:
        for name, found in tasks.items():
            own = found[found.benchmark == benchmark]
            rows.append(
                [
                    benchmark,
                    name,
                    str(len(own)),
                    *(points(own[c].mean()) for c in COLUMNS),
                    f"{(own.p < 0.05).sum()} of {len(own)}",
                    points(own.same.mean()),
                    points(own.unparsed.mean()),
                ]
            )
    head = ["benchmark", "arm", "tasks", "mean", "chance", "worst wording", "spread"]
    table([*head, "of 20", "by chance", "p < 0.05", "same under all wordings", "unparsed"], rows)
    both = tasks["chat template"].merge(tasks["no template"], on="task", suffixes=("", " 0"))
    table(
        [
            "task",
            "mean",
            "spread",
            "by chance",
            "worst wording",
            "mean without",
            "spread without",
            "by chance ",
        ],
        [
            [
                row["task"].replace("_", "\\_"),
                *(points(row[c]) for c in ("mean", "spread", "null")),
                f"{points(row['worst'])} (`{row['worst wording']}`)",
                *(points(row[c]) for c in ("mean 0", "spread 0", "null 0")),
            ]
            for row in both.to_dict("records")
        ],
    )
    rows = []
    for name, (scores, _, _) in runs.items():
        keys = ["benchmark", "layout", "label_space"]
        for key, own in scores.groupby(keys, observed=True):
            bad = (own.status == "unparsed").mean()
            n = own.phrasing_id.nunique()
            rows.append(
                [
                    name,
                    *map(str, key),
                    str(n),
                    f"{len(own):,}",
                    points(own.score.mean()),
                    points(bad),
                ]
            )
    table(["arm", "benchmark", "layout", "labels", "wordings", "cells", "mean", "unparsed"], rows)
    letters_table({name: letters for name, (_, letters, _) in runs.items()})
    for name, (_, _, manifest) in runs.items():
        for attempt in manifest.attempts:
            print(name, attempt.seconds, attempt.engine.get("proof"), attempt.engine.get("path"))
    if given.figure:
        figure({name: scores for name, (scores, _, _) in runs.items()}, given.figure)


if __name__ == "__main__":
    main()
