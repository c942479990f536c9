"""Coverage of every interval that is offered, where wordings and instances are not normal.

    python benchmarks/coverage_grid.py --state build/grid.jsonl --out docs

Scores are 0 or 1. A cell is right with the chance m[p] expit(logit b[i] + a[p] + g[p, i] + u[group]
+ e[task]): b is U-shaped (most instances nearly always right or wrong) or mild; a is mild, wide,
heavy (Student with 3 degrees of freedom), skewed (minus an exponential one) or wide with one
wording in ten broken (m = 0.15), in both arms and models or in one only; g is what a wording does
to single instances; u what instances of a group share; e what a task adds. Truths are by
quadrature, those of order statistics by further matrices.

The question ``phrasings`` is judged by the intervals that need no law, ``normal`` by those that
take effects of wording as normal. Points alternate between two halves. What is offered was decided
on the first half; the page shows the second, which decided nothing. A round is 50 matrices of one
point, kept as a line of the state file, so an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from coverage_page import write_page
from scipy.special import expit, logit
from scipy.stats import beta

from evalkit import stats
from evalkit.analysis.new_phrasings import of_new_phrasings
from evalkit.analysis.over_tasks import OneTask, over_tasks
from evalkit.records.questions import within
from evalkit.stats import Interval
from evalkit.stats.intervals.fixed_intervals import mean_of_instances

ROUND = 50
PIVOTS = 400
CENTRES = 1200
DIFFERENCE = "difference of "
ORDER = ("median", "q75", "cps")
MIDDLE = "median of all phrasings"
"""What the interval of the median that needs no law is about."""
ITEMS = {"u-shaped": (0.35, 0.25), "mild": (2.0, 1.5)}
SHIFT = 0.2
"""Logits by which the second of two compared models is better."""
OWN = 0.2
"""Standard deviation of what a wording does to the second model only."""


@dataclass(frozen=True)
class Point:
    """One point of the grid."""

    wording: str = "wide"
    n_phrasings: int = 10
    n_instances: int = 200
    items: str = "u-shaped"
    interaction: float = 0.8
    unseen: int = 0
    """Unseen phrasings; 0 for half of them."""
    unequal: bool = False
    """Whether seen wordings hardly differ and unseen ones do, as in the lead paper."""
    groups: int = 0
    """Groups of instances; 0 for none."""
    alone: str = ""
    """Where wordings break: ``unseen`` in that arm only, ``second`` in the second model only."""
    tasks: int = 1
    shared: bool = True
    """Whether tasks share their phrasings."""
    levels: tuple[float, ...] = (0.95,)

    @property
    def n_unseen(self) -> int:
        """Unseen phrasings."""
        return self.unseen or self.n_phrasings - self.n_phrasings // 2


def grid() -> list[Point]:
    """Return all points, neighbours alike, so that both halves hold some of everything."""
    sizes = ((5, 50), (5, 200), (10, 50), (10, 200), (20, 200), (10, 1000))
    points = [Point(w, p, n) for w in ("mild", "wide", "heavy", "broken") for p, n in sizes]
    points += [replace(Point(), n_phrasings=30, wording=w) for w in ("wide", "broken")]
    points += [replace(Point(), items="mild", interaction=x) for x in (0.0, 0.8)]
    points += [replace(Point(), levels=(0.8, 0.9), wording=w) for w in ("mild", "wide", "broken")]
    points += [replace(Point(), levels=(0.8, 0.9), n_phrasings=5, n_instances=50)]
    points += [replace(Point(), unseen=u, unequal=x) for u in (3, 7, 1) for x in (False, True)]
    points += [replace(Point(wording="broken"), unseen=u) for u in (3, 7)]
    points += [Point("skewed", p, n) for p, n in ((4, 50), (6, 200), (10, 1000), (20, 200))]
    points += [Point("broken", p, n) for p, n in ((4, 50), (6, 200), (60, 50), (60, 1000))]
    points += [Point("broken", 10, n, alone=a) for a in ("unseen", "second") for n in (50, 200)]
    points += [replace(Point(), groups=g, wording=w) for w in ("wide", "broken") for g in (10, 40)]
    points += [replace(Point(), groups=5), replace(Point(), groups=20, levels=(0.8, 0.9))]
    points += [
        Point(w, 10, 50, tasks=t, shared=s)
        for t in (3, 17)
        for w, s in (("wide", True), ("wide", False), ("broken", True))
    ]
    return points


def wordings(point: Point, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Effects a and factors m of that many wordings."""
    scale = {"mild": 0.2, "wide": 0.6, "heavy": 0.25, "broken": 0.6, "skewed": 0.8}[point.wording]
    if point.wording == "heavy":
        draw = rng.standard_t(3, size)
    elif point.wording == "skewed":
        draw = 0.5 - rng.standard_exponential(size)
    else:
        draw = rng.normal(size=size)
    broken = (rng.random(size) < 0.1) & (point.wording == "broken")
    return scale * draw, np.where(broken, 0.15, 1.0)


