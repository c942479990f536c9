"""``evalkit score``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import (
    PATH,
    GroupedCommand,
    no_report_option,
    option,
    output_options,
    print_json,
    print_table,
    table_options,
)
from evalkit.errors import UsageError
from evalkit.report.terminal import say
from evalkit.report.text import share

if TYPE_CHECKING:
    from evalkit.analysis.by_scorer import Key
    from evalkit.scoring import ScoreTable

__all__ = ["command"]

in_statistics = partial(option, group="Statistics")


@click.command(
    "score",
    cls=GroupedCommand,
    epilog="Example: evalkit score reports/runs/demo_quickstart_1f2e3d4c",
)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=PATH)
@in_statistics("--level", type=float, help="Level of intervals; default: the run's.")
@in_statistics(
    "--resamples", type=int, help="Draws per interval that needs draws; default: the run's."
)
@in_statistics(
    "--score-by",
    metavar="all|A,B",
    help=(
        "Score the stored answers by other rules too, side by side (own, sum, token, byte, read, "
        "exact, ...); changes no file. Several runs are ranked under each."
    ),
)
@in_statistics(
    "--allow-code-execution",
    is_flag=True,
    help="Run the programs that the model wrote and that were not run yet, in a sandbox.",
)
@no_report_option
@table_options()
@output_options
def command(
    runs: tuple[Path, ...],
    score_by: str | None,
    level: float | None,
    resamples: int | None,
    allow_code_execution: bool,
    no_report: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Recompute scores and estimates of a run from stored responses.

    Needs no model, no engine and no benchmark data: after a metric or a parser changed, only this
    is run again.
    """
    if score_by is not None:
        return _by_scorers(runs, score_by, as_json=as_json)
    if len(runs) > 1:
        raise UsageError(
            f"score: {len(runs)} runs are given; one is scored at a time, "
            "several only with --score-by."
        )
    run = runs[0]
    from evalkit.analysis import costs_of, read_estimates, scored_phrasings
    from evalkit.cli.summary import print_summary
    from evalkit.errors import IncompleteError, StoreError
    from evalkit.records.manifest import Intervals
    from evalkit.runs.finish import finish
    from evalkit.store.directory import RunDir, read_manifest

    manifest = read_manifest(run)
    told = manifest.intervals or Intervals(level=0.95, resamples=1000)
    intervals = Intervals(level=level or told.level, resamples=resamples or told.resamples)
    with RunDir(run) as directory:
        if not directory.store_path.is_file():
            raise StoreError(
                f"{directory.store_path}: no responses are stored. "
                "Run the same 'evalkit run' again."
            )
        final = finish(
            directory,
            manifest,
            intervals,
            report=not no_report,
            programs=_programs(allow_code_execution, quiet=quiet or as_json),
        )
    if as_json:
        print_json({"run": str(run), "manifest": final.to_json()})
    else:
        costs = costs_of(scored_phrasings(run / "phrasings.csv"), sparse=final.suite.sparse)
        print_summary(final, read_estimates(run / "estimates.csv"), costs=costs, brief=quiet)
    return IncompleteError.exit_code if final.state != "complete" else 0


def _by_scorers(runs: Sequence[Path], score_by: str, *, as_json: bool) -> int:
    """Print the runs under several rules, and what the rule makes of their spread."""
    from evalkit.scoring.scorers import rescored, scorers_of

    names = scorers_of(score_by)
    tables = {}
    for run in runs:
        for scored in rescored(run, names):
            key = (str(run), scored.model, scored.answers, scored.scorer)
            tables[key] = scored.table
    return show_scorers(tables, score_by, as_json=as_json)


def show_scorers(tables: Mapping[Key, ScoreTable], score_by: str, *, as_json: bool) -> int:
    """Print tables under several rules, what the rule makes of their spread,
    and how far ways of asking agree.
    """
    from evalkit.analysis.by_scorer import made_by_scorer, mismatches, scorer_rows
    from evalkit.report.scorers import made_sentences, scorer_tables

    if not tables:
        raise UsageError(
            f"--score-by {score_by}: the stored answers suffice for none of these rules. "
            "Try --score-by all."
        )
    rows = scorer_rows(tables)
    made, apart = made_by_scorer(rows), mismatches(tables)
    if as_json:
        print_json(
            {
                "rows": [asdict(row) for row in rows],
                "made": [asdict(one) for one in made],
                "mismatch": [asdict(one) for one in apart],
            }
        )
        return 0
    for table in scorer_tables(rows):
        title = f"Answers by {table.answers}, percentage points, means over tasks"
        print_table(table.heads, table.rows, title=title)
    for sentence in made_sentences(rows):
        say(sentence)
    for one in apart:
        say(
            f"{one.model}: the label of highest probability (rule {one.by}) and the written answer "
            f"name the same choice in {share(one.same)} of {one.n:,} cells; "
            f"{share(one.unread)} of the texts name none."
        )
    return 0


def _programs(allowed: bool, *, quiet: bool) -> Any:
    """Return what is told how many programs were run; None when none may be."""
    if not allowed:
        return None
    from evalkit.runs.progress import ShownProgress
    from evalkit.scoring.sandbox.contain import notice_of, refuse_root, wall

    refuse_root(wall())
    progress = ShownProgress(quiet=quiet, label="")
    progress.note(notice_of(wall()))
    return progress
