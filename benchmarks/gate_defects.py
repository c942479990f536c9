"""Plants every defect of the scripted models at several strengths and asks what the gate says and
names.

Prints the table of docs/gate.md. Clean twins, which differ in nothing but which answers flip, tell
how often something is named that is not there.

    python benchmarks/gate_defects.py --work build/defects --twins 20
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import date
from pathlib import Path

from evalkit import catalog
from evalkit.catalog.policies import default_policy_path, read_policy_file
from evalkit.gating import Decision
from evalkit.gating.runs import gate_runs
from evalkit.records import Response, Suite
from evalkit.runs.execute import run
from evalkit.runs.read import answers_of
from evalkit.runs.settings import Settings

TASKS = tuple(
    f"procedural/{name}"
    for name in (
        *("boolean", "calendar", "comparison", "navigation"),
        *("rewrite", "sorting", "tracking", "markov"),
    )
)
NAMES = {
    "over_refuses": {"refused"},
    "injects": {"phrase"},
    "label_swap": {"swapped"},
    "follows_data": {"copied"},
    "bad_task": {"task"},
    "overconfident": {"confidence"},
    "forgot": {"instances"},
    "position": {"position"},
    "format": {"cut"},
    "unfollows": {"instruction"},
    "unseen": {"unseen"},
    "phrasings": {"phrasing"},
}
"""Defect -> what the gate calls its cause."""
STRENGTHS = (0.02, 0.05, 0.15)


class Silent:
    """Progress that shows nothing."""

    stop_requested = False

    def begin(self, *, total: int, stored: int) -> None:
        """Show nothing."""

    def advance(self, responses: list[Response]) -> None:
        """Show nothing."""

    def note(self, message: str) -> None:
        """Show nothing."""


def made(script: str, work: Path, limit: int) -> Path:
    """Return the run of a scripted model, asked once."""
    place = work / script.replace("/", "-")
    if not (place / "scores.parquet").is_file():
        model = catalog.load_model(f"scripted:{script}", tuned_on=("evalkit-tuning",))
        suite = Suite(
            name="defects", tasks=TASKS, limit=limit, phrasings=8, kinds=("correct", "wrong")
        )
        settings = Settings(
            model=replace(model, label="model"),
            suite=suite,
            out=place,
            cache=False,
            report=False,
            resamples=100,
        )
        run(settings, Silent())
    return place


def decided(candidate: Path, baseline: Path) -> Decision:
    """Return the decision by the shipped policy."""
    policy = replace(read_policy_file(default_policy_path()), allow_limited=True)
    decision, _ = gate_runs(
        candidate, baseline, policy=policy, today=date(2026, 1, 1), answers=answers_of
    )
    return decision


def row(defect: str, strength: float, decision: Decision) -> str:
    """Return a line of the table."""
    assert decision.causes is not None
    named = decision.causes.named
    how = [one.name for one in named if one.how]
    where = [one.name for one in named if not one.how]
    first = (how or where or ["nothing"])[0]
    right = first in NAMES.get(defect, {"nothing"})
    rules = dict.fromkeys(
        f"{check.metric} of a task" if "/" in check.scope else check.metric
        for check in decision.of("regression")
    )
    failed = ", ".join(rules) or "-"
    besides = ", ".join(name for name in dict.fromkeys((*how, *where)) if name != first) or "-"
    return (
        f"| {defect} | {strength:.0%} | {decision.outcome} | {failed} | {first} | {besides} | "
        f"{'yes' if right else 'no'} |"
    )


def main() -> None:
    """Print the table and the rate of false names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--twins", type=int, default=20)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--defects", nargs="*", default=list(NAMES))
    given = parser.parse_args()
    baseline = made("twin", given.work, given.limit)
    print("| defect | strength | outcome | rules that fail | named first | also | right |")
    print("|---|---|---|---|---|---|---|")
    for defect in given.defects:
        task = ",task=procedural/sorting" if defect == "bad_task" else ""
        for strength in STRENGTHS:
            script = f"{defect},seed=1,strength={strength}{task}"
            print(row(defect, strength, decided(made(script, given.work, given.limit), baseline)))
    outcomes: list[str] = []
    false = 0
    for seed in range(1, given.twins + 1):
        decision = decided(made(f"twin,seed={seed}", given.work, given.limit), baseline)
        assert decision.causes is not None
        outcomes.append(decision.outcome)
        false += bool(decision.causes.named)
    counts = ", ".join(f"{outcomes.count(name)} {name}" for name in sorted(set(outcomes)))
    print(f"\n{given.twins} clean twins: {counts or '-'}; a cause named in {false} of them.")


if __name__ == "__main__":
    main()
