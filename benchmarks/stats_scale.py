"""Cost of all statistics on large matrices: CPU seconds and peak memory, growing in P, N and
resamples.

Usage: python benchmarks/stats_scale.py
"""

import resource
import subprocess
import sys
import time

import numpy as np

from evalkit import stats

CASES = [
    (70, 14042, 1000),
    (70, 1000, 1000),
    (5, 14042, 1000),
    (300, 14042, 1000),
    (70, 14042, 5000),
]


def everything(
    n_phrasings: int, n_instances: int, n_resamples: int, *, missing: float = 0.01
) -> None:
    """Compute every estimate with every interval, both questions, and both bootstraps."""
    rng = np.random.default_rng(20261121)
    chance = np.clip(
        0.6 + 0.03 * rng.normal(size=(n_phrasings, 1)) + 0.2 * rng.normal(size=n_instances), 0, 1
    )
    scores = (rng.random((n_phrasings, n_instances)) < chance).astype(np.float64)
    labels = np.where(scores > 0, 0, rng.integers(1, 4, size=scores.shape))
    gone = rng.random(scores.shape) < missing
    scores[gone], labels[gone] = np.nan, -1
    seen = np.arange(n_phrasings) < n_phrasings // 2
    for question in ("fixed", "random"):
        stats.score_intervals(scores, rng=rng, question=question)
        stats.gap_intervals(scores, seen=seen, unseen=~seen, rng=rng, question=question)
        stats.label_intervals(labels, n_labels=4, rng=rng, missing=gone, question=question)
        for method in ("percentile", "bca"):
            stats.bootstrap(
                scores,
                rng=rng,
                seen=seen,
                unseen=~seen,
                question=question,
                method=method,
                n_resamples=n_resamples,
            )
    stats.fleiss_kappa(labels)
    stats.robust_drop_interval(scores, reference=0)
    stats.difference_intervals(scores, scores[::-1], rng=rng)
    stats.mcnemar_clustered(scores, scores[::-1])


def main() -> None:
    """Run each case in a process of its own, so that peak memory is its own."""
    if len(sys.argv) == 4:
        start = time.process_time()
        everything(*(int(text) for text in sys.argv[1:]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"| {sys.argv[1]} | {sys.argv[2]} | {sys.argv[3]} | {time.process_time() - start:.1f} "
            f"| {peak:.0f} |",
            flush=True,
        )
        return
    print("| P | N | resamples | CPU s | peak MB |\n|---|---|---|---|---|", flush=True)
    for case in CASES:
        subprocess.run([sys.executable, __file__, *map(str, case)], check=True)


if __name__ == "__main__":
    main()
