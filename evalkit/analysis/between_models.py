"""How several models of one table stand to each other: ranks, and whether phrasings agree on the order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from evalkit import stats
from evalkit.analysis.over_tasks import OneTask
from evalkit.records import Estimate

__all__ = ["between_models"]

NO_INTERVAL = "rank intervals are in the leaderboard"


def between_models(tasks: Mapping[str, Sequence[OneTask]], *, level: float, group: str) -> list[Estimate]:
    """Return ``rank``, ``competition_rank`` and ``kendall_w`` where two models or more have a task in common.

    Parameters
    ----------
    tasks
        Model -> its tasks.
    level
        Written into the rows.
    group
        Factor level the table was limited to.

    Notes
    -----
    Rank 1 is the highest mean; ``rank`` gives ties the average of their places, ``competition_rank`` the best one. Over all
    tasks it is the rank of the mean over tasks. ``kendall_w`` (model ``all``) is the agreement of phrasings on the order of models, over
    the phrasings that all models have; over all tasks the mean.
    """
    models = sorted(tasks)
    by_task = {model: {task.task: task for task in tasks[model]} for model in models}
    shared = [task for task in by_task[models[0]] if all(task in by_task[model] for model in models)] if len(models) > 1 else []
    if not shared:
        return []
    rows: list[Estimate] = []
    agreement, means = [], []
    blank = Estimate(model="all", benchmark="all", task="all", metric="kendall_w", value=math.nan, level=level, n_tasks=1, group=group)
    for name in shared:
        parts = [by_task[model][name] for model in models]
        w, n_phrasings = _agreement(parts)
        agreement.append(w)
        means.append([float(np.nanmean(part.a)) if not np.isnan(part.a).all() else math.nan for part in parts])
        common = replace(blank, benchmark=parts[0].benchmark, task=name, n_phrasings=n_phrasings, n_instances=parts[0].n_instances)
        rows += [*_ranks(models, means[-1], common), _noted(replace(common, value=w))]
    known = [w for w in agreement if not math.isnan(w)]
    whole = replace(blank, n_tasks=len(shared), n_instances=sum(by_task[models[0]][name].n_instances for name in shared))
    overall = _noted(replace(whole, value=float(np.mean(known)) if known else math.nan))
    return [*rows, *_ranks(models, np.mean(means, axis=0).tolist(), whole), overall]


def _agreement(parts: Sequence[OneTask]) -> tuple[float, int]:
    """Kendall's W over the phrasings that all models have, and how many these are."""
    scores = [dict(zip(part.phrasing_ids, part.a.tolist(), strict=True)) for part in parts]
    ids = [name for name in scores[0] if all(not math.isnan(one.get(name, math.nan)) for one in scores)]
    matrix: npt.NDArray[np.float64] = np.array([[one[name] for one in scores] for name in ids]).reshape(len(ids), len(parts))
    return (stats.kendall_w(matrix) if len(ids) > 1 else math.nan), len(ids)


def _ranks(models: Sequence[str], means: Sequence[float], common: Estimate) -> list[Estimate]:
    """Ranks of the models, in rows like `common`."""
    series = pd.Series(means, index=list(models))
    average, best = series.rank(ascending=False, method="average"), series.rank(ascending=False, method="min")
    places = {"rank": average, "competition_rank": best}
    return [
        _noted(replace(common, model=model, metric=name, value=float(place[model]))) for name, place in places.items() for model in models
    ]


def _noted(row: Estimate) -> Estimate:
    return replace(row, note="the models do not differ, or share fewer than two phrasings" if math.isnan(row.value) else NO_INTERVAL)
