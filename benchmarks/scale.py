"""Cost of `evalkit analyse` on large tables: CPU seconds and peak memory,
and how they grow with P, N, tasks and resamples.

Each case runs in a process of its own: Parquet from disk, streamed; validation; every metric with
every interval for both questions; and the plain two-way bootstrap of phrasings x instances with
percentile and BCa ends on top.

Run: python benchmarks/scale.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

CASES = (
    # phrasings, instances per task, tasks, resamples
    (70, 14042, 1, 1000),
    (70, 3510, 1, 1000),
    (70, 7021, 1, 1000),
    (18, 14042, 1, 1000),
    (35, 14042, 1, 1000),
    (140, 14042, 1, 1000),
    (70, 14042, 1, 4000),
    (70, 246, 57, 1000),
    (350, 28084, 1, 1000),
)


def write(path: Path, n_phrasings: int, n_instances: int, n_tasks: int) -> None:
    """Write a per-instance table with predictions, targets and seen, 1 % of the cells missing."""
    rng = np.random.default_rng(0)
    frames = []
    for task in range(n_tasks):
        chance = np.clip(
            0.6 + 0.03 * rng.normal(size=(n_phrasings, 1)) + 0.2 * rng.normal(size=n_instances),
            0,
            1,
        )
        right = rng.random((n_phrasings, n_instances)) < chance
        score = right.astype(float)
        score[rng.random(score.shape) < 0.01] = np.nan
        frames.append(
            pd.DataFrame(
                {
                    "model": "model",
                    "task": f"bench/task-{task:02d}",
                    "phrasing_id": np.repeat(
                        [f"phrasing-{p:04d}" for p in range(n_phrasings)], n_instances
                    ),
                    "instance_id": np.tile(
                        [f"instance-{task}-{i:06d}" for i in range(n_instances)], n_phrasings
                    ),
                    "score": score.ravel(),
                    "seen": np.repeat(
                        np.where(np.arange(n_phrasings) % 2 == 0, "seen", "unseen"), n_instances
                    ),
                    "prediction": np.where(
                        right, "A", rng.choice(["B", "C", "D"], right.shape)
                    ).ravel(),
                    "target": "A",
                }
            )
        )
    pd.concat(frames).to_parquet(path)


def peak_gib() -> float:
    """Return the peak resident memory of this process;
    `ru_maxrss` would count what its parent once had.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024**2
    return float("nan")


def measure(path: str, n_resamples: int) -> dict[str, float]:
    """Analyse the table in this process and return what it cost."""
    from evalkit import stats
    from evalkit.analysis import estimate
    from evalkit.catalog.score_tables import read_score_table
    from evalkit.scoring import ScoreTable

    times = [time.process_time()]
    table = ScoreTable.from_frame(read_score_table(path).frame)
    times.append(time.process_time())
    rows = [
        row
        for question in ("random", "fixed")
        for row in estimate(table, n_resamples=n_resamples, question=question)
    ]
    times.append(time.process_time())
    for task in table.tasks("model"):
        block = table.block("model", task)
        seen = np.array(block.seen) == "seen"
        for method in ("percentile", "bca"):
            rng = np.random.default_rng(0)
            stats.bootstrap(
                block.values,
                rng=rng,
                seen=seen,
                unseen=~seen,
                question="random",
                method=method,
                n_resamples=n_resamples,
            )
    times.append(time.process_time())
    read, analyse, resample = np.diff(times).tolist()
    memory = peak_gib()
    return {
        "cells": len(table),
        "rows": len(rows),
        "read": read,
        "analyse": analyse,
        "resample": resample,
        "memory": memory,
    }


def main() -> None:
    """Run the cases and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only the first case")
    parser.add_argument(
        "--write", nargs=4, metavar=("TABLE", "P", "N", "TASKS"), help=argparse.SUPPRESS
    )
    parser.add_argument(
        "--measure", nargs=2, metavar=("TABLE", "RESAMPLES"), help=argparse.SUPPRESS
    )
    settings = parser.parse_args()
    if settings.write:
        write(Path(settings.write[0]), *map(int, settings.write[1:]))
        return
    if settings.measure:
        print(json.dumps(measure(settings.measure[0], int(settings.measure[1]))))
        return
    print(
        (
            "| P | N | tasks | cells | resamples | read s | every metric s | bootstrap s | CPU s "
            "| GiB |\n|"
        )
        + "---|" * 10
    )
    with tempfile.TemporaryDirectory() as folder:
        for p, n, tasks, resamples in CASES[:1] if settings.quick else CASES:
            path = Path(folder) / "table.parquet"
            write(path, p, n, tasks)
            done = subprocess.run(
                [sys.executable, __file__, "--measure", str(path), str(resamples)],
                capture_output=True,
                text=True,
                check=True,
            )
            cost = json.loads(done.stdout)
            seconds = [cost["read"], cost["analyse"], cost["resample"]]
            cells = [
                p,
                n,
                tasks,
                f"{cost['cells']:,}",
                resamples,
                *(f"{s:.1f}" for s in seconds),
                f"{sum(seconds):.1f}",
                f"{cost['memory']:.2f}",
            ]
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
