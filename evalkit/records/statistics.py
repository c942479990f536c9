"""Every statistic of ``estimates.csv``, one entry each: what it is, where it ends,
where it is shown.

Tables, gates, the leaderboard and the page about metrics are queries over these entries. Numbers
are made in `evalkit.stats` and `evalkit.analysis`; here stands what is said of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from evalkit.records.statistic_entry import (
    NEVER,
    WIDEST,
    Statistic,
    Table,
    fraction,
    plain,
    positive,
)
from evalkit.records.statistics_of_arms import of_arms, of_drops
from evalkit.records.statistics_of_cells import PASS_AT, RELIABLE_AT, of_answers, of_cells
from evalkit.records.statistics_of_dimensions import of_dimensions
from evalkit.records.statistics_of_states import of_states, of_states_pooled

__all__ = [
    "LEADERBOARD",
    "PASS_AT",
    "RELIABLE_AT",
    "STATISTICS",
    "gated",
    "needing",
    "shown_in",
    "statistic",
]


def _of_most_tables() -> Iterator[Statistic]:
    """Yield what is made from a[p] and stands in nearly every table."""
    everywhere: tuple[Table, ...] = ("summary", "analyse", "comparison", "candidates")
    yield fraction(
        "mean",
        "mean over p of a[p]",
        words="mean score",
        harm="falls",
        shown=everywhere,
        gate="mean score over phrasings",
    )
    yield fraction("median", "median of a[p]", words="typical wording (median)", shown=("summary",))
    yield positive(
        "std",
        "sample standard deviation of a[p] (ddof 1)",
        words="std over phrasings",
        high=WIDEST,
        harm="rises",
        shown=everywhere,
        gate="standard deviation over phrasings without the noise of the instances, "
        "root mean square over tasks",
    )
    yield positive("std0", "population standard deviation of a[p] (ddof 0)", high=0.5)
    yield fraction(
        "spread",
        "max - min of a[p]; grows with P",
        words="spread (max - min)",
        harm="rises",
        shown=("summary", "analyse", "comparison"),
        gate="best minus worst phrasing",
    )
    yield fraction(
        "min",
        "least a[p]; falls with P",
        words="worst phrasing",
        harm="falls",
        shown=everywhere,
        alias="worst_phrasing",
        gate="score of the worst phrasing (min), mean over tasks",
    )


def _of_phrasing_scores() -> Iterator[Statistic]:
    """Yield what else is made from a[p]."""
    yield fraction("max", "largest a[p]; grows with P")
    for level in (5, 25, 75, 95):
        yield fraction(f"q{level:02d}", f"{level} % quantile of a[p], linear interpolation")
    yield fraction("worst_3", "mean of the three least a[p]")
    yield fraction("cvar10", "mean of the lowest tenth of a[p], at least one")
    yield positive("sensitivity", "std0 / mean of a[p]; undefined where the mean is 0")
    yield fraction("saturation", "1 - (max - mean) of a[p]")
    yield fraction("cps", "saturation x max of a[p]")
    yield fraction(
        "proven_share",
        "share of phrasings like these that score min or more, shown with the confidence of level "
        "whatever the distribution: (1 - level)^(1 / P)",
        pooled=NEVER,
    )
    yield plain(
        "accuracy_norm",
        "(mean - chance) / (1 - chance)",
        words="above chance",
        harm="falls",
        gate="mean score above chance, as a share of what is above chance",
    )


def _of_runs() -> Iterator[Statistic]:
    """Yield what only a pair of runs has."""
    yield fraction(
        "collateral_damage",
        "share of cells right before that are wrong now",
        harm="its margin is a ceiling",
        needs="runs",
        gate="share of what the baseline had right that the candidate has wrong",
    )


def _of_models() -> Iterator[Statistic]:
    """Yield what places several models."""
    over = "of the mean over tasks"
    yield plain("rank", "place by mean, ties share the average", needs="models", pooled=over)
    yield plain("rank_max", "place by max", needs="models", pooled=over)
    yield plain("rank_cps", "place by cps", needs="models", pooled=over)
    yield plain(
        "competition_rank", "place by mean, ties share the best", needs="models", pooled=over
    )
    yield plain("rank_low", "best place of the interval", needs="models", pooled=over)
    yield plain("rank_high", "worst place of the interval", needs="models", pooled=over)
    yield plain("p_best", "share of resamples in which it is first", needs="models", pooled=over)
    yield plain("kendall_w", "agreement of phrasings on the order of models", needs="models")


def _of_many_tasks() -> Iterator[Statistic]:
    """Yield the readings of several tasks that stand in rows over tasks only."""
    readings = {
        "mean_pooled": "mean of one list of all a[p] of all tasks",
        "std_pooled": "sample deviation of one list of all a[p] of all tasks",
        "std0_pooled": "population deviation of the same",
        "std_rms": "root mean square of the tasks' std",
        "std0_rms": "root mean square of the tasks' std0",
        "std_within": "the same weighted by degrees of freedom",
        "std_of_means": "std over phrasings of their mean over tasks",
        "std0_of_means": "std0 of the same",
    }
    for arm in ("", "seen_", "unseen_"):
        for name, means in readings.items():
            of_arm = f", {arm[:-1]} phrasings" if arm else ""
            yield plain(f"{arm}{name}", means + of_arm, pooled="only over tasks")
    for name in ("mean", "std", "seen_mean", "seen_std", "unseen_mean", "unseen_std", "gap"):
        means = (
            f"mean over benchmarks of the mean over tasks of {name}; every benchmark counts once"
        )
        yield plain(f"{name}_by_benchmark", means, pooled="only over tasks")
    yield plain("pdr_pooled", "mean drop rate of all pairs of all tasks", pooled="only over tasks")
    yield plain("pdr_std_pooled", "population deviation of the same", pooled="only over tasks")


STATISTICS: Mapping[str, Statistic] = MappingProxyType(
    {
        entry.name: entry
        for family in (
            *(_of_most_tables, _of_phrasing_scores, of_arms, of_drops),
            *(of_cells, of_answers, of_states),
            *(_of_models, _of_many_tasks, of_states_pooled, _of_runs, of_dimensions),
        )
        for entry in family()
    }
)
"""Name -> statistic, in the order in which tables show them."""
LEADERBOARD = (
    *("mean", "seen_mean", "unseen_mean", "gap", "spread", "std", "sensitivity", "min"),
    "consistency",
)
"""Statistics of the leaderboard in the order of its columns, which is that of its files."""


def statistic(name: str) -> Statistic:
    """Return the entry of a metric; that of `reliance` or `accident` for one kind of control, of
    `pdr` for one perturbation.

    That of `delta` for one measure; of one position of a composed answer, that of a fraction.

    Raises
    ------
    KeyError
        When there is none.

    Examples
    --------
    >>> statistic("min").words, statistic("reliance_wrong").words
    ('worst phrasing', 'correct - wrong instruction')
    """
    if name not in STATISTICS:
        for family, words in (
            ("reliance", "correct - {} instruction"),
            ("accident", "obeying {} is right by accident"),
            ("pdr", "lost under {}, % of the clean score"),
        ):
            if name.startswith(f"{family}_"):
                rest = name.removeprefix(f"{family}_")
                return replace(STATISTICS[family], name=name, words=words.format(rest))
    measure = name.removeprefix("delta_")
    if measure != name:
        return replace(
            STATISTICS["delta"], name=name, words=f"change of: {statistic(measure).title}"
        )
    if name.startswith("position_"):
        return replace(STATISTICS["parts_right"], name=name, words=name.replace("_", " "))
    return STATISTICS[name]


def shown_in(table: Table) -> tuple[Statistic, ...]:
    """Return the statistics that a table shows, in order."""
    return tuple(entry for entry in STATISTICS.values() if table in entry.shown)


def needing(what: str) -> tuple[str, ...]:
    """Return the names of the statistics that need `what`."""
    return tuple(name for name, entry in STATISTICS.items() if entry.needs == what)


def gated() -> dict[str, str]:
    """Return name in a policy -> what it is and in which direction it is harm.

    Examples
    --------
    >>> gated()["spread"]
    'best minus worst phrasing; rises'
    """
    return {
        entry.alias or entry.name: f"{entry.gate}; {entry.harm}"
        for entry in STATISTICS.values()
        if entry.gate
    }
