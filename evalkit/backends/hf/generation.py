"""Generation: prompts right-padded behind a stored prefix, finished rows dropped at every step.

`Greedy` runs the loop; a session holds the states of one batch. Not handled here: models whose
fast path does not prove right or whose settings ask for more than the likeliest token
(`library_loop`), beams.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from evalkit.backends.hf.layout import Work, batches, encoder_batch, grid, start_token, visible
from evalkit.backends.hf.loading import Loaded
from evalkit.backends.hf.packed import Bank, TreeScorer
from evalkit.backends.hf.sampling import BROKEN, Picker
from evalkit.backends.hf.stops import Stops
from evalkit.records import Request

__all__ = ["Ended", "Greedy"]

Ended = tuple[int, list[int] | None]
"""A row that ended and its ids; None where its logits were not finite."""
_GROWTH = 32
_TOLD_EVERY = 1.0
"""Seconds for which rows that ended may wait for others to be handed on with."""


class Session(Protocol):
    """States of a batch of rows that generate in step."""

    def first(self, parts: Sequence[Sequence[int]]) -> list[int]:
        """Feed the prompts in `parts` and return the first token of every row, -1 where the
        logits are not finite.
        """
        ...

    def step(self, tokens: Sequence[int]) -> list[int]:
        """Feed the last token of every row and return the next ones."""
        ...

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all other rows."""
        ...


class Greedy:
    """Greedy loop over sessions of one model.

    Parameters
    ----------
    loaded
        The model.
    scorer
        Masks of a decoder-only model; None for an encoder-decoder one.
    stops
        When rows end.
    feeding
        Most tokens of prompts that are fed at once, padding included; rows fed in parts generate
        together.
    launch
        What one more part costs, in tokens.
    """

    def __init__(
        self,
        loaded: Loaded,
        scorer: TreeScorer | None,
        stops: Stops,
        *,
        feeding: int,
        launch: int = 32,
    ) -> None:
        self._loaded = loaded
        self._scorer = scorer
        self._stops = stops
        self._feeding, self._launch = feeding, launch
        self.passes = 0

    def parts(self, works: Sequence[Work]) -> list[list[int]]:
        """Return the parts in which prompts are fed."""
        lengths = [len(work.context) for work in works]
        return batches(lengths, budget=self._feeding, launch=self._launch)

    def run(
        self, works: Sequence[Work], requests: Sequence[Request], bank: Bank | None = None
    ) -> Iterator[list[Ended]]:
        """Yield the rows that ended, about once a second and at the end, each row once."""
        import torch

        picker = Picker(requests)
        session: Session = (
            EncoderDecoderSession(self._loaded, works, picker)
            if self._scorer is None
            else CausalSession(self._loaded, self._scorer, works, bank, picker)
        )
        ids: list[list[int]] = [[] for _ in works]
        alive = list(range(len(works)))
        ended: list[Ended] = []
        told = monotonic()
        with torch.inference_mode():
            tokens = session.first(self.parts(works))
        while alive:
            kept = []
            for place, (row, token) in enumerate(zip(alive, tokens, strict=True)):
                if token == BROKEN:
                    ended.append((row, None))
                    continue
                ids[row].append(token)
                if self._stops.done(ids[row], requests[row]):
                    ended.append((row, ids[row]))
                else:
                    kept.append(place)
            if ended and (not kept or monotonic() - told >= _TOLD_EVERY):
                yield ended
                ended, told = [], monotonic()
            if not kept:
                return
            with torch.inference_mode():  # never open across a yield: the mode is the thread's
                if len(kept) < len(alive):
                    session.keep(kept)
                    alive = [alive[place] for place in kept]
                self.passes += len(alive)
                tokens = session.step([ids[row][-1] for row in alive])


