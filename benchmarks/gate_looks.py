"""What several looks at one release do to the error of a gate,
with the rule of `--look K` and without.

    python benchmarks/gate_looks.py [--releases 500] [--looks 100 200 300 400 500]

Every release is gated after 100, 200, ... 500 instances, the decision made by `evalkit.gating` from
the mean over four wordings with a margin of 5 points. Two kinds of releases: one loses exactly the
margin, so every pass is an error; the other loses nothing, so every regression is one. Instances
differ in ease (Beta(2, 1.5)), wordings by 0.4 logits, each wording with each instance by 0.6; with
groups, ten instances share an effect of one logit and the group is what is drawn. What is printed
is the share of releases that are wrongly passed, or wrongly called a regression, at any look.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from evalkit.analysis.compare import paired_blocks
from evalkit.gating import decide, measure
from evalkit.gating.measures import Pair
from evalkit.gating.series import spending
from evalkit.records.policy import Policy, Rule
from evalkit.scoring import ScoreTable

DAY = date(2027, 1, 1)
WORDINGS = 4
MARGIN = 0.05
LEVEL = 0.95
OF_A_GROUP = 10
POPULATION = 20_000
POLICY = Policy(name="looks", rules=(Rule(metric="mean", margin=MARGIN),), min_power=0.0)


def pair_of(n: int, *, grouped: bool) -> Pair:
    """Return the blocks of two runs of n instances, all of them wrong."""
    names = [f"i{k:04d}" for k in range(n)]
    cells = {
        "task": "t",
        "phrasing_id": np.repeat([f"p{k}" for k in range(WORDINGS)], n),
        "instance_id": np.tile(names, WORDINGS),
        "score": 0.0,
    }
    if grouped:
        cells["group"] = np.tile([f"g{k // OF_A_GROUP:03d}" for k in range(n)], WORDINGS)
    tables = [
        ScoreTable.from_frame(pd.DataFrame({"model": name, **cells})) for name in ("old", "new")
    ]
    return paired_blocks(*tables)[0]


def chances(n: int, rng: np.random.Generator, *, grouped: bool) -> np.ndarray:
    """Return the chances (wording, instance) of being right."""
    ease = logit(rng.beta(2, 1.5, n))
    if grouped:
        ease = ease + np.repeat(rng.normal(0, 1, -(-n // OF_A_GROUP)), OF_A_GROUP)[:n]
    effects = np.linspace(-0.4, 0.4, WORDINGS)[:, None]
    return np.asarray(expit(ease + effects + rng.normal(0, 0.6, (WORDINGS, n))))


def wrong(
    harm: float, *, grouped: bool, releases: int, looks: list[int], seed: int
) -> tuple[float, float]:
    """Return the shares of releases with a wrong outcome at any look,
    with the rule and without it.
    """
    rng = np.random.default_rng([seed, int(grouped), round(1000 * harm)])
    lost = harm / chances(POPULATION, rng, grouped=grouped).mean()
    templates = [pair_of(n, grouped=grouped) for n in looks]
    bad = "pass" if harm else "regression"
    counts = np.zeros(2)
    for _ in range(releases):
        right = chances(looks[-1], rng, grouped=grouped)
        old = (rng.random(right.shape) < right).astype(float)
        new = (rng.random(right.shape) < right * (1 - lost)).astype(float)
        found = [False, False]
        for look, (n, (before, after)) in enumerate(zip(looks, templates, strict=True), 1):
            pair = (replace(before, values=old[:, :n]), replace(after, values=new[:, :n]))
            for way, level in enumerate((1 - spending(look, LEVEL), LEVEL)):
                own = replace(POLICY, level=level)
                found[way] |= decide(measure([pair], own), own, today=DAY).outcome == bad
        counts += found
    with_rule, without = counts / releases
    return float(with_rule), float(without)


def main() -> None:
    """Print a line per kind of release."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--releases", type=int, default=500)
    parser.add_argument("--looks", type=int, nargs="+", default=[100, 200, 300, 400, 500])
    parser.add_argument("--seed", type=int, default=20261130)
    given = parser.parse_args()
    print("| instances | release | wrong outcome | with `--look K` | without |")
    print("|---|---|---|---|---|")
    for grouped in (False, True):
        for harm, said in ((MARGIN, "loses the margin"), (0.0, "loses nothing")):
            with_rule, without = wrong(
                harm, grouped=grouped, releases=given.releases, looks=given.looks, seed=given.seed
            )
            kind = f"in groups of {OF_A_GROUP}" if grouped else "independent"
            bad = "pass" if harm else "regression"
            print(f"| {kind} | {said} | {bad} | {with_rule:.3f} | {without:.3f} |", flush=True)


if __name__ == "__main__":
    main()
