"""``evalkit phrasings diversity``: how different the phrasings of a set are,
and which stand for all.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from evalkit.cli.options import (
    PATH,
    GroupedCommand,
    option,
    output_options,
    print_json,
    print_table,
)
from evalkit.errors import UsageError
from evalkit.report.terminal import counted, say

if TYPE_CHECKING:
    from evalkit.records import Phrasing

__all__ = ["command"]

_NEAREST = 5
"""Pairs of neighbours that are shown."""


@click.command(
    "diversity",
    cls=GroupedCommand,
    epilog="Example: evalkit phrasings diversity --task bbh/navigate --pick 5",
)
@click.argument("paths", nargs=-1, type=PATH, metavar="[FILE]...")
@option("--task", "task_id", metavar="TASK", help="Look at the phrasings of a task, not of files.")
@option(
    "--encoder",
    metavar="NAME",
    help="Measure distance by a sentence encoder: minilm, or any folder or hub id.",
)
@option("--pick", type=int, metavar="K", help="Name K phrasings that cover all.")
@option(
    "--how",
    type=click.Choice(["k-center", "facility"]),
    default="k-center",
    help="k-center leaves none far from all chosen; facility chooses those that stand for many.",
)
@output_options
def command(
    paths: tuple[Path, ...],
    *,
    task_id: str | None,
    encoder: str | None,
    pick: int | None,
    how: Literal["k-center", "facility"],
    as_json: bool,
    quiet: bool,
) -> None:
    """Say how different the correct phrasings of files or of a task are.

    ROUGE-L between pairs and with the nearest other one, type-token ratio, and with --encoder the
    Vendi score: how many wholly different phrasings the set is worth.
    """
    from evalkit.catalog.library.diversity import choose_k, distances, diversity
    from evalkit.phrasings.perturb.encoders import encoder_named

    phrasings = _correct(paths, task_id)
    rows = encoder_named(encoder)([item.text for item in phrasings]) if encoder else None
    found = diversity(phrasings, rows)
    chosen = [] if pick is None else choose_k(distances(phrasings, rows), pick, how=how)
    if as_json:
        print_json(
            {**dataclasses.asdict(found), "picked": [phrasings[place].id for place in chosen]}
        )
        return
    say(f"{counted(found.phrasings, 'phrasing')}, {counted(found.words, 'word')}")
    for label, value in (
        ("ROUGE-L, mean over pairs", found.rouge_l),
        ("ROUGE-L with the nearest other one", found.nearest_rouge_l),
        ("type-token ratio", found.type_token_ratio),
        ("Vendi score", found.vendi),
    ):
        if value is not None:
            say(f"{label}: {value:.3f}")
    if found.neighbours and not quiet:
        print_table(
            ["phrasing", "nearest", "ROUGE-L"],
            [[one, two, f"{alike:.2f}"] for one, two, alike in found.neighbours[:_NEAREST]],
        )
    for place in chosen:
        say(f"{phrasings[place].id}: {phrasings[place].text}")


def _correct(paths: tuple[Path, ...], task_id: str | None) -> list[Phrasing]:
    """Return the correct phrasings of files, or of a task."""
    from evalkit.catalog.phrasings import load_phrasings, read_phrasing_file
    from evalkit.catalog.tasks import load_task

    if bool(paths) == bool(task_id):
        raise UsageError(
            "phrasings diversity: needs phrasing files or --task, and not both. Name one of them."
        )
    read = (
        load_phrasings(load_task(task_id))
        if task_id
        else [item for path in paths for item in read_phrasing_file(path)]
    )
    found = [item for item in read if item.kind == "correct"]
    if not found:
        raise UsageError(
            "phrasings diversity: there is no correct phrasing in it. "
            "Name other files or another task."
        )
    return found
