"""How often a nominal 95% interval holds the truth, by simulation;
writes docs/coverage.md and docs/coverage.csv.

Usage: python benchmarks/coverage.py [--draws 1000] [--jobs 2] [--shard 1/2] [--state FILE] [--out
docs]

Grid: phrasings P in {5, 10, 30}, instances N in {50, 200, 1000}, four mixes of variance, scores
normal or 0/1, no cell or one in ten missing. Half of the phrasings (rounded down) are called seen;
the true gap is 0.

All points get a round of 100 matrices, then all a second one, until each has --draws. Every round
is kept in the state file with a digest of the code it was made with, so an interrupted run goes on
where it stopped, shards run beside each other add up, and rounds of other code are not mixed in.
The table is written from what is there.
"""

import argparse
import csv
import hashlib
import itertools
import json
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import scipy
from scipy.special import ndtr

from evalkit import stats
from evalkit.stats import Interval
from evalkit.stats.comparing.compare import on_shared_cells, pivot_differences

SHARES = {
    "wording 1%": (0.01, 0.40, 0.59),
    "wording 5%": (0.05, 0.30, 0.65),
    "wording 30%": (0.30, 0.30, 0.40),
    "no difficulty": (0.10, 0.00, 0.90),
}
"""Variance shares of phrasing, instance and interaction; for 0/1 scores on the probit scale."""
SCALE = 0.2
"""Standard deviation of a normal score in the simulation; its mean is 0.5."""
ORDER = (
    "median",
    "min",
    "max",
    "q05",
    "q25",
    "q75",
    "q95",
    "worst_3",
    "cvar10",
    "spread",
    "sensitivity",
    "saturation",
    "cps",
)
SHIFT = 0.25
"""How much better the second of two compared models is, in standard deviations of a cell."""
DIFFERENCE = "difference of "
BAND = (0.93, 0.97)
PIVOTS = 1000
"""Draws of each pivotal interval; the default of 4,000 only makes the ends steadier."""
ROUND = 100
"""Matrices of one point that are simulated at a time."""
CENTRES = 2000
"""Matrices behind the expected value of an order statistic:
its error is a forty-fifth of the statistic's own deviation.
"""


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
    points = list(
        itertools.product((50, 200, 1000), (5, 10, 30), ("normal", "binary"), SHARES, (0.0, 0.1))
    )
    for k in range(len(points)):
        n, p, kind, share, missing = points[(k * 55) % len(points)]  # 55 shares no factor with 144
        yield Regime(p, n, share, kind, missing)


