"""The table printed after a run: per benchmark how good, how sensitive to wording, worse on unseen wording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from evalkit.cli.options import print_table
from evalkit.records import Estimate

__all__ = ["print_summary", "summary_rows"]

COLUMNS = (
    ("mean", "mean"),
    ("std", "std"),
    ("spread", "spread"),
    ("min", "worst"),
    ("gap", "gap seen-unseen"),
    ("consistency", "consistency"),
)


def summary_rows(estimates: Sequence[Estimate], *, brief: bool = False) -> list[list[str]]:
    """Return the rows of the summary: a line per benchmark and one for all, in percentage points.

    Parameters
    ----------
    estimates
        All estimates of a run.
    brief
        Only the line for all.
    """
    values = {(row.benchmark, row.metric): row for row in estimates if row.task == "all" and not row.group}
    benchmarks = sorted({row.benchmark for row in estimates if row.benchmark != "all"})
    shown = ["all"] if brief else [*benchmarks, "all"]
    if len(benchmarks) == 1:
        shown = benchmarks
    rows = []
    for benchmark in shown:
        first = next((row for (name, _), row in values.items() if name == benchmark), None)
        if first is None:
            continue
        sizes = [str(first.n_tasks), str(first.n_phrasings), str(first.n_instances)]
        rows.append([benchmark, *sizes, *(_cell(values.get((benchmark, metric))) for metric, _ in COLUMNS)])
    return rows


def _cell(row: Estimate | None) -> str:
    if row is None or row.value != row.value:
        return "-"
    text = f"{row.value * 100:.1f}"
    return text if row.low != row.low else f"{text} [{row.low * 100:.1f}, {row.high * 100:.1f}]"


def print_summary(manifest: Mapping[str, Any], estimates: Sequence[Estimate], *, brief: bool = False) -> None:
    """Print the summary of a run with what must stand beside it: missing, unparsed, truncated, limits."""
    title = (
        f"{manifest['model']['label']} on {manifest['suite']['name']}, percentage points, {manifest['intervals']['level']:.0%} intervals"
    )
    heads = ["benchmark", "tasks", "phrasings", "instances", *(f"{head}" for _, head in COLUMNS)]
    print_table(heads, summary_rows(estimates, brief=brief), title=title)
    counts = manifest["counts"]
    click.echo(
        f"{counts['cells']:,} cells, {counts['requests']:,} requests: {counts['missing']} missing, {counts['unparsed']} unparsed, {counts['truncated']} truncated"
    )
    if manifest["left_out"]:
        click.echo(
            f"{len(manifest['left_out'])} tasks left out (--available): {', '.join(list(manifest['left_out'])[:3])}{', ...' if len(manifest['left_out']) > 3 else ''}"
        )
    tuned_on = manifest["model"]["tuned_on"]
    if tuned_on is None:
        click.echo("Seen and unseen are unknown for this model: say what it was tuned on with --tuned-on.")
