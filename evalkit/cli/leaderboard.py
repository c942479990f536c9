"""``evalkit leaderboard RUN...``: rank models from their runs."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.log_options import log_options, told_of
from evalkit.cli.options import (
    FOR_THESE,
    PATH,
    GroupedCommand,
    in_output,
    interval_options,
    option,
    output_options,
    print_json,
    print_table,
    table_options,
)
from evalkit.errors import UsageError
from evalkit.records.questions import asked
from evalkit.report.terminal import counted, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.analysis.places import GoesWith, Place, Wordings
    from evalkit.analysis.standings import Standings
    from evalkit.records import Estimate
    from evalkit.records.manifest import Manifest
    from evalkit.scoring import ScoreTable

__all__ = ["command"]

in_statistics = partial(option, group="Statistics")


@click.command(
    "leaderboard",
    cls=GroupedCommand,
    short_help="Rank models from their runs.",
    epilog="Example: evalkit leaderboard reports/runs/* --out leaderboard.csv "
    "--html leaderboard.html",
)
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="RUN...")
@in_output("--out", type=PATH, metavar="FILE", help="Write the leaderboard as CSV.")
@in_output("--html", type=PATH, metavar="FILE", help="Write it as a page.")
@in_output("--markdown", type=PATH, metavar="FILE", help="Write it as a Markdown table.")
@in_statistics(
    "--reference",
    metavar="MODEL",
    help="Also show every model's score above chance as a percentage of this model's.",
)
@in_statistics(
    "--base",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="CSV of model and score, such as its base model's with examples: how they go with ours.",
)
@log_options()
@interval_options(in_statistics, resamples=2000, least_level=0.5)
@table_options("csv", "latex")
@output_options
def command(
    runs: tuple[Path, ...],
    out: Path | None,
    html: Path | None,
    markdown: Path | None,
    reference: str | None,
    base: Path | None,
    **settings: Any,
) -> int:
    """Rank models from their runs, which must be of one suite;
    logs of other harnesses are taken too.

    Models share a rank when their paired difference cannot be told from 0. Runs of different
    suites, or with other phrasings or instances, are refused, saying what differs.
    """
    from evalkit.analysis.places import goes_with, places
    from evalkit.analysis.standings import standings
    from evalkit.catalog.two_columns import read_base
    from evalkit.report.leaderboard import (
        leaderboard_csv,
        leaderboard_html,
        leaderboard_markdown,
        leaderboard_rows,
    )
    from evalkit.runs.imported import run_of
    from evalkit.store.directory import refuse_own, write_out

    if len({path.resolve() for path in runs}) < len(runs):
        raise UsageError(
            "leaderboard: a run is named twice; each run has one row. Leave the second out."
        )
    for path in (out, html, markdown):
        if path is not None:
            refuse_own(path)
    told = told_of(settings)
    found = _read([run_of(path, told) for path in runs])
    beside = places([(name, rows) for name, _, rows, _ in found], reference=reference)
    along = None if base is None else goes_with(beside, read_base(base))
    order = standings(
        [(name, table) for name, _, _, table in found],
        level=settings["level"],
        n_resamples=settings["resamples"],
        seed=settings["seed"],
        question=settings["question"],
    )
    rows = leaderboard_rows(
        [
            (name, manifest, _answering(estimates, table, order))
            for name, manifest, estimates, table in found
        ],
        order,
    )
    for path, text in (
        (out, leaderboard_csv(rows)),
        (html, leaderboard_html(rows, order) if html else ""),
        (markdown, leaderboard_markdown(rows, order)),
    ):
        if path is not None:
            write_out(path, text)
    if settings["as_json"] or not settings["quiet"]:
        tables = [(name, table) for name, _, _, table in found]
        _show(rows, order, beside, tables, along, as_json=settings["as_json"])
        if asked(settings["question"]) != order.question and not settings["as_json"]:
            say(f"Ranks and intervals are {FOR_THESE}")
    return 0


def _show(
    rows: Sequence[dict[str, Any]],
    order: Standings,
    beside: Sequence[Place],
    tables: Sequence[tuple[str, ScoreTable]],
    along: GoesWith | None,
    *,
    as_json: bool,
) -> None:
    """Print the leaderboard, and what stands beside the ranks where there are several models."""
    from evalkit.analysis.places import agreement
    from evalkit.records.questions import WORDS
    from evalkit.report.leaderboard import SHOWN, leaderboard_notes, shown_cells

    if as_json:
        print_json(
            {
                "leaderboard": rows,
                "kendall_w": order.kendall_w,
                "question": WORDS[order.question],
                "level": order.level,
                "dropped_cells": order.n_dropped,
                "places": [asdict(one) for one in beside],
                "wordings": asdict(agreement(tables)),
                **({} if along is None else {"base": asdict(along)}),
            }
        )
        return
    print_table(
        [head for head, _ in SHOWN],
        [shown_cells(row, WORDS[order.question]) for row in rows],
        title=f"Leaderboard of {rows[0]['suite']}",
    )
    say("\n".join(leaderboard_notes(rows, order)))
    if len(beside) > 1:
        _show_beside(beside, agreement(tables))
    if along is not None:
        say(
            f"With the scores of --base, over {along.n} models: Spearman's rho "
            f"{along.mean:.2f} for the mean, {along.spread:.2f} for the spread"
            + (f"; exact p of the mean {along.p:.3f}." if along.p == along.p else ".")
        )


def _show_beside(beside: Sequence[Place], wordings: Wordings) -> None:
    """Print scores above chance, shares of a reference, the front,
    and what one wording's order is worth.
    """
    from evalkit.report.text import points

    shared = any(one.n_of_reference for one in beside)
    heads = ["model", "mean", "above chance", *(["% of reference"] * shared), "spread", "front"]
    print_table(
        heads,
        [
            [
                one.model,
                points(one.mean),
                points(one.above_chance),
                *([points(one.of_reference)] * shared),
                points(one.spread),
                "yes" if one.front else "",
            ]
            for one in beside
        ],
        title="Beside the ranks, percentage points, means over tasks",
    )
    say(
        "Front: no model is better in mean without a wider spread, or steadier without a lower "
        "mean."
    )
    if wordings.n_pairs:
        regret = "; ".join(
            (
                f"{'the model' if k == 1 else f'the best of the {k} models'} that one wording "
                f"puts first loses {points(lost)} points"
            )
            for k, lost in wordings.regret.items()
        )
        say(
            f"Order of the models under two wordings: Kendall's tau {wordings.tau:.2f} on "
            f"average, {wordings.tau_low:.2f} at worst ({counted(wordings.n_pairs, 'pair')}); "
            f"{regret}."
        )


def _answering(
    estimates: Sequence[Estimate], table: ScoreTable, order: Standings
) -> Sequence[Estimate]:
    """Return estimates whose intervals answer the question of the ranks: the run's own, or anew."""
    from evalkit.analysis import estimate
    from evalkit.records.questions import WORDS
    from evalkit.report.text import asked_of

    own = asked_of(row for row in estimates if (row.benchmark, row.task) == ("all", "all"))
    if own in {"", WORDS[order.question], WORDS["cells"]}:
        return estimates
    return estimate(table, level=order.level, question=order.question)


def _read(runs: Sequence[Path]) -> list[tuple[str, Manifest, Any, Any]]:
    """Name, manifest, estimates and cells of every run.

    Refuses unfinished runs and other suites.
    """
    from evalkit.analysis.suites import refuse_other_suites
    from evalkit.analysis.ways import compare_ways
    from evalkit.errors import IncompleteError
    from evalkit.runs.read import read_own_estimates, run_names
    from evalkit.scoring.table import read_table
    from evalkit.store.directory import read_manifest

    manifests = [read_manifest(path) for path in runs]
    for path, manifest in zip(runs, manifests, strict=True):
        if manifest.counts is None:
            raise IncompleteError(f"{path}: the run was not finished. Type: {manifest.to_go_on()}")
    refuse_other_suites(runs, [manifest.suite for manifest in manifests])
    for path, manifest in zip(runs, manifests, strict=True):
        for note in compare_ways(manifests[0], manifest):
            say(f"{path} (new) and {runs[0]} (old): {note}", err=True)
    return [
        (name, manifest, read_own_estimates(path, manifest), read_table(path, manifest))
        for name, manifest, path in zip(run_names(manifests, runs), manifests, runs, strict=True)
    ]