def both_arms(point: Point, rng: np.random.Generator, size: int = 1) -> tuple[np.ndarray, ...]:
    """Effects, factors and which phrasings are seen, `size` sets of phrasings at once."""
    p, unseen = point.n_phrasings, point.n_unseen
    a, m = wordings(point, rng, size * p)
    a, m = a.reshape(size, p), m.reshape(size, p)
    seen = np.arange(p) < p - unseen
    if point.unequal:
        a = np.where(seen, 0.2 + 0.1 * rng.normal(size=a.shape), 0.4 * rng.normal(size=a.shape))
        m = np.ones_like(m)
    if point.alone == "unseen":
        m = np.where(seen, 1.0, m)
    return a, np.ones_like(m) if point.alone == "second" else m, seen


@lru_cache(maxsize=8)
def nodes(items: str, grouped: bool) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of logit b + u."""
    share = (np.arange(300) + 0.5) / 300
    b = logit(np.clip(beta(*ITEMS[items]).ppf(share), 1e-9, 1 - 1e-9))
    if not grouped:
        return b, np.full(300, 1 / 300)
    u, w = np.polynomial.hermite_e.hermegauss(9)
    return (b[:, None] + u).ravel(), np.outer(np.full(300, 1 / 300), w / w.sum()).ravel()


def chances(point: Point, a: np.ndarray, m: np.ndarray, task: float = 0.0) -> np.ndarray:
    """Chance of a right answer, (wording, node), the interaction integrated out."""
    x, _ = nodes(point.items, point.groups > 0)
    g, w = np.polynomial.hermite_e.hermegauss(7)
    w = w / w.sum()
    shift = a[:, None] + task
    return m[:, None] * sum(
        wk * expit(x + shift + point.interaction * gk) for gk, wk in zip(g, w, strict=True)
    )


def scores(
    point: Point, a: np.ndarray, m: np.ndarray, base: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A matrix (wording, instance) of 0 and 1, or several where `a` has a leading axis."""
    eta = base + a[..., None] + point.interaction * rng.normal(size=(*a.shape, base.shape[-1]))
    return (rng.random(eta.shape) < m[..., None] * expit(eta)).astype(float)


def instances(point: Point, rng: np.random.Generator, size: int = 1) -> np.ndarray:
    """Logit b + u of new instances, (size, 1, N)."""
    n = point.n_instances
    base = logit(np.clip(rng.beta(*ITEMS[point.items], (size, 1, n)), 1e-9, 1 - 1e-9))
    if point.groups:
        base = base + rng.normal(size=(size, 1, point.groups))[..., codes(point)]
    return base


def codes(point: Point) -> np.ndarray:
    """Group of each instance."""
    return np.arange(point.n_instances) % point.groups


def truths_these(point: Point, chance: np.ndarray, seen: np.ndarray) -> dict[str, float]:
    """What is true of these wordings."""
    _, w = nodes(point.items, point.groups > 0)
    a, p = chance @ w, len(chance)
    right, wrong = chance.sum(axis=0), (1 - chance).sum(axis=0)
    equal = right**2 - (chance**2).sum(axis=0) + wrong**2 - ((1 - chance) ** 2).sum(axis=0)
    return {
        "mean": float(a.mean()),
        "gap": float(a[seen].mean() - a[~seen].mean()),
        "std_excess": float(a.std(ddof=1)),
        "pss": 1 - float(w @ equal) / (p * (p - 1)),
        "worst_instance": float(w @ chance.prod(axis=0)),
        "best_instance": float(1 - w @ (1 - chance).prod(axis=0)),
    }


