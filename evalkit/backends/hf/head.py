"""The vocabulary head, run at answer positions only.

No array of batch x length x vocabulary exists. Not handled here: models that bypass their output
embedding, which are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from evalkit.errors import BackendError

if TYPE_CHECKING:
    import torch

__all__ = ["AnswerHead"]


class AnswerHead:
    """Runs the vocabulary head only at chosen positions, inside the model's own forward.

    A hook in front of the output embedding selects rows of the hidden states, so whatever the model
    does around the head (scaling, soft capping, bias) stays the model's own, and no batch x length
    x vocabulary array exists.
    """

    def __init__(self, model: Any) -> None:
        self._index: torch.Tensor | None = None
        self._calls = 0
        self._trim = False
        self._shape: tuple[int, ...] | None = None
        module = model.get_output_embeddings()
        self.available = module is not None
        if module is not None:
            module.register_forward_pre_hook(self._select)
        for part in _last_parts(model):
            part.register_forward_pre_hook(self._narrow)
            part.register_forward_hook(self._widen)

    def _select(self, module: Any, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Forward pre-hook: keep the rows of flattened (batch, length) that `at` named."""
        del module
        if self._index is None:
            return None
        self._calls += 1
        hidden = args[0]
        return (
            hidden.reshape(-1, hidden.shape[-1])
            .index_select(0, self._index.to(hidden.device))
            .unsqueeze(0),
            *args[1:],
        )

    def _narrow(self, module: Any, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Forward pre-hook of a part of the last layer.

        Nothing reads its other rows, so they are not computed.
        """
        del module
        self._shape = None
        if self._index is None or not self._trim or len(args) != 1 or args[0].dim() != 3:
            return None
        hidden = args[0]
        self._shape = tuple(hidden.shape)
        return (
            hidden.reshape(-1, hidden.shape[-1])
            .index_select(0, self._index.to(hidden.device))
            .unsqueeze(0),
        )

    def _widen(self, module: Any, args: Any, output: Any) -> Any:
        """Forward hook of a part of the last layer.

        Put the computed rows back in their places, zeros elsewhere.
        """
        del module, args
        if self._shape is None or self._index is None:
            return None
        # a mixture of experts may return its router's scores behind the states, which nothing reads
        states, *others = output if isinstance(output, tuple) else (output,)
        rows = states.new_zeros((self._shape[0] * self._shape[1], states.shape[-1]))
        rows.index_copy_(0, self._index.to(states.device), states[0])
        widened = rows.view(*self._shape[:2], -1)
        return (widened, *others) if isinstance(output, tuple) else widened

    def at(
        self, index: torch.Tensor, forward: Callable[[], Any], *, trim: bool = False
    ) -> torch.Tensor:
        """Return logits of shape (positions, vocabulary) from a forward pass.

        Parameters
        ----------
        index
            Positions in the flattened (batch, length) grid.
        forward
            Calls the model and returns its output.
        trim
            Leave out what the last layer's MLP, queries and attention outputs are at other
            positions.

        Raises
        ------
        BackendError
            When the model does not call its output embedding exactly once, so that positions cannot
            be chosen.
        """
        self._index, self._calls, self._trim = index, 0, trim
        try:
            logits: torch.Tensor = forward().logits
        finally:
            self._index = None
        if self._calls != 1 or logits.shape[0] != 1 or logits.shape[1] != len(index):
            raise BackendError(
                "the model bypasses its output embedding, so logits cannot be taken at chosen "
                "positions."
            )
        return logits[0]


def _last_parts(model: Any) -> list[Any]:
    """Return what the last layer of a decoder-only model computes position by position, keys and
    values aside, where it has its usual name.
    """
    if model.config.is_encoder_decoder:
        return []
    base = model.base_model
    layers = (
        getattr(base, "layers", None)
        or getattr(base, "h", None)
        or getattr(getattr(base, "decoder", None), "layers", None)
    )
    if not layers:
        return []
    attention = getattr(layers[-1], "self_attn", None)
    parts = [
        getattr(layers[-1], "mlp", None),
        getattr(attention, "q_proj", None),
        getattr(attention, "o_proj", None),
    ]
    return [part for part in parts if part is not None]
