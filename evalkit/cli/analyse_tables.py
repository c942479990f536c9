"""The tables that ``evalkit analyse`` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from evalkit.cli.options import p_value, print_table
from evalkit.records import Estimate
from evalkit.records.statistics import STATISTICS, shown_in
from evalkit.report.terminal import say
from evalkit.report.text import (
    asked_of,
    bracket,
    carried,
    number,
    proven,
    says_something,
    starred,
    with_interval,
)
from evalkit.report.text import grouped as of_groups

if TYPE_CHECKING:
    from evalkit.analysis import PairedTest

__all__ = ["print_controls", "print_drops", "print_estimates", "print_tests", "reasons"]

MOST_NAMED = 5
"""Most tasks whose missing cells are named in print."""
Key: TypeAlias = tuple[str, str, str, str]
"""Factor level, model, benchmark and task of a line."""
ARMS = ("seen", "unseen")
KINDS = {
    "models": "pairs of models",
    "phrasings": "attacked phrasings against their reference",
    "gap": "seen against unseen phrasings",
}
"""Kind of a test -> words."""
DROPS = ("pdr", "pdr_std", "pdr_pooled", "pdr_std_pooled", "robust_drop", "cohen_h", "hedges_g")
"""Drop rates and effect sizes that `print_drops` shows."""


def _lines(estimates: Sequence[Estimate]) -> dict[Key, dict[str, Estimate]]:
    """Metric -> row of every line: tasks, benchmarks where there are several, all where there
    are several tasks.
    """
    single = {row.model for row in estimates if row.metric == "mean"}
    lines: dict[Key, dict[str, Estimate]] = {}
    for row in estimates:
        if row.model in single:
            key = (row.group, row.model, row.benchmark, row.task)
            lines.setdefault(key, {})[row.metric] = row
    tasks: dict[tuple[str, str], list[str]] = {}
    for group, model, benchmark, task in lines:
        if task != "all":
            tasks.setdefault((group, model), []).append(benchmark)

    def kept(key: Key) -> bool:
        own = tasks.get(key[:2], [])
        several = len(own) > 1 if key[2] == "all" else len(set(own)) > 1 and own.count(key[2]) > 1
        return key[3] != "all" or several

    return {key: found for key, found in lines.items() if kept(key)}


def _named(key: Key) -> str:
    """The task of a line, or what it is a mean over."""
    return key[3] if key[3] != "all" or key[2] == "all" else f"all of {key[2]}"


def _print_lines(
    keys: Sequence[Key], heads: Sequence[str], rows: Sequence[Sequence[str]], title: str
) -> None:
    """Print lines with the columns that say whose they are, without columns that hold nothing."""
    grouped, several = any(key[0] for key in keys), len({key[1] for key in keys}) > 1
    whole = [[*(["group"] if grouped else []), *(["model"] if several else []), "task", *heads]]
    for key, row in zip(keys, rows, strict=True):
        who = [*([key[0]] if grouped else []), *([key[1]] if several else []), _named(key)]
        whole.append([*who, *row])
    first = len(whole[0]) - len(heads)
    used = [
        place
        for place in range(len(whole[0]))
        if place < first or any(row[place] != "-" for row in whole[1:])
    ]
    about = "" if several or not keys else f"{keys[0][1]}, "
    shown = [[row[place] for place in used] for row in whole]
    print_table(shown[0], shown[1:], title=about + title)


def print_estimates(estimates: Sequence[Estimate], level: float) -> None:
    """Print a line per factor level, model and task, in percentage points.

    Parameters
    ----------
    estimates
        Rows of ``estimates.csv``.
    level
        Level of their intervals.
    """
    lines = _lines(estimates)
    shown = [entry.name for entry in shown_in("analyse")]
    question = asked_of(row for found in lines.values() for row in found.values())
    rows = []
    for found in lines.values():
        first = next(iter(found.values()))
        cells = [
            with_interval(
                row if (row := found.get(name)) and says_something(row) else None, question
            )
            for name in shown
        ]
        sizes = [str(first.n_phrasings), str(first.n_instances or "-")]
        rows.append([*sizes, cells[0], *(_arm(found, name) for name in ARMS), *cells[1:]])
    _print_lines(
        list(lines),
        ["P", "N", *shown[:1], *ARMS, *shown[1:]],
        rows,
        f"percentage points, {level:.0%} intervals{f' for {question}' if question else ''}; "
        "seen and unseen: mean ± std over phrasings (ddof 1)",
    )
    printed = [found[name] for found in lines.values() for name in shown if name in found]
    for line in (
        *starred(printed, question),
        *of_groups(estimates),
        *proven(estimates),
        *carried(estimates),
    ):
        say(line)
    for line in (*_of_benchmarks(estimates), *_orders(estimates)):
        say(line)


def _of_benchmarks(estimates: Iterable[Estimate]) -> list[str]:
    """The mean over benchmarks, where there are several: what papers print as overall."""
    readings = {
        (row.group, row.model, row.metric): row.value
        for row in estimates
        if row.metric.endswith("_by_benchmark") and row.value == row.value
    }
    lines = []
    for group, model, metric in readings:
        if metric != "mean_by_benchmark":
            continue
        arms = [
            f"{arm} {number(readings[group, model, f'{arm}_mean_by_benchmark'])} ± "
            f"{number(readings.get((group, model, f'{arm}_std_by_benchmark')))}"
            for arm in ARMS
            if (group, model, f"{arm}_mean_by_benchmark") in readings
        ]
        whole = f"{number(readings[group, model, metric])}"
        about = f"{model}{f' ({group})' if group else ''}"
        lines.append(f"Mean of the benchmarks, {about}: {', '.join([whole, *arms])}")
    return lines


def _orders(estimates: Iterable[Estimate]) -> list[str]:
    return [
        f"Kendall's W of the order of models over phrasings, {row.task}"
        f"{f' ({row.group})' if row.group else ''}: {row.value:.3f}"
        for row in estimates
        if row.metric == "kendall_w"
        and row.value == row.value
        and (row.task != "all" or row.n_tasks > 1)
    ]


def print_controls(estimates: Sequence[Estimate]) -> None:
    """Print what following the instruction is worth, where the table has controls.

    Parameters
    ----------
    estimates
        Rows of ``estimates.csv``.
    """
    lines = {key: found for key, found in _lines(estimates).items() if "reliance" in found}
    if not lines:
        return
    kinds = {name for found in lines.values() for name in found if name.startswith("reliance_")}
    names = ["reliance", *sorted(kinds)]
    question = asked_of(
        replace(row, metric="mean")
        for found in lines.values()
        for row in found.values()
        if row.metric == "reliance"
    )
    rows = [
        [with_interval(found.get(name), question) for name in names] for found in lines.values()
    ]
    title = "percentage points, mean of correct phrasings - mean of controls"
    _print_lines(list(lines), names, rows, f"{title}{f', for {question}' if question else ''}")


def print_drops(estimates: Sequence[Estimate]) -> None:
    """Print the drop rates of every line that has some.

    Parameters
    ----------
    estimates
        Rows of ``estimates.csv``.
    """
    lines = {
        key: found
        for key, found in _lines([*estimates]).items()
        if any(found[name].value == found[name].value for name in DROPS if name in found)
    }
    of_kinds = {
        name
        for found in lines.values()
        for name in found
        if name.startswith("pdr_") and name not in STATISTICS
    }
    names = [*DROPS[:1], *sorted(of_kinds), *DROPS[1:]]
    if not lines:
        say("no drop rate: no pair of an attacked phrasing and a reference above 0")
        return
    question = asked_of(
        replace(row, metric="mean")
        for found in lines.values()
        for row in found.values()
        if row.metric == "pdr"
    )
    rows = [
        [with_interval(found.get(name), question) for name in names] for found in lines.values()
    ]
    _print_lines(
        list(lines),
        names,
        rows,
        "drop rates of attacked phrasings, % of the score of their reference; pdr: "
        "mean over pairs, pdr_std: population deviation over pairs, pooled: "
        "over all pairs of all tasks",
    )


def print_tests(tests: Sequence[PairedTest]) -> None:
    """Print a table per kind of comparison.

    Parameters
    ----------
    tests
        Rows of ``tests.csv``.
    """
    for kind, title in KINDS.items():
        rows = [
            [
                *([test.model] if kind != "models" else []),
                test.task,
                f"{test.new} - {test.old}",
                f"{number(test.difference)} {bracket(test.low, test.high)}".strip(),
                *([str(test.lost), str(test.gained)] if kind != "gap" else []),
                str(test.n_instances),
                test.method,
                *map(p_value, (test.p, test.p_holm_task, test.p_holm, test.p_bh)),
            ]
            for test in tests
            if test.kind == kind
        ]
        if rows:
            heads = [
                *(["model"] if kind != "models" else []),
                "task",
                "new - old",
                "difference",
                *(["lost", "gained"] if kind != "gap" else []),
                "N",
                "test",
            ]
            print_table(
                [*heads, "p", "Holm, task", "Holm, all", "BH, all"],
                rows,
                title=(
                    f"{title}, paired on instances, for these phrasings on new instances; "
                    "differences in percentage points"
                ),
            )


def _arm(found: Mapping[str, Estimate], name: str) -> str:
    mean, std = found.get(f"{name}_mean"), found.get(f"{name}_std")
    return (
        "-"
        if mean is None or mean.value != mean.value
        else f"{number(mean.value)} ± {number(std.value if std else None)}"
    )


def reasons(estimates: Sequence[Estimate]) -> list[str]:
    """Return what was left out, and why a value is undefined, one line per reason.

    Parameters
    ----------
    estimates
        Rows of ``estimates.csv``.
    """
    by_reason: dict[str, dict[str, None]] = {}
    lacking = [
        row
        for row in estimates
        if row.metric == "missing_rate" and row.value > 0 and row.task != "all" and not row.group
    ]
    left_out = [
        f"missing and left out: {row.value:.2%} of the cells of {row.model}, {row.task}"
        for row in lacking[:MOST_NAMED]
    ]
    if len(lacking) > MOST_NAMED:
        left_out.append(
            f"missing and left out: cells of {len(lacking) - MOST_NAMED} more tasks (missing_rate)"
        )
    if lacking:
        left_out.append(
            "where wordings lack different instances, a part of std and spread is of the "
            "instances; 'evalkit audit' names them"
        )
    for row in estimates:
        if row.value != row.value and row.task != "all":
            by_reason.setdefault(row.note or "undefined", {})[row.metric] = None
    return [
        *left_out,
        *(f"undefined ({reason}): {', '.join(metrics)}" for reason, metrics in by_reason.items()),
    ]
