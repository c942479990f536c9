"""``evalkit analyse TABLE``: the statistics of a score table made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import (
    GroupedCommand,
    debug_option,
    interval_options,
    json_option,
    number,
    option,
    p_value,
    print_json,
    print_table,
    quiet_option,
)
from evalkit.errors import UsageError
from evalkit.records.statistics import shown_in
from evalkit.report.terminal import say
from evalkit.report.text import asked_of, proven, starred, with_interval
from evalkit.report.text import grouped as of_groups

if TYPE_CHECKING:
    from evalkit.analysis import PairedTest
    from evalkit.catalog.score_columns import ScoreFile
    from evalkit.records import Estimate

__all__ = ["command"]

GROUP = "What is computed"
MOST_NAMED = 5
"""Most tasks whose missing cells are named in print."""


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
@interval_options(GROUP, both=True)
@option(
    "--tests",
    is_flag=True,
    group=GROUP,
    help="Also test every pair of models, and every attacked phrasing against its reference, paired on instances: tests.csv.",
)
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
    from evalkit.analysis.score_files import TableSettings, chances, estimates_of, tests_of
    from evalkit.catalog.score_tables import read_pairs, read_score_table
    from evalkit.store.directory import refuse_own

    if settings["out"]:
        refuse_own(settings["out"])
    if settings["reference"] and settings["pairs"]:
        raise UsageError("--reference and --pairs are both given; one of them is accepted.")
    file = read_score_table(table)
    how = TableSettings(
        factors=settings["factors"],
        reference=read_pairs(settings["pairs"]) if settings["pairs"] else settings["reference"],
        chance=chances(settings["chances"]),
        level=settings["level"],
        n_resamples=settings["resamples"],
        question=settings["question"],
        seed=settings["seed"],
    )
    estimates = estimates_of(file, how)
    tests = tests_of(file, how) if settings["tests"] else []
    if settings["out"]:
        _write(settings["out"], file, estimates, tests if settings["tests"] else None)
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
            say(note)
    _print(estimates, settings["level"])
    if settings["tests"]:
        _print_tests(tests)
    if not settings["quiet"]:
        for line in _reasons(estimates):
            say(line)
        if settings["out"]:
            say(f"{len(estimates)} estimates in {settings['out'] / 'estimates.csv'}")


def _write(
    out: Path,
    file: ScoreFile,
    estimates: Sequence[Estimate],
    tests: Sequence[PairedTest] | None,
) -> None:
    """Write estimates.csv, tests.csv where tests were asked for, and phrasings.csv where the table gives one."""
    from evalkit.analysis import write_estimates, write_phrasings, write_tests
    from evalkit.analysis.score_files import phrasings_of

    write_estimates(estimates, out / "estimates.csv")
    if tests is not None:
        write_tests(tests, out / "tests.csv")
    rows = phrasings_of(file)
    if rows is not None:
        write_phrasings(rows, out / "phrasings.csv")


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
    shown = [entry.name for entry in shown_in("analyse")]
    heads = [
        *(["group"] if grouped else []),
        *(["model"] if several else []),
        "task",
        "P",
        "N",
        *shown[:1],
        "seen",
        "unseen",
        *shown[1:],
    ]
    question = asked_of(row for found in kept.values() for row in found.values())
    rows = []
    for (group, model, task), found in kept.items():
        first = next(iter(found.values()))
        arms = [_arm(found, name) for name in ("seen", "unseen")]
        cells = [with_interval(found.get(name), question) for name in shown]
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
        title=f"{about}percentage points, {level:.0%} intervals{f' for {question}' if question else ''}; seen and unseen: mean ± std over phrasings (ddof 1)",
    )
    printed = [found[name] for found in kept.values() for name in shown if name in found]
    for line in (*starred(printed, question), *of_groups(estimates), *proven(estimates)):
        say(line)
    for row in estimates:
        if (
            row.metric == "kendall_w"
            and row.value == row.value
            and (row.task != "all" or row.n_tasks > 1)
        ):
            group = f" ({row.group})" if row.group else ""
            say(
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
                title=f"{title}, exact and paired on instances, for these phrasings on new instances; differences in percentage points",
            )


def _arm(found: Mapping[str, Estimate], name: str) -> str:
    mean, std = found.get(f"{name}_mean"), found.get(f"{name}_std")
    return (
        "-"
        if mean is None or mean.value != mean.value
        else f"{number(mean.value)} ± {number(std.value if std else None)}"
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
