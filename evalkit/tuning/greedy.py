"""Greedy soup: checkpoints are taken into a mean one by one, best first, while the loss does not
rise.

References
----------
Wortsman and others, "Model soups", arXiv 2203.05482, recipe 1; theirs looks at held-out accuracy,
ours at the cross-entropy of held-out right answers, which does not come in steps.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from evalkit.errors import UsageError
from evalkit.records import ModelSpec
from evalkit.tuning.barrier import loss_of
from evalkit.tuning.pairs import Material
from evalkit.tuning.weights import Merging, merge

__all__ = ["greedy_soup", "taken"]


def taken(
    losses: Sequence[float], loss_of_mean: Callable[[tuple[int, ...]], float]
) -> tuple[tuple[int, ...], list[tuple[tuple[int, ...], float]]]:
    """Return which members make the soup, and every mean that was tried with its loss.

    Parameters
    ----------
    losses
        Of every checkpoint alone.
    loss_of_mean
        Loss of the mean of several, by their places.

    Examples
    --------
    >>> taken([2.0, 1.0, 3.0], lambda members: {(1, 0): 0.5, (1, 0, 2): 0.7}[members])
    ((1, 0), [((1, 0), 0.5), ((1, 0, 2), 0.7)])
    """
    order = sorted(range(len(losses)), key=lambda place: (losses[place], place))
    members: tuple[int, ...] = (order[0],)
    best, tried = losses[order[0]], []
    for place in order[1:]:
        candidate = (*members, place)
        found = loss_of_mean(candidate)
        tried.append((candidate, found))
        if found <= best:
            members, best = candidate, found
    return members, tried


def greedy_soup(
    models: Sequence[ModelSpec],
    materials: Sequence[Material],
    out: Path,
    said: Callable[[str], None],
) -> dict[str, Any]:
    """Write the greedy soup of checkpoints and return what was done.

    Parameters
    ----------
    models
        Two or more, tuned from one.
    materials
        What the loss is measured on; instances that none of them was trained on.
    out
        Directory of the soup; means that are tried stand beside it, one at a time.
    said
        Gets a line per checkpoint and mean.

    Raises
    ------
    UsageError
        When the best checkpoint alone is the soup: there is nothing to write.
    """
    work = out.with_name(f"{out.name}.part")

    def mean(members: tuple[int, ...]) -> float:
        shutil.rmtree(work, ignore_errors=True)
        place = work / "mean"
        merge(Merging("soup", tuple(models[k] for k in members)), [({}, place)])
        found = loss_of(
            ModelSpec(backend="hf", name=str(place), device=models[0].device), materials
        )
        said(f"mean of {len(members)}: cross-entropy {found:.4f} nat per answer token")
        return found

    try:
        losses = []
        for model in models:
            losses.append(loss_of(model, materials))
            said(f"{model.display}: cross-entropy {losses[-1]:.4f} nat per answer token")
        members, tried = taken(losses, mean)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if len(members) == 1:
        raise UsageError(
            f"--greedy: no mean is better than {models[members[0]].display} alone "
            f"({losses[members[0]]:.4f} nat per answer token), so that is the soup. "
            "Use it as it is."
        )
    (report,) = merge(Merging("soup", tuple(models[k] for k in members)), [({}, out)])
    return {
        **report,
        "greedy": {
            "losses": {model.display: loss for model, loss in zip(models, losses, strict=True)},
            "tried": [[[models[k].display for k in which], loss] for which, loss in tried],
            "taken": [models[k].display for k in members],
        },
    }
