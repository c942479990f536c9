"""How far our merging is from mergekit's, tensor by tensor, as in ``docs/checkpoints.md``.

A base and three models tuned from it, 256 x 512, drawn with a seed. For DARE both get the same
random masks; mergekit scales what is kept so that the sum of absolute values stays, the paper and
we divide by the share that is kept, so the difference is told before and after that is put right.

Run, in an environment of its own: ``pip install mergekit==0.1.5``, then
``python benchmarks/mergekit_formulas.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from mergekit import sparsify
from mergekit.merge_methods.base import TensorGroup
from mergekit.merge_methods.generalized_task_arithmetic import (
    ConsensusMethod,
    GeneralizedTaskArithmeticMerge,
)
from mergekit.merge_methods.linear import linear_merge
from mergekit.merge_methods.model_stock import model_stock_merge_method
from mergekit.merge_methods.slerp import slerp
from mergekit.sparsify import SparsificationMethod

from evalkit.records.digests import digest
from evalkit.tuning.merging import METHODS

NAME = "w"
DENSITIES = (0.1, 0.2, 0.5, 0.9)
OUTLIERS = SparsificationMethod.magnitude_outliers


def checkpoints(dtype: torch.dtype) -> list[torch.Tensor]:
    """Return a base and three tuned tensors."""
    drawn = torch.Generator().manual_seed(0)
    base = torch.randn(256, 512, generator=drawn, dtype=torch.float64) * 0.05
    moved = [
        base + torch.randn(256, 512, generator=drawn, dtype=torch.float64) * 0.005 * (k + 1)
        for k in range(3)
    ]
    return [tensor.to(dtype) for tensor in (base, *moved)]


def arithmetic(tensors: Sequence[torch.Tensor], how: Any, density: float, scale: float) -> Any:
    """Return what mergekit's task arithmetic makes;
    `how` is (consensus, trimming, normalise, rescale).
    """
    consensus, trimming, normalise, rescale = how
    group = TensorGroup.from_tensors(list(tensors), base_index=0)
    ids = [entry.id for entry in group.non_base]
    method = GeneralizedTaskArithmeticMerge(
        consensus_method=consensus,
        sparsification_method=trimming,
        default_normalize=normalise,
        default_rescale=rescale,
        method_name="x",
        method_pretty_name=None,
        method_reference_url=None,
    )
    return method.merge_group(
        group,
        **{"int8_mask": False, "normalize": normalise, "rescale": rescale, "lambda": scale},
        weight=dict.fromkeys(ids, 1.0),
        density=dict.fromkeys(ids, density),
        **({"gamma": dict.fromkeys(ids, 0.01)} if trimming == OUTLIERS else {}),
    )


def linear(tensors: Sequence[torch.Tensor], weights: Sequence[float]) -> Any:
    """Return mergekit's weighted mean."""
    batch = SimpleNamespace(tensors=[tensor.unsqueeze(0) for tensor in tensors])
    return linear_merge.implementation(batch, torch.tensor([weights], dtype=torch.float64))[0]


def ours(method: str, tensors: Sequence[torch.Tensor], **settings: float) -> torch.Tensor:
    """Return what our method makes."""
    return METHODS[method].make(NAME, list(tensors), settings)


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the largest difference."""
    return float((one.double() - other.double()).abs().max())


def masks(shape: torch.Size, density: float, count: int) -> list[torch.Tensor]:
    """Return the masks that our DARE draws."""
    found = []
    for place in range(count):
        drawn = torch.Generator().manual_seed(int(digest([0, place, NAME])[:15], 16))
        found.append(torch.rand(shape, generator=drawn, dtype=torch.float64) < density)
    return found


def dare(tensors: Sequence[torch.Tensor], density: float) -> tuple[float, float]:
    """Return the largest difference of both DAREs on the same masks,
    and with their scale in ours.
    """
    base, *moved = tensors
    drawn = masks(base.shape, density, len(moved))
    left = iter(drawn)

    def given(tensor: torch.Tensor, density: float, rescale_norm: Any = None) -> torch.Tensor:
        return sparsify.rescaled_masked_tensor(tensor, next(left).to(tensor.dtype), rescale_norm)

    kept, sparsify.bernoulli = sparsify.bernoulli, given
    try:
        theirs = arithmetic(tensors, (None, SparsificationMethod.random, False, True), density, 1.0)
    finally:
        sparsify.bernoulli = kept
    scaled = base.double()
    for tensor, mask in zip(moved, drawn, strict=True):
        change = (tensor - base).double()
        scaled = scaled + change * mask * (change.abs().sum() / (change * mask).abs().sum())
    mine = ours("dare", tensors, density=density, scale=1.0, seed=0)
    return apart(theirs, mine), apart(theirs, scaled)


def rows(tensors: Sequence[torch.Tensor]) -> Iterator[tuple[str, float]]:
    """Yield what is compared and the largest difference."""
    base, *moved = tensors
    yield "soup, linear", apart(linear(moved, [1.0] * 3), ours("soup", moved))
    two = tensors[:2]
    yield (
        "interpolate, linear",
        max(
            apart(linear(two, [1 - alpha, alpha]), ours("interpolate", two, alpha=alpha))
            for alpha in (0.25, 0.5, 0.7)
        ),
    )
    yield (
        "slerp",
        max(
            apart(
                slerp(torch.tensor([alpha], dtype=torch.float64), two[0][None], two[1][None])[0],
                ours("slerp", two, alpha=alpha),
            )
            for two in (tensors[:2], tensors[::3], [moved[0], -moved[2]])
            for alpha in (0.25, 0.5, 0.7)
        ),
    )
    yield (
        "task-vector, task_arithmetic",
        max(
            apart(
                arithmetic(tensors, (None, None, False, False), 1.0, scale),
                ours("task-vector", [base, *tensors], scale=scale, rank=math.inf),
            )
            for scale in (-1.0, 0.5, 1.0)
        ),
    )
    trimmed = (ConsensusMethod.sum, SparsificationMethod.magnitude, True, False)
    yield (
        "ties",
        max(
            apart(
                arithmetic(tensors, trimmed, density, 0.75),
                ours("ties", tensors, density=density, scale=0.75),
            )
            for density in DENSITIES
        ),
    )
    outliers = (None, OUTLIERS, False, False)
    yield (
        "breadcrumbs",
        max(
            apart(
                arithmetic(tensors, outliers, density, 0.75),
                ours("breadcrumbs", tensors, density=density, gamma=0.01, scale=0.75),
            )
            for density in (*DENSITIES, 0.995)
        ),
    )
    group = TensorGroup.from_tensors(list(tensors), base_index=0)
    stock = model_stock_merge_method.merge_group(group, filter_wise=False)
    yield "model-stock, model_stock", apart(stock, ours("model-stock", tensors))
    for density in (0.1, 0.5):
        raw, scaled = dare(tensors, density)
        yield f"dare, dare_linear, density {density:g}", raw
        yield f"the same, with its scale, density {density:g}", scaled


def main() -> None:
    """Print the table."""
    found = {str(dtype): dict(rows(checkpoints(dtype))) for dtype in (torch.float64, torch.float32)}
    print(f"| ours, mergekit's | {' | '.join(found)} |\n|---|---:|---:|")
    for name in next(iter(found.values())):
        print(f"| {name} | {' | '.join(f'{part[name]:.1e}' for part in found.values())} |")


if __name__ == "__main__":
    main()
