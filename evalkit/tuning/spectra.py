"""What a tuning did to the weights: how far each matrix moved, in how many directions,
and whether new ones appeared.

References
----------
Intruder dimensions: Shuttleworth and others, "LoRA vs Full Fine-tuning: An Illusion of
Equivalence", arXiv 2410.21228: left singular vectors among the first ten of the tuned matrix whose
best absolute cosine with any of the base matrix is below 0.5 (numbers of their released code).
Energy: share of the squared singular values of tuned - base.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.errors import UsageError
from evalkit.records import ModelSpec
from evalkit.tuning.checkpoints import fitting, open_checkpoint, reading

if TYPE_CHECKING:
    import torch

__all__ = ["Change", "Limits", "change_of", "changes", "moved", "place_of"]

_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|block|blocks)\.(\d+)\.")
_WRAPPER = re.compile(r"^(?:(?:model|transformer|gpt_neox|language_model|backbone)\.)+")
"""Names that only say that a language model lies within; towers for pictures keep theirs."""
KEPT = 64
"""Singular values of a change that are kept for the figure and the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What counts as much."""

    energy: float = 0.9
    """Share of the squared change that the rank must hold."""
    top: int = 10
    """First singular vectors of the tuned matrix that are looked at."""
    cosine: float = 0.5
    """Best absolute cosine below which a singular vector is new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One tensor before and after."""

    tensor: str
    """Its name."""
    layer: int | None
    """Number of its layer; None for those outside of layers."""
    module: str
    """Its name without the layer, such as ``self_attn.q_proj``."""
    rows: int
    columns: int
    """Shape; 1 column for a vector."""
    relative: float
    """Frobenius norm of the change over that of the base; NaN where the base is 0."""
    rank: float
    """Fewest singular values of the change that hold the energy; NaN for vectors and no change."""
    intruders: float
    """New directions among the first; NaN for vectors."""
    spectrum: tuple[float, ...]
    """Largest singular values of the change, falling; empty for vectors."""


def place_of(name: str) -> tuple[int | None, str]:
    """Return layer and module of a tensor by its name.

    >>> place_of("model.layers.11.self_attn.q_proj.weight")
    (11, 'self_attn.q_proj')
    >>> place_of("decoder.block.2.layer.1.EncDecAttention.k.weight")
    (2, 'decoder.1.EncDecAttention.k')
    >>> place_of("model.vision_tower.encoder.layers.3.self_attn.q_proj.weight")
    (3, 'vision_tower.encoder.self_attn.q_proj')
    >>> place_of("model.embed_tokens.weight")
    (None, 'embed_tokens')
    """
    plain = re.sub(r"\.weight$", "", name)
    plain = _WRAPPER.sub("", plain)
    found = _LAYER.search(plain)
    if found is None:
        return None, plain
    before = plain[: found.start()]
    side = f"{before}." if before else ""
    rest = re.sub(r"(?:^|(?<=\.))layer\.", "", plain[found.end() :])
    return int(found[1]), side + rest


def change_of(name: str, base: torch.Tensor, tuned: torch.Tensor, limits: Limits) -> Change:
    """Return what became of one tensor.

    Parameters
    ----------
    name
        Its name.
    base, tuned
        Its values, of one shape.
    limits
        What counts as much.
    """
    import torch

    delta = (tuned.double() - base.double()).float()
    size, start = float(delta.norm()), float(base.float().norm())
    layer, module = place_of(name)
    rank = intruders = math.nan
    spectrum: tuple[float, ...] = ()
    if base.dim() == 2:
        values = torch.linalg.svdvals(delta).double()
        spectrum = tuple(values[:KEPT].tolist())
        held = (values**2).cumsum(0)
        if size:
            rank = 1.0 + int((held < limits.energy * held[-1] * (1 - 1e-12)).sum())
        intruders = float(_intruders(base, tuned, limits)) if size else 0.0
    return Change(
        tensor=name,
        layer=layer,
        module=module,
        rows=base.shape[0] if base.dim() else 1,
        columns=math.prod(base.shape[1:]),
        relative=size / start if start else math.nan,
        rank=rank,
        intruders=intruders,
        spectrum=spectrum,
    )


def _intruders(base: torch.Tensor, tuned: torch.Tensor, limits: Limits) -> int:
    """Return how many of the tuned matrix's first left singular vectors lie far from all of the
    base's.
    """
    import torch

    before = torch.linalg.svd(base.float(), full_matrices=False).U
    after = torch.linalg.svd(tuned.float(), full_matrices=False).U[:, : limits.top]
    best = (before.T @ after).abs().amax(dim=0)
    return int((best < limits.cosine).sum())


def changes(
    base: ModelSpec,
    tuned: ModelSpec,
    limits: Limits,
    seen: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Change]:
    """Return what became of every tensor of a model, read one at a time.

    Parameters
    ----------
    base, tuned
        Two checkpoints of one model.
    limits
        What counts as much.
    seen
        Told how many of how many tensors are done.

    Raises
    ------
    UsageError
        When a limit means nothing.
    BackendError
        When the checkpoints do not fit together.
    """
    _check(limits)
    checkpoints = [open_checkpoint(model) for model in (base, tuned)]
    fitting(checkpoints)
    names = list(checkpoints[0].places)
    found: list[Change] = []
    with reading(checkpoints) as reader:
        for number, name in enumerate(names):
            before, after = reader.tensors(name)
            if before.is_floating_point():
                found.append(change_of(name, before, after, limits))
            seen(number + 1, len(names))
    return found


def _check(limits: Limits) -> None:
    rules: Sequence[tuple[str, float, bool, str]] = (
        ("--energy", limits.energy, 0 < limits.energy <= 1, "a number above 0 to 1"),
        ("--top", limits.top, limits.top >= 1, "a whole number from 1"),
        ("--cosine", limits.cosine, 0 < limits.cosine <= 1, "a number above 0 to 1"),
    )
    for name, value, fine, accepted in rules:
        if not fine:
            raise UsageError(f"{name} {value:g}: is not accepted; {accepted} is.")


def moved(base: ModelSpec, tuned: ModelSpec) -> float:
    """Return how far a tuning moved all weights: norm of tuned - base over that of base, all
    tensors together.

    Raises
    ------
    BackendError
        When the checkpoints do not fit together or cannot be read tensor by tensor.
    """
    checkpoints = [open_checkpoint(model) for model in (base, tuned)]
    fitting(checkpoints)
    change = size = 0.0
    with reading(checkpoints) as reader:
        for name in checkpoints[0].places:
            first, second = (tensor.double() for tensor in reader.tensors(name))
            change += float((second - first).square().sum())
            size += float(first.square().sum())
    return (change / size) ** 0.5 if size else float("nan")
