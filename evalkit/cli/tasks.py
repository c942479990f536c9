"""``evalkit tasks``: a task of your own, begun from nothing or from a table."""

from __future__ import annotations

from pathlib import Path

import click

from evalkit.cli.options import (
    PATH,
    CommandGroup,
    GroupedCommand,
    debug_option,
    in_output,
    option,
    quiet_option,
)
from evalkit.report.terminal import counted, say

__all__ = ["command"]


@click.group("tasks", cls=CommandGroup, epilog="Example: evalkit tasks new tickets")
def command() -> None:
    """Make tasks of your own."""


@command.command("new", cls=GroupedCommand, epilog="Example: evalkit tasks new tickets")
@click.argument("name", metavar="NAME")
@option(
    "--table",
    type=PATH,
    metavar="FILE",
    help="Table of yours with a row per instance; without it a table of examples is written.",
)
@option("--target", default="", metavar="COLUMN", help="Column of the right answers.")
@in_output(
    "--out",
    type=PATH,
    default=Path(),
    metavar="FOLDER",
    help="Folder for the files (default: this one, or the table's).",
)
@quiet_option
@debug_option
def new(name: str, *, table: Path | None, target: str, out: Path, quiet: bool) -> int:
    """Begin a task of your own: rows, task file and wordings that run as they are.

    The files are examples: put your rows, description and wordings in their place.
    """
    from evalkit.catalog.library.beginning import begin

    begun = begin(name, out, table, target=target)
    if quiet:
        return 0
    for line in begun.told:
        say(line)
    rows, wordings = counted(begun.instances, "row"), counted(begun.wordings, "wording")
    say(f"Written, {rows} and {wordings}: {', '.join(map(str, begun.files))}")
    say("Edit them, look at the prompts, then run:")
    say(f"  evalkit check {' '.join(str(path) for path in begun.files if path.suffix == '.yaml')}")
    say(f"  evalkit prompts {begun.task} -n 1")
    say(f"  evalkit run --model demo --tasks {begun.task}")
    return 0


@command.command(
    "from-table",
    cls=GroupedCommand,
    epilog="Example: evalkit tasks from-table tickets.csv --out tickets.yaml",
)
@click.argument("table", metavar="FILE", type=PATH)
@in_output(
    "--out", type=PATH, help="Task file to write, beside the table (default: its name with .yaml)."
)
@option("--name", default="", help="Name of the task (default: that of the table).")
@option("--target", default="", metavar="COLUMN", help="Column of the right answers.")
@option(
    "--columns",
    default="",
    metavar="A,B",
    help=(
        "Columns that an instance is made of (default: all other texts but explanations and notes)."
    ),
)
@option(
    "--header",
    default="",
    metavar="A,B",
    help="Names of the columns, where the first line is a row.",
)
@quiet_option
@debug_option
def from_table(
    table: Path,
    *,
    out: Path | None,
    name: str,
    target: str,
    columns: str,
    header: str,
    quiet: bool,
) -> int:
    """Write a task file for a table with a row per instance, and read the table with it.

    CSV, TSV, JSON Lines, JSON and Parquet are read. What was taken for what is said, a line each;
    read it before you trust a score.
    """
    from evalkit.catalog.instances import load_instances
    from evalkit.catalog.library.from_table import propose
    from evalkit.catalog.library.writing import write_new
    from evalkit.catalog.tasks import load_task
    from evalkit.errors import EvalkitError, UsageError

    if table.is_dir():
        raise UsageError(f"{table}: is a folder; a table is expected. Name a file in it.")
    path = out or table.with_suffix(".yaml")
    if path.suffix not in {".yaml", ".yml"}:
        raise UsageError(
            f"--out: {path} is not the name of a task file, which ends in .yaml. "
            f"Name it {path.with_name(path.name + '.yaml')}."
        )
    if path.resolve().parent != table.resolve().parent:
        raise UsageError(
            f"--out: {path} does not lie beside {table}, where the task looks for its rows. "
            f"Name a file in {table.resolve().parent}."
        )
    chosen, named = (
        tuple(part.strip() for part in text.split(",") if part.strip())
        for text in (columns, header)
    )
    proposal = propose(table, name=name, target=target, columns=chosen, header=named)
    write_new(path, proposal.text)
    try:
        instances = load_instances(load_task(str(path)), None)
    except EvalkitError:
        path.unlink()  # what cannot be read is mended in the table, and the command typed again
        raise
    if quiet:
        return 0
    for line in proposal.told:
        say(line)
    say(f"{path} is written and reads {len(instances):,} instances. Next, type:")
    say(f"  evalkit phrasings new {path} --out {path.with_name(path.stem + '_phrasings.yaml')}")
    return 0
