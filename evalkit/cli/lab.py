"""``evalkit align --arms``: several trainings, the same held-out suite for each, one comparison."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.cli.options import number, print_json, print_table
from evalkit.errors import UsageError
from evalkit.report.terminal import say

if TYPE_CHECKING:
    from evalkit.records import Estimate, ModelSpec, Suite

__all__ = ["lab"]

SHOWN = {
    "mean": "mean",
    "min": "worst phrasing",
    "std": "std over phrasings",
    "consistency": "consistency",
}
"""Metric -> heading."""
COLUMNS = (
    "arm",
    "seed",
    "metric",
    "plain",
    "value",
    "difference",
    "low",
    "high",
    "trained_parameters",
    "seconds",
    "kept_step",
    "failed",
)


@dataclass(frozen=True, slots=True)
class _Trial:
    """One training of one arm and what it changed."""

    arm: str
    seed: int
    report: Mapping[str, Any]
    changes: Mapping[str, Estimate]
    """Metric -> difference to the plain model."""
    values: Mapping[str, float]
    failed: str = ""


def lab(spec: ModelSpec, given: dict[str, Any], *, as_json: bool, quiet: bool) -> int:
    """Train every arm with every seed, ask each in the held-out phrasings, and compare all with the plain model.

    What is finished is kept: the same call goes on. An arm that breaks down is told and the others go on.

    Parameters
    ----------
    spec
        The model.
    given
        Options of ``evalkit align``.
    as_json, quiet
        What is printed.
    """
    from evalkit.cli.align import RATES
    from evalkit.cli.materials import materials_of
    from evalkit.tuning.pairs import summary

    arms = list(dict.fromkeys(part.strip() for part in given["arms"].split(",") if part.strip()))
    if strange := sorted(set(arms) - set(RATES)):
        raise UsageError(f"--arms {', '.join(strange)}: is not trained; {', '.join(RATES)} are.")
    suite = _suite(summary(materials_of(given)), given)
    plain = _asked(spec, suite, given, "plain", (), quiet=quiet or as_json)
    trials = [
        _trial(spec, arm, given["seed"] + k, suite, plain, given, quiet=quiet or as_json)
        for arm in arms
        for k in range(given["seeds"])
    ]
    _write(given["out"], trials, plain)
    if as_json:
        print_json([_row(trial, metric, plain) for trial in trials for metric in trial.changes])
    elif not quiet:
        _show(arms, trials, plain, given)
    return 3 if all(trial.failed for trial in trials) else 0


def _suite(told: Mapping[str, Any], given: Mapping[str, Any]) -> Suite:
    from evalkit.cli.materials import held_sources
    from evalkit.records import Suite

    sources = held_sources(told, given)
    if not sources:
        raise UsageError(
            "--arms: every phrasing of the tasks is trained on, so none is left to compare with. "
            "Name --sources, so that others are held out."
        )
    return Suite(
        name="held-out",
        tasks=tuple(told["tasks"]),
        sources=sources,
        limit=given["test_instances"],
    )


def _asked(
    spec: ModelSpec,
    suite: Suite,
    given: Mapping[str, Any],
    name: str,
    mitigations: tuple[str, ...],
    *,
    quiet: bool,
) -> Path:
    """Return the run of a model on the held-out suite."""
    from evalkit.runs.execute import run
    from evalkit.runs.progress import ShownProgress, interruptible
    from evalkit.runs.settings import Settings

    settings = Settings(
        model=replace(spec, label=name),
        suite=suite,
        mitigations=mitigations,
        phrasing_files=given["phrasing_file"],
        data_dir=given["data_dir"],
        out=given["out"] / "runs" / name,
        report=False,
        resamples=200,
    )
    progress = ShownProgress(quiet=quiet, label=name)
    with interruptible(progress):
        try:
            return run(settings, progress).path
        finally:
            progress.close()


def _trial(
    spec: ModelSpec,
    arm: str,
    seed: int,
    suite: Suite,
    plain: Path,
    given: dict[str, Any],
    *,
    quiet: bool,
) -> _Trial:
    from evalkit.analysis.candidates import Candidate, changes_of
    from evalkit.analysis.compare import Settings
    from evalkit.cli.align import trained
    from evalkit.cli.compare_many import cost_of, manifest_of
    from evalkit.runs.read import read_own_estimates, table_of
    from evalkit.tuning.adapters import RECORD, read_record
    from evalkit.tuning.alignment import WHOLE

    name = f"{arm}-seed{seed}"
    place = given["out"] / name
    try:
        if (place / RECORD).is_file():
            report = read_record(place)
        else:
            if not quiet:
                say(f"training {name}", err=True)
            report = trained(arm, spec, {**given, "out": place, "seed": seed}, quiet=True)
    except UsageError as error:  # a training that breaks down; the other arms go on
        say(f"{name}: {error}", err=True)
        return _Trial(arm, seed, {}, {}, {}, str(error))
    model = replace(spec, name=str(place), revision=None) if arm in WHOLE else spec
    mitigations = () if arm in WHOLE else (f"adapter:path={place}",)
    path = _asked(model, suite, given, name, mitigations, quiet=quiet)
    cost = cost_of(manifest_of(plain), manifest_of(path))
    candidate = Candidate(name=name, table=table_of(path, None), cost=cost)
    how = Settings(level=0.95, n_resamples=1000, seed=0, question="random")
    rows = changes_of(table_of(plain, None), candidate, how)
    return _Trial(
        arm,
        seed,
        report,
        _overall(rows),
        {k: v.value for k, v in _overall(read_own_estimates(path)).items()},
    )


def _overall(rows: Sequence[Estimate]) -> dict[str, Estimate]:
    """Return the rows over all tasks by metric; of one benchmark where there is no row over all."""
    ordered = sorted(rows, key=lambda row: row.benchmark == "all")
    return {
        row.metric: row
        for row in ordered
        if row.task == "all" and not row.group and row.metric in SHOWN
    }


def _row(trial: _Trial, metric: str, plain: Path) -> dict[str, Any]:
    change = trial.changes[metric]
    return {
        "arm": trial.arm,
        "seed": trial.seed,
        "metric": metric,
        "plain": trial.values[metric] - change.value,
        "value": trial.values[metric],
        "difference": change.value,
        "low": change.low,
        "high": change.high,
        "trained_parameters": trial.report["trained_parameters"],
        "seconds": trial.report["seconds"],
        "kept_step": trial.report["kept_step"],
        "failed": "",
    }


def _write(out: Path, trials: Sequence[_Trial], plain: Path) -> None:
    from evalkit.store.atomic import write_atomic
    from evalkit.store.csv_file import csv_of

    rows = [
        list(_row(trial, metric, plain).values()) for trial in trials for metric in trial.changes
    ]
    rows += [
        [trial.arm, trial.seed, *[None] * (len(COLUMNS) - 3), trial.failed]
        for trial in trials
        if trial.failed
    ]
    write_atomic(out / "lab.csv", csv_of(COLUMNS, rows))


def _show(
    arms: Sequence[str], trials: Sequence[_Trial], plain: Path, given: Mapping[str, Any]
) -> None:
    from evalkit.runs.read import read_own_estimates

    base = _overall(read_own_estimates(plain))
    rows = []
    for arm in arms:
        mine = [trial for trial in trials if trial.arm == arm and not trial.failed]
        same = sum(not trial.report["kept_step"] for trial in mine)
        note = "; ".join(
            text
            for text in (
                f"{given['seeds'] - len(mine)} failed" if len(mine) < given["seeds"] else "",
                f"{same} changed nothing" if same else "",
            )
            if text
        )
        cells = [_cell([trial.changes.get(metric) for trial in mine]) for metric in SHOWN]
        means = [trial.values["mean"] for trial in mine if "mean" in trial.values]
        spread = statistics.stdev(means) if len(means) > 1 else float("nan")
        stds = [trial.values["std"] for trial in mine if "std" in trial.values]
        within = statistics.fmean(stds) if stds else float("nan")
        parameters = f"{mine[0].report['trained_parameters']:,}" if mine else "-"
        rows.append([arm, *cells, number(spread), number(within), parameters, note])
    shown = ", ".join(f"{SHOWN[name]} {number(row.value)}" for name, row in base.items())
    print_table(
        [
            "arm",
            *SHOWN.values(),
            "sd over seeds",
            "sd over phrasings",
            "trained parameters",
            "note",
        ],
        rows,
        title=(
            f"minus the plain model ({shown}), points on held-out phrasings; "
            f"mean over {given['seeds']} seeds, from the lowest to the highest end of their 95% "
            "intervals"
        ),
    )
    say(
        "'sd over seeds' is of the mean score; an arm whose gain is no larger than it was lucky "
        "with its seed."
    )
    say(f"Written: {given['out'] / 'lab.csv'}")


def _cell(changes: Sequence[Estimate | None]) -> str:
    known = [change for change in changes if change is not None and change.value == change.value]
    if not known:
        return "-"
    value = statistics.fmean(change.value for change in known)
    low = min((change.low for change in known if change.low == change.low), default=float("nan"))
    high = max(
        (change.high for change in known if change.high == change.high), default=float("nan")
    )
    return f"{100 * value:+.1f} [{number(low)}, {number(high)}]"
