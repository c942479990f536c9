"""Methods of merging: one tensor made of the same tensor of several checkpoints, one function each.

Everything is computed in double precision and rounded once to the type of the first tensor;
singular values are taken in single precision. Nothing here reads or writes a file (`weights` does).

References
----------
``interpolate``: Wortsman and others, arXiv 2109.01903. ``soup``: Wortsman and others,
arXiv 2203.05482. ``model-stock``: Jang, Yun, Han, arXiv 2403.19522. ``task-vector``: Ilharco and
others, arXiv 2212.04089, and with ``--onto`` and ``--rank`` RE-Adapt: Fleshman, Van Durme,
arXiv 2405.15007. ``ties``: Yadav and others, arXiv 2306.01708. ``dare``: Yu and others,
arXiv 2311.03099. ``bitdelta``: Liu and others, arXiv 2402.10193, without its distillation of the
scales. ``graft``: Panigrahi and others, arXiv 2302.06600, by size of the change, no mask is
trained.
``sparse``: Chen and others, DSEE, arXiv 2111.00160, after the training. ``slerp``: Shoemake 1985,
"Animating rotation with quaternion curves", of whole tensors. ``breadcrumbs``: Davari and
Belilovsky, arXiv 2312.06795.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evalkit.records import digest
from evalkit.tuning.spectra import place_of

if TYPE_CHECKING:
    import torch

    Tensors = Sequence[torch.Tensor]

__all__ = ["METHODS", "Method", "Rule", "model_stock", "stock_ratio", "truncated"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One number that a method takes."""

    default: float
    """Value when it is not given."""
    low: float = 0.0
    """Least value."""
    high: float = math.inf
    """Largest value."""
    whole: bool = False
    """Whether it must be a whole number."""
    open_low: bool = False
    """Whether the least value itself is refused."""


NEARLY_PARALLEL = 0.9995
"""Cosine of two tensors beyond which an arc between them is a line."""
Settings = Mapping[str, float]
Make = Callable[[str, "Tensors", Settings], "torch.Tensor"]


@dataclass(frozen=True, slots=True)
class Method:
    """One method: what it takes and the function that makes a tensor."""

    about: str
    """What it makes, for the help."""
    make: Make
    """Name of a tensor, that tensor of every checkpoint, and the settings -> the new tensor. The
    checkpoints are the base, where there is one, and the tuned ones; before them, where `onto`, the
    model that takes the result."""
    rules: Mapping[str, Rule] = field(default_factory=dict)
    """Name of a setting -> what it may be."""
    base: bool = True
    """Whether it starts from a base; else the tuned checkpoints alone are combined."""
    tuned: tuple[int, int | None] = (1, 1)
    """Least and largest number of tuned checkpoints; None: no limit."""
    onto: bool = False
    """Whether another model than the base may take the result."""


