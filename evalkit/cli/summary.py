"""The table printed after a run.

Per benchmark how good, how sensitive to wording, worse on unseen wording.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from evalkit.cli.options import print_table
from evalkit.records import Estimate

__all__ = ["print_summary", "summary_rows"]

STATISTICS = (
    ("mean", "mean score"),
    ("std", "std over phrasings"),
    ("spread", "spread (max - min)"),
    ("min", "worst phrasing"),
    ("seen_mean", "mean, seen wording"),
    ("unseen_mean", "mean, unseen wording"),
    ("gap", "gap (seen - unseen)"),
    ("consistency", "same answer, two phrasings"),
    ("worst_instance", "right under every phrasing"),
)
"""Metric of ``estimates.csv`` -> words of the summary."""
ASKED_FOR = (("pdr", "lost when perturbed, %"), ("reliance", "correct - control wording"))
"""Rows that stand there only when the run holds perturbed phrasings or controls."""


def summary_rows(
    estimates: Sequence[Estimate], *, brief: bool = False
) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the summary.

    A column per benchmark and one for all, in percentage points.

    Parameters
    ----------
    estimates
        All estimates of a run.
    brief
        Only the column for all.
    """
    values = {
        (row.benchmark, row.metric): row for row in estimates if row.task == "all" and not row.group
    }
    benchmarks = sorted({row.benchmark for row in estimates if row.benchmark != "all"})
    shown = benchmarks if len(benchmarks) == 1 else ["all"] if brief else [*benchmarks, "all"]
    first = {
        name: max(
            (row for (benchmark, _), row in values.items() if benchmark == name),
            key=lambda row: row.n_tasks,
            default=None,
        )
        for name in shown
    }
    rows = [["tasks / phrasings / instances", *(_sizes(first[name]) for name in shown)]]
    rows += [
        [words, *(_cell(values.get((name, metric))) for name in shown)]
        for metric, words in STATISTICS
    ]
    rows += [
        [words, *(_cell(values.get((name, metric))) for name in shown)]
        for metric, words in ASKED_FOR
        if any(
            (row := values.get((name, metric))) is not None and row.value == row.value
            for name in shown
        )
    ]
    return ["", *shown], rows


def _sizes(row: Estimate | None) -> str:
    return "-" if row is None else f"{row.n_tasks:,} / {row.n_phrasings:,} / {row.n_instances:,}"


def _cell(row: Estimate | None) -> str:
    if row is None or row.value != row.value:
        return "-"
    text = f"{row.value * 100:.1f}"
    return text if row.low != row.low else f"{text} [{row.low * 100:.1f}, {row.high * 100:.1f}]"


def print_summary(
    manifest: Mapping[str, Any], estimates: Sequence[Estimate], *, brief: bool = False
) -> None:
    """Print the summary of a run with what must stand beside it.

    Missing, unparsed, truncated, limits.
    """
    title = f"{manifest['model']['label']} on {manifest['suite']['name']}, percentage points, {manifest['intervals']['level']:.0%} intervals"
    heads, rows = summary_rows(estimates, brief=brief)
    print_table(heads, rows, title=title)
    counts = manifest["counts"]
    click.echo(
        f"{counts['cells']:,} cells, {counts['requests']:,} requests: {counts['missing']} missing, {counts['unparsed']} unparsed, {counts['truncated']} truncated"
    )
    if "budget" in manifest:
        told = manifest["budget"]
        design = manifest["suite"]["budget"]["design"]
        click.echo(
            f"Sparse run ({design}): {told['asked']:,} cells asked, {told['not_asked']:,} not asked; estimates are for all cells, from a model of those asked"
        )
        for task, found in told.get("found", {}).items():
            click.echo(f"Found: {found['want']} phrasing of {task}: {found['phrasing_id']}")
    if counts.get("unstable"):
        click.echo(
            f"{counts['unstable']:,} decisions lie within the rounding of the model's number format and may turn on another machine."
        )
    if counts.get("boundary"):
        click.echo(
            f"{counts['boundary']:,} prompts merge with their choices in the tokenizer; scored by lm-eval's rule."
        )
    if manifest["left_out"]:
        click.echo(
            f"{len(manifest['left_out'])} tasks left out (--available): {', '.join(list(manifest['left_out'])[:3])}{', ...' if len(manifest['left_out']) > 3 else ''}"
        )
    tuned_on = manifest["model"]["tuned_on"]
    if tuned_on is None:
        click.echo(
            "Seen and unseen are unknown for this model: say what it was tuned on with --tuned-on."
        )
