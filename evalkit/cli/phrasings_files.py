"""What the commands on phrasing files share: where the result goes, and what they say of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.options import PATH, in_output
from evalkit.report.terminal import say

__all__ = ["out_option", "overwrite_option", "print_notes", "written"]

MOST_SHOWN = 20
"""Lines on standard error before the rest is counted."""
out_option = in_output(
    "--out", type=PATH, help="File to write; without it the result is only counted."
)
overwrite_option = in_output(
    "--overwrite", is_flag=True, help="Replace the file when it is there already."
)


def print_notes(lines: Sequence[str], *, what: str, quiet: bool) -> None:
    """Print lines on standard error, at most `MOST_SHOWN`."""
    for line in () if quiet else lines[:MOST_SHOWN]:
        say(line, err=True)
    if not quiet and len(lines) > MOST_SHOWN:
        say(f"... and {len(lines) - MOST_SHOWN} more {what}; --json names all.", err=True)


def written(path: Path | None) -> str:
    """Return the end of a sentence that says where the result went; empty when nowhere."""
    return f"; written to {path}" if path else ""
