"""``evalkit check``: validate files before they are used,
and verify runs after they were written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import PATH, GroupedCommand, option, output_options, print_json
from evalkit.report.terminal import counted, say

if TYPE_CHECKING:
    from evalkit.runs.check import RunCheck

__all__ = ["command"]

_MANY = {"known models": "known models", "policy": "policies", "unknown": "unknown"}
"""Plurals that are not made with an s."""


@click.command(
    "check",
    cls=GroupedCommand,
    epilog="Example: evalkit check tasks/mine.yaml paraphrases/ reports/runs/demo",
)
@click.argument("paths", nargs=-1, type=PATH, metavar="[PATH]...")
@option(
    "--data-dir",
    type=PATH,
    help="Where the instances of tasks lie; EVALKIT_DATA, then evalkit's cache folder, without it.",
)
@output_options
def command(paths: tuple[Path, ...], data_dir: Path | None, as_json: bool, quiet: bool) -> int:
    """Validate task, phrasing, suite, model and policy files.

    All mistakes at once, each with file and line; of a task also those of its instances, where
    they are on this machine. Verify run directories: every row, count and
    number.

    PATH is a file, a folder, a run directory or a responses.sqlite (a run's or the cache's);
    without any, the files that come with evalkit are checked. The kind of a file is told by what it
    holds. Exit code 2 when a file is wrong, 4 when a run is damaged, 3 when a run is not finished.
    """
    from evalkit.catalog.checking import check_paths, shipped_files
    from evalkit.runs.check import check_run, check_store
    from evalkit.store.directory import is_run_dir

    runs = [
        check_run(path)
        for path in paths
        if is_run_dir(path) or (path / "responses.sqlite").is_file()
    ]
    runs += [check_store(path) for path in paths if path.suffix == ".sqlite"]
    files = [path for path in paths if path not in {run.path for run in runs}]
    kinds, problems = (
        check_paths(files or shipped_files(), data_dir) if files or not paths else ({}, [])
    )
    problems = [*problems, *_linted(kinds, problems)]
    code = _exit_code(runs, problems)
    if as_json:
        verdicts = {
            str(run.path): {
                "state": run.state,
                "checked": list(run.checked),
                "problems": list(run.problems),
            }
            for run in runs
        }
        told = {str(path): kind for path, kind in kinds.items()}
        print_json({"files": told, "problems": problems, "runs": verdicts})
        return code
    for run in runs:
        _show(run, quiet=quiet)
    _show_files(kinds, problems, quiet=quiet)
    return code


def _show_files(kinds: Mapping[Path, str], problems: Sequence[str], *, quiet: bool) -> None:
    """Print the mistakes of files, and how many there are of which kind."""
    for problem in problems:
        say(problem, err=True)
    if kinds and not quiet:
        counts = ", ".join(
            f"{number} {noun if number == 1 else _MANY.get(noun, noun + 's')}"
            for noun, number in _counts(kinds, exact=not problems).items()
        )
        verdict = counted(len(problems), "mistake") if problems else "all fine"
        say(f"{counted(len(kinds), 'file')} ({counts}): {verdict}")


def _counts(kinds: Mapping[Path, str], *, exact: bool) -> dict[str, int]:
    """How many things of each kind there are; phrasings are counted one by one where all can be
    read.
    """
    from evalkit.catalog.phrasings import read_phrasing_file

    found: dict[str, int] = {}
    for kind in sorted(set(kinds.values())):
        of_kind = [path for path, told in kinds.items() if told == kind]
        if kind == "phrasings":
            n = sum(len(read_phrasing_file(path)) for path in of_kind) if exact else len(of_kind)
            noun = "phrasing" if exact else "phrasing file"
            found[noun] = n
        else:
            found[kind] = len(of_kind)
    return found


def _linted(kinds: Mapping[Path, str], problems: Sequence[str]) -> list[str]:
    """What lint objects to in the phrasing files that can be read.

    A file with mistakes is linted once they are mended.
    """
    from evalkit.catalog.library.lint import lint_paths

    wrong = {problem.split(":", 1)[0] for problem in problems}
    able = [path for path, kind in kinds.items() if kind == "phrasings" and str(path) not in wrong]
    return [str(finding) for finding in lint_paths(able)] if able else []


def _exit_code(runs: Sequence[RunCheck], problems: Sequence[str]) -> int:
    """Damage weighs more than a wrong file, and that more than a run that is not finished."""
    codes = {run.exit_code for run in runs} | ({2} if problems else set())
    return next((code for code in (4, 2, 3) if code in codes), 0)


def _show(run: RunCheck, *, quiet: bool) -> None:
    if not quiet:
        for line in run.checked:
            say(f"  {line}")
    for problem in run.problems:
        say(problem, err=True)
    if not quiet or run.state != "sound":
        say(f"{run.path}: {run.state}")
