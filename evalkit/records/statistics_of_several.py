"""Statistics that place several models, and readings of several tasks."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.records.statistic_entry import Statistic, plain

__all__ = ["of_many_tasks", "of_models"]


def of_models() -> Iterator[Statistic]:
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


def of_many_tasks() -> Iterator[Statistic]:
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
