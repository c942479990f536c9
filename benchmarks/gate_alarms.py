"""How often the shipped policy, with all its alarms, says *regression* where nothing changed,
as in ``docs/gate.md``.

As `gate_power`, whose regimes and populations these are, with what the alarms read: answers that
are refused, cut, unusable or in another form, probabilities (calibrated, or too sure), controls,
guessing, ten repeats.
Old and new are swapped at random per instance, with all of an instance's cells, so that nothing
changed.

`SUITES` adds suites of other shapes: one task, many wordings, scores near 100 or near chance, few
instances, scores of texts between 0 and 1.

With ``--without states confidence repeats controls`` the data lack what is named.

Run: ``python benchmarks/gate_alarms.py --releases 100``; prints the table of the docs.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
from gate_power import POPULATION, REGIMES, Population, Regime, block, deciding
from scipy.stats import norm

from evalkit.catalog.policies import default_policy_path, read_policy_file
from evalkit.gating import Decision, decide, measure
from evalkit.records.policy import Policy
from evalkit.scoring import FORMS, STATES, STATUSES, Block

Floats = npt.NDArray[np.float64]
REPEATS, CHANCE = 10, 0.25
OTHERS = {"refused": -1.9, "cut": -2.1, "unusable": -1.9}
"""State -> latent level at which an answer takes it; each is of 3 to 5 per cent of the cells."""
CONTROLS = 2
"""Control phrasings behind the others, under which a right answer is 1.5 standard deviations
rarer.
"""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What is gated."""

    regime: Regime
    """How scores vary."""
    tasks: int = 4
    """Tasks."""
    wordings: int = 12
    """Phrasings, half of them seen."""
    texts: bool = False
    """Whether scores lie between 0 and 1, as those of texts that are compared with references."""

    @property
    def seen(self) -> tuple[str, ...]:
        """Relation of the phrasings."""
        half = self.wordings // 2
        return ("seen",) * half + ("unseen",) * (self.wordings - half)


SUITES = (
    *(Suite(regime=regime) for regime in REGIMES),
    Suite(regime=Regime(name="one task", n_instances=200), tasks=1),
    Suite(regime=Regime(name="two tasks, few instances", n_instances=60), tasks=2),
    Suite(regime=Regime(name="forty wordings", n_instances=60), tasks=2, wordings=40),
    Suite(regime=Regime(name="two wordings", n_instances=200), wordings=2),
    Suite(regime=Regime(name="near 100", n_instances=200, ability=3.0)),
    Suite(regime=Regime(name="near 100, few instances", n_instances=60, ability=3.0)),
    Suite(regime=Regime(name="near chance", n_instances=200, ability=-0.8, instance=0.1)),
    Suite(regime=Regime(name="very few instances", n_instances=20)),
    Suite(regime=Regime(name="texts", n_instances=200), texts=True),
    Suite(regime=Regime(name="texts, few instances", n_instances=60), texts=True),
)


@dataclass
class Model:
    """Cells of one model on a population: (phrasings and controls, instances)."""

    values: Floats
    state: npt.NDArray[np.int8]
    form: npt.NDArray[np.int8]
    confidence: Floats
    labels: npt.NDArray[np.int32]


def models(
    suite: Suite, rng: np.random.Generator, *, sure: float, without: Collection[str] = ()
) -> list[Model]:
    """Return two models of one task; `sure` stretches how sure they are, 1 is calibrated.

    `without` names what the data lack: ``states``, ``confidence``, ``repeats``.
    """
    repeats = 1 if "repeats" in without else REPEATS
    one = Population(suite.regime, rng, wordings=suite.wordings)
    controls = min(CONTROLS, suite.wordings)
    shape = (suite.wordings + controls, POPULATION)
    kept = {name: rng.standard_normal(shape[1]) for name in (*OTHERS, "form")}
    found = []
    for latent in one.latent:
        control = latent[:controls] - 1.5
        logit = np.vstack([latent, control])
        chances = norm.cdf(logit / 0.7)  # of being right in one of the repeats
        right = rng.binomial(repeats, chances) / repeats
        state = np.full(shape, STATES.index("wrong"), dtype=np.int8)
        state[right >= 1.0] = STATES.index("right")
        for name, level in OTHERS.items():
            drawn = 0.8 * kept[name] + 0.6 * rng.standard_normal(shape)
            if "states" not in without:
                state[drawn < level] = STATES.index(name)
        lost = np.isin(state, [STATES.index(name) for name in OTHERS])
        form = np.where(
            0.8 * kept["form"] + 0.6 * rng.standard_normal(shape) < -1.3,
            FORMS.index("line"),
            FORMS.index("whole"),
        )
        form[lost] = FORMS.index("other")
        labels = np.where(
            lost, -1, np.where(right >= 0.5, 0, np.vstack([one.wrong, one.wrong[:controls]]))
        )
        if suite.texts:  # no label, no probability
            right = np.clip(chances + 0.1 * rng.standard_normal(shape), 0.0, 1.0)
            state[~lost] = STATES.index("partial")
            labels = np.where(lost, -1, 1)
        found.append(
            Model(
                values=np.where(lost, 0.0, right),
                state=state,
                form=np.full(shape, -1, dtype=np.int8)
                if "states" in without
                else form.astype(np.int8),
                confidence=np.full(shape, np.nan)
                if "confidence" in without or suite.texts
                else np.clip(0.5 + sure * (chances - 0.5), 0.001, 0.999),
                labels=labels.astype(np.int32),
            )
        )
    return found


