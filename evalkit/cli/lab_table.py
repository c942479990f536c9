"""What a lab found, as rows and as a table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.cli.options import print_table
from evalkit.report.terminal import say
from evalkit.report.text import number

if TYPE_CHECKING:
    from evalkit.records import Estimate

__all__ = ["SHOWN", "Trial", "rows_of", "show", "write"]

SHOWN = {
    "mean": "mean",
    "min": "worst phrasing",
    "std": "std over phrasings",
    "consistency": "consistency",
}
"""Metric -> heading."""
FEWEST = 4
"""Trainings from which a rank correlation is told."""
COLUMNS = (
    *("arm", "seed", "tasks", "metric", "plain", "value", "difference", "low", "high"),
    *("trained_parameters", "seconds", "kept_step", "moved", "failed"),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One training of one arm, or one arm that trains nothing, and what it changed."""

    arm: str
    seed: int
    report: Mapping[str, Any]
    """What was saved beside the weights; empty where nothing is trained."""
    changes: Mapping[str, Estimate]
    """Metric -> difference to the plain model on the tasks that are trained on."""
    values: Mapping[str, float]
    """Metric -> value on them."""
    others: Mapping[str, Estimate]
    """As `changes`, on the tasks that no arm is trained on."""
    other_values: Mapping[str, float]
    """As `values`, on them."""
    failed: str = ""
    """Why there is nothing."""
    moved: float = math.nan
    """Norm of what the training changed over that of all weights;
    NaN where no whole checkpoint is.
    """


def rows_of(trial: Trial) -> list[dict[str, Any]]:
    """Return one row per metric and part of the tasks;
    one row that says why where a trial failed.
    """
    told = {name: trial.report.get(name) for name in ("trained_parameters", "seconds", "kept_step")}
    rows = [
        {
            "arm": trial.arm,
            "seed": trial.seed,
            "tasks": tasks,
            "metric": metric,
            "plain": values[metric] - change.value,
            "value": values[metric],
            "difference": change.value,
            "low": change.low,
            "high": change.high,
            **told,
            "moved": None if math.isnan(trial.moved) else trial.moved,
            "failed": "",
        }
        for tasks, changes, values in (
            ("trained", trial.changes, trial.values),
            ("held out", trial.others, trial.other_values),
        )
        for metric, change in changes.items()
    ]
    if not trial.failed:
        return rows
    return [
        {**dict.fromkeys(COLUMNS), "arm": trial.arm, "seed": trial.seed, "failed": trial.failed}
    ]


def write(path: Path, trials: Sequence[Trial]) -> None:
    """Write every row of every trial as CSV."""
    from evalkit.store.atomic import write_atomic
    from evalkit.store.csv_file import csv_of

    write_atomic(path, csv_of(COLUMNS, [list(row.values()) for t in trials for row in rows_of(t)]))


def show(arms: Sequence[str], trials: Sequence[Trial], *, n_seeds: int) -> None:
    """Print one row per arm: what it changes, how much its seeds and the phrasings differ, what
    it trains.
    """
    others = any(trial.others for trial in trials)
    heads = [*SHOWN.values(), *(["mean, other tasks"] if others else [])]
    rows = [
        _row(arm, [trial for trial in trials if trial.arm == arm], others=others) for arm in arms
    ]
    print_table(
        ["arm", *heads, "sd over seeds", "sd over phrasings", "trained parameters", "note"],
        rows,
        title=(
            f"minus the plain model{_plain(trials)}, points on held-out phrasings; "
            f"mean over {n_seeds} seeds, from the lowest to the highest end of their 95% intervals"
        ),
    )
    if line := _by_weights(trials):
        say(line)
    say(
        "'sd over seeds' is of the mean score; an arm whose gain is no larger than it was lucky "
        "with its seed."
    )


def _by_weights(trials: Sequence[Trial]) -> str:
    """Return whether trainings that move the weights more change the scores more;
    empty below `FEWEST` whole checkpoints.
    """
    import numpy as np

    from evalkit.stats.point.association import spearman

    known = [trial for trial in trials if not math.isnan(trial.moved) and trial.changes]
    if len(known) < FEWEST:
        return ""
    far = np.array([trial.moved for trial in known])
    parts = [
        f"{SHOWN[metric]} {spearman(far, values):+.2f}"
        for metric in SHOWN
        if (values := np.array([trial.changes[metric].value for trial in known])).size
    ]
    return (
        f"Rank correlation of how far the weights moved ({100 * far.min():.2g} to "
        f"{100 * far.max():.2g} %) with what changed, over {len(known)} trainings: "
        f"{', '.join(parts)}."
    )


def _plain(trials: Sequence[Trial]) -> str:
    """Return in brackets what the plain model scores."""
    rows = next((rows for trial in trials if (rows := rows_of(trial)) and not trial.failed), [])
    parts = [
        f"{SHOWN[row['metric']]} {number(row['plain'])}"
        for row in rows
        if row["tasks"] == "trained"
    ] + [
        f"mean of other tasks {number(row['plain'])}"
        for row in rows
        if (row["tasks"], row["metric"]) == ("held out", "mean")
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _row(arm: str, trials: Sequence[Trial], *, others: bool) -> list[str]:
    mine = [trial for trial in trials if not trial.failed]
    trained = [trial.report for trial in mine if trial.report]
    notes = [
        (len(trials) - len(mine), "failed"),
        (sum(not report["kept_step"] for report in trained), "changed nothing"),
    ]
    cells = [_cell([trial.changes.get(metric) for trial in mine]) for metric in SHOWN]
    if others:
        cells.append(_cell([trial.others.get("mean") for trial in mine]))
    means = [trial.values["mean"] for trial in mine if "mean" in trial.values]
    stds = [trial.values["std"] for trial in mine if "std" in trial.values]
    return [
        arm,
        *cells,
        number(statistics.stdev(means) if len(means) > 1 else math.nan),
        number(statistics.fmean(stds) if stds else math.nan),
        f"{trained[0]['trained_parameters']:,}" if trained else "0" if mine else "-",
        "; ".join(f"{count} {words}" for count, words in notes if count),
    ]


def _cell(changes: Sequence[Estimate | None]) -> str:
    known = [change for change in changes if change is not None and change.value == change.value]
    if not known:
        return "-"
    value = statistics.fmean(change.value for change in known)
    low = min((change.low for change in known if change.low == change.low), default=math.nan)
    high = max((change.high for change in known if change.high == change.high), default=math.nan)
    return f"{number(value, sign=True)} [{number(low)}, {number(high)}]"
