"""How far the gap of k phrasings per arm is from the gap of all, by the way the k were chosen.

``python benchmarks/choose_k.py RUN`` reads a finished run that asked every phrasing and writes
``docs/choose_k.csv`` and its figure. Per task with at least `LEAST` phrasings on each arm, k of
each arm are chosen by wording alone (k-center and facility location over ROUGE-L distances) or
drawn (the mean over `DRAWS` draws); the error is the root mean square over tasks of the gap of the
chosen minus the gap of all. The curve of docs/howto_phrasings.md is of::

    evalkit run --model demo --suite procedural --limit 25 --out RUN
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from evalkit.catalog.library.diversity import choose_k, distances
from evalkit.report.figures.canvas import axes, figure_bytes
from evalkit.scoring.table import ScoreTable
from evalkit.store.blocks import stored_jobs
from evalkit.store.directory import RunDir, read_manifest
from evalkit.store.responses import Store

ROOT = Path(__file__).parents[1]
LEAST = 8
"""Fewest phrasings on each arm."""
DRAWS = 400
"""Random choices per task and k."""
WAYS = ("drawn", "k-center", "facility")


def arms_of(run: Path) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """Return per task, for the seen and the unseen arm, the distances and the scores of its
    phrasings.
    """
    manifest = read_manifest(run)
    table = ScoreTable.read_parquet(run / "scores.parquet")
    model = table.models[0]
    found = []
    with Store(RunDir(run).store_path, read_only=True) as store:
        for job in stored_jobs(store, manifest.suite):
            block = table.block(model, job.task.id)
            texts = {one.id: one for one in job.phrasings}
            arms = []
            for arm in ("seen", "unseen"):
                rows = np.flatnonzero(block.headline & (np.array(block.seen) == arm))
                apart = (
                    distances([texts[block.phrasing_ids[row]] for row in rows.tolist()])
                    if len(rows)
                    else np.zeros((0, 0))
                )
                arms.append(
                    (apart, np.nanmean(block.values[rows], axis=1) if len(rows) else np.zeros(0))
                )
            if min(len(scores) for _, scores in arms) >= LEAST:
                found.append(arms)
    return found


def error(
    arms: list[tuple[np.ndarray, np.ndarray]], k: int, way: str, rng: np.random.Generator
) -> float:
    """Return the mean squared error of the gap of k phrasings per arm of one task."""
    whole = arms[0][1].mean() - arms[1][1].mean()
    if way == "drawn":
        draws = [
            [scores[rng.permutation(len(scores))[:k]].mean() for _ in range(DRAWS)]
            for _, scores in arms
        ]
        gaps = np.array(draws[0]) - np.array(draws[1])
    else:
        gaps = np.array(
            [np.subtract(*[scores[choose_k(apart, k, how=way)].mean() for apart, scores in arms])]
        )
    return float(((gaps - whole) ** 2).mean())


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    tasks = arms_of(parser.parse_args().run)
    rng = np.random.default_rng(0)
    rows = [
        (way, k, float(np.sqrt(np.mean([error(arms, k, way, rng) for arms in tasks]))))
        for way in WAYS
        for k in range(1, LEAST + 1)
    ]
    lines = [f"{way},{k},{value:.4f}" for way, k, value in rows]
    (ROOT / "docs" / "choose_k.csv").write_text("\n".join(["chosen,k,error_of_gap", *lines]) + "\n")
    print(f"{len(tasks)} tasks")
    print("\n".join(lines))
    with axes(None, height=3.2) as ax:
        for way, style in zip(WAYS, ("-", "--", ":"), strict=True):
            mine = [(k, value * 100) for name, k, value in rows if name == way]
            ax.plot(*zip(*mine, strict=True), style, label=way)
        ax.set(xlabel="phrasings per arm", ylabel="error of the gap, points", ylim=(0, None))
        ax.legend()
    (ROOT / "docs" / "figures" / "choose_k.svg").write_bytes(figure_bytes(ax))


if __name__ == "__main__":
    main()
