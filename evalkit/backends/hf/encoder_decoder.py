"""Encoder-decoder models: the encoder runs once per prompt, all continuations share one decoder
row.

The row is the start token with the continuations as branches behind it, as behind the last token of
a decoder-only model's prompt. Relative positions are set by `t5_attention`, absolute ones through a
hook on the decoder's position embedding. Not handled here: other ways of placing a decoder's
tokens, stored prefixes (an encoder reads both ways).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from evalkit.backends.hf.layout import (
    Work,
    additive,
    encoder_batch,
    grid,
    start_token,
    visible,
)
from evalkit.backends.hf.loading import Loaded
from evalkit.backends.hf.packed import Bank
from evalkit.backends.hf.reading import summed
from evalkit.backends.hf.t5_attention import T5Attention
from evalkit.backends.hf.tree import branches

if TYPE_CHECKING:
    import torch

__all__ = ["EncoderDecoderScorer"]


class EncoderDecoderScorer:
    """Scores prompts with one encoder row and one decoder row each.

    Parameters
    ----------
    loaded
        The model.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._start = start_token(loaded.model.config)
        self._positions: torch.Tensor | None = None
        self._relative = T5Attention(loaded.model)
        embedding = getattr(loaded.model.get_decoder(), "embed_positions", None)
        if embedding is not None:
            embedding.register_forward_hook(self._place)

    def _place(self, module: Any, args: Any, output: Any) -> Any:
        """Forward hook of absolute decoder positions.

        Look up the positions of the branches instead.
        """
        import torch

        del args, output
        if self._positions is None:
            return None
        return torch.nn.functional.embedding(
            self._positions + getattr(module, "offset", 0), module.weight
        )

    @contextmanager
    def _placed(self, positions: torch.Tensor, mask: torch.Tensor) -> Iterator[None]:
        """While inside, decoder positions are `positions`, shape (row, length),
        and prompts padded as `mask` says.
        """
        self._positions = positions
        try:
            with self._relative.placed(positions, mask):
                yield
        finally:
            self._positions = None

    def score(self, works: Sequence[Work], bank: Bank | None = None) -> list[list[float]]:
        """Return per prompt the log-probability of every continuation, nats, summed in float64.

        `bank` must be None.
        """
        import torch

        if bank is not None:
            raise ValueError("encoder-decoder prompts share no prefix")
        rows = [Work((self._start,), work.tails) for work in works]
        ids, positions = grid(rows)  # (row, 1 + branches) each
        device, dtype = self._loaded.device, self._loaded.dtype
        prompts, mask = encoder_batch(works, device)  # (row, prompt length) each
        kwargs: dict[str, Any] = {
            "attention_mask": mask,
            "decoder_input_ids": torch.from_numpy(ids).to(device),
            "use_cache": False,
        }
        if ids.shape[1] > 1:
            allowed, _ = visible(rows, positions, None)  # (row, query, key)
            kwargs["decoder_attention_mask"] = additive(allowed, dtype=dtype, device=device)
        reads = [
            (row, choice, row * ids.shape[1] + 1 + node, token)  # node -1 is the start token
            for row, work in enumerate(works)
            for choice, tail in enumerate(branches(work.tails).reads)
            for node, token in tail
        ]
        with torch.inference_mode(), self._placed(torch.from_numpy(positions).to(device), mask):
            kwargs["encoder_outputs"] = self._loaded.model.get_encoder()(
                input_ids=prompts, attention_mask=None if self._relative.available else mask
            )
            return summed(self._loaded, kwargs, reads, [len(work.tails) for work in works])
