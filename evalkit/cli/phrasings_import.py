"""``evalkit phrasings import``: phrasings of a collection published elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import PATH, GroupedCommand, option, output_options, print_json
from evalkit.cli.phrasings_files import out_option, overwrite_option, print_notes, written
from evalkit.errors import CatalogError, UsageError
from evalkit.report.terminal import counted, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.catalog.library.importers.imported import Imported, ImportOptions
    from evalkit.catalog.library.importers.typed import Target

    Importer = Callable[[Path, ImportOptions], Imported]

__all__ = ["command"]

in_provenance = partial(option, group="Provenance")


@click.command(
    "import",
    cls=GroupedCommand,
    epilog=(
        "Example: evalkit phrasings import flan flan/templates.py --only rte --tasks "
        "promptbench/rte"
    ),
)
@click.argument("importer", metavar="FORMAT")
@click.argument("paths", nargs=-1, required=True, type=PATH, metavar="PATH...")
@option(
    "--collection",
    help=(
        "Name of the collection (flan, p3, niv2, ...): decides seen or unseen. "
        "The format's own without it."
    ),
)
@option("--tasks", help="Task ids or patterns the phrasings are for, with commas.")
@option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Upstream task that is imported; repeatable. All without it.",
)
@option(
    "--as",
    "as_type",
    metavar="TYPE,...",
    help=(
        "Only templates of these types of task, on the slots of --tasks: qa (multiple choice), "
        "nli, paraphrase, sentiment, topic, completion, summary, free, reading, unanswerable. "
        "Several with commas."
    ),
)
@option(
    "--map",
    "mapping",
    multiple=True,
    metavar="OURS=THEIRS",
    help="Slot or column: question=premise, text=prompt. Repeatable.",
)
@in_provenance("--commit", default="", help="Commit of the repository the files come from.")
@in_provenance(
    "--licence", default="", help="Licence of the texts; the collection's own without it."
)
@in_provenance(
    "--author", default="", help="Who wrote the texts; the collection's authors without it."
)
@out_option
@overwrite_option
@output_options
def command(
    importer: str, paths: tuple[Path, ...], *, as_json: bool, quiet: bool, **given: Any
) -> None:
    """Read phrasings of a collection published elsewhere and write them as a phrasing file.

    FORMAT is flan (template modules, parsed and never executed), promptsource, superni,
    promptbench, prompteval, or table (JSONL, CSV or TSV with --map text=COLUMN). Every phrasing
    records collection, path, line, commit, licence and the digest of its file.
    """
    from evalkit.catalog.library.importers.folders import files_of
    from evalkit.catalog.library.importers.imported import ImportOptions, joined
    from evalkit.catalog.library.importers.typed import targets_of, types_named
    from evalkit.catalog.library.writing import write_phrasings
    from evalkit.registry import IMPORTERS

    read = IMPORTERS.load(importer)
    kinds = types_named(given["as_type"]) if given["as_type"] else ()
    if kinds and not given["tasks"]:
        raise UsageError(
            "--as: says how templates are asked on other tasks; name these with --tasks, "
            "such as --tasks 'mmlu/*'."
        )
    options = ImportOptions(
        collection=given["collection"]
        or {"promptsource": "p3", "superni": "niv2"}.get(importer, importer),
        tasks=_names(given["tasks"]),
        only=given["only"],
        rename=_renaming(given["mapping"], table=importer == "table"),
        borrowed=bool(kinds),
        commit=given["commit"],
        licence=given["licence"],
        author=given["author"],
    )
    targets = targets_of(kinds, options.tasks) if kinds else []
    found = joined(
        _read(read, path, options, targets, importer=importer, in_folder=in_folder)
        for path, in_folder in files_of(paths, importer)
    )
    if not as_json:
        print_notes(found.skipped, what="left out", quiet=quiet)
    if given["out"]:
        write_phrasings(
            given["out"], found.phrasings, tasks=options.tasks, overwrite=given["overwrite"]
        )
    if as_json:
        print_json(
            {
                "phrasings": [dataclasses.asdict(phrasing) for phrasing in found.phrasings],
                "skipped": found.skipped,
            }
        )
        return
    say(
        f"{counted(len(found.phrasings), 'phrasing')} read, {len(found.skipped)} left "
        f"out{written(given['out'])}"
    )


def _read(
    read: Importer,
    path: Path,
    options: ImportOptions,
    targets: Sequence[Target],
    *,
    importer: str,
    in_folder: bool,
) -> Imported:
    """Return what one file holds, of the type asked for;
    a file of a folder that cannot be read is left out and named.
    """
    from evalkit.catalog.library.importers.folders import upstream_of
    from evalkit.catalog.library.importers.imported import Imported
    from evalkit.catalog.library.importers.own import on_own
    from evalkit.catalog.library.importers.typed import as_types

    upstream = upstream_of(path, importer)
    if targets and upstream and not any(target.kind.asks(upstream) for target in targets):
        return Imported()
    try:
        found = read(path, options)
    except CatalogError as error:
        if not in_folder:
            raise
        return Imported(skipped=[str(error)])
    if not targets:
        return on_own(found, upstream=upstream, patterns=options.tasks)
    return as_types(found, targets, upstream=upstream, patterns=options.tasks)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _renaming(pairs: Sequence[str], *, table: bool) -> dict[str, str]:
    """Return upstream name -> ours for slots, and our field -> column for the fields of a table."""
    from evalkit.catalog.library.importers.tables import SETTABLE

    fields = {"text", "name", "published", *SETTABLE}
    found: dict[str, str] = {}
    for pair in pairs:
        ours, equals, theirs = (part.strip() for part in pair.partition("="))
        if not equals or not ours or not theirs:
            raise UsageError(
                f"--map {pair!r}: is not accepted; OURS=THEIRS is. "
                "Write it as --map question=premise."
            )
        found |= {ours: theirs} if table and ours in fields else {theirs: ours}
    return found
