"""T5-like attention with less arithmetic.

Biases joined with masks once per batch, keys and values of the prompt avoided.

Relative position biases are a table in T5. `T5Attention` answers for it inside the library's
modules: prompts get the bias with the padding already in it, so that layers which share a bias add
nothing of their own, and continuations get the bias of their own positions, so that they can be
branches of one row. Where few decoder positions read a long prompt, the products are taken in
another order, so that the prompt's keys and values are never computed.

Not handled here: what is fed (`encoder_decoder`). While nothing is placed, everything is the
library's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["T5Attention"]

_GAIN = 1.5


class T5Attention:
    """Stands in for parts of the attention of one T5-like model; does nothing for other models.

    Parameters
    ----------
    model
        The model; its attention modules are told to ask here first.
    """

    def __init__(self, model: Any) -> None:
        self._hidden: torch.Tensor | None = None
        self._positions: torch.Tensor | None = None
        self.available = False
        for module in model.get_encoder().modules():
            if getattr(module, "has_relative_attention_bias", False):
                self.available = True
                module.compute_bias = self._masked(module.compute_bias)
        for module in model.get_decoder().modules():
            if getattr(module, "has_relative_attention_bias", False):
                module.compute_bias = self._placed(module.compute_bias)
            cross = getattr(module, "EncDecAttention", None)
            if cross is not None and _plain(cross):
                cross.forward = self._without_keys(cross, cross.forward)

    @contextmanager
    def placed(self, positions: torch.Tensor, mask: torch.Tensor) -> Iterator[None]:
        """While inside, the decoder's rows are at `positions` and the prompts padded as `mask`
        says.

        Parameters
        ----------
        positions
            Shape (row, length): decoder position of every token.
        mask
            Shape (row, prompt length): 1 for tokens of a prompt.
        """
        self._positions, self._hidden = positions, (mask == 0)[:, None, None]
        try:
            yield
        finally:
            self._positions = self._hidden = None

    def _masked(self, original: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        """Bias of the encoder, (row, head, query, key), the lowest number where a key is
        padding.
        """

        def bias(*args: Any, **kwargs: Any) -> torch.Tensor:
            import torch

            own = original(*args, **kwargs)
            if self._hidden is None:
                return own
            own = own.contiguous()
            hidden = self._hidden.to(own.device)
            return (
                own.masked_fill(hidden, torch.finfo(own.dtype).min) if bool(hidden.any()) else own
            )

        return bias

    def _placed(self, original: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        """Bias of the decoder, (row, head, query, key), by the positions that were placed."""

        def bias(*args: Any, **kwargs: Any) -> torch.Tensor:
            if self._positions is None:
                return original(*args, **kwargs)
            n = int(self._positions.max()) + 1
            table = original(n, n)[0]  # (head, position of the query, position of the key)
            at = self._positions.to(table.device)
            return table[:, at[:, :, None], at[:, None, :]].transpose(0, 1)

        return bias

    def _without_keys(self, module: Any, original: Callable[..., Any]) -> Callable[..., Any]:
        """Attention of decoder positions to the prompt.

        A lean order of products where that is less arithmetic.
        """

        def forward(hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            states = kwargs.get("key_value_states")
            if (
                self._hidden is None
                or states is None
                or not _pays(module, hidden_states.shape[1], states)
            ):
                return original(hidden_states, *args, **kwargs)
            return (
                module.o(_attended(module, hidden_states, states, self._hidden.to(states.device))),
                None,
                None,
            )

        return forward


def _plain(module: Any) -> bool:
    """Whether an attention module is T5's own, with bare weights on this machine."""
    import torch

    return all(
        type(getattr(module, name, None)) is torch.nn.Linear for name in "qkvo"
    ) and not hasattr(module, "_hf_hook")


def _pays(module: Any, queries: int, states: torch.Tensor) -> bool:
    """Whether weighing the prompt's states themselves is clearly less arithmetic than making keys
    and values of them.

    Notes
    -----
    Per row and head, q queries, K prompt tokens of width d, heads of width w: K d w + q K w
    products with keys and values each, q d w + q K d without.
    """
    length, width, head = states.shape[1], states.shape[2], module.key_value_proj_dim
    return bool(_GAIN * queries * width * (head + length) < length * head * (width + queries))


def _attended(
    module: Any, hidden: torch.Tensor, states: torch.Tensor, padding: torch.Tensor
) -> torch.Tensor:
    """Return what every decoder position takes from the prompt, (row, query, heads x width), before
    the output product.

    Notes
    -----
    score = (q W_k^T) h instead of q (W_k h), and value = W_v (sum of weights h) instead of sum of
    weights (W_v h).
    """
    import torch

    rows, queries, _ = hidden.shape
    heads, head = module.n_heads, module.key_value_proj_dim
    keys, values = (projection.weight.view(heads, head, -1) for projection in (module.k, module.v))
    query = (
        module.q(hidden).view(rows * queries, heads, head).transpose(0, 1)
    )  # (head, row x query, width)
    asked = (
        torch.bmm(query, keys)
        .view(heads, rows, queries, -1)
        .transpose(0, 1)
        .reshape(rows, heads * queries, -1)
    )
    scores = torch.bmm(asked, states.transpose(1, 2)).view(rows, heads, queries, -1)
    weights = torch.softmax(scores.float().masked_fill_(padding, -torch.inf), dim=-1).to(
        states.dtype
    )
    taken = torch.bmm(
        weights.view(rows, heads * queries, -1), states
    )  # (row, head x query, width of the states)
    taken = taken.view(rows, heads, queries, -1).transpose(0, 1).reshape(heads, rows * queries, -1)
    return torch.bmm(taken, values.transpose(1, 2)).transpose(0, 1).reshape(rows, queries, -1)
