"""How often the gate is wrong, and how often it notices: simulated releases of known truth,
as in ``docs/gate.md``.

Each regime is a population of instances with the answers of two models under every phrasing. True
estimates are those of the population; a release is a draw of instances from it. *Nothing changed*:
old and new are exchangeable, so every true harm is 0. *At the margin*: the new model is bent until
the true harm of one metric is exactly its margin.
*Chains*: five releases one after the other, each of which truly loses a point of the mean.

Every rule of the shipped policy decides, alarms among them; bent are the metrics of `BENT`.

Run: ``python benchmarks/gate_power.py --releases 200 --out gate_power.json``; prints the tables of
the docs.
``python benchmarks/gate_power.py --chain 0.01 --releases 100`` prints that of the chains.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evalkit.catalog.policies import default_policy_path, read_policy_file
from evalkit.gating import Decision, decide, measure
from evalkit.records.policy import Policy
from evalkit.scoring import STATES, STATUSES, Block
from evalkit.stats import consistency

Floats = npt.NDArray[np.float64]
SEEN = ("seen",) * 6 + ("unseen",) * 6
"""Relation of the twelve phrasings."""
N_TASKS = 4
POPULATION = 20_000
BENT = ("mean", "gap", "worst_phrasing", "std", "consistency", "unparsed_rate")
"""Metrics of which a loss is made."""
CHAIN = 5
"""Releases after the first in a chain."""
TODAY = date(2026, 11, 30)


@dataclass(frozen=True, kw_only=True)
class Regime:
    """How scores vary; standard deviations on the probit scale."""

    name: str
    n_instances: int
    """Instances per task."""
    ability: float = 0.6
    """Mean."""
    instance: float = 1.0
    """Over instances, shared by both models."""
    phrasing: float = 0.2
    """Over phrasings, shared by both models."""
    shared: float = 0.4
    """Of single cells, shared by both models."""
    own: float = 0.3
    """Of single cells, each model's own: what makes answers flip between releases."""


REGIMES = (
    Regime(name="retrained", n_instances=200),
    Regime(name="retrained, few instances", n_instances=60),
    Regime(name="quantised: hardly a flip", n_instances=200, own=0.03),
    Regime(name="unrelated models", n_instances=200, shared=0.0, own=0.8),
    Regime(name="wording does nothing", n_instances=200, phrasing=0.0),
    Regime(name="wording matters much", n_instances=200, phrasing=0.6),
    Regime(name="hard suite", n_instances=200, ability=-1.2),
    Regime(name="many instances", n_instances=600),
)


@dataclass
class Side:
    """Answers of one model: rightness, usability, and the wrong answer it would give."""

    right: npt.NDArray[np.bool_]
    unparsed: npt.NDArray[np.bool_]
    wrong: npt.NDArray[np.int8]

    def take(self, columns: npt.NDArray[np.int64]) -> Side:
        """Return some instances."""
        return Side(self.right[:, columns], self.unparsed[:, columns], self.wrong[:, columns])

    @property
    def scores(self) -> Floats:
        """0 or 1 per cell."""
        return (self.right & ~self.unparsed).astype(np.float64)

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """Answer codes, 0 is the target."""
        return np.where(self.unparsed, -1, np.where(self.right, 0, self.wrong)).astype(np.int32)