def _growing_layer() -> Any:
    """Return a cache layer class that appends in place instead of copying all states at every
    step.
    """
    from transformers import cache_utils

    base: Any = cache_utils.DynamicLayer

    class GrowingLayer(base):  # type: ignore[misc]  # the base comes from a library without types
        """States in a buffer with room to grow.

        `keys` and `values` stay views of what is filled.
        """

        def update(
            self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any
        ) -> tuple[Any, Any]:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
                self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
            n, more = self.keys.shape[-2], key_states.shape[-2]
            buffers = getattr(self, "buffers", None)
            if (
                buffers is None
                or buffers[0].shape[-2] < n + more
                or buffers[0].shape[0] != key_states.shape[0]
            ):
                self.buffers = buffers = [
                    self._roomy(old, new, n + more + _GROWTH)
                    for old, new in ((self.keys, key_states), (self.values, value_states))
                ]
            buffers[0][:, :, n : n + more], buffers[1][:, :, n : n + more] = (
                key_states,
                value_states,
            )
            self.keys, self.values = buffers[0][:, :, : n + more], buffers[1][:, :, : n + more]
            return self.keys, self.values

        @staticmethod
        def _roomy(old: Any, new: Any, length: int) -> Any:
            buffer = new.new_empty((*new.shape[:2], length, new.shape[3]))
            buffer[:, :, : old.shape[-2]] = old
            return buffer

    return GrowingLayer


