"""What a processor is good for: number formats it computes in, threads that pay."""

from __future__ import annotations

import os
from collections.abc import Sequence
from statistics import median
from time import perf_counter
from typing import Any

from evalkit.errors import BackendError
from evalkit.records import ModelSpec

__all__ = ["choose_threads", "refuse_slow"]

_MOST = 16
_WORTH = 0.9
"""Share of the time with fewer threads that more threads must come down to."""
_UNITS = {
    "bfloat16": ("_is_avx512_bf16_supported", "_is_amx_tile_supported", "_is_arm_bf16_supported"),
    "float16": ("_is_amx_fp16_supported", "_is_arm_fp16_supported"),
}
"""Questions of `torch.cpu` that say whether matrix units for a format are there."""


def refuse_slow(spec: ModelSpec, dtype: str) -> None:
    """Refuse bfloat16 on a processor that has no units for it.

    There it is computed by conversion, several times slower than float32 and no more exact.

    Raises
    ------
    BackendError
        When the processor has none, unless the option ``emulate`` is set.
    """
    import torch

    if dtype != "bfloat16" or spec.options.get("emulate"):
        return
    asked = [getattr(torch.cpu, name, None) for name in _UNITS[dtype]]
    # a torch that cannot say, on a processor of another make, is no reason to refuse
    known = [bool(question()) for question in asked if question is not None]
    if known and not any(known):
        raise BackendError(
            f"dtype {dtype!r}: this processor has no units for it, so it would run several times "
            "slower than float32. Use --dtype float32, a GPU, or set the option emulate: true."
        )


def choose_threads(model: Any) -> str:
    """Have torch use as many threads as pay, and say how many.

    What OMP_NUM_THREADS says stays. Else 1, 2, 4, ... threads multiply by the model's own largest
    layer, and more are taken while they save a tenth of the time.

    Returns
    -------
    str
        Such as ``2 threads of 4, measured``.
    """
    import torch

    if "OMP_NUM_THREADS" in os.environ:
        return _said(torch.get_num_threads(), "as OMP_NUM_THREADS says")
    allowed: Sequence[int] | set[int] = (
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    )
    most = max(1, min(len(allowed), _MOST))
    weight = _largest(model)
    best, fastest = 1, 0.0
    for count in sorted({min(1 << power, most) for power in range(_MOST.bit_length())}):
        torch.set_num_threads(count)
        seconds = _seconds(weight) if most > 1 and weight is not None else 0.0
        if count == 1 or seconds < _WORTH * fastest:
            best, fastest = count, seconds
        else:
            break
    torch.set_num_threads(best)
    return _said(best, f"of {most}, measured")


def _said(count: int, why: str) -> str:
    return f"{count} thread{'' if count == 1 else 's'} {why}"


def _largest(model: Any) -> Any:
    """Largest weight matrix of the layers; the vocabulary's own aside, since it runs at few
    positions.
    """
    import torch

    head = model.get_output_embeddings()
    found = [
        module.weight
        for module in model.modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    ]
    return max(found, key=torch.Tensor.numel, default=None)


def _seconds(weight: Any) -> float:
    """Median time of a product of 256 positions with a matrix."""
    import torch

    hidden = torch.zeros(256, weight.shape[1], dtype=weight.dtype)
    times = []
    for _ in range(4):  # the first starts the threads
        start = perf_counter()
        torch.nn.functional.linear(hidden, weight)
        times.append(perf_counter() - start)
    return median(times[1:])
