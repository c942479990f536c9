"""``evalkit check``: validate files before they are used."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from evalkit.cli.options import GroupedCommand, debug_option, json_option, print_json, quiet_option

__all__ = ["command"]


@click.command("check", cls=GroupedCommand, epilog="Example: evalkit check tasks/mine.yaml paraphrases/")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@json_option
@quiet_option
@debug_option
def command(paths: tuple[Path, ...], as_json: bool, quiet: bool) -> int:
    """Validate task, phrasing, suite, model and policy files: all mistakes at once, each with file and line.

    PATH is a file or a folder; without any, the files that come with evalkit are checked. The kind of a file is told by what it holds.
    Exit code 2 when something is wrong.
    """
    from evalkit.catalog.checking import check_paths, shipped_files

    kinds, problems = check_paths(paths or shipped_files())
    if as_json:
        print_json({"files": {str(path): kind for path, kind in kinds.items()}, "problems": problems})
        return 2 if problems else 0
    for problem in problems:
        click.echo(problem, err=True)
    counts = ", ".join(f"{number} {kind}" for kind, number in sorted(Counter(kinds.values()).items()))
    if not quiet:
        click.echo(f"{len(kinds)} files ({counts}): {len(problems)} mistakes" if problems else f"{len(kinds)} files ({counts}): all fine")
    return 2 if problems else 0