class CausalSession:
    """Rows of a decoder-only model.

    Parameters
    ----------
    loaded
        The model.
    scorer
        Makes masks in the model's form.
    works
        Prompts without continuations.
    bank
        Stored prefixes.
    picker
        Picks tokens.
    """

    def __init__(
        self,
        loaded: Loaded,
        scorer: TreeScorer,
        works: Sequence[Work],
        bank: Bank | None,
        picker: Picker,
    ) -> None:
        self._loaded = loaded
        self._picker, self._rows = picker, list(range(len(works)))
        self._scorer = scorer
        self._works = list(works)
        self._bank = bank
        self._cache: Any = None
        self._keys = np.zeros((0, 0), dtype=np.int64)
        self._valid = np.zeros((0, 0), dtype=np.bool_)
        self._next = np.array([work.prefix + len(work.context) for work in works])

    def first(self, parts: Sequence[Sequence[int]]) -> list[int]:
        """Feed the prompts part by part and return the first token of every row."""
        import torch

        fed = [self._feed(part) for part in parts]
        place = np.argsort(np.array([i for part in parts for i in part]))
        width = max(keys.shape[1] for _, keys, _, _ in fed)
        layer = _growing_layer()
        merged = []
        for depth in range(len(fed[0][0].layers)):
            pair = []
            for name in ("keys", "values"):
                states = [getattr(cache.layers[depth], name) for cache, _, _, _ in fed]
                joined = torch.cat(
                    [
                        torch.nn.functional.pad(part, (0, 0, 0, width - part.shape[2]))
                        for part in states
                    ]
                )
                pair.append(joined[torch.from_numpy(place).to(joined.device)])
            merged.append(_grown(layer, *pair))
        cache: Any = fed[0][0]
        cache.layers = merged
        self._cache = cache
        self._keys = np.concatenate(
            [np.pad(keys, ((0, 0), (0, width - keys.shape[1]))) for _, keys, _, _ in fed]
        )[place]
        self._valid = np.concatenate(
            [np.pad(valid, ((0, 0), (0, width - valid.shape[1]))) for _, _, valid, _ in fed]
        )[place]
        tokens = [token for _, _, _, found in fed for token in found]
        return [tokens[i] for i in place]

    def _feed(
        self, part: Sequence[int]
    ) -> tuple[Any, NDArray[np.int64], NDArray[np.bool_], list[int]]:
        """Feed some prompts: states, positions of their keys, which of them are real,
        and the first tokens.
        """
        import torch
        from transformers import DynamicCache

        works = [self._works[i] for i in part]
        ids, positions = grid(works)
        allowed, keys = visible(
            works, positions, None if self._bank is None else self._bank.lengths
        )
        cache: Any = (
            DynamicCache()
            if self._bank is None
            else self._bank.cache([work.slot for work in works])
        )
        device = self._loaded.device
        kwargs = {
            "input_ids": torch.from_numpy(ids).to(device),
            "position_ids": torch.from_numpy(positions).to(device),
            "attention_mask": self._scorer.masks(allowed, positions, keys),
            "use_cache": True,
            **self._loaded.cached(cache),
        }
        last = [row * ids.shape[1] + len(work.context) - 1 for row, work in enumerate(works)]
        logits = self._loaded.head.at(
            torch.tensor(last, device=device), lambda: self._loaded.model(**kwargs), trim=True
        )
        valid = allowed[np.arange(len(works)), [len(work.context) - 1 for work in works]]
        return cache, keys, valid, self._picker.pick(logits, part)

    def step(self, tokens: Sequence[int]) -> list[int]:
        """Feed one token per row and return the next ones."""
        import torch

        query = self._next[:, None]
        self._keys = np.concatenate([self._keys, query], axis=1)
        self._valid = np.concatenate(
            [self._valid, np.ones((len(tokens), 1), dtype=np.bool_)], axis=1
        )
        device = self._loaded.device
        kwargs = {
            "input_ids": torch.tensor(tokens, device=device)[:, None],
            "position_ids": torch.from_numpy(query).to(device),
            "attention_mask": self._scorer.masks(self._valid[:, None, :], query, self._keys),
            "use_cache": True,
            **self._loaded.cached(self._cache),
        }
        self._next = self._next + 1
        return self._picker.pick(self._loaded.model(**kwargs).logits[:, -1], self._rows)

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all other rows from states and masks."""
        import torch

        self._rows = [self._rows[row] for row in rows]
        chosen = torch.tensor(rows, device=self._loaded.device)
        for layer in self._cache.layers:
            layer.keys, layer.values = (
                layer.keys[chosen.to(layer.keys.device)],
                layer.values[chosen.to(layer.keys.device)],
            )
            layer.buffers = None
        self._keys, self._valid, self._next = self._keys[rows], self._valid[rows], self._next[rows]


def _grown(layer: Any, keys: Any, values: Any) -> Any:
    """Return a growing layer that starts from these states."""
    new = layer()
    new.lazy_initialization(keys, values)
    new.keys, new.values = keys, values
    return new


class EncoderDecoderSession:
    """Rows of an encoder-decoder model; the encoder runs once.

    Parameters
    ----------
    loaded
        The model.
    works
        Prompts without continuations.
    picker
        Picks tokens.
    """

    def __init__(self, loaded: Loaded, works: Sequence[Work], picker: Picker) -> None:
        from transformers import DynamicCache, EncoderDecoderCache

        self._picker, self._rows = picker, list(range(len(works)))
        self._loaded = loaded
        self._works = works
        self._cache: Any = EncoderDecoderCache(DynamicCache(), DynamicCache())
        self._states: Any = None
        self._mask: Any = None

    def first(self, parts: Sequence[Sequence[int]]) -> list[int]:
        """Run the encoder part by part and return the first token of every row."""
        import torch

        device = self._loaded.device
        _, self._mask = encoder_batch(self._works, device)
        rows = []
        for part in parts:
            prompts, mask = encoder_batch([self._works[i] for i in part], device)
            states = self._loaded.model.get_encoder()(
                input_ids=prompts, attention_mask=mask
            ).last_hidden_state
            rows.append(
                torch.nn.functional.pad(states, (0, 0, 0, self._mask.shape[1] - states.shape[1]))
            )
        place = torch.tensor([i for part in parts for i in part]).argsort()
        self._states = torch.cat(rows)[place.to(device)]
        return self.step([start_token(self._loaded.model.config)] * len(self._works))

    def step(self, tokens: Sequence[int]) -> list[int]:
        """Feed one token per row and return the next ones."""
        import torch
        from transformers.modeling_outputs import BaseModelOutput

        output = self._loaded.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=self._states),
            attention_mask=self._mask,
            decoder_input_ids=torch.tensor(tokens, device=self._loaded.device)[:, None],
            use_cache=True,
            **self._loaded.cached(self._cache),
        )
        return self._picker.pick(output.logits[:, -1], self._rows)

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all other rows from states and masks."""
        import torch

        self._rows = [self._rows[row] for row in rows]
        chosen = torch.tensor(rows, device=self._states.device)
        self._cache.batch_select_indices(chosen)
        self._states, self._mask = self._states[chosen], self._mask[chosen]