class Population:
    """Instances of one task with the latent values of two models, or of a chain of them."""

    def __init__(
        self,
        regime: Regime,
        rng: np.random.Generator,
        *,
        models: int = 2,
        wordings: int = len(SEEN),
    ) -> None:
        shape = (wordings, POPULATION)
        self.effects = (
            np.sort(rng.standard_normal(shape[0]))[rng.permutation(shape[0])] * regime.phrasing
        )
        self.effects -= self.effects.mean()
        base = (
            regime.ability
            + regime.instance * rng.standard_normal(POPULATION)
            + self.effects[:, None]
        )
        base = base + regime.shared * rng.standard_normal(shape)
        self.latent = [base + regime.own * rng.standard_normal(shape) for _ in range(models)]
        self.uniform = rng.random(shape)
        self.noise = rng.random(shape)
        self.wrong = np.broadcast_to(
            rng.integers(1, 4, size=POPULATION).astype(np.int8), shape
        ).copy()
        self.other = rng.integers(1, 4, size=shape).astype(np.int8)
        self.contrast = rng.standard_normal(shape[0])
        self.contrast = (self.contrast - self.contrast.mean()) / self.contrast.std()

    def old(self) -> Side:
        """Return the baseline."""
        return Side(self.latent[0] > 0, np.zeros(self.uniform.shape, dtype=bool), self.wrong)

    def new(self, metric: str, strength: float, *, model: int = 1) -> Side:
        """Return the candidate, bent so that one metric is harmed."""
        shift = np.zeros(len(SEEN))
        if metric == "mean":
            shift -= strength
        elif metric == "gap":
            shift[np.array(SEEN) == "unseen"] -= strength
        elif metric == "worst_phrasing":
            shift[int(self.effects.argmin())] -= strength
        elif metric == "std":
            shift += strength * (np.sign(self.contrast) if not self.effects.any() else self.effects)
        right = self.latent[model] + shift[:, None] > 0
        scattered = (self.noise < strength) if metric == "consistency" else np.zeros_like(right)
        unparsed = self.uniform < strength if metric == "unparsed_rate" else np.zeros_like(right)
        return Side(right & ~scattered, unparsed, np.where(scattered, self.other, self.wrong))


def truth(metric: str, side: Side) -> float:
    """Return the true value of a metric, harm upwards, of one task's population."""
    a = side.scores.mean(axis=1)
    seen = np.array(SEEN) == "seen"
    return {
        "mean": lambda: -float(a.mean()),
        "gap": lambda: float(a[seen].mean() - a[~seen].mean()),
        "worst_phrasing": lambda: -float(a.min()),
        "std": lambda: float(a.var(ddof=1)),
        "consistency": lambda: -consistency(side.labels.astype(np.int64)),
        "unparsed_rate": lambda: float(side.unparsed.mean()),
    }[metric]()


def harm(
    metric: str, populations: Sequence[Population], strength: float, *, model: int = 1
) -> float:
    """Return the true harm over all tasks."""
    before = np.mean([truth(metric, one.old()) for one in populations])
    after = np.mean([truth(metric, one.new(metric, strength, model=model)) for one in populations])
    if metric == "std":
        return float(np.sqrt(after) - np.sqrt(before))
    return float(after - before)


def strength_for(
    metric: str, populations: Sequence[Population], wanted: float, *, model: int = 1
) -> float:
    """Return how far the candidate is bent for a true harm of `wanted`;
    by bisection, NaN when it cannot be.
    """
    low, high = 0.0, 4.0 if metric not in {"consistency", "unparsed_rate"} else 0.9
    if harm(metric, populations, high, model=model) < wanted:
        return float("nan")
    for _ in range(14):
        middle = (low + high) / 2
        short = harm(metric, populations, middle, model=model) < wanted
        low, high = (middle, high) if short else (low, middle)
    return high


def block(side: Side, task: str) -> Block:
    """Return what a score table would give for one model on one task."""
    n_phrasings, n = side.right.shape
    codes = np.where(side.unparsed, STATUSES.index("unparsed"), STATUSES.index("ok"))
    return Block(
        model="m",
        benchmark="simulated",
        task=task,
        phrasing_ids=tuple(f"p{k:02d}" for k in range(n_phrasings)),
        instance_ids=tuple(f"i{k:05d}" for k in range(n)),
        values=side.scores,
        labels=side.labels,
        label_names=("a", "b", "c", "d"),
        status=codes.astype(np.int8),
        state=np.where(side.unparsed, STATES.index("unusable"), STATES.index("wrong")).astype(
            np.int8
        ),
        form=np.full(side.right.shape, -1, dtype=np.int8),
        confidence=np.full(side.right.shape, np.nan),
        targets=np.zeros(n, dtype=np.int32),
        seen=SEEN,
        kinds=("correct",) * n_phrasings,
        sources=("x",) * n_phrasings,
        perturbations=("",) * n_phrasings,
    )


