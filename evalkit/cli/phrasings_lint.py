"""``evalkit phrasings lint``: what a reader would object to in phrasing files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from evalkit.cli.options import PATH, GroupedCommand, output_options, print_json
from evalkit.report.terminal import say

__all__ = ["command"]


@click.command("lint", cls=GroupedCommand, epilog="Example: evalkit phrasings lint paraphrases/")
@click.argument("paths", nargs=-1, type=PATH, metavar="[PATH]...")
@output_options
def command(paths: tuple[Path, ...], as_json: bool, quiet: bool) -> int:
    """Say what a reader would object to in phrasing files: each finding with file, line and code.

    Without PATH the shipped phrasings are read. Codes: file, template, slot, choices, leak, labels,
    near-duplicate, newline, invisible, long. Exit code 2 when there is a finding.
    """
    from evalkit.catalog.library.lint import lint_files, phrasing_files
    from evalkit.catalog.paths import data_root

    files = phrasing_files(paths or [data_root("paraphrases")])
    findings = lint_files(files)
    if as_json:
        print_json(
            {"files": len(files), "findings": [dataclasses.asdict(finding) for finding in findings]}
        )
        return 2 if findings else 0
    for finding in findings:
        say(
            str(finding).encode("unicode_escape").decode("ascii")
            if not str(finding).isprintable()
            else str(finding),
            err=True,
        )
    if not quiet:
        say(f"{len(files)} files: {len(findings)} findings")
    return 2 if findings else 0
