"""``evalkit analyse TABLE``: the statistics of a score table made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.analyse_tables import (
    print_controls,
    print_drops,
    print_estimates,
    print_tests,
    reasons,
)
from evalkit.cli.log_options import log_options, told_of
from evalkit.cli.options import (
    PATH,
    GroupedCommand,
    in_output,
    interval_options,
    no_report_option,
    option,
    output_options,
    print_json,
    table_options,
)
from evalkit.errors import UsageError
from evalkit.report.terminal import say

if TYPE_CHECKING:
    from evalkit.analysis import PairedTest
    from evalkit.analysis.score_files import TableSettings
    from evalkit.catalog.score_columns import ScoreFile
    from evalkit.records import Estimate

__all__ = ["command"]

in_computed = partial(option, group="What is computed")


@click.command(
    "analyse",
    cls=GroupedCommand,
    short_help="Compute the statistics of a score table made elsewhere.",
    epilog="Example: evalkit analyse scores.csv --out analysis --factor layout",
)
@click.argument("table", type=PATH)
@in_output(
    "--out",
    type=PATH,
    metavar="DIR",
    help="Write estimates.csv, pages and figures into this directory.",
)
@no_report_option
@in_computed(
    "--factor",
    "factors",
    multiple=True,
    metavar="NAME",
    help="Column to group by; every level is analysed too. Repeatable.",
)
@in_computed("--reference", metavar="ID", help="Clean phrasing for drop rates.")
@in_computed(
    "--pairs",
    type=PATH,
    metavar="FILE",
    help="CSV attacked_id,reference_id: each attack's own clean phrasing.",
)
@in_computed(
    "--chance",
    "chances",
    multiple=True,
    metavar="F|TASK=F",
    help="Score of guessing, of all tasks or one: accuracy_norm. Repeatable.",
)
@log_options()
@interval_options(in_computed, both=True)
@in_computed(
    "--tests",
    is_flag=True,
    help=(
        "Also test every pair of models, every attacked phrasing against its reference, "
        "and every gap, paired on instances, with intervals: tests.csv."
    ),
)
@in_computed(
    "--score-by",
    metavar="all|A,B",
    help=(
        "Only this: the rows scored by other rules, from prediction and target (own, exact, "
        "prefix, read, contains, f1, rouge_l), or a run as 'evalkit score' does."
    ),
)
@table_options()
@output_options
def command(table: Path, **settings: Any) -> None:
    """Analyse a per-instance or aggregated score table.

    CSV, CSV.gz, Parquet, a run, a folder of tables, or a log of lm-eval, Inspect, HELM, Every Eval
    Ever or promptfoo.

    Per instance: model, task, phrasing_id, instance_id, score, and optionally seen, prediction,
    target, probability, repeat. Aggregated: the same without instance_id. Scores are fractions; an
    empty score is missing. What cannot be computed is absent with the reason.
    """
    from evalkit.analysis.score_files import TableSettings, chances, estimates_of, tests_of
    from evalkit.catalog.score_tables import read_score_table
    from evalkit.catalog.two_columns import read_pairs
    from evalkit.store.directory import refuse_own

    if settings["out"]:
        refuse_own(settings["out"])
    if settings["reference"] and settings["pairs"]:
        raise UsageError("--reference and --pairs are both given; one of them is accepted.")
    if settings["score_by"]:
        _by_scorers(table, settings)
        return
    file = read_score_table(table, told_of(settings))
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
    pages: list[Path] = []
    if settings["out"]:
        _write(settings["out"], file, estimates, tests if settings["tests"] else None)
        if not settings["no_report"]:
            pages = _draw(settings["out"], file, estimates, how)
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
    around = not settings["quiet"]
    for note in file.notes if around else ():
        say(note)
    print_estimates(estimates, settings["level"])
    print_controls(estimates)
    if how.reference is not None:
        print_drops(estimates)
    if settings["tests"]:
        print_tests(tests)
    for line in _around(estimates, settings["out"], pages) if around else ():
        say(line)


def _around(estimates: Sequence[Estimate], out: Path | None, pages: Sequence[Path]) -> list[str]:
    """Return why something is absent, and where what was written lies."""
    written = [] if out is None else [f"{len(estimates)} estimates in {out / 'estimates.csv'}"]
    return [*reasons(estimates), *written, *(f"Page: {page}" for page in pages)]


def _draw(
    out: Path, file: ScoreFile, estimates: Sequence[Estimate], how: TableSettings
) -> list[Path]:
    """Write pages and figures; say why there are none of a table that has no scores."""
    from evalkit.records.manifest import Intervals
    from evalkit.runs.table_report import write_table_report

    if file.frame["score"].isna().all():
        say("No page: the table has no scores.", err=True)
        return []
    intervals = Intervals(level=how.level, resamples=how.n_resamples)
    return write_table_report(out, file, estimates, intervals)


def _by_scorers(table: Path, settings: dict[str, Any]) -> None:
    """Print a table under several rules."""
    from evalkit.catalog.score_tables import read_score_table
    from evalkit.cli.score import show_scorers
    from evalkit.scoring.scorers import rescored, rescored_table, scorers_of
    from evalkit.store.directory import is_run_dir

    names = scorers_of(settings["score_by"])
    if is_run_dir(table):
        found = rescored(table, names)
    else:
        file = read_score_table(table, told_of(settings))
        if file.layout != "cells" or not {"prediction", "target"} <= set(file.frame):
            raise UsageError(
                f"--score-by: {table} has no columns prediction and target per instance, "
                "so its rows cannot be scored by another rule."
            )
        found = rescored_table(file.frame, names, run=table)
    tables = {(str(one.run), one.model, one.answers, one.scorer): one.table for one in found}
    show_scorers(tables, settings["score_by"], as_json=settings["as_json"])


def _write(
    out: Path,
    file: ScoreFile,
    estimates: Sequence[Estimate],
    tests: Sequence[PairedTest] | None,
) -> None:
    """Write estimates.csv, tests.csv where tests were asked for,
    and phrasings.csv where the table gives one.
    """
    from evalkit.analysis import write_estimates, write_phrasings, write_tests
    from evalkit.analysis.score_files import phrasings_of

    write_estimates(estimates, out / "estimates.csv")
    if tests is not None:
        write_tests(tests, out / "tests.csv")
    rows = phrasings_of(file)
    if rows is not None:
        write_phrasings(rows, out / "phrasings.csv")
