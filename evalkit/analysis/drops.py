"""Drop rates and effect sizes: attacked phrasings against their reference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.scoring import Block

__all__ = ["doubtful_pairs", "drop_pairs", "drop_statistics", "drops_by_perturbation", "drops_of"]

Floats: TypeAlias = npt.NDArray[np.float64]
Found: TypeAlias = dict[str, stats.Interval]


def drop_pairs(block: Block, reference: str | Mapping[str, str] | None) -> dict[str, str]:
    """Return attacked id -> reference id of a block.

    Parameters
    ----------
    block
        Cells of one model on one task.
    reference
        One clean phrasing for all others, a map, or None: every perturbed phrasing against the one
        that it was made from, by column ``of``, else by its id (``origin.perturbation-digest``);
        without those of which one is of doubtful meaning (`doubtful_pairs`).
    """
    present = set(block.phrasing_ids)
    if isinstance(reference, str):
        return (
            {name: reference for name in block.phrasing_ids if name != reference}
            if reference in present
            else {}
        )
    if reference is not None:
        return {
            attacked: clean for attacked, clean in reference.items() if {attacked, clean} <= present
        }
    doubtful = doubtful_pairs(block)
    return {copy: of for copy, of in _made_from(block).items() if copy not in doubtful}


def doubtful_pairs(block: Block) -> frozenset[str]:
    """Return the perturbed phrasings that ask something else, or were made from one that does."""
    doubted = {
        name
        for name, meaning, kept in zip(
            block.phrasing_ids,
            block.traits.get("meaning", ("",) * len(block.phrasing_ids)),
            block.headline,
            strict=True,
        )
        if meaning == "doubtful" and not kept
    }
    return frozenset(copy for copy, of in _made_from(block).items() if {copy, of} & doubted)


def _made_from(block: Block) -> dict[str, str]:
    """Perturbed phrasing -> the one that it was made from."""
    present = set(block.phrasing_ids)
    pairs = {}
    known = block.traits.get("of", ("",) * len(block.phrasing_ids))
    for name, perturbation, of in zip(block.phrasing_ids, block.perturbations, known, strict=True):
        if perturbation and of in present:
            pairs[name] = of
            continue
        origin = name.rpartition(".")[0] if perturbation else ""
        while origin and origin not in present:
            origin = origin.rpartition(".")[0]
        if origin:
            pairs[name] = origin
    return pairs


def drops_of(block: Block, reference: str | Mapping[str, str] | None) -> tuple[float, ...]:
    """Return the drop rate of every pair of `drop_pairs`, in that order.

    NaN where the reference scores 0.
    """
    score = dict(zip(block.phrasing_ids, stats.phrasing_scores(block.values).tolist(), strict=True))
    pairs = drop_pairs(block, reference)
    return tuple(
        stats.drop_rates(
            np.array([score[attacked] for attacked in pairs]),
            np.array([score[clean] for clean in pairs.values()]),
        ).tolist()
    )


def drops_by_perturbation(
    pairs: Mapping[str, str], perturbations: Mapping[str, str], scores: Mapping[str, float]
) -> dict[str, float]:
    """Return ``pdr_NAME`` -> mean drop rate of the pairs whose attacked phrasing is of that
    perturbation.

    Parameters
    ----------
    pairs
        Attacked id -> reference id.
    perturbations
        Phrasing id -> perturbation, empty for none.
    scores
        Phrasing id -> score.
    """
    names = sorted({perturbations.get(attacked, "") for attacked in pairs} - {""})
    found = {}
    for name in names:
        own = [attacked for attacked in pairs if perturbations.get(attacked) == name]
        attacked = np.array([scores[one] for one in own])
        clean = np.array([scores[pairs[one]] for one in own])
        found[f"pdr_{name}"] = stats.pdr(attacked, clean)
    return found


def drop_statistics(
    block: Block, reference: str | Mapping[str, str] | None, *, level: float
) -> Found:
    """Performance drop rate over pairs, and the drop to the worst case of each instance."""
    pairs = drop_pairs(block, reference)
    if not pairs:
        return {}
    row = {name: number for number, name in enumerate(block.phrasing_ids)}
    rows = np.array([(row[attacked], row[clean]) for attacked, clean in pairs.items()])
    of = dict(zip(block.phrasing_ids, block.perturbations, strict=True))
    a = stats.phrasing_scores(block.values)
    found = {
        "pdr": stats.pdr_interval(block.values, pairs=rows, level=level),
        "pdr_std": stats.undefined(
            stats.pdr_std(a[rows[:, 0]], a[rows[:, 1]]), "not offered", level=level
        ),
    }
    for name in sorted({of[attacked] for attacked in pairs} - {""}):
        own = rows[[of[attacked] == name for attacked in pairs]]
        found[f"pdr_{name}"] = stats.pdr_interval(block.values, pairs=own, level=level)
    if isinstance(reference, str):
        found |= _of_effects(
            block.values[row[reference]], block.values[rows[:, 0]], a[rows[:, 0]], level=level
        )
        found["robust_drop"] = stats.robust_drop_interval(
            block.values, reference=row[reference], level=level
        )
    return found


def _of_effects(clean: Floats, attacked: Floats, a: Floats, *, level: float) -> Found:
    """Effect sizes of all other phrasings against the clean one."""
    mean = float(np.nanmean(clean)) if not np.isnan(clean).all() else math.nan
    values = {
        "cohen_h": stats.cohen_h(mean, float(np.nanmean(a)) if not np.isnan(a).all() else math.nan)
    }
    values["hedges_g"] = stats.hedges_g(clean, attacked.ravel())
    return {
        name: stats.undefined(value, "not offered", level=level) for name, value in values.items()
    }
