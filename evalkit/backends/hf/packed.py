"""Decoder-only models: a prompt is fed once, its choices packed behind it, behind stored prefixes.

Not handled here: encoder-decoder models (`encoder_decoder`), architectures whose masks are not
verified (`rows`). `use_cache=False` or an explicit mask always, else the positions of branches are
taken for packed sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.backends.hf.layout import MaskForm, Work, grid, padded, visible
from evalkit.backends.hf.loading import Loaded
from evalkit.backends.hf.reading import summed
from evalkit.backends.hf.tree import branches

if TYPE_CHECKING:
    import torch

__all__ = ["Bank", "TreeScorer"]

Ids = tuple[int, ...]


@dataclass(slots=True)
class Bank:
    """Stored key and value states of prefixes, right-padded.

    Per layer, shape (slot, head, length, width).
    """

    keys: list[torch.Tensor]
    """Keys per layer."""
    values: list[torch.Tensor]
    """Values per layer."""
    lengths: NDArray[np.int64]
    """Length of every prefix."""

    @property
    def width(self) -> int:
        """Return the padded length."""
        return int(self.lengths.max())

    @classmethod
    def join(cls, banks: Sequence[Bank], order: Sequence[int]) -> Bank:
        """Return one bank over several, its slots in the order that `order` gives their running
        number.
        """
        import torch

        if len(banks) == 1 and list(order) == sorted(order):
            return banks[0]
        width = max(bank.width for bank in banks)
        place = np.argsort(np.asarray(order))
        keys, values = (
            [
                torch.cat(
                    [
                        torch.nn.functional.pad(part, (0, 0, 0, width - part.shape[2]))
                        for part in layer
                    ]
                )[torch.from_numpy(place)]
                for layer in zip(*(getattr(bank, name) for bank in banks), strict=True)
            ]
            for name in ("keys", "values")
        )
        return cls(keys, values, np.concatenate([bank.lengths for bank in banks])[place])

    def cache(self, slots: Sequence[int]) -> Any:
        """Return a Transformers cache that holds the prefix of every row."""
        import torch
        from transformers import DynamicCache, cache_utils

        new_layer: Any = cache_utils.DynamicLayer
        width = int(self.lengths[list(slots)].max())
        same = len(set(slots)) == 1
        index = torch.as_tensor(list(slots))
        layers = []
        for keys, values in zip(self.keys, self.values, strict=True):
            layer = new_layer()
            layer.lazy_initialization(keys, values)
            layer.keys, layer.values = (
                states[slots[0] : slots[0] + 1, :, :width].expand(len(slots), -1, -1, -1)
                if same
                else states[:, :, :width].index_select(0, index.to(states.device))
                for states in (keys, values)
            )
            layers.append(layer)
        cache: Any = DynamicCache()
        cache.layers = layers
        return cache


class TreeScorer:
    """Scores prompts whose continuations are branches of one row.

    Parameters
    ----------
    loaded
        The model.
    form
        How it takes masks.
    """

    def __init__(self, loaded: Loaded, form: MaskForm) -> None:
        self._loaded = loaded
        self.form = form

    def bank(self, prefixes: Sequence[Ids]) -> Bank:
        """Return the states of `prefixes`, computed in one forward."""
        import torch
        from transformers import DynamicCache

        lengths = np.array([len(prefix) for prefix in prefixes])
        ids = padded(prefixes)  # (prefix, length)
        cache: Any = DynamicCache()
        with torch.inference_mode():
            tokens = torch.from_numpy(ids).to(self._loaded.device)
            self._loaded.model.base_model(
                input_ids=tokens, use_cache=True, **self._loaded.cached(cache)
            )
        return Bank(
            [layer.keys for layer in cache.layers],
            [layer.values for layer in cache.layers],
            lengths,
        )

    def masks(
        self, allowed: NDArray[np.bool_], query: NDArray[np.int64], key: NDArray[np.int64]
    ) -> Any:
        """Return additive masks in the form the model takes; see `MaskForm.masks`."""
        loaded = self._loaded
        return self.form.masks(allowed, query, key, dtype=loaded.dtype, device=loaded.device)

    def score(self, works: Sequence[Work], bank: Bank | None = None) -> list[list[float]]:
        """Return per prompt the log-probability of every continuation, nats, summed in float64.

        Parameters
        ----------
        works
            The prompts of one batch.
        bank
            Stored prefixes, when the prompts begin behind one.
        """
        import torch

        trees = [branches(work.tails) for work in works]
        ids, positions = grid(works)  # (row, length) each
        device = self._loaded.device
        kwargs: dict[str, Any] = {"input_ids": torch.from_numpy(ids).to(device), "use_cache": False}
        if bank is not None or any(tree.tokens for tree in trees):
            # (row, length, stored + length), (row, stored + length)
            allowed, key = visible(works, positions, bank.lengths if bank is not None else None)
            kwargs["attention_mask"] = self.masks(allowed, positions, key)
            kwargs["position_ids"] = torch.from_numpy(positions).to(device)
        if bank is not None:
            kwargs |= {
                "use_cache": True,
                **self._loaded.cached(bank.cache([work.slot for work in works])),
            }
        reads = [
            (
                row,
                choice,
                row * ids.shape[1] + len(work.context) + node,
                token,
            )  # node -1 is the last prompt token
            for row, (work, tree) in enumerate(zip(works, trees, strict=True))
            for choice, tail in enumerate(tree.reads)
            for node, token in tail
        ]
        return summed(self._loaded, kwargs, reads, [len(work.tails) for work in works], trim=True)
