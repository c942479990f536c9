"""One row per distinct continuation, masks and positions the model's own; and one row at a time.

The way for architectures whose fast path does not prove right. Not handled here: anything shared
between prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalkit.backends.hf.layout import Work, encoder_batch, padded, start_token
from evalkit.backends.hf.loading import Loaded
from evalkit.backends.hf.packed import Bank
from evalkit.backends.hf.plain import behind
from evalkit.backends.hf.reading import summed
from evalkit.backends.hf.tree import chains

__all__ = ["RowScorer", "SingleScorer"]

Ids = tuple[int, ...]


class RowScorer:
    """Scores prompts in batches of one row per distinct continuation.

    Parameters
    ----------
    loaded
        The model.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    def score(self, works: Sequence[Work], bank: Bank | None = None) -> list[list[float]]:
        """Return per prompt the log-probability of every continuation, nats.

        `bank` must be None.
        """
        import torch

        _refuse_bank(bank)
        loaded = self._loaded
        rows: list[tuple[Work, Ids]] = []
        places = []
        for i, work in enumerate(works):
            kept, found = chains(work.tails)
            first = 0 if loaded.encoder_decoder else len(work.context) - 1
            for choice, tail in enumerate(found):
                places += [
                    (i, choice, len(rows) + chain, first + offset, token)
                    for chain, offset, token in tail
                ]
            rows += [(work, chain) for chain in kept]
        kwargs: dict[str, Any] = {"use_cache": False}
        if loaded.encoder_decoder:
            start = start_token(loaded.model.config)
            fed = padded([(start, *chain) for _, chain in rows], fill=start)  # (row, 1 + chain)
            prompts, mask = encoder_batch([work for work, _ in rows], loaded.device)
            kwargs |= {"input_ids": prompts, "attention_mask": mask}
            kwargs["decoder_input_ids"] = torch.from_numpy(fed).to(loaded.device)
        else:
            fed = padded([work.context + chain for work, chain in rows])  # (row, length)
            kwargs["input_ids"] = torch.from_numpy(fed).to(loaded.device)
        width = fed.shape[1]
        reads = [
            (i, choice, row * width + position, token) for i, choice, row, position, token in places
        ]
        return summed(loaded, kwargs, reads, [len(work.tails) for work in works])


class SingleScorer:
    """Scores one distinct continuation at a time, as `plain` does:
    the reference of the start-up proof.

    Parameters
    ----------
    loaded
        The model.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    def score(self, works: Sequence[Work], bank: Bank | None = None) -> list[list[float]]:
        """Return per prompt the log-probability of every continuation, nats.

        `bank` must be None.
        """
        _refuse_bank(bank)
        found = []
        for work in works:
            kept, reads = chains(work.tails)
            rows = [behind(self._loaded.model, work.context, chain) for chain in kept]
            found.append(
                [sum(float(rows[chain][at, token]) for chain, at, token in tail) for tail in reads]
            )
        return found


def _refuse_bank(bank: Bank | None) -> None:
    if bank is not None:
        raise ValueError("rows are scored without stored prefixes")
