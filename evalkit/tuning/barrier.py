"""Loss on the straight path between two checkpoints.

References
----------
Frankle and others, "Linear Mode Connectivity and the Lottery Ticket Hypothesis", arXiv 1912.05671:
the barrier is the largest amount by which the loss on the path lies above the straight line between
the losses of its ends.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from evalkit.backends.mitigations.applying import inner_workings, opened
from evalkit.records import ModelSpec
from evalkit.tuning.objectives import alignment_terms
from evalkit.tuning.pairs import Material, Sampler
from evalkit.tuning.weights import write_interpolated

__all__ = ["barrier", "loss_of", "losses"]

PROMPTS = 64
"""Prompts that the loss is measured on."""
ROWS = 16
"""Prompts per forward."""


def barrier(alphas: Sequence[float], found: Sequence[float]) -> tuple[float, float]:
    """Return the largest excess of the loss over the straight line between its ends, and where.

    >>> barrier([0, 0.5, 1], [1.0, 3.0, 2.0])
    (1.5, 0.5)
    """
    excess = [
        loss - ((1 - alpha) * found[0] + alpha * found[-1])
        for alpha, loss in zip(alphas, found, strict=True)
    ]
    worst = max(range(len(excess)), key=lambda place: excess[place])
    return max(excess[worst], 0.0), alphas[worst]


def losses(
    pair: tuple[ModelSpec, ModelSpec],
    alphas: Sequence[float],
    materials: Sequence[Material],
    work: Path,
    said: Callable[[str], None],
) -> list[float]:
    """Return the cross-entropy of the right answers along the path, nats per answer token.

    Parameters
    ----------
    pair
        Base and tuned checkpoint.
    alphas
        Shares of the tuned one.
    materials
        Tasks, phrasings and instances that are asked; the same prompts at every point.
    work
        Folder for one checkpoint at a time; removed afterwards.
    said
        Gets a line per point.
    """
    found: list[float] = []
    try:
        for alpha in alphas:
            place = work / f"alpha-{alpha:g}"
            write_interpolated(pair, alpha, place)
            found.append(loss_of(replace(pair[0], name=str(place), revision=None), materials))
            shutil.rmtree(place)
            said(f"alpha {alpha:g}: cross-entropy {found[-1]:.4f} nat per answer token")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return found


def loss_of(spec: ModelSpec, materials: Sequence[Material]) -> float:
    """Return the cross-entropy of right answers on `PROMPTS` prompts, the same for every model,
    nats per answer token.
    """
    import torch

    backend = opened(spec, ())
    try:
        engine = inner_workings(backend, "weights --barrier")
        loaded = engine.loaded
        sampler = Sampler(
            materials,
            engine.encode,
            end=loaded.tokenizer.eos_token_id,
            longest=loaded.longest,
            seed=0,
        )
        pairs = sampler.probe(PROMPTS, validation=False)
        total = tokens = 0.0
        with torch.no_grad():
            for start in range(0, len(pairs), ROWS):
                part = pairs[start : start + ROWS]
                count = sum(len(pair.answer) for pair in part)
                total += count * float(alignment_terms(loaded.model, part, with_kl=False)[0])
                tokens += count
        return total / tokens
    finally:
        backend.close()
