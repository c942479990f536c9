"""The model in float64, module by module: what both ways of scoring are held against.

Weights go to float64 and back around the forward of the module that owns them, so that no second
copy of the model is held; what a model casts to a narrower type inside is kept in float64 too.

Not handled here: what is done with the errors (`evalkit.backends.hf.proof`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from evalkit.backends.hf.loading import Loaded

__all__ = ["in_float64"]


@contextmanager
def in_float64(loaded: Loaded) -> Iterator[None]:
    """Run the model in float64 within the context; weights and buffers come back bit for bit.

    Notes
    -----
    Going from float32, float16 or bfloat16 to float64 and back is exact. An embedding is looked up
    as it is stored and its rows are widened, which is exact as well and spares a copy of the
    vocabulary.
    """
    import torch

    handles = []
    for module in loaded.model.modules():
        if isinstance(module, torch.nn.Embedding):
            handles.append(module.register_forward_hook(_widened))
        elif any(True for _ in module.parameters(recurse=False)) or any(
            buffer.is_floating_point() for buffer in module.buffers(recurse=False)
        ):
            kept: dict[str, Any] = {}
            handles.append(module.register_forward_pre_hook(_Widen(kept)))
            handles.append(module.register_forward_hook(_Narrow(kept), always_call=True))
    try:
        with _plain_experts(loaded.model), _wide_casts():
            yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _plain_experts(model: Any) -> Iterator[None]:
    """Run experts one after the other within the context:
    kernels for all at once know no float64.
    """
    change = getattr(model, "set_experts_implementation", None)
    if change is None or not model._can_set_experts_implementation():
        yield
        return
    before = model.get_experts_implementation()
    change("eager")
    try:
        yield
    finally:
        change(before)


def _widened(module: Any, args: tuple[Any, ...], output: Any) -> Any:
    """Forward hook of an embedding: its rows in float64."""
    del module, args
    return output.double()


def _owned(module: Any) -> Iterator[tuple[str, Any]]:
    """Floating-point parameters and buffers of a module itself."""
    for found in (module.named_parameters, module.named_buffers):
        for name, tensor in found(recurse=False):
            if tensor.is_floating_point():
                yield name, tensor


class _Widen:
    """Forward pre-hook: put the module's own weights into float64 and remember them as they were.

    Parameters
    ----------
    kept
        Filled with the tensors as they were.
    """

    def __init__(self, kept: dict[str, Any]) -> None:
        self._kept = kept

    def __call__(self, module: Any, args: Any) -> None:
        for name, tensor in _owned(module):
            self._kept[name] = tensor.data
            tensor.data = tensor.data.double()


class _Narrow:
    """Forward hook: put the weights back.

    Parameters
    ----------
    kept
        What `_Widen` remembered; emptied.
    """

    def __init__(self, kept: dict[str, Any]) -> None:
        self._kept = kept

    def __call__(self, module: Any, args: Any, output: Any) -> None:
        for name, tensor in _owned(module):
            if name in self._kept:
                tensor.data = self._kept.pop(name)


def _wide_casts() -> Any:
    """Return a mode in which whatever asks for a narrower floating type gets float64."""
    import torch
    from torch.overrides import TorchFunctionMode

    base: Any = TorchFunctionMode
    narrow = {torch.float32, torch.float16, torch.bfloat16}
    casts = {torch.Tensor.float, torch.Tensor.half, torch.Tensor.bfloat16}

    def wide(value: Any) -> Any:
        return torch.float64 if isinstance(value, torch.dtype) and value in narrow else value

    class WideCasts(base):  # type: ignore[misc]  # the base comes from a library without types
        """Replaces every narrower type among a call's arguments."""

        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if function in casts:
                function = torch.Tensor.double
            named = {name: wide(value) for name, value in (kwargs or {}).items()}
            return function(*map(wide, args), **named)

    return WideCasts()
