"""Encoder-decoder models: the encoder runs once per prompt, all continuations share one decoder row.

The row is the start token with the continuations as branches behind it, as behind the last token of
a decoder-only model's prompt. Relative positions are set by `hf_t5`, absolute ones through a hook
on the decoder's position embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.backends.hf.causal import Bank, Work, grid, summed, visible
from evalkit.backends.hf.loading import Loaded
from evalkit.backends.hf.sharing import branches, chains
from evalkit.backends.hf.t5_attention import T5Attention

if TYPE_CHECKING:
    import torch

__all__ = ["EncoderDecoderRows", "EncoderDecoderScorer", "encoder_batch", "start_token"]

Ids = tuple[int, ...]


def start_token(config: Any) -> int:
    """Return the token that a decoder starts from."""
    for key in ("decoder_start_token_id", "bos_token_id", "pad_token_id"):
        value = getattr(config, key, None)
        if isinstance(value, int):
            return value
    return 0


def encoder_batch(works: Sequence[Work], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return right-padded prompt ids and their mask, shape (row, length)."""
    import torch

    width = max(len(work.context) for work in works)
    ids = np.zeros((len(works), width), dtype=np.int64)
    mask = np.zeros((len(works), width), dtype=np.int64)
    for row, work in enumerate(works):
        ids[row, : len(work.context)] = work.context
        mask[row, : len(work.context)] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


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
        """While inside, decoder positions are `positions`, shape (row, length), and prompts padded as `mask` says."""
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
        ids, positions = grid(rows)
        device, dtype = self._loaded.device, self._loaded.dtype
        prompts, mask = encoder_batch(works, device)
        kwargs: dict[str, Any] = {
            "attention_mask": mask,
            "decoder_input_ids": torch.from_numpy(ids).to(device),
            "use_cache": False,
        }
        if ids.shape[1] > 1:
            allowed, _ = visible(rows, positions, None)
            hidden = torch.from_numpy(~allowed).to(device)
            lowest = torch.finfo(dtype).min
            kwargs["decoder_attention_mask"] = torch.zeros(
                hidden.shape, dtype=dtype, device=device
            ).masked_fill_(hidden, lowest)[:, None]
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


class EncoderDecoderRows:
    """Scores one encoder row and one decoder row per distinct continuation.

    Masks and positions are the model's own.

    Parameters
    ----------
    loaded
        The model.
    single
        One row at a time, unpadded, logits everywhere, as the model's authors run it: the reference
        for the proof.
    """

    def __init__(self, loaded: Loaded, *, single: bool = False) -> None:
        self._loaded = loaded
        self._single = single or not loaded.head.available
        self._start = start_token(loaded.model.config)

    def score(self, works: Sequence[Work], bank: Bank | None = None) -> list[list[float]]:
        """Return per prompt the log-probability of every continuation, nats.

        `bank` must be None.
        """
        import torch

        if bank is not None:
            raise ValueError("encoder-decoder prompts share no prefix")
        if self._single:
            return [self._one_by_one(work) for work in works]
        rows: list[tuple[Work, Ids]] = []
        places = []
        for i, work in enumerate(works):
            kept, found = chains(work.tails)
            for choice, tail in enumerate(found):
                places += [
                    (i, choice, len(rows) + chain, offset, token) for chain, offset, token in tail
                ]
            rows += [(work, chain) for chain in kept]
        prompts, mask = encoder_batch([work for work, _ in rows], self._loaded.device)
        width = 1 + max(len(chain) for _, chain in rows)
        ids = np.full((len(rows), width), self._start, dtype=np.int64)
        for i, (_, chain) in enumerate(rows):
            ids[i, 1 : 1 + len(chain)] = chain
        kwargs = {
            "input_ids": prompts,
            "attention_mask": mask,
            "decoder_input_ids": torch.from_numpy(ids).to(self._loaded.device),
            "use_cache": False,
        }
        reads = [
            (i, choice, row * width + offset, token) for i, choice, row, offset, token in places
        ]
        return summed(self._loaded, kwargs, reads, [len(work.tails) for work in works])

    def _one_by_one(self, work: Work) -> list[float]:
        """Log-probabilities from full logits, one continuation after the other."""
        import torch

        device = self._loaded.device
        prompt = torch.tensor([work.context], device=device)
        found = []
        for tail in work.tails:
            decoder = torch.tensor([[self._start, *tail[:-1]]], device=device)
            with torch.inference_mode():
                logits = self._loaded.model(
                    input_ids=prompt, decoder_input_ids=decoder, use_cache=False
                ).logits[0]
                logprobs = torch.log_softmax(logits.float(), dim=-1)
            found.append(float(logprobs[range(len(tail)), tail].double().sum()))
        return found
