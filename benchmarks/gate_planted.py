"""Plants defects into a table of scores and asks the shipped policy: the table of docs/gate.md.

Old and new differ in the defect and in nothing else, so that a defect which no rule is about would
pass.

Run: ``python benchmarks/gate_planted.py``
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from evalkit.analysis.compare import paired_blocks, whole_blocks
from evalkit.catalog.policies import default_policy_path, read_policy_file
from evalkit.gating import Decision, decide, measure
from evalkit.scoring import ScoreTable

TASKS, PHRASINGS, INSTANCES = 12, 8, 60
"""Of the phrasings the first three are seen, the last is a control."""
LAST = PHRASINGS - 1
Mask = np.ndarray


def cells() -> pd.DataFrame:
    """Return the cells of a model that is right on four instances of five, whatever the wording.

    Half of the tasks are choices of four with probabilities, half are texts in a form.
    """
    rng = np.random.default_rng(7)
    known = rng.random((TASKS, INSTANCES)) < 0.8
    rows = [
        {
            **{"model": "m", "task": f"b/t{task:02d}", "phrasing_id": f"p{phrasing}"},
            **{"instance_id": f"i{one:03d}", "seen": "seen" if phrasing < 3 else "unseen"},
            "kind": "correct" if phrasing < LAST else "wrong",
            "score": float(known[task, one]) * (phrasing < LAST),
            "prediction": f"c{one % 4}" if known[task, one] else f"c{(one + 1) % 4}",
            "target": f"c{one % 4}",
            "probability": 0.9 if task % 2 else None,
            "state": "right" if known[task, one] and phrasing < LAST else "wrong",
            "form": None if task % 2 else "whole",
        }
        for task in range(TASKS)
        for phrasing in range(PHRASINGS)
        for one in range(INSTANCES)
    ]
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Defect:
    """One thing that is wrong with a candidate."""

    where: Callable[[pd.DataFrame], Mask]
    """Rows that may be hit."""
    rate: float
    """Share of them that is."""
    values: Mapping[str, object]
    """What they hold then."""
    by: tuple[str, ...] = ("task", "phrasing_id", "instance_id")
    """What is hit together."""

    def put(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a table with the defect."""
        units = frame.groupby(list(self.by), sort=True).ngroup().to_numpy()
        drawn = np.random.default_rng(3).random(units.max() + 1) < self.rate
        hit = self.where(frame) & drawn[units]
        found = frame.copy()
        for name, value in self.values.items():
            found.loc[hit, name] = value
        return found


def _correct(frame: pd.DataFrame) -> Mask:
    return (frame["kind"] == "correct").to_numpy()


def _texts(frame: pd.DataFrame) -> Mask:
    return _correct(frame) & frame["form"].notna().to_numpy()


def _choices(frame: pd.DataFrame) -> Mask:
    return _correct(frame) & frame["form"].isna().to_numpy()


def _task(frame: pd.DataFrame) -> Mask:
    return _correct(frame) & (frame["task"] == "b/t03").to_numpy()


def _unseen(frame: pd.DataFrame) -> Mask:
    return _correct(frame) & (frame["seen"] == "unseen").to_numpy()


def _deaf(frame: pd.DataFrame) -> Mask:
    known = frame.groupby(["task", "instance_id"])["score"].transform("max") > 0
    return ((frame["kind"] == "wrong") & known).to_numpy()


def _others(frame: pd.DataFrame) -> Mask:
    return _choices(frame) & (frame["target"] != "c0").to_numpy()


LOST = {"score": 0.0, "state": "wrong", "prediction": "c9"}
GONE = {"score": 0.0, "prediction": None, "form": "other"}
DEFECTS: Mapping[str, Defect] = {
    "worse on unseen wording, 15 %": Defect(_unseen, 0.15, LOST),
    "one task 40 % worse": Defect(_task, 0.4, LOST),
    "one task 22 % worse": Defect(_task, 0.22, LOST),
    "refuses 15 % of texts": Defect(_texts, 0.15, {**GONE, "state": "refused"}),
    "refuses in words of no list, 15 % of texts": Defect(
        _texts, 0.15, {**GONE, "state": "unusable"}
    ),
    "refuses where it was wrong anyway, half": Defect(
        lambda frame: _texts(frame) & (frame["score"] == 0).to_numpy(), 0.5, {"state": "refused"}
    ),
    "15 % of texts cut off": Defect(_texts, 0.15, {**GONE, "state": "cut"}),
    "15 % of texts cannot be read": Defect(_texts, 0.15, {**GONE, "state": "unusable"}),
    "15 % of texts in a sentence that is read": Defect(_texts, 0.15, {"form": "other"}),
    "first choice in 15 %": Defect(_others, 0.15, {**LOST, "prediction": "c0"}),
    "15 % of the wordings dead": Defect(_correct, 0.15, LOST, ("task", "phrasing_id")),
    "forgot 15 % of instances": Defect(_correct, 0.15, LOST, ("task", "instance_id")),
    "surer of the same answers, 0.9 to 0.999": Defect(_choices, 1.0, {"probability": 0.999}),
    "a second line with an advertisement, 15 % of texts": Defect(_texts, 0.15, {"form": "line"}),
    "deaf to wrong instructions": Defect(_deaf, 1.0, {"score": 1.0, "state": "right"}),
}
"""Each of these defects was once let through, or stopped without its name."""


def decision(old: pd.DataFrame, new: pd.DataFrame) -> Decision:
    """Return what the shipped policy says of two tables."""
    tables = [ScoreTable.from_frame(frame) for frame in (old, new)]
    policy = read_policy_file(default_policy_path())
    measured = measure(paired_blocks(*tables), policy, whole=whole_blocks(*tables))
    return decide(measured, policy, today=date(2026, 11, 30))


def row(name: str, found: Decision) -> str:
    """Return a line of the table."""
    failed = dict.fromkeys(
        f"{check.metric} of a task" if check.scope.startswith("b/") else check.metric
        for check in found.of("regression")
    )
    return f"| {name} | {found.outcome} | {', '.join(failed) or '-'} |"


def main() -> None:
    """Print the table."""
    old = cells()
    print("| defect | outcome | rules that fail |\n|---|---|---|")
    print(row("none: the same cells", decision(old, old)))
    for name, defect in DEFECTS.items():
        print(row(name, decision(old, defect.put(old))), flush=True)


if __name__ == "__main__":
    main()
