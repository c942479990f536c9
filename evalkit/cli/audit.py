"""``evalkit audit TABLE``: is a published table what it claims to be?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import (
    PATH,
    GroupedCommand,
    option,
    output_options,
    print_json,
    print_table,
    table_options,
)
from evalkit.errors import UsageError
from evalkit.report.terminal import counted, say

if TYPE_CHECKING:
    from evalkit.analysis.audit_checks import Finding

__all__ = ["command"]

in_checked = partial(option, group="What is checked")
UNSIZED = (
    "whether score x n is a whole number was not checked, since the table does not say n: say it "
    "with --n"
)


@click.command(
    "audit",
    cls=GroupedCommand,
    short_help="Check a published result table for consistency.",
    epilog="Example: evalkit audit results.csv --n 14042",
)
@click.argument("table", type=PATH)
@in_checked(
    "--n",
    "declared",
    multiple=True,
    metavar="N|TASK=N",
    help="Instances the table claims, for all tasks or one. Repeatable.",
)
@in_checked("--strict", is_flag=True, help="Exit with 1 when there is an error among the findings.")
@table_options()
@output_options
def command(
    table: Path, declared: tuple[str, ...], *, strict: bool, as_json: bool, quiet: bool
) -> None:
    """Check a per-instance or aggregated score table (CSV, CSV.gz, Parquet, or a folder of them).

    Is score x n a whole number, and which n fits? Are the arms scored on the same instances? Are
    there duplicated phrasings, or unfinished cells counted as 0? What cannot be read is a finding
    too. Findings do not change the exit code unless --strict is given.
    """
    from evalkit.analysis.audit import CHECKS, audit, sorted_findings, unreadable
    from evalkit.catalog.score_tables import read_for_audit

    files, faults = read_for_audit(table)
    found = [unreadable(fault) for fault in faults]
    for file in files:
        found += audit(file.frame, aggregated=file.layout != "cells", declared=_sizes(declared))
    found = sorted_findings(found)
    notes = [note for file in files for note in file.notes]
    if as_json:
        print_json(
            {
                "table": files[0].origin,
                "layout": ", ".join(file.layout for file in files),
                "notes": notes,
                "checks": CHECKS,
                "findings": [asdict(f) for f in found],
            }
        )
    else:
        unsized = any(file.layout != "cells" and "n_instances" not in file.frame for file in files)
        if unsized and not declared:
            notes.append(UNSIZED)
        _print(found, notes, quiet=quiet)
    if strict and any(finding.level == "error" for finding in found):
        click.get_current_context().exit(1)


def _sizes(declared: Sequence[str]) -> dict[str, int] | int | None:
    """Return what ``--n`` says: one number for all tasks, or a number by task."""
    by_task: dict[str, int] = {}
    for text in declared:
        task, _, digits = text.rpartition("=")
        if not digits.isdigit() or int(digits) < 1:
            raise UsageError(
                f"--n: {text!r} is no number of instances; accepted: N or TASK=N with N at least 1."
            )
        if not task and len(declared) > 1:
            raise UsageError(
                f"--n: {text!r} is for all tasks but --n is given {len(declared)} times. "
                "Give TASK=N each time."
            )
        if not task:
            return int(digits)
        by_task[task] = int(digits)
    return by_task or None


def _print(found: Sequence[Finding], notes: Sequence[str], *, quiet: bool) -> None:
    if not quiet:
        for note in notes:
            say(note)
    if found:
        print_table(
            ["level", "check", "model", "task", "finding"],
            [[f.level, f.check, f.model, f.task, f.message] for f in found],
        )
    if not quiet:
        counts = {
            level: sum(f.level == level for f in found) for level in ("error", "warning", "note")
        }
        say(
            ", ".join(counted(count, level) for level, count in counts.items())
            if found
            else "nothing found"
        )
