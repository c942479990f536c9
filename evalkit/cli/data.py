"""``evalkit data``: what benchmark data is here, getting what is missing, saying where it lies."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import click

from evalkit.cli.options import (
    PATH,
    CommandGroup,
    GroupedCommand,
    debug_option,
    json_option,
    option,
    output_options,
    print_json,
    print_table,
)
from evalkit.report.terminal import say

__all__ = ["command"]

_data_dir = option(
    "--data-dir",
    type=PATH,
    help="Data directory; EVALKIT_DATA, then evalkit's cache folder, without it.",
)


@click.group("data", cls=CommandGroup, epilog="Example: evalkit data fetch bbh")
def command() -> None:
    """Show, fetch or locate benchmark data."""


@command.command(
    "status", cls=GroupedCommand, epilog="Example: evalkit data status --data-dir data"
)
@click.argument("patterns", nargs=-1, metavar="[TASK]...")
@_data_dir
@output_options
def status(patterns: tuple[str, ...], data_dir: Path | None, as_json: bool, quiet: bool) -> None:
    """Show for each benchmark how many of its tasks have their data on this machine.

    Also what cannot be asked of it: instances left out by name, and files that are wrong.
    """
    from evalkit.catalog import available_tasks, list_tasks, read_instances
    from evalkit.catalog.files import data_directory
    from evalkit.errors import CatalogError

    tasks = list_tasks(patterns or ("*",))
    present, absent = available_tasks(tasks, data_dir)
    counts: dict[str, dict[str, Any]] = defaultdict(
        lambda: {"present": 0, "absent": 0, "missing": [], "left_out": [], "wrong": []}
    )
    for task in present:
        counts[task.benchmark]["present"] += 1
        try:
            counts[task.benchmark]["left_out"] += read_instances(task, data_dir)[1]
        except CatalogError as error:
            counts[task.benchmark]["wrong"] += error.problems
    for task, reason in absent:
        counts[task.benchmark]["absent"] += 1
        counts[task.benchmark]["missing"].append({"task": task.id, "reason": reason})
    if as_json:
        print_json({"data_dir": str(data_directory(data_dir)), "benchmarks": counts})
        return
    rows = [
        [name, str(item["present"]), str(item["absent"]), _hint(name, item)]
        for name, item in sorted(counts.items())
    ]
    print_table(["benchmark", "here", "missing", "to get it"], rows)
    if not quiet:
        say(f"\nData directory: {data_directory(data_dir)}")
        for item in counts.values():
            for line in (*item["left_out"], *item["wrong"]):
                say(line)
        if patterns:
            for _, reason in absent:
                say(reason)


def _hint(benchmark: str, item: dict[str, Any]) -> str:
    if not item["absent"]:
        return ""
    fetchable = any("evalkit data fetch" in entry["reason"] for entry in item["missing"])
    return (
        f"evalkit data fetch {benchmark}"
        if fetchable
        else f"by hand; see evalkit data status {benchmark}"
    )


@command.command("where", cls=GroupedCommand, epilog="Example: evalkit data where mmlu/anatomy")
@click.argument("patterns", nargs=-1, metavar="[TASK]...")
@_data_dir
@json_option
@debug_option
def where(patterns: tuple[str, ...], data_dir: Path | None, as_json: bool) -> None:
    """Print the data directory, or the files of tasks, one a line."""
    from evalkit.catalog import list_tasks
    from evalkit.catalog.files import candidates, data_directory, locate

    root = data_directory(data_dir)
    found: dict[str, list[str]] = {}
    for task in list_tasks(patterns) if patterns else ():
        found[task.id] = (
            [str(path) for path in locate(task, data_dir, task.split).paths]
            if candidates(task, root, task.split)
            else []
        )
    if as_json:
        print_json({"data_dir": str(root), "files": found})
    elif patterns:
        for task_id, paths in found.items():
            say("\n".join(paths) if paths else f"{task_id}: made by evalkit, no file")
    else:
        say(str(root))


@command.command(
    "fetch", cls=GroupedCommand, epilog="Example: evalkit data fetch mmlu bbh/navigate"
)
@click.argument("patterns", nargs=-1, required=True, metavar="TASK...")
@_data_dir
@option("--revision", help="Commit or branch, for sources that pin none.")
@option("--force", is_flag=True, help="Get files again that are there.")
@option("--dry-run", is_flag=True, help="Say what would be got.")
@option(
    "--allow-host",
    multiple=True,
    metavar="HOST[:PORT]",
    help="Let a task file's address lead to this host of the inner network. Repeatable.",
)
@output_options
def fetch(
    patterns: tuple[str, ...], data_dir: Path | None, as_json: bool, quiet: bool, **given: Any
) -> int:
    """Get the files of tasks from the hub or GitHub, by commit; nothing of theirs is run.

    Task names as in 'evalkit ls tasks': ids, patterns or benchmarks. What was got is recorded with
    commit and digest.
    """
    from dataclasses import asdict

    from evalkit.catalog import available_tasks, list_tasks
    from evalkit.catalog.fetch import fetch as get
    from evalkit.catalog.fetch import needed
    from evalkit.catalog.files import data_directory

    root = data_directory(data_dir, new=True)
    tasks = list_tasks(patterns)
    if not given["force"] and root.is_dir():
        tasks = [task for task, _ in available_tasks(tasks, data_dir)[1]]
    wanted, unknown = needed(tasks, root, revision=given["revision"])
    if given["dry_run"]:
        lines = [
            f"{item.repository}@{item.revision or 'default branch'} {item.path} -> {item.place}"
            for item in wanted
        ]
        say("\n".join(lines) if lines else "nothing to get")
    else:
        said = (lambda text: None) if quiet or as_json else say
        got = get(wanted, root, force=given["force"], allowed=given["allow_host"], said=said)
        if as_json:
            print_json({"data_dir": str(root), "files": [asdict(item) for item in got]})
        elif not quiet:
            say(f"{len(got)} files got, in {root}")
    for task in unknown:
        say(
            f"{task.id}: no download is known; {task.notes or 'place its files by hand'} See "
            f"'evalkit data status {task.id}'.",
            err=True,
        )
    return 4 if unknown else 0