@lru_cache(maxsize=16)
def nodes(variance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Gauss-Hermite nodes of a normal variable with this variance,
    and weights that sum to 1.
    """
    x, w = np.polynomial.hermite_e.hermegauss(80)
    return x * np.sqrt(variance), w / w.sum()


def truth(regime: Regime, *, shift: float = 0.0) -> Truth:
    """Return the estimands, by quadrature for 0/1 scores;
    of a model that is better by `shift` standard deviations of a cell.
    """
    vp, vi, ve = SHARES[regime.share]
    if regime.kind == "normal":
        pss = 2 * np.sqrt((vp + ve) / np.pi)
        return Truth(
            0.5 + SCALE * shift, vp * SCALE**2, vi * SCALE**2, ve * SCALE**2, float(pss * SCALE)
        )
    (alpha, wa), (beta, wb) = nodes(vp), nodes(vi)
    chance = ndtr((0.5 + shift + alpha[:, None] + beta) / np.sqrt(ve))  # (phrasing, instance)
    mean = float(wa @ chance @ wb)
    by_phrasing, by_instance = chance @ wb, wa @ chance
    phrasing, instance = (
        float(wa @ (by_phrasing - mean) ** 2),
        float(wb @ (by_instance - mean) ** 2),
    )
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


def matrix(regime: Regime, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return scores (phrasing, instance), NaN where missing,
    and the phrasing effects (phrasing, 1) behind them.
    """
    vp, vi, ve = SHARES[regime.share]
    p, n = regime.n_phrasings, regime.n_instances
    alpha, beta = rng.normal(size=(p, 1)) * np.sqrt(vp), rng.normal(size=n) * np.sqrt(vi)
    noisy = alpha + beta + rng.normal(size=(p, n)) * np.sqrt(ve)
    scores = 0.5 + SCALE * noisy if regime.kind == "normal" else (noisy > -0.5).astype(np.float64)
    if regime.missing:
        scores[rng.random((p, n)) < regime.missing] = np.nan
    return scores, alpha


def draw(regime: Regime, rng: np.random.Generator) -> Draw:
    """Return a matrix with its truths; those about pairs and worst cases of these phrasings
    exist for 0/1 scores only.
    """
    scores, alpha = matrix(regime, rng)
    nan, p = float("nan"), regime.n_phrasings
    if regime.kind == "normal":
        return Draw(scores, 0.5 + SCALE * alpha[:, 0], nan, nan, nan)
    _, vi, ve = SHARES[regime.share]
    x, w = nodes(vi)
    chance = ndtr((0.5 + alpha + x) / np.sqrt(ve))
    right, wrong = chance.sum(axis=0), (1 - chance).sum(axis=0)
    equal = (right**2 - (chance**2).sum(axis=0) + wrong**2 - ((1 - chance) ** 2).sum(axis=0)) / (
        p * (p - 1)
    )
    return Draw(
        scores,
        chance @ w,
        float(w @ equal),
        float(w @ chance.prod(axis=0)),
        float(1 - w @ (1 - chance).prod(axis=0)),
    )


def random_truths(regime: Regime, known: Truth) -> dict[str, float]:
    """Return the estimands of question ``random`` that are known in closed form or by
    quadrature.
    """
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


def pair(regime: Regime, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of two models on the same cells:
    instances alike, half of the other effects shared, the second better by `SHIFT`.
    """
    vp, vi, ve = SHARES[regime.share]
    p, n = regime.n_phrasings, regime.n_instances
    beta, both = rng.normal(size=n) * np.sqrt(vi), []
    alpha, rest = (
        rng.normal(size=(3, p, 1)) * np.sqrt(vp / 2),
        rng.normal(size=(3, p, n)) * np.sqrt(ve / 2),
    )
    for own, shift in ((1, 0.0), (2, SHIFT)):
        noisy = shift + alpha[0] + alpha[own] + beta + rest[0] + rest[own]
        scores = (
            0.5 + SCALE * noisy if regime.kind == "normal" else (noisy > -0.5).astype(np.float64)
        )
        if regime.missing:
            scores[rng.random((p, n)) < regime.missing] = np.nan
        both.append(scores)
    return both[0], both[1]


def expected(regime: Regime, seed: int) -> dict[str, float]:
    """Return what each order statistic expects,
    and how much it differs between the models of a `pair`, from matrices of their own.
    """
    rng = stream(regime, seed, 0)
    means = np.array([stats.phrasing_scores(matrix(regime, rng)[0]) for _ in range(CENTRES)])
    found = {name: float(np.nanmean(stats.FROM_MEANS[name](means))) for name in ORDER}
    pairs = [
        [stats.phrasing_scores(scores) for scores in stats.on_shared_cells(*pair(regime, rng))]
        for _ in range(CENTRES)
    ]
    old, new = np.array(pairs).transpose(1, 0, 2)
    changes = {
        name: stats.FROM_MEANS[name](new) - stats.FROM_MEANS[name](old)
        for name in (*ORDER, "std", "std0")
    }
    return found | {
        f"{DIFFERENCE}{name}": float(np.nanmean(values)) for name, values in changes.items()
    }


def mean_difference(regime: Regime) -> float:
    """Return how much the mean differs between the models of a `pair`."""
    if regime.kind == "normal":
        return SCALE * SHIFT
    return float(ndtr(0.5 + SHIFT) - ndtr(0.5))  # the variances on the probit scale sum to 1


def wording_difference(regime: Regime) -> dict[str, float]:
    """Return how much std_excess and var_phrasing differ between the models of a `pair`."""
    first, second = truth(regime).phrasing, truth(regime, shift=SHIFT).phrasing
    return {
        f"{DIFFERENCE}var_phrasing": second - first,
        f"{DIFFERENCE}std_excess": float(np.sqrt(second) - np.sqrt(first)),
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
    if not np.isnan(
        found.scores
    ).any():  # worst and best of an instance change when one of its cells is missing
        truths |= {"worst_instance": found.worst, "best_instance": found.best}
    return truths | {"consistency": found.consistency, "pss": 1 - found.consistency}


def turned(pss: Interval) -> Interval:
    """Return the interval of consistency, for 0/1 scores that of 1 - pss:
    tests/stats/test_stats_intervals.py.
    """
    return replace(pss, value=1 - pss.value, low=1 - pss.high, high=1 - pss.low)


def random_intervals(
    found: Draw, seen: np.ndarray, rng: np.random.Generator, *, binary: bool
) -> dict[str, Interval]:
    """Return every interval for new phrasings, those that need normal wording effects too."""
    result = stats.score_intervals(found.scores, rng=rng, question="random", n_resamples=PIVOTS)
    result |= stats.gap_intervals(
        found.scores, seen=seen, unseen=~seen, rng=rng, question="random", n_resamples=PIVOTS
    )
    result |= stats.pivots(found.scores, rng=rng, n_resamples=PIVOTS)
    result |= stats.gap_pivots(found.scores, seen=seen, unseen=~seen, rng=rng, n_resamples=PIVOTS)
    return result | ({"consistency": turned(result["pss"])} if binary else {})


def fixed_intervals(found: Draw, seen: np.ndarray, *, binary: bool) -> dict[str, Interval]:
    """Return every interval for these phrasings whose truth is known:
    what `stats.score_intervals` offers under ``fixed``.
    """
    scores = found.scores
    result = {
        "mean": stats.mean_interval(scores, question="fixed"),
        **stats.noncentral_interval(scores),
    }
    result["gap"] = stats.gap_interval(scores, seen=seen, unseen=~seen, question="fixed")
    if binary:
        result["pss"] = stats.pss_interval(scores, question="fixed")
        result |= {
            "consistency": turned(result["pss"]),
            "worst_instance": stats.worst_instance_interval(scores),
        }
        result["best_instance"] = stats.best_instance_interval(scores)
    return result


def stream(regime: Regime, seed: int, number: int) -> np.random.Generator:
    """Return the random numbers of one round of one point; round 0 gives the expected values."""
    share = list(SHARES).index(regime.share)
    return np.random.default_rng(
        [
            seed,
            regime.n_phrasings,
            regime.n_instances,
            share,
            regime.kind == "binary",
            regime.missing > 0,
            number,
        ]
    )


Hits = dict[str, list[float]]
"""``question/metric`` -> [intervals that held the truth, intervals offered, sum of the truths]."""


def simulate(
    job: tuple[Regime, int, int, Mapping[str, float] | None],
) -> tuple[Regime, int, dict[str, float], Hits]:
    """Return one round of one point: its regime and number, the expected order statistics,
    and the hits.
    """
    regime, number, seed, centres = job
    centres = dict(centres or expected(regime, seed))
    rng = stream(regime, seed, number)
    seen, binary = np.arange(regime.n_phrasings) < regime.n_phrasings // 2, regime.kind == "binary"
    hits: Hits = {}

    def note(question: str, found: Mapping[str, Interval], truths: Mapping[str, float]) -> None:
        for name, target in truths.items():
            if name in found and not np.isnan(found[name].low) and not np.isnan(target):
                entry = hits.setdefault(f"{question}/{name}", [0, 0, 0.0])
                entry[0] += bool(found[name].low <= target <= found[name].high)
                entry[1] += 1
                entry[2] += target

    differences = {
        name: target for name, target in centres.items() if name.startswith(DIFFERENCE)
    } | wording_difference(regime)
    differences[f"{DIFFERENCE}mean"] = mean_difference(regime)
    random = random_truths(regime, truth(regime)) | {
        name: target for name, target in centres.items() if name not in differences
    }
    for _ in range(ROUND):
        made = draw(regime, rng)
        note("random", random_intervals(made, seen, rng, binary=binary), random)
        note("fixed", fixed_intervals(made, seen, binary=binary), fixed_truths(made, seen))
        both = pair(regime, rng)
        changed = stats.difference_intervals(*both, rng=rng, n_resamples=PIVOTS)
        shared = on_shared_cells(*both)
        changed |= pivot_differences(*shared, rng=rng, n_resamples=PIVOTS, level=0.95)
        note(
            "random", {f"{DIFFERENCE}{name}": found for name, found in changed.items()}, differences
        )
    return regime, number, centres, hits


def code_digest() -> str:
    """Return a digest of everything a round depends on: the statistics,
    and this file up to its tables.
    """
    parts = [path.read_bytes() for path in sorted(Path(stats.__file__).parent.rglob("*.py"))]
    parts.append(Path(__file__).read_bytes().partition(b"def code_digest")[0])
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@dataclass
class State:
    """Rounds done so far, in a file of one JSON object per round."""

    path: Path
    code: str
    rounds: dict[tuple[Regime, int], Hits] = field(default_factory=dict)
    centres: dict[Regime, dict[str, float]] = field(default_factory=dict)
    others: int = 0
    """Rounds in the file that other code made."""

    def read(self, seed: int) -> None:
        """Take in what the file holds for this code and seed."""
        for line in (
            self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        ):
            row = json.loads(line)
            if (row["code"], row["seed"]) != (self.code, seed):
                self.others += 1
                continue
            regime = Regime(*row["point"])
            self.rounds[regime, row["round"]] = row["hits"]
            self.centres[regime] = row["centres"]

    def add(
        self, regime: Regime, number: int, centres: dict[str, float], hits: Hits, *, seed: int
    ) -> None:
        """Keep one round; a line is written whole, so shards may write to one file."""
        self.rounds[regime, number], self.centres[regime] = hits, centres
        point = [regime.n_phrasings, regime.n_instances, regime.share, regime.kind, regime.missing]
        row = {
            "code": self.code,
            "seed": seed,
            "point": point,
            "round": number,
            "centres": centres,
            "hits": hits,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


@dataclass(frozen=True)
class Row:
    """Coverage of one interval at one point of the grid."""

    regime: Regime
    question: str
    metric: str
    coverage: float
    draws: int
    truth: float

    @property
    def edge(self) -> bool:
        """Whether the truth is at the end of what the metric can be:
        0 for a variance, less than one instance from 0 or 1 for a share of instances.
        """
        if self.metric in {"worst_instance", "best_instance"}:
            return self.regime.n_instances * min(self.truth, 1 - self.truth) < 1
        return self.metric.startswith("var_") and self.truth == 0

    @property
    def out(self) -> bool:
        """Whether the coverage lies outside the band by more than two simulation errors."""
        margin = 2 * float(np.sqrt(0.95 * 0.05 / self.draws))
        return self.coverage < BAND[0] - margin or self.coverage > BAND[1] + margin


def rows_of(state: State) -> list[Row]:
    """Return the coverage per point, question and metric over all rounds."""
    sums: dict[tuple[Regime, str], np.ndarray] = {}
    for (regime, _), hits in state.rounds.items():
        for name, entry in hits.items():
            sums[regime, name] = sums.get((regime, name), np.zeros(3)) + np.array(entry)
    rows = []
    for (regime, name), (held, offered, total) in sums.items():
        question, _, metric = name.partition("/")
        rows.append(Row(regime, question, metric, held / offered, int(offered), total / offered))
    return sorted(rows, key=lambda row: (row.question, row.metric, str(row.regime)))


def page(rows: list[Row], state: State) -> str:
    """Return the Markdown page: what was run, coverage per metric, question, kind of score and
    P, and the points outside the band.
    """
    points = {regime for regime, _ in state.rounds}
    matrices = [sum(1 for regime, _ in state.rounds if regime == point) * ROUND for point in points]
    most = max(matrices)
    lines = [
        "# Coverage where effects of wording are normal",
        "",
        f"Written by `nox -s coverage` (`benchmarks/coverage.py`) on {time.strftime('%Y-%m-%d')} "
        f"with Python {platform.python_version()}, NumPy {np.__version__}, "
        f"SciPy {scipy.__version__}.",
        (
            f"{len(points)} of the {len(list(grid()))} points of the grid were simulated, "
            f"all with the same code, with {_span(min(matrices), most)} matrices each."
        ),
        (
            "A point is P in {5, 10, 30} phrasings, N in {50, 200, 1000} instances, "
            "one of four mixes of variance, normal or 0/1 scores, and no or"
        ),
        "one tenth of the cells missing.",
        (
            f"`{DIFFERENCE.strip()}` is what `evalkit compare` gives for two models on the same "
            "cells that share instances and half of every other effect, the second"
        ),
        f"better by {SHIFT} standard deviations of a cell.",
        (
            f"Pivotal intervals used {PIVOTS:,} draws; what an order statistic expects comes from "
            f"{CENTRES:,} further matrices."
        ),
        (
            "Every number is the share of nominal 95% intervals that hold the truth; "
            "`mean` is over the points of a line. The single points are in `coverage_normal.csv`."
        ),
        (
            f"One point has a simulation error of {np.sqrt(0.95 * 0.05 / most):.3f}; "
            "`out` counts points outside 93% to 97% by more than two of these."
        ),
        (
            "`edge` counts points whose truth is 0 (variance of difficulty where instances are "
            "alike) or less than one instance of N away from 0 or 1"
        ),
        (
            "(`worst_instance`, `best_instance`); an interval that cannot go further holds such a "
            "truth more often than asked, so these points are left out of the other columns."
        ),
        "",
        "| question | metric | scores | P | lowest | mean | highest | points | out | edge |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, str, str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault(
            (row.question, row.metric, row.regime.kind, row.regime.n_phrasings), []
        ).append(row)
    for (question, name, kind, p), found in sorted(groups.items()):
        inner = [row for row in found if not row.edge]
        edge = len(found) - len(inner)
        if not inner:
            lines.append(f"| {question} | {name} | {kind} | {p} | - | - | - | 0 | 0 | {edge} |")
            continue
        values, weights = (
            np.array([row.coverage for row in inner]),
            np.array([row.draws for row in inner]),
        )
        ends = (
            f"{values.min():.3f} | {np.average(values, weights=weights):.3f} | {values.max():.3f}"
        )
        lines.append(
            f"| {question} | {name} | {kind} | {p} | {ends} | {values.size} | "
            f"{sum(row.out for row in inner)} | {edge} |"
        )
    return "\n".join([*lines, *_outside(rows)]) + "\n"


def _span(least: int, most: int) -> str:
    return f"{most:,}" if least == most else f"{least:,} to {most:,}"


def _outside(rows: Iterable[Row]) -> list[str]:
    found = [row for row in rows if row.out and not row.edge]
    if not found:
        return [
            "",
            "No point away from the edge lies outside the band by more than two simulation errors.",
        ]
    lines = ["", "## Points outside the band", ""]
    lines += [
        "| question | metric | scores | P | N | variance | missing | truth | coverage | matrices |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        r = row.regime
        lines.append(
            f"| {row.question} | {row.metric} | {r.kind} | {r.n_phrasings} | {r.n_instances} | "
            f"{r.share} | {r.missing:g} | {row.truth:.3g} | {row.coverage:.3f} | {row.draws} |"
        )
    return lines


def write(state: State, out: Path) -> None:
    """Write both files from the rounds there are."""
    rows = rows_of(state)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "coverage_normal.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            [
                "question",
                "metric",
                "n_phrasings",
                "n_instances",
                "variance",
                "scores",
                "missing",
                "truth",
                "coverage",
                "draws",
            ]
        )
        for row in rows:
            point = [
                row.regime.n_phrasings,
                row.regime.n_instances,
                row.regime.share,
                row.regime.kind,
                row.regime.missing,
            ]
            writer.writerow(
                [
                    row.question,
                    row.metric,
                    *point,
                    f"{row.truth:.6g}",
                    round(row.coverage, 4),
                    row.draws,
                ]
            )
    (out / "coverage_normal.md").write_text(page(rows, state), encoding="utf-8")


def main() -> None:
    """Run the rounds that are not there yet and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--draws", type=int, default=1000, help="matrices per point, rounded up to hundreds"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--shard", default="1/1", help="K/OF: only every OF-th point, from the K-th on"
    )
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument(
        "--state", type=Path, default=Path("build/coverage.jsonl"), help="rounds done so far"
    )
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument(
        "--only", default="", help="keep regimes whose description contains this text"
    )
    options = parser.parse_args()
    state = State(options.state, code_digest())
    state.read(options.seed)
    number, of = map(int, options.shard.split("/"))
    points = [
        regime
        for regime in itertools.islice(grid(), number - 1, None, of)
        if options.only in str(regime)
    ]
    wanted = [
        (regime, k)
        for k in range(1, -(-options.draws // ROUND) + 1)
        for regime in points
        if (regime, k) not in state.rounds
    ]
    print(
        f"{len(state.rounds)} rounds there, {state.others} of other code left out, "
        f"{len(wanted)} to do",
        flush=True,
    )
    with Pool(options.jobs) as pool:
        jobs = ((regime, k, options.seed, state.centres.get(regime)) for regime, k in wanted)
        for done, found in enumerate(pool.imap(simulate, jobs), start=1):
            state.add(*found, seed=options.seed)
            if done % len(points) == 0 or done == len(wanted):
                print(f"{done}/{len(wanted)} rounds, {time.process_time():.0f} s", flush=True)
                write(state, options.out)
    write(state, options.out)


if __name__ == "__main__":
    main()
