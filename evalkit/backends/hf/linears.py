"""Linear layers by oneDNN, where the BLAS that torch comes with is slow on a processor.

Torch's BLAS (MKL) keeps its fastest kernels to one maker's processors; torch holds oneDNN beside
it. Weights stay as they are; where memory allows, a second copy lies beside them in the order that
oneDNN computes in. Not handled here: training, other precisions than float32, GPUs.
"""

from __future__ import annotations

import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["arrange", "rounded", "use_onednn", "worth_it"]

_STEPS = ((4, 4), (64, 8), (1 << 62, 32))
"""Up to how many rows numbers are rounded up to multiples of what."""
_FEWEST = 64
"""Rows from which oneDNN pays where it arranges the weights anew for every product."""
_FEWEST_ARRANGED = 3
"""Rows from which it pays where they are arranged already."""
_MOST_BYTES = 1 << 30
"""Most memory that arranged copies of a model's weights may take; larger models have none."""
_USUAL_ROWS = 256
_SMALLEST = 1 << 16
"""Weights of fewer numbers stay with the BLAS: the call would cost what the product saves."""


def rounded(rows: int) -> int:
    """Return the number of rows that is computed for `rows`.

    oneDNN compiles and keeps kernels for every new number of rows, 1 to 2 MB a layer shape, and a
    run meets hundreds of numbers; so there are few of them.

    Examples
    --------
    >>> [rounded(rows) for rows in (3, 9, 65, 96, 1000)]
    [4, 16, 96, 96, 1024]
    """
    step = next(step for most, step in _STEPS if rows <= most)
    return -(-rows // step) * step


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


class _Arranged:
    """A layer's weights in oneDNN's own order, good while the weights are what they were.

    Parameters
    ----------
    weight
        Shape (out, in).
    """

    def __init__(self, weight: torch.Tensor) -> None:
        import torch

        self._weight, self._of = weakref.ref(weight), _state(weight)
        self._copy: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(
            weight.detach(), _USUAL_ROWS
        )

    def of(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the arranged copy of a weight, or the weight itself where it has changed."""
        same = self._weight() is weight and self._of == _state(weight)
        return self._copy if same else weight

    def __deepcopy__(self, memo: Any) -> None:
        """A copied model arranges its own weights."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Neither is a copy sent anywhere."""
        return type(None), ()


def _state(weight: torch.Tensor) -> tuple[int, int]:
    """What tells whether a weight was changed or put elsewhere;
    tensors of inference count no changes.
    """
    return weight.data_ptr(), -1 if weight.is_inference() else weight._version


def arrange(model: Any) -> int:
    """Keep the weights of what `use_onednn` took in oneDNN's order too,
    and return the bytes that takes.

    Called when a model's weights are what they will be: changes that torch does not count, such as
    those through ``weight.data``, are not seen. Products of few rows gain most, by half and more.
    """
    import torch

    layers = [module for module in model.modules() if _computes(module)]
    size: int = sum(module.weight.numel() * module.weight.element_size() for module in layers)
    if size > _MOST_BYTES:
        return 0
    with torch.no_grad():
        for module in layers:
            module.arranged = _Arranged(module.weight)
    return size


def _computes(module: Any) -> bool:
    """Whether a module is a linear layer that computes by oneDNN."""
    forward = vars(module).get("forward")
    return isinstance(forward, partial) and forward.func is _linear


def _linear(module: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Return what a linear layer makes of `hidden`, shape (..., width)."""
    import torch

    weight, bias = module.weight, module.bias
    count = hidden.numel() // hidden.shape[-1]
    plain = hidden.dtype == weight.dtype == torch.float32
    arranged = getattr(module, "arranged", None)
    fewest = _FEWEST if arranged is None else _FEWEST_ARRANGED
    if not plain or torch.is_grad_enabled() or count < fewest:
        return torch.nn.functional.linear(hidden, weight, bias)
    rows = hidden.reshape(count, -1)
    if more := rounded(count) - count:
        rows = torch.nn.functional.pad(rows, (0, 0, 0, more))
    if arranged is not None:
        weight = arranged.of(weight)
    found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return found[:count].view(*hidden.shape[:-1], -1)
