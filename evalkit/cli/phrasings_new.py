"""``evalkit phrasings new``: a phrasing file to start from, its prompts and what a reader would
object to.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import PATH, GroupedCommand, debug_option, in_output, option, quiet_option
from evalkit.errors import CatalogError
from evalkit.report.terminal import say

if TYPE_CHECKING:
    from evalkit.records import Instance, Task

__all__ = ["command"]


@click.command(
    "new", cls=GroupedCommand, epilog="Example: evalkit phrasings new bbh/navigate --out mine.yaml"
)
@click.argument("task_id", metavar="TASK")
@in_output(
    "--out",
    type=PATH,
    required=True,
    help="File to write; when it is there already it is kept, shown and linted.",
)
@option("--source", default="mine", help="Collection your wordings will belong to.")
@option(
    "--data-dir",
    type=PATH,
    envvar="EVALKIT_DATA",
    show_envvar=True,
    help="Where benchmark data lie, for an instance to show.",
)
@quiet_option
@debug_option
def command(task_id: str, *, out: Path, source: str, data_dir: Path | None, quiet: bool) -> int:
    """Write a phrasing file for a task, and show the prompts it makes.

    The file holds one wording made of the task's own description. Edit it and type the same command
    again: every wording is then shown as the prompt of the task's first instance, with what a
    reader would object to. Exit code 2 when there is an objection.
    """
    from evalkit.catalog.library.lint import lint_files
    from evalkit.catalog.library.starting import starting_file
    from evalkit.catalog.library.writing import write_new
    from evalkit.catalog.phrasings import read_phrasing_file
    from evalkit.catalog.tasks import load_task
    from evalkit.phrasings.prompts import render_prompt

    task = load_task(task_id)
    instance = _first(task, data_dir)
    if not out.exists():
        write_new(out, starting_file(task, source=source, instance=instance))
        if not quiet:
            say(f"{out} is written: edit it, then type the same command again.")
    objections: list[str] = []
    for phrasing in read_phrasing_file(out):
        try:
            shown = render_prompt(task, phrasing, instance).text if instance else phrasing.text
        except CatalogError as error:
            objections += [f"{out}: {problem}" for problem in error.problems]
            continue
        if not quiet:
            say(f"--- {phrasing.id}")
            say(shown)
    if not (instance or quiet):
        say(f"(no instance to show: the data of {task.id} is not on this machine)")
    objections += map(str, lint_files([out]))
    for objection in objections:
        say(objection, err=True)
    if not quiet:
        say(f"{len(objections)} findings")
    return 2 if objections else 0


def _first(task: Task, data_dir: Path | None) -> Instance | None:
    """Return the first instance of a task, or None when its data is not there."""
    from evalkit.catalog import available_tasks, load_instances

    present, _ = available_tasks([task], data_dir)
    return load_instances(task, data_dir)[0] if present else None