def blocks(
    cells: Model, task: str, suite: Suite, base: Block, *, repeats: int
) -> tuple[Block, Block]:
    """Return the block of the correct phrasings, and the one with controls."""
    lost = cells.labels < 0
    controls = len(lost) - suite.wordings
    n = cells.values.shape[1]
    whole = replace(
        base,
        task=task,
        phrasing_ids=tuple(f"p{k:02d}" for k in range(len(lost))),
        instance_ids=tuple(f"i{k:05d}" for k in range(n)),
        values=cells.values,
        labels=cells.labels,
        status=np.where(lost, STATUSES.index("unparsed"), STATUSES.index("ok")).astype(np.int8),
        state=cells.state,
        form=cells.form,
        confidence=cells.confidence,
        targets=np.zeros(n, dtype=np.int32),
        seen=(*suite.seen, *("unknown",) * controls),
        kinds=(*("correct",) * suite.wordings, *("wrong",) * controls),
        sources=("x",) * len(lost),
        perturbations=("",) * len(lost),
        repeats=repeats,
        chance=0.0 if suite.texts else CHANCE,
        labelled=not suite.texts,
    )
    rows = slice(0, suite.wordings)
    arrays = ("values", "labels", "status", "state", "form", "confidence")
    headline = replace(
        whole,
        **{name: getattr(whole, name)[rows] for name in arrays},
        **{
            name: getattr(whole, name)[rows]
            for name in ("phrasing_ids", "seen", "kinds", "sources", "perturbations")
        },
    )
    return headline, whole


def release(
    tasks: list[list[Model]],
    suite: Suite,
    base: Block,
    *,
    policy: Policy,
    rng: np.random.Generator,
    without: Collection[str] = (),
) -> Decision:
    """Draw instances, swap old and new at random, and decide."""
    pairs, whole = [], []
    n = suite.regime.n_instances
    repeats = 1 if "repeats" in without or suite.texts else REPEATS
    for number, pair in enumerate(tasks):
        columns = rng.integers(0, POPULATION, size=n)
        swap = rng.random(n) < 0.5
        sides = []
        for first, second in (pair, pair[::-1]):
            cells = {
                name: np.where(
                    swap, getattr(second, name)[:, columns], getattr(first, name)[:, columns]
                )
                for name in Model.__annotations__
            }
            sides.append(blocks(Model(**cells), f"t{number}", suite, base, repeats=repeats))
        pairs.append((sides[0][0], sides[1][0]))
        kept = 0 if "controls" in without else 1
        whole.append((sides[0][kept], sides[1][kept]))
    return decide(measure(pairs, policy, whole=whole), policy, today=date(2026, 11, 30))


def main() -> None:
    """Run all regimes and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--releases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--regimes", nargs="*", default=None, help="names; default all")
    parser.add_argument("--sure", nargs="*", type=float, default=[1.0, 1.4])
    parser.add_argument("--metrics", nargs="*", default=None, help="rules of these alone")
    parser.add_argument("--first", type=int, default=0, help="first release, to split a long run")
    parser.add_argument(
        "--without",
        nargs="*",
        default=(),
        choices=("states", "confidence", "repeats", "controls"),
        help="what the data lack",
    )
    given = parser.parse_args()
    policy = deciding(read_policy_file(default_policy_path()))
    if given.metrics:
        policy = replace(policy, rules=tuple(r for r in policy.rules if r.metric in given.metrics))
    print(
        "| regime | instances per task | how sure | releases | false alarms | passes | "
        "uncorrected p < .05, most often | false alarms by |"
    )
    print("|---|---:|---:|---:|---:|---:|---|---|", flush=True)
    for place, suite in enumerate(SUITES):
        regime = suite.regime
        if given.regimes and regime.name not in given.regimes:
            continue
        for sure in given.sure:
            rng = np.random.default_rng([given.seed, given.first, place])
            tasks = [
                models(suite, rng, sure=sure, without=given.without) for _ in range(suite.tasks)
            ]
            base = block(Population(regime, rng).old().take(np.arange(2)), "t")
            found = [
                release(
                    tasks,
                    suite,
                    base,
                    policy=policy,
                    rng=rng,
                    without=given.without,
                )
                for _ in range(given.releases)
            ]
            outcomes = Counter(one.outcome for one in found)
            alarms = Counter(check.metric for one in found for check in one.of("regression"))
            small: Counter[str] = Counter()
            for one in found:
                small.update(
                    {c.metric for c in one.checks if c.scope == "suite" and c.p_none < 0.05}
                )
            print(
                f"| {regime.name} | {regime.n_instances} | {sure:g} | {given.releases} | "
                f"{100 * outcomes['regression'] / given.releases:.1f} | "
                f"{100 * outcomes['pass'] / given.releases:.1f} | "
                f"{', '.join(f'{name} {100 * k / given.releases:.1f}' for name, k in small.most_common())} "  # noqa: E501
                f"| {', '.join(f'{name} {k}' for name, k in alarms.most_common()) or '-'} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
