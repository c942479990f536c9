"""Linear layers by oneDNN, where the BLAS that torch comes with is slow on a processor.

Torch's BLAS (MKL) keeps its fastest kernels to one maker's processors; torch holds oneDNN beside
it. Weights stay as they are. Not handled here: training, other precisions than float32, GPUs.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["rounded", "use_onednn", "worth_it"]

_STEP = 32
_FEWEST = 64
"""Rows from which oneDNN pays: it arranges the weights anew for every product."""
_SMALLEST = 1 << 16
"""Weights of fewer numbers stay with the BLAS: the call would cost what the product saves."""


def rounded(rows: int) -> int:
    """Return the number of rows that is computed for `rows`.

    oneDNN compiles and keeps kernels for every new number of rows, 1 to 2 MB a layer shape, and a
    run meets hundreds of numbers; so there are few of them.

    Examples
    --------
    >>> [rounded(rows) for rows in (65, 96, 1000)]
    [96, 96, 1024]
    """
    return -(-rows // _STEP) * _STEP


def worth_it(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether torch's BLAS is MKL, oneDNN is there, and the processor is of AMD."""
    import torch

    try:
        amd = "AuthenticAMD" in cpuinfo.read_text(encoding="utf-8", errors="replace")[:4096]
    except OSError:  # systems without such a file
        return False
    backends: Any = torch.backends  # the library has no types here
    there = backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return bool(amd and backends.mkl.is_available() and there)


def use_onednn(model: Any) -> int:
    """Let the float32 linear layers of a model compute by oneDNN, and return how many there are."""
    import torch

    found: list[Any] = [
        module
        for module in model.modules()
        if type(module) is torch.nn.Linear
        and module.weight.dtype == torch.float32
        and module.weight.device.type == "cpu"
        and module.weight.numel() >= _SMALLEST
    ]
    for module in found:
        module.forward = partial(_linear, module)
    return len(found)


def _linear(module: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Return what a linear layer makes of `hidden`, shape (..., width)."""
    import torch

    weight, bias = module.weight, module.bias
    count = hidden.numel() // hidden.shape[-1]
    plain = hidden.dtype == weight.dtype == torch.float32
    if not plain or torch.is_grad_enabled() or count < _FEWEST:
        return torch.nn.functional.linear(hidden, weight, bias)
    rows = hidden.reshape(count, -1)
    if more := rounded(count) - count:
        rows = torch.nn.functional.pad(rows, (0, 0, 0, more))
    found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return found[:count].view(*hidden.shape[:-1], -1)
