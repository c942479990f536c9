"""New checkpoints made of old ones.

Interpolation of two, and model stock of several around a common base. Writes directories, tensor by
tensor.

References
----------
Wortsman and others, "Robust fine-tuning of zero-shot models", arXiv 2109.01903: w = (1 - alpha) w_0
+ alpha w_1, alpha swept. Jang, Yun, Han, "Model Stock: All we need is just a few fine-tuned
models", arXiv 2403.19522: w = t mean_i(w_i) + (1 - t) w_0 with t = N cos / (1 + (N - 1) cos), where
cos is the cosine of the angle between w_i - w_0 and w_j - w_0, per layer. We take every tensor as a
layer and the mean over all pairs as its cosine.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.backends.hf.files import ModelFiles, locate
from evalkit.backends.hf.fingerprint import hashes
from evalkit.backends.mitigations.applying import acting_on_model
from evalkit.backends.mitigations.options import read_options
from evalkit.catalog.paths import cache_dir
from evalkit.errors import BackendError, UsageError
from evalkit.records import ModelSpec, digest
from evalkit.store.atomic import file_digest, write_atomic

if TYPE_CHECKING:
    import torch

__all__ = [
    "interpolate",
    "interpolated",
    "model_stock",
    "stock_ratio",
    "write_interpolated",
    "write_stock",
]

Merge = Callable[[str, "Sequence[torch.Tensor]"], "torch.Tensor"]


def stock_ratio(cosine: float, n: int) -> float:
    """Return t = N cos / (1 + (N - 1) cos): how far to go from the base to the mean of N models.

    A cosine below 0 counts as 0 (the mean is no better than the base); an undefined one (NaN: a
    tensor that did not move) gives NaN.

    >>> [round(stock_ratio(cosine, 2), 4) for cosine in (1.0, 0.5, 0.0)]
    [1.0, 0.6667, 0.0]
    """
    cosine = max(cosine, 0.0) if not math.isnan(cosine) else cosine
    return n * cosine / (1 + (n - 1) * cosine)


def interpolated(first: torch.Tensor, second: torch.Tensor, alpha: float) -> torch.Tensor:
    """Return (1 - alpha) first + alpha second, computed in float64 and stored as `first`.

    0 and 1 give the inputs themselves.
    """
    if alpha == 0 or not first.is_floating_point():
        return first
    if alpha == 1:
        return second
    mixed: torch.Tensor = (1 - alpha) * first.double() + alpha * second.double()
    return mixed.to(first.dtype)


def model_stock(base: torch.Tensor, tuned: Sequence[torch.Tensor]) -> tuple[torch.Tensor, float]:
    """Return the stock of one tensor and its ratio t.

    NaN, and the base, where some model did not move it.

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
    moves = [(tensor.double() - base.double()).flatten() for tensor in tuned]
    norms = [float(move.norm()) for move in moves]
    if min(norms) == 0:
        return base, math.nan
    pairs = [(i, j) for i in range(len(moves)) for j in range(i)]
    cosine = sum(float(moves[i] @ moves[j]) / (norms[i] * norms[j]) for i, j in pairs) / len(pairs)
    ratio = stock_ratio(cosine, len(tuned))
    mean = torch.stack(moves).mean(dim=0).view(base.shape)
    return (base.double() + ratio * mean).to(base.dtype), ratio


def write_interpolated(
    models: tuple[ModelSpec, ModelSpec], alpha: float, out: Path
) -> dict[str, Any]:
    """Write the interpolation of two checkpoints as a model directory and return what was done.

    Raises
    ------
    UsageError
        When alpha is not from 0 to 1, or `out` holds something else.
    BackendError
        When the checkpoints do not fit together.
    """
    if not 0 <= alpha <= 1:
        raise UsageError(
            f"alpha: {alpha:g} is out of range; a number from 0 (the first model) to 1 (the second) is accepted."
        )
    files = [locate(model) for model in models]
    report = {
        "method": "interpolate",
        "alpha": alpha,
        "models": [_named(model, found) for model, found in zip(models, files, strict=True)],
    }
    _write(files, out, report, lambda name, tensors: interpolated(tensors[0], tensors[1], alpha))
    return report


