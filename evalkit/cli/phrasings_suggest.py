"""``evalkit phrasings suggest``: which wordings of a run to add to training."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import (
    PATH,
    GroupedCommand,
    option,
    output_options,
    p_value,
    print_json,
    print_table,
)
from evalkit.report.terminal import say
from evalkit.report.text import number

if TYPE_CHECKING:
    from evalkit.analysis.value_signals import Material, Worth
    from evalkit.records import Phrasing

__all__ = ["command"]

ALIKE = 0.7
"""ROUGE-L from which a wording is left out beside one that is suggested already."""


@click.command(
    "suggest",
    cls=GroupedCommand,
    epilog="Example: evalkit phrasings suggest reports/runs/my-run -n 3 --out to-train.yaml",
)
@click.argument("run", type=PATH)
@option("-n", "--number", "k", type=click.IntRange(min=1), default=3, help="Wordings per task.")
@option(
    "--by",
    type=click.Choice(
        [
            *("recoverable", "score", "uncertainty", "confidence", "consistency", "length"),
            *("learning", "golden", "utility"),
        ]
    ),
    default="recoverable",
    help="Signal they are chosen by.",
)
@option(
    "--larger",
    multiple=True,
    type=PATH,
    metavar="RUN",
    help="The same suite by a larger model: do both rank wordings alike? Repeatable.",
)
@option(
    "--trained",
    nargs=2,
    type=PATH,
    metavar="SOME ALL",
    help="The same suite after some and all of a training; for 'learning'.",
)
@option(
    "--shot",
    type=PATH,
    metavar="RUN",
    help="The same suite with a worked instance before; for 'golden' and 'utility'.",
)
@option(
    "--phrasing-file",
    multiple=True,
    type=PATH,
    metavar="FILE",
    help="Your own phrasings, for their texts. Repeatable.",
)
@option("--out", type=PATH, metavar="FILE", help="Phrasing file that takes them.")
@output_options
def command(run: Path, *, as_json: bool, quiet: bool, **given: Any) -> None:
    """Say which wordings of a run a training would gain most from.

    Every signal is held against as many wordings drawn at random: chosen by one half of the
    instances, what they lose is read from the other.
    """
    from evalkit.analysis.value_signals import SIGNALS, materials, signals_of, worth
    from evalkit.runs.read import table_of

    table = table_of(run, None)
    known = _known(table.tasks(table.models[0]), given["phrasing_file"])
    texts = {name: phrasing.text for name, phrasing in known.items()}
    found = materials(
        table,
        texts=texts,
        later=[table_of(path, None) for path in given["trained"] or ()],
        shot=None if given["shot"] is None else table_of(given["shot"], None),
    )
    others = [(path, materials(table_of(path, None), texts=texts)) for path in given["larger"]]
    _refuse(found, given)
    told = [worth(found, name, given["k"]) for name in SIGNALS]
    ranks = {str(path): _alike(found, other) for path, other in others}
    picked = {
        one.task: _picked(one, signals_of(one)[given["by"]], texts, given["k"]) for one in found
    }
    if given["out"] is not None:
        _texts_known(picked, known)
        _write(given["out"], [known[name] for names in picked.values() for name in names])
    if as_json:
        signals = [{**dataclasses.asdict(one), "gain": one.gain} for one in told]
        print_json({"suggested": picked, "signals": signals, "rank_correlation": ranks})
        return
    _show(told, ranks, picked, texts, given, quiet=quiet)


def _known(tasks: Sequence[str], files: Sequence[Path]) -> dict[str, Phrasing]:
    from evalkit import catalog
    from evalkit.catalog.phrasings import read_phrasing_file
    from evalkit.errors import CatalogError

    found = {one.id: one for path in files for one in read_phrasing_file(path)}
    for name in tasks:
        try:
            task = catalog.load_task(name)
        except CatalogError:  # a task of the user's; its wordings come with --phrasing-file
            continue
        found |= {one.id: one for one in catalog.load_phrasings(task, extra=tuple(files))}
    return found


def _texts_known(picked: Mapping[str, Sequence[str]], known: Mapping[str, Phrasing]) -> None:
    """Refuse to write wordings whose text is not known."""
    from evalkit.errors import UsageError

    lacking = [name for names in picked.values() for name in names if name not in known]
    if lacking:
        raise UsageError(
            f"--out: the texts of {', '.join(lacking)} are not in the library. "
            "Name the file they stand in with --phrasing-file."
        )


def _refuse(found: Sequence[Material], given: Mapping[str, Any]) -> None:
    from evalkit.analysis.value_signals import SIGNALS
    from evalkit.errors import UsageError

    needs = {"learning": "--trained", "golden": "--shot", "utility": "--shot"}
    rule = SIGNALS[given["by"]]
    if all(math.isnan(value) for one in found for value in rule(one)):
        more = f"; it needs {needs[given['by']]}" if given["by"] in needs else ""
        raise UsageError(
            f"--by {given['by']}: the run does not tell this of any wording{more}. "
            "Name another signal."
        )


def _picked(one: Material, values: Any, texts: Mapping[str, str], k: int) -> list[str]:
    """Return the best wordings, without one that reads like one before it."""
    from evalkit.catalog.library.likeness import rouge_l

    names = [one.phrasing_ids[place] for place in (-values).argsort(kind="stable")]
    known = dict(zip(one.phrasing_ids, values, strict=True))
    chosen: list[str] = []
    for name in names:
        words = texts.get(name, "").split()
        near = (rouge_l(words, texts[other].split()) for other in chosen if other in texts)
        if known[name] > 0 and not any(value >= ALIKE for value in near):
            chosen.append(name)
        if len(chosen) == k:
            break
    return chosen


def _alike(found: Sequence[Material], others: Sequence[Material]) -> dict[str, float]:
    """Return the mean over tasks of the rank correlation of every signal between two models."""
    import numpy as np

    from evalkit.analysis.value_signals import SIGNALS
    from evalkit.stats.point.association import spearman

    by_task = {one.task: one for one in others}
    ranks: dict[str, float] = {}
    for name, rule in SIGNALS.items():
        values = []
        for one in found:
            other = by_task.get(one.task)
            if other is None:
                continue
            theirs = dict(zip(other.phrasing_ids, rule(other), strict=True))
            same = np.array([theirs.get(key, math.nan) for key in one.phrasing_ids])
            values.append(spearman(rule(one), same))
        known = [value for value in values if value == value]
        ranks[name] = fmean(known) if known else math.nan
    return ranks


def _write(path: Path, phrasings: Sequence[Phrasing]) -> None:
    from evalkit.catalog.library.writing import write_phrasings

    write_phrasings(path, phrasings)


def _rank(value: float) -> str:
    """Return a rank correlation for a table."""
    return "-" if math.isnan(value) else f"{value:+.2f}"


def _show(
    told: Sequence[Worth],
    ranks: Mapping[str, Mapping[str, float]],
    picked: Mapping[str, Sequence[str]],
    texts: Mapping[str, str],
    given: Mapping[str, Any],
    *,
    quiet: bool,
) -> None:
    if not quiet:
        rows = [
            [
                one.signal,
                number(one.chosen),
                number(one.random),
                number(one.gain, sign=True),
                p_value(one.p),
            ]
            + [_rank(rank[one.signal]) for rank in ranks.values()]
            for one in told
            if one.n_tasks
        ]
        print_table(
            [
                "signal",
                "chosen lose",
                "random lose",
                "more",
                "p",
                *(f"rank with {Path(p).name}" for p in ranks),
            ],
            rows,
            title=(
                f"{given['k']} wordings per task, chosen by half of the instances, "
                "points lost on the other half"
            ),
        )
        absent = [one.signal for one in told if not one.n_tasks]
        if absent:
            say(f"Not told by these runs: {', '.join(absent)}.")
    for task, names in picked.items():
        say(
            f"{task}, by {given['by']}:"
            if names
            else f"{task}: no wording loses anything by {given['by']}."
        )
        for name in names:
            say(f"  {name}: {texts.get(name, '(text not known: --phrasing-file)')}")
    if given["out"] is not None:
        say(f"Written: {given['out']}")
