"""``evalkit phrasings seen``: which phrasings a tuning set holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import (
    PATH,
    GroupedCommand,
    option,
    output_options,
    print_json,
    print_table,
)
from evalkit.cli.phrasings_files import out_option, overwrite_option, written
from evalkit.report.terminal import say

if TYPE_CHECKING:
    from evalkit.records import Phrasing

__all__ = ["command"]

in_matching = partial(option, group="Matching")


@click.command(
    "seen",
    cls=GroupedCommand,
    epilog="Example: evalkit phrasings seen --training sft.jsonl --out tuning.yaml",
)
@click.argument("paths", nargs=-1, type=PATH, metavar="[FILE]...")
@option(
    "--training",
    multiple=True,
    required=True,
    metavar="SOURCE",
    help="Tuning set: file (JSONL, JSON, CSV, TSV, Parquet), folder, or hub id. Repeatable.",
)
@option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME",
    help="Field that is read, at any depth; repeatable. All texts without it.",
)
@option("--split", default="train", help="Split of a hub data set.")
@option("--name", metavar="NAME", help="Name of the collection; the stem of --out without it.")
@in_matching("--near", type=float, default=0.8, help="Least likeness of a near copy.")
@in_matching(
    "--evidence", "keep", type=click.IntRange(1, 100), default=3, help="Rows kept per phrasing."
)
@in_matching("--workers", type=click.IntRange(1, 64), default=1, help="Processes that look.")
@out_option
@overwrite_option
@output_options
def command(
    paths: tuple[Path, ...], training: tuple[str, ...], *, as_json: bool, quiet: bool, **given: Any
) -> None:
    """Label phrasings seen, near, unseen or unknown for a tuning set, with the rows that show it.

    Looks for all shipped phrasings, or for those of FILE... The file written by --out can stand in
    a model's tuned_on.
    """
    from itertools import chain

    from evalkit.catalog.library.collection import as_collection, counts, write_collection
    from evalkit.catalog.library.seen import label_phrasings
    from evalkit.catalog.library.training import training_rows

    phrasings = _library(paths)
    rows = chain.from_iterable(
        training_rows(source, fields=given["fields"], split=given["split"]) for source in training
    )
    findings, count = label_phrasings(
        phrasings,
        rows,
        near=given["near"],
        keep=given["keep"],
        workers=given["workers"],
        progress=None if quiet else _ticker(),
    )
    name = given["name"] or (given["out"].stem if given["out"] else "tuning-set")
    made = _made(training, rows=count, given=given)
    if given["out"]:
        write_collection(
            given["out"],
            as_collection(name, phrasings, findings, made=made),
            overwrite=given["overwrite"],
        )
    if as_json:
        print_json(as_collection(name, phrasings, findings, made=made))
        return
    shown = [finding for finding in findings if finding.label in {"seen", "near"}]
    table = [
        [
            f.phrasing_id,
            f.label,
            f.evidence[0].match,
            f"{f.evidence[0].likeness:.2f}",
            f.evidence[0].row,
            f.evidence[0].excerpt,
        ]
        for f in shown
    ]
    if table and not quiet:
        print_table(["phrasing", "label", "match", "likeness", "row", "excerpt"], table)
    numbers = ", ".join(f"{number} {label}" for label, number in counts(findings).items())
    say(f"{count} rows: {numbers}{written(given['out'])}")
    if given["out"] and not quiet:
        say(f"A model file that says 'tuned_on: [{given['out']}]' uses it; near counts as seen.")


def _library(paths: Sequence[Path]) -> list[Phrasing]:
    """Return the phrasings of files and folders, or all shipped ones; each id once."""
    from evalkit.catalog.library.lint import phrasing_files
    from evalkit.catalog.paths import data_root
    from evalkit.catalog.phrasings import read_phrasing_file

    found: dict[str, Phrasing] = {}
    for path in phrasing_files(paths or [data_root("paraphrases")]):
        for phrasing in read_phrasing_file(path):
            found.setdefault(phrasing.id, phrasing)
    return list(found.values())


def _made(training: Sequence[str], *, rows: int, given: dict[str, Any]) -> dict[str, Any]:
    """Return how a collection file was made."""
    from datetime import UTC, datetime

    from evalkit import __version__

    return {
        "by": f"evalkit {__version__}",
        "on": datetime.now(UTC).date().isoformat(),
        "training": list(training),
        "fields": list(given["fields"]),
        "rows": rows,
        "near": given["near"],
    }


def _ticker() -> Callable[[int], None]:
    """Return a function that shows the number of rows read, at most every ten seconds (half a
    second on a terminal).
    """
    import sys
    import time

    terminal = sys.stderr.isatty()
    began = last = time.monotonic()

    def tick(count: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= (0.5 if terminal else 10.0):
            last = now
            line = f"{count} rows, {count / (now - began):.0f} rows/s"
            say(line, err=True, over=terminal)

    return tick
