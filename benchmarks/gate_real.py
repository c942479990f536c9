"""How often the shipped policy says *regression* between two real checkpoints of which neither is
worse, as in ``docs/gate.md``.

Takes runs of one suite and gates pairs of them over their stored scores; no model is asked. That
neither is worse is made so: of every instance, with all its wordings, a coin decides which
checkpoint is called old. Answers, flips, states, probabilities and how they go together are then
those of real checkpoints, and the true change is 0.
``--as-they-are`` gates every pair both ways round without coins: the truth is not known there.

Run: ``python benchmarks/gate_real.py RUN RUN ... --gates 200``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pandas as pd
from gate_power import deciding
from scipy.stats import beta

from evalkit.analysis.compare import paired_blocks, whole_blocks
from evalkit.catalog.policies import default_policy_path, read_policy_file
from evalkit.errors import EvalkitError
from evalkit.gating import Decision, decide, measure
from evalkit.gating.runs import gate_runs
from evalkit.records.policy import Policy
from evalkit.scoring import ScoreTable
from evalkit.scoring.table import read_table
from evalkit.store.directory import read_manifest

TODAY = date(2026, 11, 30)
CELL = ["task", "phrasing_id", "instance_id"]
ENDS = ("first", "second")


def stored(path: Path) -> pd.DataFrame:
    """Return the rows of a run."""
    return read_table(path, read_manifest(path)).frame


def both(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame | None:
    """Return the rows of two runs under the names of `ENDS`;
    None where they are not of the same cells.
    """
    cells = [frame[CELL].astype(str) for frame in (first, second)]
    if len(first) != len(second) or not cells[0].equals(cells[1]):
        return None
    named = [
        ScoreTable.from_frame(frame.assign(model=name))
        for frame, name in zip((first, second), ENDS, strict=True)
    ]
    return ScoreTable.concat(named).frame


def tossed(
    frame: pd.DataFrame, share: float, rng: np.random.Generator
) -> tuple[ScoreTable, ScoreTable]:
    """Return old and new: of a share of every task's instances, a coin per group of them says
    which is which.
    """
    rows = len(frame) // 2
    head = frame.iloc[:rows]
    names = head["instance_id"].astype(str)
    if "group" in head:
        groups = head["group"].astype(str)
        names = groups.where(groups != "", names)
    unit, _ = pd.factorize(head["task"].astype(str) + "\n" + names)
    count = unit.max() + 1
    swap = (rng.random(count) < 0.5)[unit]
    kept = np.flatnonzero((rng.random(count) < share)[unit]) if share < 1 else np.arange(rows)
    old, new = kept + rows * swap[kept], kept + rows * ~swap[kept]
    tables = [
        ScoreTable.from_frame(frame.iloc[chosen].assign(model=name))
        for chosen, name in zip((old, new), ENDS, strict=True)
    ]
    return tables[0], tables[1]


def gate(old: ScoreTable, new: ScoreTable, policy: Policy) -> Decision:
    """Return the decision on two tables."""
    measured = measure(paired_blocks(old, new), policy, whole=whole_blocks(old, new))
    return decide(measured, policy, today=TODAY)


def interval(stops: int, gates: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share."""
    low = beta.ppf(0.025, stops, gates - stops + 1) if stops else 0.0
    high = beta.ppf(0.975, stops + 1, gates - stops) if stops < gates else 1.0
    return float(low), float(high)


def tosses(
    runs: Sequence[Path], *, gates: int, shares: Sequence[float], policy: Policy, seed: int
) -> Iterator[tuple[float, Decision]]:
    """Gate pairs of runs in turn, with fresh coins each time;
    `gates` for every share of the instances.
    """
    frames = [stored(path) for path in runs]
    pairs = [
        frame
        for first, second in combinations(frames, 2)
        if (frame := both(first, second)) is not None
    ]
    if not pairs:
        raise SystemExit(
            "gate_real: no two of the runs have the same cells; name runs of one suite."
        )
    print(f"{len(runs)} runs, {len(pairs)} pairs, {len(pairs[0]) // 2} cells", flush=True)
    for share in shares:
        rng = np.random.default_rng([seed, round(100 * share)])
        for number in range(gates):
            yield share, gate(*tossed(pairs[number % len(pairs)], share, rng), policy)


def told(found: Sequence[Decision]) -> str:
    """Return outcomes, the share of regressions with its interval, and the rules they are by."""
    outcomes = Counter(one.outcome for one in found)
    rules = Counter(c.metric for one in found for c in one.of("regression"))
    stops = outcomes["regression"]
    low, high = interval(stops, len(found))
    by = ", ".join(f"{name} {count}" for name, count in rules.most_common()) or "-"
    return (
        f"{len(found)} | {stops} | {100 * stops / len(found):.1f} "
        f"[{100 * low:.1f}, {100 * high:.1f}] | {outcomes['pass']} | {by}"
    )


def as_they_are(runs: Sequence[Path], policy: Policy) -> list[Decision]:
    """Gate every pair of runs both ways round."""
    found = []
    for old, new in permutations(runs, 2):
        try:
            decision, _ = gate_runs(new, old, policy=policy, today=TODAY)
        except EvalkitError as error:
            print(f"{new.name} against {old.name}: {error}")
            continue
        rules = [f"{c.metric} ({c.scope})" for c in decision.of("regression")]
        print(f"{new.name} against {old.name}: {decision.outcome} {', '.join(rules)}", flush=True)
        found.append(decision)
    return found


def main() -> None:
    """Gate, and print one row per share of the instances."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, help="run directories of one suite")
    parser.add_argument("--gates", type=int, default=200)
    parser.add_argument("--shares", nargs="*", type=float, default=[1.0, 0.5])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--as-they-are", action="store_true")
    given = parser.parse_args()
    policy = deciding(read_policy_file(default_policy_path()))
    if given.as_they_are:
        found = as_they_are(given.runs, policy)
        print(f"| as they are | {told(found)} |")
        return
    by_share: dict[float, list[Decision]] = {}
    for share, decision in tosses(
        given.runs, gates=given.gates, shares=given.shares, policy=policy, seed=given.seed
    ):
        by_share.setdefault(share, []).append(decision)
    print("| share of the instances | gates | regressions | per cent | passes | by |")
    print("|---:|---:|---:|---|---:|---|")
    for share, found in by_share.items():
        print(f"| {share:g} | {told(found)} |")


if __name__ == "__main__":
    main()
