"""``evalkit score``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from evalkit.cli.options import (
    GroupedCommand,
    debug_option,
    json_option,
    no_report_option,
    option,
    print_json,
    quiet_option,
)

__all__ = ["command"]


@click.command(
    "score",
    cls=GroupedCommand,
    epilog="Example: evalkit score reports/runs/demo_quickstart_1f2e3d4c",
)
@click.argument("run", type=click.Path(path_type=Path))
@option(
    "--level",
    type=float,
    default=None,
    group="Statistics",
    help="Level of intervals; default: the run's.",
)
@option(
    "--resamples",
    type=int,
    default=None,
    group="Statistics",
    help="Resamples per interval; default: the run's.",
)
@option(
    "--allow-code-execution",
    is_flag=True,
    group="Statistics",
    help="Run the programs that the model wrote and that were not run yet, in a sandbox.",
)
@no_report_option
@json_option
@quiet_option
@debug_option
def command(
    run: Path,
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
                f"{directory.store_path}: no responses are stored. Run the same 'evalkit run' again."
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
