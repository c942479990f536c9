"""``evalkit run``."""

from __future__ import annotations

from typing import Any

import click

from evalkit.cli.choosing import choosing_options, settings_from
from evalkit.cli.options import (
    GroupedCommand,
    debug_option,
    json_option,
    option,
    print_json,
    quiet_option,
)
from evalkit.report.terminal import say

__all__ = ["command"]


@click.command(
    "run",
    cls=GroupedCommand,
    epilog="Example: evalkit run --model google/flan-t5-small --suite robustness --data-dir data --limit 100",
)
@choosing_options()
@option(
    "--stall-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    metavar="SECONDS",
    group="How the model is loaded",
    help="End the run, resumable, when no batch came for so long; stacks go to stall.txt. Default: wait.",
)
@json_option
@quiet_option
@debug_option
def command(as_json: bool, quiet: bool, stall_timeout: float | None, **given: Any) -> int:
    """Evaluate every phrasing of every task of a suite.

    Writes a run directory and prints a summary. The same command again goes on where it was
    interrupted; when it is complete, nothing is computed twice.
    """
    from evalkit.cli.stall import StallWatch
    from evalkit.errors import EvalkitError, Interrupted
    from evalkit.runs.execute import run
    from evalkit.runs.identity import run_directory
    from evalkit.runs.progress import ShownProgress, interruptible

    settings = settings_from(given)
    progress = ShownProgress(quiet=quiet, label=settings.model.display, as_json=as_json)
    progress.watched = StallWatch(
        stall_timeout, log=run_directory(settings) / "stall.txt", command=settings.command
    ).watched
    with interruptible(progress):
        try:
            outcome = run(settings, progress)
        except Interrupted as stop:
            progress.close()
            say(f"{stop} To go on, type:\n  {settings.command}", err=True)
            return progress.signal_exit_code or stop.exit_code
        except EvalkitError:
            if settings.fresh and (run_directory(settings) / "responses.sqlite").is_file():
                say(
                    f"--fresh again would forget what is stored. To go on, type:\n  {settings.command}",
                    err=True,
                )
            raise
        finally:
            progress.close()
    if as_json:
        print_json(
            {
                "run": str(outcome.path),
                "manifest": outcome.manifest.to_json(),
                "failures": dict(outcome.failures),
                "exit_code": outcome.exit_code,
            }
        )
        return outcome.exit_code
    _show(outcome, quiet=quiet)
    return outcome.exit_code


def _show(outcome: Any, *, quiet: bool) -> None:
    from evalkit.analysis import costs_of, read_estimates, scored_phrasings
    from evalkit.cli.summary import print_summary

    print_summary(
        outcome.manifest,
        read_estimates(outcome.path / "estimates.csv"),
        costs=costs_of(
            scored_phrasings(outcome.path / "phrasings.csv"), sparse=outcome.manifest.suite.sparse
        ),
        brief=quiet,
    )
    counts = outcome.manifest.totals
    if counts.missing:
        reasons = (
            ", ".join(f"{reason} ({count})" for reason, count in sorted(outcome.failures.items()))
            or "see the manifest"
        )
        say(
            f"{counts.missing} of {counts.cells} cells are missing: {reasons}. The same command again asks only for these.",
            err=True,
        )
    say(f"Run directory: {outcome.path}")
    if (page := outcome.path / "report.html").is_file():
        say(f"Report: {page}")
