"""``evalkit watch``."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import (
    PATH,
    GroupedCommand,
    debug_option,
    in_output,
    option,
    print_table,
    quiet_option,
)
from evalkit.report.terminal import json_shown, say
from evalkit.report.text import finite_json, number

if TYPE_CHECKING:
    from evalkit.runs.interim import Interim
    from evalkit.stats import Interval

__all__ = ["command"]


@click.command(
    "watch",
    cls=GroupedCommand,
    short_help="Show a running evaluation from another terminal.",
    epilog="Example: evalkit watch reports/runs/demo_quickstart_1f2e3d4c --every 10",
)
@click.argument("run", type=PATH)
@option("--once", is_flag=True, help="Show it once and end.")
@option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=10.0,
    metavar="SECONDS",
    help="Time between two looks.",
)
@option(
    "--task",
    metavar="ID",
    help="Show the phrasings of this task; default: of every task under way.",
)
@option(
    "--level",
    type=click.FloatRange(0.5, 1.0, min_open=True, max_open=True),
    default=0.95,
    help="Level of intervals.",
)
@in_output("--json", "as_json", is_flag=True, help="Print one line of JSON per look.")
@quiet_option
@debug_option
def command(
    run: Path, once: bool, every: float, task: str | None, level: float, as_json: bool, quiet: bool
) -> int:
    """Show where a run stands: cells done, running means with intervals, spread so far.

    Reads the run directory while another process works on it, and changes nothing. Ends when the
    run is complete, or with Ctrl-C. Cells are answered in the order that is fastest, not in a
    random one, so means of tasks under way may still move by more than their intervals say.
    """
    from evalkit.runs.interim import look

    while True:
        found = look(run, level=level)
        if as_json:
            say(
                json_shown(
                    json.dumps(finite_json(asdict(found)), ensure_ascii=False, allow_nan=False)
                )
            )
        else:
            if not once and sys.stdout.isatty():
                click.clear()
            _show(found, task, quiet=quiet)
        sys.stdout.flush()
        if once or found.state == "complete":
            return 0
        try:
            time.sleep(every)
        except KeyboardInterrupt:
            return 0


def _show(found: Interim, task: str | None, *, quiet: bool) -> None:
    """Print the tasks, and the phrasings of those under way."""
    from evalkit.errors import UsageError

    if task is not None and task not in {row.task for row in found.tasks}:
        raise UsageError(
            f"--task: {task!r} is not in this run; it has "
            f"{', '.join(row.task for row in found.tasks[:5])}, ..."
        )
    share = found.done / found.total if found.total else 0.0
    say(
        f"{found.model} on {found.suite}: {found.done:,} of {found.total:,} cells ({share:.0%}), "
        f"{found.state}"
    )
    if quiet:
        return
    heads = ["task", "cells", "mean, points", "spread", "on instances", "phrasings begun"]
    rows = [
        [
            row.task,
            f"{row.done:,}/{row.total:,}",
            _interval(row.mean),
            number(row.spread),
            str(row.shared_instances),
            f"{sum(phrasing.done > 0 for phrasing in row.phrasings)}/{len(row.phrasings)}",
        ]
        for row in found.tasks
    ]
    print_table(heads, rows)
    detailed = [
        row
        for row in found.tasks
        if row.task == task or (task is None and 0 < row.done < row.total)
    ]
    lines = [
        [
            row.task,
            phrasing.phrasing_id,
            phrasing.seen,
            f"{phrasing.done:,}/{phrasing.total:,}",
            _interval(phrasing.mean),
        ]
        for row in detailed
        for phrasing in row.phrasings
        if phrasing.done
    ]
    if lines:
        say("")
        print_table(["task", "phrasing", "relation", "cells", "mean, points"], lines)


def _interval(found: Interval | Any) -> str:
    """Return a mean with its interval in percentage points."""
    if found.value != found.value:
        return "-"
    if found.low != found.low:
        return number(found.value)
    return f"{number(found.value)} [{number(found.low)}, {number(found.high)}]"
