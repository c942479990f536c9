"""What is said of a run at a glance: the statistics that answer how good, how sensitive to wording, worse on unseen wording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from evalkit.records import Estimate
from evalkit.records.statistics import STATISTICS, shown_in, statistic
from evalkit.report.text import asked_of, with_interval

__all__ = ["over_all_tasks", "summary_rows"]

ASKED_FOR = ("pdr", "reliance", "accident", "seen_wrong")
"""Rows that stand there only when the run holds perturbed phrasings or controls."""
IF_ANY = ("refusal_rate", "cut_rate", "unusable_rate")
"""Rows that stand there only when there are such answers; the mean of answers given follows them."""


def over_all_tasks(estimates: Sequence[Estimate]) -> list[tuple[str, Estimate]]:
    """Return words and estimate of every statistic of the summary, over all tasks of a run."""
    whole = {
        row.metric: row
        for row in sorted(estimates, key=lambda row: row.benchmark == "all")
        if row.task == "all" and not row.group
    }
    return [
        (entry.title, whole[entry.name]) for entry in shown_in("summary") if entry.name in whole
    ]


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
    question = asked_of(values.values())
    rows = [["tasks / phrasings / instances", *(_sizes(first[name]) for name in shown)]]
    rows += [
        [entry.title, *(with_interval(values.get((name, entry.name)), question) for name in shown)]
        for entry in shown_in("summary")
    ]
    rows += [
        [
            statistic(metric).title,
            *(with_interval(values.get((name, metric)), question) for name in shown),
        ]
        for metric in (*ASKED_FOR, *_of_perturbations(values), *_if_any(values, shown))
        if any(
            (row := values.get((name, metric))) is not None and row.value == row.value
            for name in shown
        )
    ]
    return ["", *shown], rows


def _of_perturbations(values: Iterable[tuple[str, str]]) -> list[str]:
    """Drop rates of single perturbations, where there are several."""
    names = {metric for _, metric in values if metric.startswith("pdr_")} - set(STATISTICS)
    return sorted(names) if len(names) > 1 else []


def _if_any(values: Mapping[tuple[str, str], Estimate], shown: Sequence[str]) -> list[str]:
    """Rows of states that occur; the mean of answers given where some were not."""
    found = [
        metric
        for metric in IF_ANY
        if any((row := values.get((name, metric))) is not None and row.value > 0 for name in shown)
    ]
    given = [name for name in found if name != "unusable_rate"]
    return [*found, *(["answered_mean"] if given else [])]


def _sizes(row: Estimate | None) -> str:
    return "-" if row is None else f"{row.n_tasks:,} / {row.n_phrasings:,} / {row.n_instances:,}"
