"""``evalkit phrasings``: bring in, derive, label and lint phrasings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import (
    GroupedCommand,
    debug_option,
    json_option,
    option,
    print_json,
    print_table,
    quiet_option,
)
from evalkit.errors import UsageError

if TYPE_CHECKING:
    from evalkit.catalog.library.meaning import Validator
    from evalkit.records import Phrasing

__all__ = ["command"]

_PATHS = click.Path(path_type=Path)
_out = option(
    "--out",
    type=_PATHS,
    group="Output",
    help="File to write; without it the result is only counted.",
)
_overwrite = option(
    "--overwrite", is_flag=True, group="Output", help="Replace the file when it is there already."
)
_SHOWN = 20


@click.group(
    "phrasings", epilog="Example: evalkit phrasings seen --training sft.jsonl --out tuning.yaml"
)
def command() -> None:
    """Import, perturb, label and lint phrasings."""


@command.command(
    "import",
    cls=GroupedCommand,
    epilog="Example: evalkit phrasings import flan flan/templates.py --only rte --tasks promptbench/rte",
)
@click.argument("importer", metavar="FORMAT")
@click.argument("paths", nargs=-1, required=True, type=_PATHS, metavar="PATH...")
@option(
    "--collection",
    help="Name of the collection (flan, p3, niv2, ...): decides seen or unseen. The format's own without it.",
)
@option("--tasks", help="Task ids or patterns the phrasings are for, with commas.")
@option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Upstream task that is imported; repeatable. All without it.",
)
@option(
    "--map",
    "mapping",
    multiple=True,
    metavar="OURS=THEIRS",
    help="Slot or column: question=premise, text=prompt. Repeatable.",
)
@option(
    "--commit", default="", group="Provenance", help="Commit of the repository the files come from."
)
@option(
    "--licence",
    default="",
    group="Provenance",
    help="Licence of the texts; the collection's own without it.",
)
@option(
    "--author",
    default="",
    group="Provenance",
    help="Who wrote the texts; the collection's authors without it.",
)
@_out
@_overwrite
@json_option
@quiet_option
@debug_option
def import_(
    importer: str, paths: tuple[Path, ...], *, as_json: bool, quiet: bool, **given: Any
) -> None:
    """Read phrasings of a collection published elsewhere and write them as a phrasing file.

    FORMAT is flan (template modules, parsed and never executed), promptsource, superni,
    promptbench, prompteval, or table (JSONL, CSV or TSV with --map text=COLUMN). Every phrasing
    records collection, path, line, commit, licence and the digest of its file.
    """
    from evalkit.catalog.library.importers.imported import ImportOptions, joined
    from evalkit.catalog.library.writing import write_phrasings
    from evalkit.registry import IMPORTERS

    read = IMPORTERS.load(importer)
    options = ImportOptions(
        collection=given["collection"]
        or {"promptsource": "p3", "superni": "niv2"}.get(importer, importer),
        tasks=_names(given["tasks"]),
        only=given["only"],
        rename=_renaming(given["mapping"], table=importer == "table"),
        commit=given["commit"],
        licence=given["licence"],
        author=given["author"],
    )
    found = joined(read(path, options) for path in paths)
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
    _notes(found.skipped, what="left out", quiet=quiet)
    click.echo(
        f"{len(found.phrasings)} phrasings read, {len(found.skipped)} left out{_written(given['out'])}"
    )


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _renaming(pairs: Sequence[str], *, table: bool) -> dict[str, str]:
    """Return upstream name -> ours for slots, and our field -> column for the fields of a table."""
    fields = {
        "text",
        "name",
        "published",
        "kind",
        "layout",
        "label_space",
        "position",
        "wrapper",
        "cue",
        "language",
        "author",
        "licence",
    }
    found: dict[str, str] = {}
    for pair in pairs:
        ours, equals, theirs = (part.strip() for part in pair.partition("="))
        if not equals or not ours or not theirs:
            raise UsageError(
                f"--map {pair!r}: is not accepted; OURS=THEIRS is. Write it as --map question=premise."
            )
        found |= {ours: theirs} if table and ours in fields else {theirs: ours}
    return found


def _notes(lines: Sequence[str], *, what: str, quiet: bool) -> None:
    """Print lines on standard error, at most twenty."""
    for line in () if quiet else lines[:_SHOWN]:
        click.echo(line, err=True)
    if not quiet and len(lines) > _SHOWN:
        click.echo(f"... and {len(lines) - _SHOWN} more {what}; --json names all.", err=True)


def _written(path: Path | None) -> str:
    return f"; written to {path}" if path else ""


@command.command(
    "perturb",
    cls=GroupedCommand,
    epilog="Example: evalkit phrasings perturb --task bbh/navigate --perturb word:rate=0.1,n=5 --out derived.yaml",
)
@click.argument("paths", nargs=-1, type=_PATHS, metavar="[FILE]...")
@option(
    "--task",
    "task_id",
    metavar="TASK",
    help="Perturb the phrasings of a task instead of files; its labels are protected.",
)
@option(
    "--perturb",
    "specs",
    multiple=True,
    required=True,
    metavar="SPEC",
    help="What to do, such as character:kind=swap,n=3. Repeatable; 'evalkit ls perturbations' names all.",
)
@option(
    "--label",
    "labels",
    multiple=True,
    metavar="WORD",
    help="Label word that no edit may touch. Repeatable.",
)
@option("--seed", type=int, default=0, show_default=True, help="Equal seeds give equal copies.")
@option(
    "--check",
    is_flag=True,
    group="Meaning",
    help="Record whether slots, label words, negation and length were kept.",
)
@option(
    "--encoder",
    metavar="NAME",
    group="Meaning",
    help="Also record the similarity by a sentence-transformers model.",
)
@option(
    "--nli",
    metavar="NAME",
    group="Meaning",
    help="Also record entailment both ways by a sequence-classification model.",
)
@_out
@_overwrite
@json_option
@quiet_option
@debug_option
def perturb(
    paths: tuple[Path, ...],
    task_id: str | None,
    specs: tuple[str, ...],
    *,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Make derived phrasings by seeded rules.

    An edit that cannot be made is named and gives no copy.
    """
    from evalkit.catalog.library.writing import write_phrasings
    from evalkit.phrasings.perturb.apply import apply

    made: list[Phrasing] = []
    refusals: list[str] = []
    for phrasings, labels in _groups(paths, task_id, given["labels"]):
        copies, refused = apply(phrasings, specs, seed=given["seed"], protected_words=labels)
        made += _checked(copies, phrasings, labels, given=given)
        refusals += map(str, refused)
    if given["out"]:
        write_phrasings(given["out"], made, overwrite=given["overwrite"])
    if as_json:
        print_json(
            {"phrasings": [dataclasses.asdict(phrasing) for phrasing in made], "refused": refusals}
        )
        return
    if not given["out"]:
        print_table(
            ["phrasing", "perturbation", "text"],
            [[item.id, item.perturbation, item.text] for item in made],
        )
    _notes(refusals, what="refused", quiet=quiet)
    click.echo(f"{len(made)} phrasings made, {len(refusals)} refused{_written(given['out'])}")


