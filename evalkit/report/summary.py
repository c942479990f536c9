"""What is said of a run at a glance: the statistics that answer how good, how sensitive to
wording, worse on unseen wording.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from evalkit.analysis import Costs
from evalkit.records import Estimate
from evalkit.records.statistics import STATISTICS, shown_in, statistic
from evalkit.report.text import asked_of, with_interval

__all__ = ["IF_ANY", "cost_sentence", "over_all_tasks", "reference_sentence", "summary_rows"]

ASKED_FOR = (
    "gap_matched",
    "accuracy_norm",
    "pdr",
    "reliance",
    "accident",
    "seen_wrong",
    "judged_mean",
)
"""Rows that stand there only when the arms differ in form, guessing scores something, the run
holds perturbed phrasings or controls, or was judged."""
IF_ANY = ("refusal_rate", "cut_rate", "unusable_rate")
"""Rows that stand there only when there are such answers;
the mean of answers given follows them.
"""


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


def cost_sentence(costs: Costs | None) -> str:
    """Return in one sentence what wording costs; empty where no task has two phrasings.

    >>> cost_sentence(Costs(n=20, points=0.05, costing=(), n_by_format=0, by_chance=0.1))
    'No wording of 20 costs 5 points or more against the mean of its task.'
    """
    if costs is None:
        return ""
    k, points = len(costs.costing), f"{costs.points * 100:.0f} points or more"
    if not k:
        return f"No wording of {costs.n:,} costs {points} against the mean of its task."
    chance = (
        f"; the draw of instances alone would make about {costs.by_chance:.0f}"
        if costs.by_chance >= 0.5
        else ""
    )
    arms = [
        f"{_counted(costs.of(seen), k)} {seen}" for seen in ("seen", "unseen") if costs.of(seen)
    ]
    told = [" and ".join(arms)] if arms else []
    if costs.n_by_format is not None:
        alone = k == 1 and not costs.n_by_format
        fails = "it does not fail" if alone else _counted(costs.n_by_format, k, "fails", "fail")
        told.append(f"{fails} by format")
    verb = "costs" if k == 1 else "cost"
    how = f": {', '.join(told)}" if told else ""
    return f"{k:,} of {costs.n:,} wordings {verb} {points}{how}{chance}."


def _counted(part: int, whole: int, one: str = "is", many: str = "are") -> str:
    """Part of a whole with its verb.

    >>> _counted(3, 3), _counted(0, 3, "fails", "fail"), _counted(1, 3), _counted(1, 1)
    ('all are', 'none fails', '1 is', 'it is')
    """
    if part == whole:
        return f"it {one}" if whole == 1 else f"all {many}"
    return f"none {one}" if part == 0 else f"{part:,} {one if part == 1 else many}"


def reference_sentence(
    estimates: Sequence[Estimate], reference: Sequence[Estimate], mine: str, theirs: str
) -> str:
    """Return in one sentence what a run scores of a reference; empty where no task can say,
    or none can be guessed.

    Parameters
    ----------
    estimates, reference
        Of two runs of the same tasks.
    mine, theirs
        What the two are called.
    """
    from evalkit.analysis.places import of_reference  # a run alone needs none

    share, n = of_reference(estimates, reference)
    if share != share or not any(row.metric == "accuracy_norm" for row in estimates):
        return ""
    return (
        f"Above chance {mine} scores {share:.1%} of {theirs}, "
        f"mean over {n:,} task{'s' if n > 1 else ''}."
    )


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
