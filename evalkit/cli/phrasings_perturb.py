"""``evalkit phrasings perturb``: derived phrasings by seeded rules."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
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
from evalkit.cli.phrasings_files import out_option, overwrite_option, print_notes, written
from evalkit.errors import CatalogError, UsageError
from evalkit.report.terminal import counted, say

if TYPE_CHECKING:
    from evalkit.records import Phrasing

__all__ = ["command"]

in_meaning = partial(option, group="Meaning")


@click.command(
    "perturb",
    cls=GroupedCommand,
    epilog=(
        "Example: evalkit phrasings perturb --task bbh/navigate --perturb word:rate=0.1,n=5 --out "
        "derived.yaml"
    ),
)
@click.argument("paths", nargs=-1, type=PATH, metavar="[FILE]...")
@option(
    "--task",
    "task_id",
    metavar="TASK",
    help="Perturb the phrasings of a task where no file is named; its labels are protected.",
)
@option(
    "--perturb",
    "specs",
    multiple=True,
    required=True,
    metavar="SPEC",
    help=(
        "What to do, such as character:kind=swap,n=3. "
        "Repeatable; 'evalkit ls perturbations' names all."
    ),
)
@option(
    "--label",
    "labels",
    multiple=True,
    metavar="WORD",
    help="Label word that no edit may touch. Repeatable.",
)
@option("--seed", type=int, default=0, help="Equal seeds give equal copies.")
@in_meaning(
    "--check",
    is_flag=True,
    help="Record whether the meaning was kept, by rules; docs/meaning.md says how often they err.",
)
@in_meaning(
    "--encoder",
    metavar="NAME",
    help=(
        "Also ask a sentence encoder: minilm, on which a network stands that was trained for "
        "this, or any folder or hub id."
    ),
)
@in_meaning(
    "--nli",
    metavar="NAME",
    help="Also record entailment both ways by a sequence-classification model.",
)
@in_meaning(
    "--ask-model",
    metavar="BACKEND:NAME",
    help=(
        "Also ask a language model, both ways round, whether the two texts ask the same, and "
        "whether the copy is free of mistakes."
    ),
)
@in_meaning(
    "--sample",
    metavar="N",
    type=click.IntRange(min=1),
    help=(
        "Draw N of the copies by the seed for a person to read, each beside its origin, and say "
        "what their number of broken ones shows."
    ),
)
@out_option
@overwrite_option
@output_options
def command(
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
    from evalkit.catalog.tasks import load_task
    from evalkit.phrasings.perturb.apply import apply
    from evalkit.phrasings.perturb.order import movable

    made: list[Phrasing] = []
    origins: dict[str, str] = {}
    refusals: list[str] = []
    for phrasings, labels in _groups(paths, task_id, given["labels"]):
        copies, refused = apply(phrasings, specs, seed=given["seed"], protected_words=labels)
        if task_id:
            copies, still = movable(load_task(task_id), copies)
            refused += still
        made += _checked(copies, phrasings, labels, given=given)
        refusals += map(str, refused)
        origins |= {phrasing.id: phrasing.text for phrasing in phrasings}
    if given["out"]:
        if not made:
            print_notes(refusals, what="refused", quiet=quiet)
        write_phrasings(given["out"], made, overwrite=given["overwrite"])
    if as_json:
        print_json(
            {"phrasings": [dataclasses.asdict(phrasing) for phrasing in made], "refused": refusals}
        )
        return
    if given["sample"] and made:
        _show_sample(made, origins, number=given["sample"], seed=given["seed"])
    elif not given["out"]:
        print_table(
            ["phrasing", "perturbation", "text"],
            [[item.id, item.perturbation, item.text] for item in made],
        )
    print_notes(refusals, what="refused", quiet=quiet)
    say(f"{counted(len(made), 'phrasing')} made, {len(refusals)} refused{written(given['out'])}")


def _show_sample(
    made: Sequence[Phrasing], origins: Mapping[str, str], *, number: int, seed: int
) -> None:
    """Print copies drawn by seed beside their origins, and the most of all that are broken by how
    many a reader finds (exact one-sided bound of a binomial share, 95 %).
    """
    from scipy.special import betaincinv

    drawn = random.Random(seed).sample(list(made), min(number, len(made)))
    for place, copy in enumerate(drawn, 1):
        say(f"--- {place} of {len(drawn)}: {copy.of}, {copy.perturbation}")
        say(f"was: {origins[copy.of or '']}")
        say(f"is:  {copy.text}")
    most = [
        f"{found} broken: {betaincinv(found + 1, len(drawn) - found, 0.95):.0%}"
        for found in range(min(4, len(drawn)))
    ]
    say(
        f"At most so many of such copies are broken (95% confidence), by what you find: "
        f"{', '.join(most)}."
    )


def _groups(
    paths: Sequence[Path], task_id: str | None, labels: Sequence[str]
) -> list[tuple[list[Phrasing], list[str]]]:
    """Return phrasings with the words protected in them: those of a task, or those of each file."""
    from evalkit.catalog.phrasings import load_phrasings, read_phrasing_file
    from evalkit.catalog.tasks import load_task

    if not (paths or task_id):
        raise UsageError("phrasings perturb: needs phrasing files or --task. Name one of them.")
    task = load_task(task_id) if task_id else None
    if task and not paths:
        own = [item for item in load_phrasings(task) if item.kind == "correct"]
        return [(own, [*task.labels, *labels])]
    groups = []
    for path in paths:
        phrasings = [item for item in read_phrasing_file(path) if item.kind == "correct"]
        words = task.labels if task else _labels_of(path, phrasings, labels)
        groups.append((phrasings, [*words, *labels]))
    return groups


def _labels_of(path: Path, phrasings: Sequence[Phrasing], given: Sequence[str]) -> list[str]:
    """Return the label words of the tasks that phrasings are for.

    Raises
    ------
    UsageError
        When a task is not known here and no label word is given either.
    """
    from evalkit.catalog.tasks import list_tasks

    patterns = sorted({pattern for phrasing in phrasings for pattern in phrasing.tasks})
    try:
        tasks = list_tasks(patterns) if patterns else []
    except CatalogError as error:
        if given:
            return []
        raise UsageError(
            f"{path}: is for {', '.join(patterns)}, of which the label words are not known here. "
            "Name the task file with --task, or the words with --label."
        ) from error
    return sorted({label for task in tasks for label in task.labels})


def _checked(
    copies: Sequence[Phrasing],
    originals: Sequence[Phrasing],
    labels: Sequence[str],
    *,
    given: dict[str, Any],
) -> list[Phrasing]:
    """Return copies with the result of the meaning check, when one was asked for."""
    from datetime import UTC, datetime

    from evalkit.catalog.library.meaning import check_meaning
    from evalkit.catalog.library.validators import validators_for

    if not any(given[name] for name in ("check", "encoder", "nli", "ask_model")):
        return list(copies)
    known = {phrasing.id: phrasing for phrasing in originals}
    today = datetime.now(UTC).date().isoformat()
    return [
        dataclasses.replace(
            copy,
            meaning=check_meaning(
                known[copy.of or ""],
                copy,
                validators=validators_for(
                    copy,
                    encoder=given["encoder"],
                    nli=given["nli"],
                    model=given["ask_model"],
                ),
                labels=labels,
                on=today,
            ),
        )
        for copy in copies
    ]
