"""One row per prompt through one model.

Logits at answer positions, and step by step for generation.

Nothing is shared between rows and no mask is made here but that of padding, so that every
architecture with attention can take part.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evalkit.backends.hf.layout import start_token
from evalkit.backends.hf.loading import Loaded

if TYPE_CHECKING:
    import torch

__all__ = ["Rows", "answer_logits", "padded"]

Ids = tuple[int, ...]


def padded(
    rows: Sequence[Sequence[int]], *, left: bool = False, device: Any = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows as one tensor filled up with 0, and its mask, each of shape (row, length)."""
    import torch

    width = max(map(len, rows))
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for number, row in enumerate(rows):
        span = slice(width - len(row), width) if left else slice(0, len(row))
        ids[number, span] = torch.tensor(row, dtype=torch.long)
        mask[number, span] = 1
    return ids.to(device), mask.to(device)


def answer_logits(loaded: Loaded, rows: Sequence[tuple[Ids, Ids]]) -> torch.Tensor:
    """Return the logits that predict the tokens behind each context, shape (sum over rows of chain
    length + 1, vocabulary).

    Parameters
    ----------
    loaded
        The model.
    rows
        Context and the answer tokens fed behind it; the row's reads are the last context position
        and every answer token's.
    """
    import torch

    if loaded.encoder_decoder:
        ids, mask = padded([context for context, _ in rows], device=loaded.device)
        start = start_token(loaded.model.config)
        fed, _ = padded([(start, *chain) for _, chain in rows], device=loaded.device)
        kwargs: dict[str, Any] = {
            "input_ids": ids,
            "attention_mask": mask,
            "decoder_input_ids": fed,
            "use_cache": False,
        }
        firsts = [0] * len(rows)
    else:
        # subtle: padding stands on the right, where no earlier token sees it, so causal models need
        # no mask
        fed, _ = padded([(*context, *chain) for context, chain in rows], device=loaded.device)
        kwargs = {"input_ids": fed, "use_cache": False}
        firsts = [len(context) - 1 for context, _ in rows]
    index = [
        row * fed.shape[1] + first + offset
        for row, (first, (_, chain)) in enumerate(zip(firsts, rows, strict=True))
        for offset in range(len(chain) + 1)
    ]
    chosen = torch.tensor(index, device=loaded.device)
    if loaded.head.available:
        return loaded.head.at(chosen, lambda: loaded.model(**kwargs))
    logits: torch.Tensor = loaded.model(**kwargs).logits
    return logits.reshape(-1, logits.shape[-1])[chosen]


class Rows:
    """States of rows that are continued token by token.

    Parameters
    ----------
    loaded
        The model.
    contexts
        Ids of every prompt.
    """

    def __init__(self, loaded: Loaded, contexts: Sequence[Ids]) -> None:
        from transformers import DynamicCache, EncoderDecoderCache

        self._loaded = loaded
        self._ids, self._mask = padded(
            contexts, left=not loaded.encoder_decoder, device=loaded.device
        )
        self._cache: Any = (
            EncoderDecoderCache(DynamicCache(), DynamicCache())
            if loaded.encoder_decoder
            else DynamicCache()
        )
        self._states: Any = None
        self._placed = "position_ids" in inspect.signature(loaded.model.forward).parameters

    def next(self, tokens: Sequence[int] | None) -> torch.Tensor:
        """Feed one token per row (nothing the first time) and return the next logits, shape
        (row, vocabulary).
        """
        import torch

        fed = (
            None
            if tokens is None
            else torch.tensor(list(tokens), device=self._loaded.device)[:, None]
        )
        return self._decode(fed) if self._loaded.encoder_decoder else self._continue(fed)

    def _decode(self, fed: torch.Tensor | None) -> torch.Tensor:
        import torch
        from transformers.modeling_outputs import BaseModelOutput

        model = self._loaded.model
        if self._states is None:
            self._states = model.get_encoder()(
                input_ids=self._ids, attention_mask=self._mask
            ).last_hidden_state
        if fed is None:
            fed = torch.full(
                (len(self._ids), 1), start_token(model.config), device=self._ids.device
            )
        output = model(
            encoder_outputs=BaseModelOutput(last_hidden_state=self._states),
            attention_mask=self._mask,
            decoder_input_ids=fed,
            use_cache=True,
            **self._loaded.cached(self._cache),
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def _continue(self, fed: torch.Tensor | None) -> torch.Tensor:
        import torch

        if fed is None:
            fed = self._ids
            positions = (self._mask.cumsum(dim=1) - 1).clamp(min=0)
        else:
            positions = self._mask.sum(dim=1, keepdim=True)
            self._mask = torch.cat([self._mask, torch.ones_like(fed)], dim=1)
        kwargs = self._loaded.cached(self._cache) | (
            {"position_ids": positions} if self._placed else {}
        )
        logits: torch.Tensor = self._loaded.model(
            input_ids=fed, attention_mask=self._mask, use_cache=True, **kwargs
        ).logits
        return logits[:, -1]

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all other rows."""
        import torch

        if not rows:
            return
        chosen = torch.tensor(list(rows), device=self._loaded.device)
        self._cache.batch_select_indices(chosen)
        self._mask, self._ids = self._mask[chosen], self._ids[chosen]
        if self._states is not None:
            self._states = self._states[chosen]
