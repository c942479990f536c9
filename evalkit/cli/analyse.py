"""``evalkit analyse TABLE``: the statistics of a score table made elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import (
    GroupedCommand,
    debug_option,
    json_option,
    number,
    option,
    p_value,
    print_json,
    print_table,
    quiet_option,
)
from evalkit.errors import TableError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.analysis import PairedTest
    from evalkit.catalog.score_tables import ScoreFile
    from evalkit.records import Estimate

__all__ = ["command"]

GROUP = "What is computed"
MOST_NAMED = 5
"""Most tasks whose missing cells are named in print."""
SHOWN = ("mean", "std", "spread", "min", "gap", "consistency")
"""Metrics of the printed table, beside seen and unseen."""


@click.command(
    "analyse",
    cls=GroupedCommand,
    short_help="Compute the statistics of a score table made elsewhere.",
    epilog="Example: evalkit analyse scores.csv --out analysis --factor layout",
)
@click.argument("table", type=click.Path(path_type=Path))
@option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    group="Output",
    help="Write estimates.csv into this directory.",
)
@option(
    "--factor",
    "factors",
    multiple=True,
    metavar="NAME",
    group=GROUP,
    help="Column to group by; every level is analysed too. Repeatable.",
)
@option("--reference", metavar="ID", group=GROUP, help="Clean phrasing for drop rates.")
@option(
    "--pairs",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group=GROUP,
    help="CSV attacked_id,reference_id: each attack's own clean phrasing.",
)
@option(
    "--chance",
    "chances",
    multiple=True,
    metavar="F|TASK=F",
    group=GROUP,
    help="Score of guessing, of all tasks or one: accuracy_norm. Repeatable.",
)
@option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    group=GROUP,
    help="Level of intervals.",
)
@option(
    "--resamples",
    type=click.IntRange(min=100),
    default=4000,
    show_default=True,
    group=GROUP,
    help="Draws of intervals that need draws.",
)
@option(
    "--question",
    type=click.Choice(["random", "fixed", "both"]),
    default="random",
    show_default=True,
    group=GROUP,
    help="Intervals for new phrasings (random), for these phrasings (fixed), or both.",
)
@option(
    "--tests",
    is_flag=True,
    group=GROUP,
    help="Also test every pair of models, and every attacked phrasing against its reference, paired on instances: tests.csv.",
)
@option("--seed", type=int, default=0, show_default=True, group=GROUP, help="Seed of the draws.")
@json_option
@quiet_option
@debug_option
def command(table: Path, **settings: Any) -> None:
    """Analyse a per-instance or aggregated score table.

    CSV, CSV.gz, Parquet, a run, or a folder of tables.

    Per instance: model, task, phrasing_id, instance_id, score, and optionally seen, prediction,
    target, probability, repeat. Aggregated: the same without instance_id. Scores are fractions; an
    empty score is missing. What cannot be computed is absent with the reason.
    """
    from evalkit.analysis import write_estimates
    from evalkit.catalog.score_tables import read_pairs, read_score_table

    if settings["reference"] and settings["pairs"]:
        raise UsageError("--reference and --pairs are both given; one of them is accepted.")
    file = read_score_table(table)
    reference = read_pairs(settings["pairs"]) if settings["pairs"] else settings["reference"]
    estimates = _estimates(file, reference, settings)
    tests = _tests(file, reference, settings) if settings["tests"] else []
    if settings["out"]:
        write_estimates(estimates, settings["out"] / "estimates.csv")
        _write_more(file, tests, settings)
    if settings["as_json"]:
        print_json(
            {
                "table": file.origin,
                "layout": file.layout,
                "notes": list(file.notes),
                "estimates": [asdict(row) for row in estimates],
                "tests": [asdict(test) for test in tests],
            }
        )
        return
    if not settings["quiet"]:
        for note in file.notes:
            click.echo(note)
    _print(estimates, settings["level"])
    if settings["tests"]:
        _print_tests(tests)
    if not settings["quiet"]:
        for line in _reasons(estimates):
            click.echo(line)
        if settings["out"]:
            click.echo(f"{len(estimates)} estimates in {settings['out'] / 'estimates.csv'}")


def _estimates(
    file: ScoreFile, reference: str | Mapping[str, str] | None, settings: Mapping[str, Any]
) -> list[Estimate]:
    """Estimates of the whole table, then of every level of every factor."""
    frame = file.frame
    absent = [name for name in settings["factors"] if name not in frame]
    if absent:
        raise UsageError(
            f"--factor {absent[0]}: {file.origin} has no such column; columns: {', '.join(map(str, frame.columns))}."
        )
    if reference is not None:
        _check_reference(frame, reference, file.origin)
    parts: list[tuple[str, pd.DataFrame]] = [("", frame)]
    for name in settings["factors"]:
        parts += [
            (f"{name}={value}", part)
            for value, part in frame.groupby(name, observed=True, sort=True)
        ]
    rows: list[Estimate] = []
    for group, part in parts:
        try:
            rows += _one_part(file, part, group, reference=reference, settings=settings)
        except TableError:
            if group or not settings["factors"]:
                raise
            # subtle: the factor may be what tells two rows of one phrasing apart, so that only its
            # levels can be analysed
            if not frame.duplicated(
                [name for name in ("model", "task", "phrasing_id", "instance_id") if name in frame]
            ).any():
                raise
            continue
        if group and reference is not None:
            rows += _drops_of_group(
                file, frame, part, group, reference=reference, settings=settings
            )
    return rows


def _drops_of_group(
    file: ScoreFile,
    frame: pd.DataFrame,
    part: pd.DataFrame,
    group: str,
    *,
    reference: str | Mapping[str, str],
    settings: Mapping[str, Any],
) -> list[Estimate]:
    """Drop rates of a factor level whose references lie outside it.

    Attacks of one kind against the clean phrasing.
    """
    import pandas as pd

    ids = set(part["phrasing_id"].astype(str))
    pairs = (
        dict.fromkeys(ids - {reference}, reference)
        if isinstance(reference, str)
        else {a: c for a, c in reference.items() if a in ids}
    )
    absent = set(pairs.values()) - ids
    if not absent:
        return []
    clean = frame[frame["phrasing_id"].astype(str).isin(absent)]
    found = _one_part(file, pd.concat([part, clean]), group, reference=pairs, settings=settings)
    return [row for row in found if row.metric.startswith("pdr")]


def _tests(
    file: ScoreFile, reference: str | Mapping[str, str] | None, settings: Mapping[str, Any]
) -> list[PairedTest]:
    from evalkit.analysis import paired_tests
    from evalkit.scoring import ScoreTable

    if file.layout != "cells":
        raise UsageError(
            f"--tests: {file.origin} has no instances; a paired test needs one row per instance. Leave --tests out."
        )
    return paired_tests(
        ScoreTable.from_frame(file.frame, origin=file.origin),
        reference=reference,
        seed=settings["seed"],
    )


def _write_more(file: ScoreFile, tests: Sequence[PairedTest], settings: Mapping[str, Any]) -> None:
    """Write tests.csv where tests were asked for, and phrasings.csv of a per-instance table that has one row per cell."""
    from evalkit.analysis import phrasing_rows, write_phrasings, write_tests
    from evalkit.scoring import ScoreTable

    if settings["tests"]:
        write_tests(tests, settings["out"] / "tests.csv")
    keys = [
        "model",
        "task",
        "phrasing_id",
        "instance_id",
        *(["repeat"] if "repeat" in file.frame else []),
    ]
    if file.layout == "cells" and not file.frame.duplicated(keys).any():
        table = ScoreTable.from_frame(file.frame, origin=file.origin)
        rows = [
            row
            for model in table.models
            for row in phrasing_rows(table.select({"model": model}), {}, {})
        ]
        write_phrasings(rows, settings["out"] / "phrasings.csv")


def _one_part(
    file: ScoreFile,
    frame: pd.DataFrame,
    group: str,
    *,
    reference: str | Mapping[str, str] | None,
    settings: Mapping[str, Any],
) -> list[Estimate]:
    from evalkit.analysis import estimate, estimate_aggregated
    from evalkit.scoring import ScoreTable

    chance = _chances(settings["chances"], [str(task) for task in frame["task"].unique()])
    if file.layout != "cells":
        return estimate_aggregated(
            frame,
            level=settings["level"],
            reference=reference,
            chance=chance,
            group=group,
            origin=file.origin,
        )
    table = ScoreTable.from_frame(frame, origin=file.origin)
    rows: list[Estimate] = []
    for question in (
        ("random", "fixed") if settings["question"] == "both" else (settings["question"],)
    ):
        label = ", ".join(
            part
            for part in (
                group,
                "phrasings=fixed" if settings["question"] == "both" and question == "fixed" else "",
            )
            if part
        )
        rows += estimate(
            table,
            level=settings["level"],
            n_resamples=settings["resamples"],
            seed=settings["seed"],
            question=question,
            reference=reference,
            chance=chance,
            group=label,
        )
    return rows


def _chances(given: Sequence[str], tasks: Sequence[str]) -> dict[str, float]:
    """Return task -> score of guessing."""
    found: dict[str, float] = {}
    for text in given:
        task, _, digits = text.rpartition("=")
        try:
            chance = float(digits)
        except ValueError:
            chance = math.nan
        if not 0 <= chance < 1:
            raise UsageError(
                f"--chance: {text!r} is no score of guessing; accepted: F or TASK=F with F from 0 to below 1, such as 0.25."
            )
        found |= dict.fromkeys([task] if task else tasks, chance)
    return found


def _check_reference(frame: pd.DataFrame, reference: str | Mapping[str, str], origin: str) -> None:
    known = {str(name) for name in frame["phrasing_id"].unique()}
    wanted = {reference} if isinstance(reference, str) else {*reference, *reference.values()}
    strange = sorted(wanted - known)
    if strange and (isinstance(reference, str) or len(strange) == len(wanted)):
        raise UsageError(
            f"{origin}: no phrasing {strange[0]!r} to compare with; phrasings: {', '.join(sorted(known)[:10])}."
        )


def _print(estimates: Sequence[Estimate], level: float) -> None:
    """Print a line per group, model and task, in percentage points."""
    single = {
        row.model for row in estimates if row.metric == "mean"
    }  # kendall_w has a line of its own
    lines: dict[tuple[str, str, str], dict[str, Estimate]] = {}
    for row in estimates:
        if row.model in single and (row.task != "all" or row.benchmark == "all"):
            lines.setdefault((row.group, row.model, row.task), {})[row.metric] = row
    sizes = {
        (group, model): sum(1 for g, m, task in lines if (g, m) == (group, model) and task != "all")
        for group, model, _ in lines
    }
    kept = {
        key: found for key, found in lines.items() if key[2] != "all" or sizes[key[0], key[1]] > 1
    }
    grouped = any(group for group, _, _ in kept)
    several = len({model for _, model, _ in kept}) > 1
    heads = [
        *(["group"] if grouped else []),
        *(["model"] if several else []),
        "task",
        "P",
        "N",
        *SHOWN[:1],
        "seen",
        "unseen",
        *SHOWN[1:],
    ]
    rows = []
    for (group, model, task), found in kept.items():
        first = next(iter(found.values()))
        arms = [_arm(found, name) for name in ("seen", "unseen")]
        cells = [_cell(found.get(name)) for name in SHOWN]
        rows.append(
            [
                *([group] if grouped else []),
                *([model] if several else []),
                *(task, str(first.n_phrasings), str(first.n_instances or "-")),
                *(cells[0], *arms, *cells[1:]),
            ]
        )
    empty = {place for place in range(len(heads)) if all(row[place] == "-" for row in rows)}
    heads, *rows = [
        [cell for place, cell in enumerate(row) if place not in empty] for row in (heads, *rows)
    ]
    about = "" if several or not kept else f"{next(iter(kept))[1]}, "
    print_table(
        heads,
        rows,
        title=f"{about}percentage points, {level:.0%} intervals; seen and unseen: mean ± std over phrasings (ddof 1)",
    )
    for row in estimates:
        if (
            row.metric == "kendall_w"
            and row.value == row.value
            and (row.task != "all" or row.n_tasks > 1)
        ):
            group = f" ({row.group})" if row.group else ""
            click.echo(
                f"Kendall's W of the order of models over phrasings, {row.task}{group}: {row.value:.3f}"
            )


def _print_tests(tests: Sequence[PairedTest]) -> None:
    """Print a table per kind of comparison."""
    for kind, title in (
        ("models", "pairs of models"),
        ("phrasings", "attacked phrasings against their reference"),
    ):
        rows = [
            [
                *([test.model] if kind == "phrasings" else []),
                test.task,
                f"{test.new} - {test.old}",
                number(test.difference),
                str(test.lost),
                str(test.gained),
                str(test.n_instances),
                *map(p_value, (test.p, test.p_holm_task, test.p_holm, test.p_bh)),
            ]
            for test in tests
            if test.kind == kind
        ]
        if rows:
            heads = [
                *(["model"] if kind == "phrasings" else []),
                "task",
                "new - old",
                "difference",
                "lost",
                "gained",
                "N",
            ]
            print_table(
                [*heads, "p", "Holm, task", "Holm, all", "BH, all"],
                rows,
                title=f"{title}, exact and paired on instances; differences in percentage points",
            )


def _arm(found: Mapping[str, Estimate], name: str) -> str:
    mean, std = found.get(f"{name}_mean"), found.get(f"{name}_std")
    return (
        "-"
        if mean is None or mean.value != mean.value
        else f"{number(mean.value)} ± {number(std.value if std else None)}"
    )


def _cell(row: Estimate | None) -> str:
    if row is None or row.value != row.value:
        return "-"
    return (
        number(row.value)
        if row.low != row.low
        else f"{number(row.value)} [{number(row.low)}, {number(row.high)}]"
    )


def _reasons(estimates: Sequence[Estimate]) -> list[str]:
    """What was left out, and why a value is undefined, one line per reason."""
    by_reason: dict[str, dict[str, None]] = {}
    lacking = [
        row
        for row in estimates
        if row.metric == "missing_rate" and row.value > 0 and row.task != "all" and not row.group
    ]
    left_out = [
        f"missing and left out: {row.value:.2%} of the cells of {row.model}, {row.task}"
        for row in lacking[:MOST_NAMED]
    ]
    if len(lacking) > MOST_NAMED:
        left_out.append(
            f"missing and left out: cells of {len(lacking) - MOST_NAMED} more tasks (missing_rate)"
        )
    for row in estimates:
        if row.value != row.value and row.task != "all":
            by_reason.setdefault(row.note or "undefined", {})[row.metric] = None
    return [
        *left_out,
        *(f"undefined ({reason}): {', '.join(metrics)}" for reason, metrics in by_reason.items()),
    ]