def write_stock(base: ModelSpec, tuned: Sequence[ModelSpec], out: Path) -> dict[str, Any]:
    """Write the model stock of tuned checkpoints around their base.

    The ratio of every tensor is in the report.

    Raises
    ------
    UsageError
        When fewer than two tuned models are named, or `out` holds something else.
    BackendError
        When the checkpoints do not fit together.
    """
    if len(tuned) < 2:
        raise UsageError(
            f"--method model-stock: {len(tuned)} tuned models; two or more are needed. Repeat --with."
        )
    files = [locate(model) for model in (base, *tuned)]
    ratios: dict[str, float | None] = {}

    def merge(name: str, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        made, ratio = model_stock(tensors[0], tensors[1:])
        ratios[name] = None if math.isnan(ratio) else ratio
        return made

    report = {
        "method": "model-stock",
        "models": [
            _named(model, found) for model, found in zip((base, *tuned), files, strict=True)
        ],
        "ratios": ratios,
    }
    _write(files, out, report, merge)
    return report


@acting_on_model
def interpolate(spec: ModelSpec, options: str) -> ModelSpec:
    """Return the interpolation of the model with another (``--mitigation interpolate:with=DIR,alpha=0.5``), written once into evalkit's cache.

    The new weights' hash is what enters the fingerprint, so that alpha 0 shares responses with the
    model itself where the file layout is the same.
    """
    given = read_options("interpolate", options, {"with": "", "alpha": 0.5})
    if not given["with"]:
        raise UsageError(
            "--mitigation interpolate: 'with' names no model; a directory or hub id is accepted."
        )
    other = replace(spec, name=given["with"], revision=None)
    pair = (spec, other)
    marks = [_named(model, locate(model)) for model in pair]
    out = (
        cache_dir()
        / "interpolated"
        / digest([given["alpha"], [{**mark, "name": ""} for mark in marks]], length=16)
    )
    if not (out / "evalkit.json").is_file():
        write_interpolated(pair, given["alpha"], out)
    return replace(spec, name=str(out), label=spec.display, revision=None)


def _named(model: ModelSpec, files: ModelFiles) -> dict[str, str]:
    """Return name, weights and tokenizer of a model, as hashes."""
    found = hashes(files)
    return {"name": model.name, "weights": found["weights"], "tokenizer": found["tokenizer"]}


def _shapes(files: ModelFiles) -> dict[str, tuple[Path, list[int]]]:
    """Return file and shape of every tensor of a checkpoint."""
    from safetensors import safe_open

    found = {}
    for path in files.weights:
        if path.suffix != ".safetensors":
            raise BackendError(
                f"{path}: weights must be safetensors to be combined. Convert them first."
            )
        with safe_open(path, framework="pt") as stream:
            names = stream.keys()
            found.update({name: (path, stream.get_slice(name).get_shape()) for name in names})
    return found


def _refuse_mismatch(
    files: Sequence[ModelFiles], shapes: Sequence[Mapping[str, tuple[Path, list[int]]]]
) -> None:
    for found, other in zip(files[1:], shapes[1:], strict=True):
        differing = sorted(set(shapes[0]) ^ set(other)) or sorted(
            name for name in other if other[name][1] != shapes[0][name][1]
        )
        if differing:
            raise BackendError(
                f"{found.root} and {files[0].root}: tensor {differing[0]} is not the same in both ({len(differing)} differ in name or shape). "
                "Only checkpoints of one architecture can be combined."
            )
        mine, theirs = (
            {
                path.name: path.read_bytes()
                for path in one.tokenizer
                if path.name == "tokenizer.json"
            }
            for one in (files[0], found)
        )
        if mine != theirs:
            raise BackendError(
                f"{found.root} and {files[0].root}: have different tokenizers, so the same row means another token. Use checkpoints with one tokenizer."
            )


def _write(files: Sequence[ModelFiles], out: Path, report: Mapping[str, Any], merge: Merge) -> None:
    """Write the merged tensors in the first checkpoint's file layout, then everything else of it; the directory appears whole or not at all."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out}: is not empty. Name another --out.")
    shapes = [_shapes(found) for found in files]
    _refuse_mismatch(files, shapes)
    part = out.with_name(f"{out.name}.part-{os.getpid()}")
    part.mkdir(parents=True)
    try:
        for path in files[0].weights:
            made = {}
            with safe_open(path, framework="pt") as stream:
                metadata = stream.metadata()
            for name in sorted(name for name, (home, _) in shapes[0].items() if home == path):
                tensors = []
                for places in shapes:
                    with safe_open(places[name][0], framework="pt") as stream:
                        tensors.append(stream.get_tensor(name))
                made[name] = merge(name, tensors).contiguous()
            save_file(made, part / path.name, metadata=metadata)
        for path in files[0].root.iterdir():
            if (
                path.is_file()
                and path.suffix != ".bin"
                and path not in files[0].weights
                and path.name not in {"evalkit.json", "evalkit.yaml"}
            ):
                shutil.copy2(path, part / path.name)
        digests = {path.name: file_digest(path) for path in sorted(part.iterdir())}
        record = {**report, "files": digests}
        write_atomic(part / "evalkit.json", json.dumps(record, indent=1) + "\n")
        if out.exists():
            out.rmdir()
        part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