def release(
    populations: Sequence[Population],
    metric: str,
    strength: float,
    *,
    n: int,
    policy: Policy,
    rng: np.random.Generator,
) -> Decision:
    """Draw instances and decide; with strength 0 old and new are swapped at random per instance,
    so that nothing changed.
    """
    pairs = []
    for number, one in enumerate(populations):
        columns = rng.integers(0, POPULATION, size=n)
        sides = [one.old().take(columns), one.new(metric, strength).take(columns)]
        if strength == 0:
            swap = rng.random(n) < 0.5
            sides = [
                Side(
                    *(
                        np.where(swap, getattr(b, name), getattr(a, name))
                        for name in ("right", "unparsed", "wrong")
                    )
                )
                for a, b in (sides, sides[::-1])
            ]
        pairs.append((block(sides[0], f"t{number}"), block(sides[1], f"t{number}")))
    return decide(measure(pairs, policy), policy, today=TODAY)


def deciding(policy: Policy) -> Policy:
    """Return the policy with its deciding rules alone."""
    return replace(policy, rules=tuple(rule for rule in policy.rules if not rule.informational))


def simulate(
    regime: Regime,
    *,
    releases: int,
    policy: Policy,
    seed: int = 0,
    metrics: Sequence[str] | None = None,
    unchanged: bool = True,
) -> dict[str, object]:
    """Return the rates of one regime.

    Parameters
    ----------
    regime
        The regime.
    releases
        Simulated releases at the margin; twice as many where nothing changed, half as many at twice
        the margin.
    policy
        Rules that decide.
    seed
        Seed.
    metrics
        Metrics that are bent; None for all of `BENT`.
    unchanged
        Whether releases of which nothing changed are simulated too.
    """
    rng = np.random.default_rng(seed)
    populations = [Population(regime, rng) for _ in range(N_TASKS)]
    found: dict[str, object] = {
        "regime": regime.name,
        "n_instances": regime.n_instances,
        "releases": releases,
    }

    def rates(metric: str, strength: float, number: int) -> dict[str, float]:
        decisions = [
            release(populations, metric, strength, n=regime.n_instances, policy=policy, rng=rng)
            for _ in range(number)
        ]
        own = [
            next(c.outcome for c in one.checks if (c.metric, c.scope) == (metric, "suite"))
            for one in decisions
        ]
        return {
            "pass": float(np.mean([one.outcome == "pass" for one in decisions])),
            "regression": float(np.mean([one.outcome == "regression" for one in decisions])),
            "check_pass": float(np.mean([outcome == "pass" for outcome in own])),
            "check_regression": float(np.mean([outcome == "regression" for outcome in own])),
        }

    if unchanged:
        found["nothing"] = rates("mean", 0.0, 2 * releases)
    for rule in policy.rules:
        bent = BENT if metrics is None else metrics
        if rule.scope != "suite" or rule.metric not in bent:
            continue
        scenarios = {}
        for times in (1, 2):
            strength = strength_for(rule.metric, populations, times * rule.margin)
            scenarios[str(times)] = (
                rates(rule.metric, strength, releases if times == 1 else releases // 2)
                if strength == strength
                else None
            )
        found[rule.metric] = scenarios
    return found


def chained(
    regime: Regime, *, loss: float, releases: int, policy: Policy, seed: int = 0
) -> dict[str, Counter[str]]:
    """Return how gates over chains end, in each of which every release truly loses `loss` of the
    mean.

    Parameters
    ----------
    regime
        The regime.
    loss
        True loss of every release against the one before it, a fraction.
    releases
        Chains.
    policy
        Rules that decide.
    seed
        Seed.

    Returns
    -------
    dict
        Which gate -> outcomes. ``any of 5`` is *regression* where one of the gates against the
        release before says so, ``all of 5`` is *pass* where all of them pass; ``both`` has the
        release before and the first as baselines, as ``--baseline`` twice.
    """
    rng = np.random.default_rng(seed)
    populations = [Population(regime, rng, models=CHAIN + 1) for _ in range(N_TASKS)]
    strengths = [0.0] + [
        strength_for("mean", populations, (k + 1) * loss, model=k + 1) for k in range(CHAIN)
    ]
    shared = replace(policy, level=1 - (1 - policy.level) / 2)
    found: dict[str, Counter[str]] = {}
    for _ in range(releases):
        columns = [rng.integers(0, POPULATION, size=regime.n_instances) for _ in populations]
        models = [
            [
                block(one.new("mean", strength, model=k).take(chosen), f"t{number}")
                for number, (one, chosen) in enumerate(zip(populations, columns, strict=True))
            ]
            for k, strength in enumerate(strengths)
        ]

        def outcome(old: int, new: int, rules: Policy) -> str:
            pairs = list(zip(models[old], models[new], strict=True))  # noqa: B023
            return decide(measure(pairs, rules), rules, today=TODAY).outcome

        each = [outcome(k, k + 1, policy) for k in range(CHAIN)]
        both = {outcome(CHAIN - 1, CHAIN, shared), outcome(0, CHAIN, shared)}
        worst = next(one for one in ("regression", "inconclusive", "pass") if one in both)
        told = {
            "one release against the one before": each,
            "any of 5": ["regression" if "regression" in each else "none"],
            "all of 5": ["pass" if set(each) == {"pass"} else "not all"],
            "the fifth against the first": [outcome(0, CHAIN, policy)],
            "both": [worst],
        }
        for name, outcomes in told.items():
            found.setdefault(name, Counter()).update(outcomes)
    return found


def printed_chain(regime: Regime, found: dict[str, Counter[str]]) -> str:
    """Return the rows of one regime in Markdown, percent."""
    rows = []
    for name, outcomes in found.items():
        total = sum(outcomes.values())
        shares = (f"{100 * outcomes[one] / total:.1f}" for one in ("regression", "pass"))
        rows.append(f"| {regime.name} | {name} | {total} | {' | '.join(shares)} |")
    return "\n".join(rows)


def printed(rows: Sequence[dict[str, object]], metrics: Sequence[str]) -> str:
    """Return both tables in Markdown, percent."""

    def percent(row: dict[str, object], metric: str, times: str, name: str) -> str:
        scenarios = row.get(metric)
        cell = scenarios.get(times) if isinstance(scenarios, dict) else None
        return "-" if cell is None else f"{100 * cell[name]:.1f}"

    head = ["regime", "instances per task", "false alarms", "passes"]
    lines = ["Nothing changed:", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        nothing = row.get("nothing")
        if not isinstance(nothing, dict):
            continue
        lines.append(
            f"| {row['regime']} | {row['n_instances']} | {100 * nothing['regression']:.1f} | "
            f"{100 * nothing['pass']:.1f} |"
        )
    for times, name, title in (
        ("1", "pass", "Passed although one metric is worse by exactly its margin:"),
        ("1", "regression", "Called a regression when one metric is worse by exactly its margin:"),
        ("2", "regression", "Called a regression when one metric is worse by twice its margin:"),
    ):
        lines += [
            "",
            title,
            "",
            f"| regime | {' | '.join(metrics)} |",
            f"|---|{'---|' * len(metrics)}",
        ]
        lines += [
            (
                f"| {row['regime']} | "
                f"{' | '.join(percent(row, metric, times, name) for metric in metrics)} |"
            )
            for row in rows
        ]
    return "\n".join(lines)


def main() -> None:
    """Run all regimes and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--releases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None, help="JSON file of all rates")
    parser.add_argument("--regimes", nargs="*", default=None, help="names; default all")
    parser.add_argument(
        "--metrics",
        nargs="*",
        default=None,
        help="metrics that are bent; default all, none after the option: nothing changed only",
    )
    parser.add_argument("--losses-only", action="store_true", help="nothing that did not change")
    parser.add_argument("--chain", type=float, default=None, help="true loss of every release")
    arguments = parser.parse_args()
    policy = deciding(read_policy_file(default_policy_path()))
    rows = []
    for regime in REGIMES:
        if arguments.regimes and regime.name not in arguments.regimes:
            continue
        if arguments.chain is not None:
            found = chained(
                regime,
                loss=arguments.chain,
                releases=arguments.releases,
                policy=policy,
                seed=arguments.seed,
            )
            print(printed_chain(regime, found), flush=True)
            continue
        rows.append(
            simulate(
                regime,
                releases=arguments.releases,
                policy=policy,
                seed=arguments.seed,
                metrics=arguments.metrics,
                unchanged=not arguments.losses_only,
            )
        )
        print(printed(rows[-1:], BENT), flush=True)
        if arguments.out:
            arguments.out.write_text(json.dumps(rows, indent=1))
    if rows:
        print("\n\n" + printed(rows, BENT))


if __name__ == "__main__":
    main()
