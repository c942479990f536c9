"""How often a nominal 95% interval holds the truth, by simulation; writes docs/coverage.md and docs/coverage.csv.

Usage: python benchmarks/coverage.py [--draws 1000] [--jobs 2] [--out docs]

Grid: phrasings P in {5, 10, 30}, instances N in {50, 200, 1000}, four mixes of variance, scores normal or 0/1,
no cell or one in ten missing. Half of the phrasings (rounded down) are called seen; the true gap is 0.
"""

import argparse
import csv
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from scipy.special import ndtr

from evalkit import stats
from evalkit.stats import Interval

SHARES = {
    "wording 1%": (0.01, 0.40, 0.59),
    "wording 5%": (0.05, 0.30, 0.65),
    "wording 30%": (0.30, 0.30, 0.40),
    "no difficulty": (0.10, 0.00, 0.90),
}
"""Variance shares of phrasing, instance and interaction; for 0/1 scores on the probit scale."""
SCALE = 0.2
"""Standard deviation of a normal score in the simulation; its mean is 0.5."""
ORDER = ("median", "min", "max", "q05", "q25", "q75", "q95", "worst_3", "cvar10", "spread", "sensitivity", "saturation", "cps")
BAND = (0.93, 0.97)
PIVOTS = 400
"""Draws of each pivotal interval; the default of 4,000 only makes the ends steadier."""


@dataclass(frozen=True)
class Regime:
    """One point of the grid."""

    n_phrasings: int
    n_instances: int
    share: str
    kind: str
    missing: float


@dataclass(frozen=True)
class Truth:
    """What is estimated, as far as it does not depend on the phrasings drawn."""

    mean: float
    phrasing: float
    instance: float
    interaction: float
    pss: float


def grid() -> Iterator[Regime]:
    """Yield all regimes, mixed, so that an interrupted run has seen some of everything."""
    points = list(itertools.product((50, 200, 1000), (5, 10, 30), ("normal", "binary"), SHARES, (0.0, 0.1)))
    for k in range(len(points)):
        n, p, kind, share, missing = points[(k * 55) % len(points)]  # 55 shares no factor with 144
        yield Regime(p, n, share, kind, missing)