def second_model(
    point: Point, a: np.ndarray, m: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Effects and factors of the same wordings on a second, better model."""
    other = a + SHIFT + OWN * rng.normal(size=a.shape)
    if point.alone == "second":
        m = np.where(rng.random(a.shape) < 0.1, 0.15, m)
    return other, m


@lru_cache(maxsize=64)
def truths_new(point: Point, seed: int) -> dict[str, float]:
    """What is true of new wordings: means by many wordings, order statistics by many matrices."""
    rng = np.random.default_rng([seed, 1])
    _, w = nodes(point.items, point.groups > 0)
    a, m, seen = both_arms(point, rng, (1000 if point.groups else 4000) // point.n_phrasings)
    first = (chances(point, a.ravel(), m.ravel()) @ w).reshape(a.shape)
    other, m2 = second_model(point, a, m, rng)
    second = (chances(point, other.ravel(), m2.ravel()) @ w).reshape(a.shape)
    found = {
        "mean": float(first.mean()),
        "gap": float(first[:, seen].mean() - first[:, ~seen].mean()),
        f"{DIFFERENCE}mean": float(second.mean() - first.mean()),
        MIDDLE: float(np.median(first)),
        "seen_mean": float(first[:, seen].mean()),
        "unseen_mean": float(first[:, ~seen].mean()),
    }
    means = []
    for _ in range(CENTRES // 100):
        a, m, _ = both_arms(point, rng, 100)
        base = instances(point, rng, 100)
        both = ((a, m), second_model(point, a, m, rng))
        means.append([scores(point, *x, base, rng).mean(axis=2) for x in both])
    old, new = np.concatenate(means, axis=1)
    for name in ORDER:
        function = stats.FROM_MEANS[name]
        found[name] = float(np.mean(function(old)))
        found[f"{DIFFERENCE}{name}"] = float(np.mean(function(new) - function(old)))
    return found


Hits = dict[str, list[float]]
"""``question|metric|level`` -> [held, offered, drawn, sum of widths]."""


def note(
    hits: Hits,
    question: str,
    found: Mapping[str, Interval],
    truth: Mapping[str, float],
    level: float,
) -> None:
    """Count what was offered and what held."""
    for name, target in truth.items():
        if name not in found or np.isnan(target):
            continue
        entry = hits.setdefault(f"{question}|{name}|{level:g}", [0, 0, 0, 0.0])
        entry[2] += 1
        one = found[name]
        if not np.isnan(one.low):
            entry[0] += bool(one.low - 1e-12 <= target <= one.high + 1e-12)
            entry[1] += 1
            entry[3] += one.high - one.low


def of_scores(
    point: Point, y: np.ndarray, seen: np.ndarray, question: Any, level: float, rng: Any
) -> dict[str, Interval]:
    """Every interval of one matrix, groups as `evalkit.analysis` takes them."""
    units = stats.by_group(y, codes(point)) if point.groups else y
    options = {"rng": rng, "question": question, "level": level, "n_resamples": PIVOTS}
    found = stats.score_intervals(units, **options)
    found |= stats.gap_intervals(units, seen=seen, unseen=~seen, **options)
    if point.groups:
        for name in ("pss", "var_instance", "var_interaction"):
            found.pop(name)
        each = {"worst_instance": y.min(axis=0), "best_instance": y.max(axis=0)}
        for name, value in each.items():
            over = stats.by_group(value[None], codes(point))[0]
            found[name] = mean_of_instances(over, level=level)
    return found


def of_any(point: Point, y: np.ndarray, seen: np.ndarray, level: float) -> dict[str, Interval]:
    """Every interval of one matrix that needs no law of wording."""
    units = stats.by_group(y, codes(point)) if point.groups else y
    return of_new_phrasings(units, np.where(seen, "seen", "unseen"), level=level)


def any_truths(new: Mapping[str, float]) -> dict[str, float]:
    """What these are about."""
    names = {
        "mean": "mean",
        "median": MIDDLE,
        "seen_mean": "seen_mean",
        "unseen_mean": "unseen_mean",
    }
    return {name: new[of] for name, of in names.items()}


def of_pair(
    point: Point, old: np.ndarray, new: np.ndarray, question: Any, level: float, rng: Any
) -> dict[str, Interval]:
    """Every difference of two models."""
    sides = [stats.by_group(y, codes(point)) if point.groups else y for y in (old, new)]
    found = stats.difference_intervals(
        *sides, rng=rng, question=question, level=level, n_resamples=PIVOTS
    )
    if point.groups:
        found = {
            name: one for name, one in found.items() if "instance" not in name and name != "pss"
        }
    return {f"{DIFFERENCE}{name}": one for name, one in found.items()}


def one_task(point: Point, hits: Hits, new: Mapping[str, float], rng: np.random.Generator) -> None:
    """One matrix of one task, and a second model on it."""
    (a,), (m,), seen = both_arms(point, rng)
    (base,) = instances(point, rng)
    second = second_model(point, a, m, rng)
    old, better = scores(point, a, m, base, rng), scores(point, *second, base, rng)
    these = truths_these(point, chances(point, a, m), seen)
    those = truths_these(point, chances(point, *second), seen)
    these |= {
        f"{DIFFERENCE}{name}": those[name] - these[name]
        for name in ("mean", "pss", "worst_instance", "best_instance")
    }
    fresh_a, fresh_m = wordings(point, rng, 1)
    fresh = float(scores(point, fresh_a, fresh_m, base, rng).mean())
    for level in point.levels:
        for question, truth in (("fixed", these), ("random", new)):
            found = of_scores(point, old, seen, question, level, rng)
            found |= of_pair(point, old, better, question, level, rng)
            told = {"fixed": "these", "random": "normal"}[question]
            note(hits, told, found, truth, level)
            if question == "random" and not point.unequal:
                note(hits, told, found, {"new_phrasing": fresh}, level)
        note(hits, "phrasings", of_any(point, old, seen, level), any_truths(new), level)


def several_tasks(point: Point, hits: Hits, everything: float, rng: np.random.Generator) -> None:
    """Rows over all tasks, for each of the three questions."""
    _, w = nodes(point.items, False)
    (a,), (m,), seen = both_arms(point, rng)
    drawn = rng.normal(0, 0.8, point.tasks)
    parts, these = [], []
    for number, task in enumerate(drawn):
        if not point.shared and number:
            (a,), (m,), seen = both_arms(point, rng)
        (base,) = instances(point, rng)
        y = scores(point, a, m, base + task, rng)
        ids = tuple(f"p{k}" if point.shared else f"{number}.{k}" for k in range(len(a)))
        parts.append((y, ids))
        these.append(truths_these(point, chances(point, a, m, task), seen))
    truth = {name: float(np.mean([one[name] for one in these])) for name in these[0]}
    many, factor = wordings(point, rng, 600)
    each = np.array([chances(point, many, factor, task) @ w for task in drawn])
    new, middle = float(each.mean()), float(np.median(each, axis=1).mean())
    asked = {"these": truth, "normal": {"mean": new, "gap": 0.0}}
    asked["phrasings"] = {"mean": new, "seen_mean": new, "unseen_mean": new, "median": middle}
    asked["tasks"] = {"mean": everything, "gap": 0.0}
    for question, target in asked.items():
        tasks = []
        for number, (y, ids) in enumerate(parts):
            if question == "these":
                found = of_scores(point, y, seen, within(question), 0.95, rng)
                found.pop("new_phrasing")
            elif question == "phrasings":
                found = of_any(point, y, seen, 0.95)
            else:  # nothing else is judged over several tasks, and pivots cost most of the time
                found = {
                    "mean": stats.mean_interval(y),
                    "gap": stats.gap_interval(y, seen=seen, unseen=~seen),
                }
            tasks.append(
                OneTask(
                    task=f"t{number}", benchmark="b", found=found, phrasing_ids=ids,
                    seen=tuple(np.where(seen, "seen", "unseen")), a=y.mean(axis=1),
                    n_instances=y.shape[1], digest="", values=y,
                )
            )  # fmt: skip
        rows = over_tasks(tasks, level=0.95, question=question)
        note(hits, question, {name: one for name, (one, _) in rows.items()}, target, 0.95)


@lru_cache(maxsize=16)
def truth_of_tasks(point: Point, seed: int) -> float:
    """The mean over all tasks like these and all wordings."""
    x, w = np.polynomial.hermite_e.hermegauss(15)
    a, m = wordings(point, np.random.default_rng([seed, 3]), 2000)
    _, v = nodes(point.items, False)
    each = [(chances(point, a, m, 0.8 * e) @ v).mean() for e in x]
    return float(np.dot(each, w / w.sum()))


def simulate(point: Point, number: int, seed: int) -> Hits:
    """One round of one point."""
    place = grid().index(point)
    rng = np.random.default_rng([seed, place, number, 2])
    hits: Hits = {}
    if point.tasks > 1:
        everything = truth_of_tasks(point, seed)
        for _ in range(ROUND):
            several_tasks(point, hits, everything, rng)
        return hits
    new = truths_new(point, seed + place)
    for _ in range(ROUND):
        one_task(point, hits, new, rng)
    return hits


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Rounds kept so far."""
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def main() -> None:
    """Run the rounds that are not there yet, most uneven points first, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8, help="rounds of 50 matrices per point")
    parser.add_argument("--cpu-minutes", type=float, default=25.0, help="stop after these")
    parser.add_argument("--seed", type=int, default=20261129)
    parser.add_argument("--state", type=Path, default=Path("build/grid.jsonl"))
    parser.add_argument("--out", type=Path, default=Path("docs"))
    given = parser.parse_args()
    points, start = grid(), time.process_time()
    done = {(row["point"], row["round"]) for row in read(given.state) if row["seed"] == given.seed}
    given.state.parent.mkdir(parents=True, exist_ok=True)
    for number in range(given.rounds):
        for place, point in enumerate(points):
            if (place, number) in done or time.process_time() - start > 60 * given.cpu_minutes:
                continue
            hits = simulate(point, number, given.seed)
            row = {"seed": given.seed, "point": place, "round": number, "hits": hits}
            with given.state.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        print(f"round {number}: {time.process_time() - start:.0f} CPU s", flush=True)
    rows = [row for row in read(given.state) if row["seed"] == given.seed]
    write_page(rows, [asdict(point) for point in points], given.out, seed=given.seed)


if __name__ == "__main__":
    main()
