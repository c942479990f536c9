"""How often the shipped policy, with all its alarms, says *regression* where nothing changed,
as in ``docs/gate.md``.

As `gate_power`, whose regimes and populations these are, with what the alarms read: answers that
are refused, cut, unusable or in another form, probabilities (calibrated, or too sure), controls,
guessing, ten repeats.
Old and new are swapped at random per instance, with all of an instance's cells, so that nothing
changed.

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
from gate_power import POPULATION, REGIMES, SEEN, Population, Regime, block, deciding
from scipy.stats import norm

from evalkit.catalog.policies import default_policy_path, read_policy_file
from evalkit.gating import Decision, decide, measure
from evalkit.records.policy import Policy
from evalkit.scoring import FORMS, STATES, STATUSES, Block

Floats = npt.NDArray[np.float64]
N_TASKS, REPEATS, CHANCE = 4, 10, 0.25
OTHERS = {"refused": -1.9, "cut": -2.1, "unusable": -1.9}
"""State -> latent level at which an answer takes it; each is of 3 to 5 per cent of the cells."""
CONTROLS = 2
"""Control phrasings behind the others, under which a right answer is 1.5 standard deviations
rarer.
"""


@dataclass
class Model:
    """Cells of one model on a population: (phrasings and controls, instances)."""

    values: Floats
    state: npt.NDArray[np.int8]
    form: npt.NDArray[np.int8]
    confidence: Floats
    labels: npt.NDArray[np.int32]


def models(
    regime: Regime, rng: np.random.Generator, *, sure: float, without: Collection[str] = ()
) -> list[Model]:
    """Return two models of one task; `sure` stretches how sure they are, 1 is calibrated.

    `without` names what the data lack: ``states``, ``confidence``, ``repeats``.
    """
    repeats = 1 if "repeats" in without else REPEATS
    one = Population(regime, rng)
    shape = (len(SEEN) + CONTROLS, POPULATION)
    kept = {name: rng.standard_normal(shape[1]) for name in (*OTHERS, "form")}
    found = []
    for latent in one.latent:
        control = latent[:CONTROLS] - 1.5
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
            lost, -1, np.where(right >= 0.5, 0, np.vstack([one.wrong, one.wrong[:CONTROLS]]))
        )
        found.append(
            Model(
                values=np.where(lost, 0.0, right),
                state=state,
                form=np.full(shape, -1, dtype=np.int8)
                if "states" in without
                else form.astype(np.int8),
                confidence=np.full(shape, np.nan)
                if "confidence" in without
                else np.clip(0.5 + sure * (chances - 0.5), 0.001, 0.999),
                labels=labels.astype(np.int32),
            )
        )
    return found


def blocks(cells: Model, task: str, base: Block, *, repeats: int) -> tuple[Block, Block]:
    """Return the block of the correct phrasings, and the one with controls."""
    lost = cells.labels < 0
    n = cells.values.shape[1]
    whole = replace(
        base,
        task=task,
        phrasing_ids=(*base.phrasing_ids, *(f"q{k}" for k in range(CONTROLS))),
        instance_ids=tuple(f"i{k:05d}" for k in range(n)),
        values=cells.values,
        labels=cells.labels,
        status=np.where(lost, STATUSES.index("unparsed"), STATUSES.index("ok")).astype(np.int8),
        state=cells.state,
        form=cells.form,
        confidence=cells.confidence,
        targets=np.zeros(n, dtype=np.int32),
        seen=(*SEEN, *("unknown",) * CONTROLS),
        kinds=(*base.kinds, *("wrong",) * CONTROLS),
        sources=("x",) * (len(SEEN) + CONTROLS),
        perturbations=("",) * (len(SEEN) + CONTROLS),
        repeats=repeats,
        chance=CHANCE,
        labelled=True,
    )
    rows = slice(0, len(SEEN))
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
    base: Block,
    *,
    n: int,
    policy: Policy,
    rng: np.random.Generator,
    without: Collection[str] = (),
) -> Decision:
    """Draw instances, swap old and new at random, and decide."""
    pairs, whole = [], []
    repeats = 1 if "repeats" in without else REPEATS
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
            sides.append(blocks(Model(**cells), f"t{number}", base, repeats=repeats))
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
    for regime in REGIMES:
        if given.regimes and regime.name not in given.regimes:
            continue
        for sure in given.sure:
            rng = np.random.default_rng([given.seed, given.first, REGIMES.index(regime)])
            tasks = [models(regime, rng, sure=sure, without=given.without) for _ in range(N_TASKS)]
            base = block(Population(regime, rng).old().take(np.arange(2)), "t")
            found = [
                release(
                    tasks,
                    base,
                    n=regime.n_instances,
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