def _groups(
    paths: Sequence[Path], task_id: str | None, labels: Sequence[str]
) -> list[tuple[list[Phrasing], list[str]]]:
    """Return phrasings with the words protected in them: those of a task, or those of each file."""
    from evalkit.catalog.phrasings import load_phrasings, read_phrasing_file
    from evalkit.catalog.tasks import list_tasks, load_task

    if bool(paths) == bool(task_id):
        raise UsageError(
            "phrasings perturb: needs phrasing files or --task, and not both. Name one of them."
        )
    if task_id:
        task = load_task(task_id)
        return [
            (
                [item for item in load_phrasings(task) if item.kind == "correct"],
                [*task.labels, *labels],
            )
        ]
    groups = []
    for path in paths:
        phrasings = [item for item in read_phrasing_file(path) if item.kind == "correct"]
        patterns = sorted({pattern for phrasing in phrasings for pattern in phrasing.tasks})
        words = {
            label for task in (list_tasks(patterns) if patterns else []) for label in task.labels
        }
        groups.append((phrasings, [*sorted(words), *labels]))
    return groups


def _checked(
    copies: Sequence[Phrasing],
    originals: Sequence[Phrasing],
    labels: Sequence[str],
    *,
    given: dict[str, Any],
) -> list[Phrasing]:
    """Return copies with the result of the meaning check, when one was asked for."""
    from datetime import UTC, datetime

    from evalkit.catalog.library.meaning import (
        MODEL_FREE,
        check_meaning,
        encoder_validator,
        nli_validator,
    )

    validators: list[Validator] = (
        list(MODEL_FREE) if given["check"] or given["encoder"] or given["nli"] else []
    )
    validators += [encoder_validator(given["encoder"])] if given["encoder"] else []
    validators += [nli_validator(given["nli"])] if given["nli"] else []
    if not validators:
        return list(copies)
    known = {phrasing.id: phrasing for phrasing in originals}
    today = datetime.now(UTC).date().isoformat()
    return [
        dataclasses.replace(
            copy,
            meaning=check_meaning(
                known[copy.of or ""], copy, validators=validators, labels=labels, on=today
            ),
        )
        for copy in copies
    ]


@command.command(
    "seen",
    cls=GroupedCommand,
    epilog="Example: evalkit phrasings seen --training sft.jsonl --out tuning.yaml",
)
@click.argument("paths", nargs=-1, type=_PATHS, metavar="[FILE]...")
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
@option("--split", default="train", show_default=True, help="Split of a hub data set.")
@option("--name", metavar="NAME", help="Name of the collection; the stem of --out without it.")
@option(
    "--near",
    type=float,
    default=0.8,
    show_default=True,
    group="Matching",
    help="Least likeness of a near copy.",
)
@option(
    "--evidence",
    "keep",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    group="Matching",
    help="Rows kept per phrasing.",
)
@option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    group="Matching",
    help="Processes that look.",
)
@_out
@_overwrite
@json_option
@quiet_option
@debug_option
def seen(
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
    click.echo(f"{count} rows: {numbers}{_written(given['out'])}")
    if given["out"] and not quiet:
        click.echo(
            f"A model file that says 'tuned_on: [{given['out']}]' uses it; near counts as seen."
        )


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
    """Return a function that shows the number of rows read, at most every ten seconds (half a second on a terminal)."""
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
            click.echo(f"\r{line}   " if terminal else line, err=True, nl=not terminal)

    return tick


@command.command("lint", cls=GroupedCommand, epilog="Example: evalkit phrasings lint paraphrases/")
@click.argument("paths", nargs=-1, type=_PATHS, metavar="[PATH]...")
@json_option
@quiet_option
@debug_option
def lint(paths: tuple[Path, ...], as_json: bool, quiet: bool) -> int:
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
        click.echo(
            str(finding).encode("unicode_escape").decode("ascii")
            if not str(finding).isprintable()
            else str(finding),
            err=True,
        )
    if not quiet:
        click.echo(f"{len(files)} files: {len(findings)} findings")
    return 2 if findings else 0