def _as(first: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = made.to(first.dtype).view(first.shape)
    return result


def _delta(base: torch.Tensor, tuned: torch.Tensor) -> torch.Tensor:
    return tuned.double() - base.double()


def interpolate(_: str, tensors: Tensors, settings: Settings) -> torch.Tensor:
    """Return (1 - alpha) base + alpha tuned; 0 and 1 give the inputs bit for bit."""
    first, second = tensors
    alpha = settings["alpha"]
    if alpha in (0, 1):
        return second if alpha else first
    return _as(first, (1 - alpha) * first.double() + alpha * second.double())


def slerp(_: str, tensors: Tensors, settings: Settings) -> torch.Tensor:
    """Return the point at the share alpha of the arc from base to tuned; on the straight line where
    there is no arc: one of them 0, or both nearly parallel.
    """
    first, second = (tensor.double() for tensor in tensors)
    alpha, size = settings["alpha"], float(first.norm() * second.norm())
    cosine = float((first * second).sum()) / size if size else 1.0
    if alpha in (0, 1) or abs(cosine) > NEARLY_PARALLEL:
        return interpolate(_, tensors, settings)
    angle = math.acos(cosine)
    made = math.sin((1 - alpha) * angle) * first + math.sin(alpha * angle) * second
    return _as(tensors[0], made / math.sin(angle))


def soup(_: str, tensors: Tensors, _settings: Settings) -> torch.Tensor:
    """Return the mean of the tuned checkpoints."""
    total = tensors[0].double().clone()
    for tensor in tensors[1:]:
        total += tensor.double()
    return _as(tensors[0], total / len(tensors))


def ema(_: str, tensors: Tensors, settings: Settings) -> torch.Tensor:
    """Return the exponential moving average in the order given:
    m = decay m + (1 - decay) next, from the first on.
    """
    decay = settings["decay"]
    average = tensors[0].double().clone()
    for tensor in tensors[1:]:
        average = decay * average + (1 - decay) * tensor.double()
    return _as(tensors[0], average)


def stock_ratio(cosine: float, n: int) -> float:
    """Return t = N cos / (1 + (N - 1) cos): how far to go from the base to the mean of N models.

    A cosine below 0 counts as 0 (the mean is no better than the base); an undefined one (NaN: a
    tensor that did not move) gives NaN.

    >>> [round(stock_ratio(cosine, 2), 4) for cosine in (1.0, 0.5, 0.0)]
    [1.0, 0.6667, 0.0]
    >>> stock_ratio(0.5, 3)
    0.75
    """
    cosine = max(cosine, 0.0) if not math.isnan(cosine) else cosine
    return n * cosine / (1 + (n - 1) * cosine)


def model_stock(base: torch.Tensor, tuned: Tensors) -> tuple[torch.Tensor, float]:
    """Return the stock of one tensor and its ratio t.

    Every tensor counts as a layer, and the mean over all pairs as its cosine. NaN, and the base,
    where some model did not move it.

    Parameters
    ----------
    base
        Tensor of the model that all others were tuned from.
    tuned
        The same tensor of the tuned models, two at least.
    """
    import torch

    if not base.is_floating_point():
        return base, math.nan
    moves = [_delta(base, tensor).flatten() for tensor in tuned]
    norms = [float(move.norm()) for move in moves]
    if min(norms) == 0:
        return base, math.nan
    pairs = [(i, j) for i in range(len(moves)) for j in range(i)]
    cosine = sum(float(moves[i] @ moves[j]) / (norms[i] * norms[j]) for i, j in pairs) / len(pairs)
    ratio = stock_ratio(cosine, len(tuned))
    mean = torch.stack(moves).mean(dim=0).view(base.shape)
    return _as(base, base.double() + ratio * mean), ratio


def truncated(matrix: torch.Tensor, rank: float) -> torch.Tensor:
    """Return the best approximation of a rank; what is no matrix, or has no larger rank,
    as it is.
    """
    import torch

    if matrix.dim() != 2 or rank >= min(matrix.shape):
        return matrix
    left, values, right = torch.linalg.svd(matrix.float(), full_matrices=False)
    kept = int(rank)
    made: torch.Tensor = (left[:, :kept] * values[:kept]) @ right[:kept]
    return made.double()


def task_vector(_: str, tensors: Tensors, settings: Settings) -> torch.Tensor:
    """Return onto + scale times the sum of (tuned - base), each of at most `rank`;
    a scale below 0 takes away.
    """
    import torch

    onto, base, *vectors = tensors
    scale, rank = settings["scale"], settings["rank"]
    total = torch.stack([truncated(_delta(base, tensor), rank) for tensor in vectors]).sum(dim=0)
    made = _as(onto, onto.double() + scale * total)
    if scale == 1 and len(vectors) == 1 and rank == math.inf:
        # exactly the tuned value where nothing lies between, whatever the difference rounded to
        made = torch.where(onto == base, vectors[0], made)
    return made


def svd(_: str, tensors: Tensors, settings: Settings) -> torch.Tensor:
    """Return base + the best approximation of (tuned - base) of a rank; vectors are taken whole."""
    base, tuned = tensors
    rank = settings["rank"]
    if base.dim() != 2 or rank >= min(base.shape):
        return tuned
    return _as(base, base.double() + truncated(_delta(base, tuned), rank))


def largest(delta: torch.Tensor, density: float, without: float = 0.0) -> torch.Tensor:
    """Return the delta with all but its largest entries at 0; one entry at least stays.

    Parameters
    ----------
    delta
        A change.
    density
        Share of the entries that stays.
    without
        Share of the entries, the very largest, that goes as well, as far as others are left.
    """
    import torch

    if density >= 1:
        return delta
    flat = delta.flatten()
    kept = max(1, int(density * flat.numel()))
    gone = min(int(without * flat.numel()), flat.numel() - kept)
    places = torch.topk(flat.abs(), gone + kept).indices[gone:]
    made = torch.zeros_like(flat)
    made[places] = flat[places]
    return made.view(delta.shape)


def breadcrumbs(_: str, tensors: Tensors, settings: Settings) -> torch.Tensor:
    """Return base + scale times the sum of changes without their very largest entries and without
    the small ones.
    """
    import torch

    base = tensors[0]
    density, gamma = settings["density"], settings["gamma"]
    kept = [largest(_delta(base, tensor), density, gamma) for tensor in tensors[1:]]
    return _as(base, base.double() + settings["scale"] * torch.stack(kept).sum(dim=0))


def ties(_: str, tensors: Tensors, settings: Settings) -> torch.Tensor:
    """Return base + scale times the mean of the trimmed changes that have the sign of their sum."""
    import torch

    density, scale = settings["density"], settings["scale"]
    base = tensors[0]
    trimmed = torch.stack([largest(_delta(base, tensor), density) for tensor in tensors[1:]])
    sign = torch.where(trimmed.sum(dim=0) >= 0, 1.0, -1.0)
    agreeing = trimmed.sign() == sign
    mean = (trimmed * agreeing).sum(dim=0) / agreeing.sum(dim=0).clamp(min=1)
    return _as(base, base.double() + scale * mean)


def dare(name: str, tensors: Tensors, settings: Settings) -> torch.Tensor:
    """Return base + scale times the sum of changes of which a random part is kept and divided by
    its share.
    """
    import torch

    density, scale, seed = settings["density"], settings["scale"], settings["seed"]
    base = tensors[0]
    total = torch.zeros_like(base, dtype=torch.float64)
    for place, tensor in enumerate(tensors[1:]):
        source = torch.Generator().manual_seed(int(digest([int(seed), place, name])[:15], 16))
        kept = torch.rand(base.shape, generator=source, dtype=torch.float64) < density
        total += _delta(base, tensor) * kept / density
    return _as(base, base.double() + scale * total)


def bitdelta(name: str, tensors: Tensors, _: Settings) -> torch.Tensor:
    """Return base + mean abs(D) sign(D) for the linear maps within the layers, all else as tuned.

    A change of 0 counts as above 0.
    """
    import torch

    base, tuned = tensors
    table = not name.endswith(".weight") or "bias" in name  # not a map: T5's distances, Mamba's A
    if base.dim() != 2 or place_of(name)[0] is None or table:
        return tuned
    delta = _delta(base, tuned)
    return _as(base, base.double() + delta.abs().mean() * torch.where(delta < 0, -1.0, 1.0))


def graft(_: str, tensors: Tensors, settings: Settings) -> torch.Tensor:
    """Return the base with the tuned value wherever the change is at least `threshold`, one
    value for all tensors.
    """
    import torch

    base, tuned = tensors
    threshold = settings["threshold"]
    return torch.where(_delta(base, tuned).abs() >= threshold, tuned, base)


def sparse(_: str, tensors: Tensors, settings: Settings) -> torch.Tensor:
    """Return base + scale (L + S): L the change at `rank`,
    if one is given, S the largest entries of what is left of it, per tensor.
    """
    import torch

    base, tuned = tensors
    density, scale, rank = settings["density"], settings["scale"], settings["rank"]
    delta = _delta(base, tuned)
    low = truncated(delta, rank) if rank else torch.zeros_like(delta)
    return _as(base, base.double() + scale * (low + largest(delta - low, density)))


_ALPHA = Rule(0.5, 0, 1)
_SCALE = Rule(1.0, -math.inf)
_DENSITY = Rule(0.2, 0, 1, open_low=True)

METHODS: dict[str, Method] = {
    "interpolate": Method(
        "(1 - alpha) base + alpha tuned (WiSE-FT)", interpolate, {"alpha": _ALPHA}
    ),
    "slerp": Method("the arc from base to tuned in place of the line", slerp, {"alpha": _ALPHA}),
    "soup": Method("mean of the tuned models", soup, base=False, tuned=(2, None)),
    "model-stock": Method(
        "base and mean of the tuned models, by the angle between them",
        lambda _, tensors, __: model_stock(tensors[0], tensors[1:])[0],
        tuned=(2, None),
    ),
    "task-vector": Method(
        "scale times (tuned - base), summed, added to the base or to --onto",
        task_vector,
        {"scale": _SCALE, "rank": Rule(math.inf, 1, whole=True)},
        tuned=(1, None),
        onto=True,
    ),
    "svd": Method("base + the change at a low rank", svd, {"rank": Rule(8, 1, whole=True)}),
    "ties": Method(
        "base + trimmed changes without those against the majority",
        ties,
        {"density": _DENSITY, "scale": _SCALE},
        tuned=(1, None),
    ),
    "dare": Method(
        "base + a random part of the changes, scaled up",
        dare,
        {"density": _DENSITY, "scale": _SCALE, "seed": Rule(0, whole=True)},
        tuned=(1, None),
    ),
    "breadcrumbs": Method(
        "base + changes without their largest and their small entries, summed",
        breadcrumbs,
        {"density": _DENSITY, "gamma": Rule(0.01, 0, 1), "scale": _SCALE},
        tuned=(1, None),
    ),
    "bitdelta": Method("base + one sign per weight and one size per matrix", bitdelta),
    "graft": Method(
        "base with the tuned value where the change is largest, over all tensors",
        graft,
        {"density": Rule(0.01, 0, 1, open_low=True)},
    ),
    "sparse": Method(
        "base + the largest changes of every tensor, beside a low rank if one is given",
        sparse,
        {"density": _DENSITY, "scale": _SCALE, "rank": Rule(0, whole=True)},
    ),
    "ema": Method(
        "moving average over checkpoints in the order given",
        ema,
        {"decay": Rule(0.9, 0, 1)},
        base=False,
        tuned=(2, None),
    ),
}
"""Name of a method -> what it does."""