@lru_cache(maxsize=16)
def nodes(variance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Gauss-Hermite nodes of a normal variable with this variance, and weights that sum to 1."""
    x, w = np.polynomial.hermite_e.hermegauss(80)
    return x * np.sqrt(variance), w / w.sum()


def truth(regime: Regime) -> Truth:
    """Return the estimands, by quadrature for 0/1 scores."""
    vp, vi, ve = SHARES[regime.share]
    if regime.kind == "normal":
        pss = 2 * np.sqrt((vp + ve) / np.pi)
        return Truth(0.5, vp * SCALE**2, vi * SCALE**2, ve * SCALE**2, float(pss * SCALE))
    (alpha, wa), (beta, wb) = nodes(vp), nodes(vi)
    chance = ndtr((0.5 + alpha[:, None] + beta) / np.sqrt(ve))  # (phrasing, instance)
    mean = float(wa @ chance @ wb)
    by_phrasing, by_instance = chance @ wb, wa @ chance
    phrasing, instance = float(wa @ (by_phrasing - mean) ** 2), float(wb @ (by_instance - mean) ** 2)
    pss = float(wb @ (2 * by_instance * (1 - by_instance)))
    return Truth(mean, phrasing, instance, mean * (1 - mean) - phrasing - instance, pss)


@dataclass(frozen=True)
class Draw:
    """One simulated matrix with what is true of its own phrasings."""

    scores: np.ndarray
    by_phrasing: np.ndarray
    consistency: float
    worst: float
    best: float


def draw(regime: Regime, rng: np.random.Generator) -> Draw:
    """Return a matrix; truths about pairs and worst cases of these phrasings exist for 0/1 scores only."""
    vp, vi, ve = SHARES[regime.share]
    p, n = regime.n_phrasings, regime.n_instances
    alpha, beta = rng.normal(size=(p, 1)) * np.sqrt(vp), rng.normal(size=n) * np.sqrt(vi)
    nan = float("nan")
    if regime.kind == "normal":
        scores = 0.5 + SCALE * (alpha + beta + rng.normal(size=(p, n)) * np.sqrt(ve))
        found = Draw(scores, 0.5 + SCALE * alpha[:, 0], nan, nan, nan)
    else:
        scores = (rng.random((p, n)) < ndtr((0.5 + alpha + beta) / np.sqrt(ve))).astype(np.float64)
        x, w = nodes(vi)
        chance = ndtr((0.5 + alpha + x) / np.sqrt(ve))
        right, wrong = chance.sum(axis=0), (1 - chance).sum(axis=0)
        equal = (right**2 - (chance**2).sum(axis=0) + wrong**2 - ((1 - chance) ** 2).sum(axis=0)) / (p * (p - 1))
        found = Draw(scores, chance @ w, float(w @ equal), float(w @ chance.prod(axis=0)), float(1 - w @ (1 - chance).prod(axis=0)))
    if regime.missing:
        found.scores[rng.random((p, n)) < regime.missing] = np.nan
    return found


def random_truths(regime: Regime, known: Truth) -> dict[str, float]:
    """Return the estimands of question ``random``; order statistics are filled in from the mean over draws."""
    q = regime.missing / (1 - regime.missing)
    noise = (known.interaction * (1 + q) + known.instance * q) / regime.n_instances
    total = known.phrasing + known.instance + known.interaction
    variance, p = known.phrasing + noise, regime.n_phrasings
    return {
        "mean": known.mean,
        "std": float(np.sqrt(variance)),
        "std0": float(np.sqrt(variance * (p - 1) / p)),
        "std_excess": float(np.sqrt(known.phrasing)),
        "var_phrasing": known.phrasing,
        "var_instance": known.instance,
        "var_interaction": known.interaction,
        "g_coefficient": 1 - known.phrasing / total,
        "pss": known.pss,
        "gap": 0.0,
        "gap_worst": 0.0,
        "gap_std": 0.0,
        "consistency": 1 - known.pss if regime.kind == "binary" else float("nan"),
    }


def fixed_truths(found: Draw, seen: np.ndarray) -> dict[str, float]:
    """Return the estimands of question ``fixed`` for the phrasings drawn."""
    a = found.by_phrasing
    truths = {
        "mean": float(a.mean()),
        "gap": float(a[seen].mean() - a[~seen].mean()),
        "std_excess": float(a.std(ddof=1)),
        "var_phrasing": float(a.var(ddof=1)),
    }
    if not np.isnan(found.scores).any():  # worst and best of an instance change when one of its cells is missing
        truths |= {"worst_instance": found.worst, "best_instance": found.best}
    return truths | {"consistency": found.consistency, "pss": 1 - found.consistency}


def intervals(found: Draw, seen: np.ndarray, question: stats.Question, rng: np.random.Generator, binary: bool) -> dict[str, Interval]:
    """Return every interval offered for the matrix under a question."""
    result = stats.score_intervals(found.scores, rng=rng, question=question, n_draws=PIVOTS)
    result |= stats.gap_intervals(found.scores, seen=seen, unseen=~seen, rng=rng, question=question, n_draws=PIVOTS)
    if binary:
        missing = np.isnan(found.scores)
        labels = np.where(missing, -1, found.scores).astype(np.int64)
        result["consistency"] = stats.consistency_interval(labels, missing=missing, question=question)
    return result


def simulate(job: tuple[Regime, int, int]) -> list[tuple[Regime, str, str, float, int]]:
    """Return (regime, question, metric, coverage, draws with an interval) for one regime."""
    regime, n_draws, seed = job
    rng = np.random.default_rng(
        [seed, regime.n_phrasings, regime.n_instances, list(SHARES).index(regime.share), regime.kind == "binary", regime.missing > 0]
    )
    known = truth(regime)
    seen = np.arange(regime.n_phrasings) < regime.n_phrasings // 2
    hits: dict[tuple[str, str], list[bool]] = {}
    ordered: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ORDER}
    truths = random_truths(regime, known)

    def note(question: str, name: str, found: Interval, target: float) -> None:
        if not np.isnan(found.low) and not np.isnan(target):
            hits.setdefault((question, name), []).append(found.low <= target <= found.high)

    for _ in range(n_draws):
        made = draw(regime, rng)
        found = intervals(made, seen, "random", rng, regime.kind == "binary")
        for name, target in truths.items():
            if name in found:
                note("random", name, found[name], target)
        for name in ORDER:
            ordered[name].append((found[name].value, found[name].low, found[name].high))
        found = intervals(made, seen, "fixed", rng, regime.kind == "binary")
        for name, target in fixed_truths(made, seen).items():
            if name in found:
                note("fixed", name, found[name], target)
    for name, rows in ordered.items():
        table = np.array(rows)
        centre = table[:, 0].mean()
        for low, high in table[:, 1:]:
            if not np.isnan(low):
                hits.setdefault(("random", name), []).append(bool(low <= centre <= high))
    return [(regime, question, name, float(np.mean(flags)), len(flags)) for (question, name), flags in sorted(hits.items())]


def summary(rows: list[tuple[Regime, str, str, float, int]], n_draws: int) -> str:
    """Return the Markdown page: range of coverage per metric, question, kind of score and P."""
    most = max(Counter((question, name) for _, question, name, _, _ in rows).values())
    lines = [
        "# Coverage of the intervals",
        "",
        f"Written by `nox -s coverage` (`benchmarks/coverage.py`), {n_draws} simulated matrices per point of the grid.",
        f"At most {most} of the {len(list(grid()))} points of the grid were simulated for a metric in this run.",
        "Every number is the share of nominal 95% intervals that hold the truth; the range is over N in {50, 200, 1000}, four mixes of",
        "variance, and no or one tenth of the cells missing. The single points are in `coverage.csv`.",
        f"One point has a simulation error of {np.sqrt(0.95 * 0.05 / n_draws):.3f}; `out` counts points outside 93% to 97% by more than two of these.",
        "",
        "| question | metric | scores | P | lowest | median | highest | points | out |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, str, str, int], list[tuple[float, int]]] = {}
    for regime, question, name, coverage, n in rows:
        groups.setdefault((question, name, regime.kind, regime.n_phrasings), []).append((coverage, n))
    for (question, name, kind, p), found in sorted(groups.items()):
        values = np.array([coverage for coverage, _ in found])
        margin = 2 * np.sqrt(0.95 * 0.05 / np.array([n for _, n in found]))
        out = int(((values < BAND[0] - margin) | (values > BAND[1] + margin)).sum())
        lines.append(
            f"| {question} | {name} | {kind} | {p} | {values.min():.3f} | {np.median(values):.3f} | {values.max():.3f} | {values.size} | {out} |"
        )
    return "\n".join(lines) + "\n"


def write(rows: list[tuple[Regime, str, str, float, int]], n_draws: int, out: Path) -> None:
    """Write both files; called after every regime, so that an interrupted run leaves what it has."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "coverage.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["question", "metric", "n_phrasings", "n_instances", "variance", "scores", "missing", "coverage", "draws"])
        for regime, question, name, coverage, n in sorted(rows, key=lambda row: (row[1], row[2], str(row[0]))):
            point = [regime.n_phrasings, regime.n_instances, regime.share, regime.kind, regime.missing]
            writer.writerow([question, name, *point, round(coverage, 4), n])
    (out / "coverage.md").write_text(summary(rows, n_draws), encoding="utf-8")


def main() -> None:
    """Run the grid and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--only", default="", help="keep regimes whose description contains this text")
    options = parser.parse_args()
    jobs = [(regime, options.draws, options.seed) for regime in grid() if options.only in str(regime)]
    rows = []
    with Pool(options.jobs) as pool:
        for done, found in enumerate(pool.imap_unordered(simulate, jobs), start=1):
            rows += found
            print(f"{done}/{len(jobs)}", flush=True)
            write(rows, options.draws, options.out)


if __name__ == "__main__":
    main()
