"""Decoder-only models: log-probability of every continuation with each prompt token computed once.

Two scorers give the same numbers. `TreeScorer` feeds a prompt once, with its continuations as
branches behind it (block mask, positions by depth), behind a stored prefix that many prompts share.
`RowScorer` feeds one row per distinct continuation and leaves mask and positions to the model: the
plain path for architectures whose masks are not verified.

Traps handled here: a 4-D mask replaces the model's own sliding window, so the window is applied by
position inside it; masks are additive floats, because boolean ones are wrong under eager attention;
rows are padded on the right, padding sees itself; `use_cache=False` or an explicit mask always,
else tree positions are taken for packed sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.backends.hf.loading import Loaded, logprobs_of
from evalkit.backends.hf.sharing import branches, chains

if TYPE_CHECKING:
    import torch

__all__ = [
    "Bank",
    "MaskForm",
    "RowScorer",
    "TreeScorer",
    "Work",
    "grid",
    "mask_forms",
    "summed",
    "visible",
]

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """One prompt with its continuations, as a scorer takes it."""

    context: Ids
    """Ids of the prompt, without what the stored prefix holds."""
    tails: tuple[Ids, ...]
    """Ids of every continuation."""
    prefix: int = 0
    """Tokens of the prompt that the stored prefix holds."""
    slot: int = 0
    """Place of that prefix in the bank."""

    @property
    def width(self) -> int:
        """Return the tokens that are computed for it."""
        return len(self.context) + len(branches(self.tails).tokens)


@dataclass(frozen=True, slots=True)
class MaskForm:
    """How a model takes a 4-D mask: one for all layers, or one per kind of layer."""

    windows: tuple[tuple[str, int | None], ...]
    """Kind of layer (empty name: one mask for all) and its sliding window, None for full
    attention."""


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
        """Return one bank over several, its slots in the order that `order` gives their running number."""
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


def mask_forms(config: Any) -> list[MaskForm]:
    """Return the ways a model of this configuration may take 4-D masks, likeliest first.

    Empty when none is known.
    """
    text = config.get_text_config()
    window = getattr(text, "sliding_window", None)
    kinds = sorted(set(getattr(text, "layer_types", None) or ()))
    if not kinds:
        return [MaskForm((("", window),))]
    if not set(kinds) <= {"full_attention", "sliding_attention"}:
        return []
    windows = tuple((kind, window if kind == "sliding_attention" else None) for kind in kinds)
    single = [MaskForm((("", windows[0][1]),))] if len(windows) == 1 else []
    return [*single, MaskForm(windows)] if windows[0][1] is None else [MaskForm(windows), *single]


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
        self._form = form

    def bank(self, prefixes: Sequence[Ids]) -> Bank:
        """Return the states of `prefixes`, computed in one forward."""
        import torch
        from transformers import DynamicCache

        lengths = np.array([len(prefix) for prefix in prefixes])
        ids = np.zeros((len(prefixes), int(lengths.max())), dtype=np.int64)
        for row, prefix in enumerate(prefixes):
            ids[row, : len(prefix)] = prefix
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
        """Return additive masks in the form the model takes.

        Parameters
        ----------
        allowed
            Shape (row, query, key): what full attention may see.
        query, key
            Shape (row, query) and (row, key): positions.
        """
        import torch

        device, dtype = self._loaded.device, self._loaded.dtype
        lowest = torch.finfo(dtype).min
        found: dict[str, torch.Tensor] = {}
        for kind, window in self._form.windows:
            seen = allowed
            if window is not None and int(query.max()) >= window:
                seen = allowed & (query[:, :, None] - key[:, None, :] < window)
            hidden = torch.from_numpy(~seen).to(device)
            found[kind] = (
                torch.zeros(hidden.shape, dtype=dtype, device=device)
                .masked_fill_(hidden, lowest)
                .unsqueeze(1)
            )
        return found.get("", found)

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
        ids, positions = grid(works)
        device = self._loaded.device
        kwargs: dict[str, Any] = {"input_ids": torch.from_numpy(ids).to(device), "use_cache": False}
        if bank is not None or any(tree.tokens for tree in trees):
            allowed, key = visible(works, positions, bank)
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


class RowScorer:
    """Scores prompts with one row per distinct continuation.

    Masks and positions are the model's own.

    Parameters
    ----------
    loaded
        The model.
    single
        One row at a time and logits everywhere, as the model's authors run it: the reference for
        the start-up proof.
    """

    def __init__(self, loaded: Loaded, *, single: bool = False) -> None:
        self._loaded = loaded
        self._single = single or not loaded.head.available

    def score(self, works: Sequence[Work], bank: Bank | None = None) -> list[list[float]]:
        """Return per prompt the log-probability of every continuation, nats.

        `bank` must be None.
        """
        import torch

        if bank is not None:
            raise ValueError("rows are scored without stored prefixes")
        rows: list[Ids] = []
        places = []
        for i, work in enumerate(works):
            kept, found = chains(work.tails)
            for choice, tail in enumerate(found):
                places += [
                    (i, choice, len(rows) + chain, len(work.context) - 1 + offset, token)
                    for chain, offset, token in tail
                ]
            rows += [work.context + chain for chain in kept]
        if self._single:
            return self._one_by_one(rows, places, [len(work.tails) for work in works])
        width = max(len(row) for row in rows)
        ids = np.zeros((len(rows), width), dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
        kwargs = {"input_ids": torch.from_numpy(ids).to(self._loaded.device), "use_cache": False}
        reads = [
            (i, choice, row * width + position, token) for i, choice, row, position, token in places
        ]
        return summed(self._loaded, kwargs, reads, [len(work.tails) for work in works])

    def _one_by_one(
        self,
        rows: Sequence[Ids],
        places: Sequence[tuple[int, int, int, int, int]],
        counts: Sequence[int],
    ) -> list[list[float]]:
        """Log-probabilities from full logits of one row after the other."""
        import torch

        sums = [[0.0] * count for count in counts]
        for r, row in enumerate(rows):
            with torch.inference_mode():
                logits = self._loaded.model(
                    input_ids=torch.tensor([row], device=self._loaded.device), use_cache=False
                ).logits[0]
                logprobs = torch.log_softmax(logits.float(), dim=-1)
            for i, choice, at, position, token in places:
                if at == r:
                    sums[i][choice] += float(logprobs[position, token])
        return sums


def grid(works: Sequence[Work]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return token ids and positions of a batch, shape (row, length).

    Nodes stand behind the prompt at their depth.
    """
    width = max(work.width for work in works)
    ids = np.zeros((len(works), width), dtype=np.int64)
    positions = np.empty((len(works), width), dtype=np.int64)
    for row, work in enumerate(works):
        tree, n = branches(work.tails), len(work.context)
        ids[row, :n] = work.context
        positions[row] = np.arange(work.prefix, work.prefix + width)
        if tree.tokens:
            ids[row, n : n + len(tree.tokens)] = tree.tokens
            positions[row, n : n + len(tree.tokens)] = work.prefix + n - 1 + np.array(tree.depths)
        positions[row, n + len(tree.tokens) :] = work.prefix
    return ids, positions


def visible(
    works: Sequence[Work], positions: NDArray[np.int64], bank: Bank | None
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return what each position may see, shape (row, query, key), and the positions of the keys, shape (row, key)."""
    rows, width = positions.shape
    stored = int(bank.lengths[[work.slot for work in works]].max()) if bank is not None else 0
    allowed = np.empty((rows, width, stored + width), dtype=np.bool_)
    allowed[:, :, stored:] = np.tri(width, dtype=np.bool_)
    for row, work in enumerate(works):
        tree, n = branches(work.tails), len(work.context)
        if tree.tokens:
            block = slice(n, n + len(tree.tokens))
            allowed[row, block, stored + n : stored + n + len(tree.tokens)] = tree.ancestors
        if stored:
            allowed[row, :, :stored] = np.arange(stored) < work.prefix
    key = (
        positions
        if not stored
        else np.concatenate([np.broadcast_to(np.arange(stored), (rows, stored)), positions], axis=1)
    )
    return allowed, key


def summed(
    loaded: Loaded,
    kwargs: dict[str, Any],
    reads: Sequence[tuple[int, int, int, int]],
    counts: Sequence[int],
    *,
    trim: bool = False,
) -> list[list[float]]:
    """Return log-probabilities per prompt and continuation, nats, from one forward.

    Parameters
    ----------
    loaded
        The model.
    kwargs
        Arguments of its forward.
    reads
        Prompt, continuation, position in the flattened grid, token.
    counts
        Continuations of every prompt.
    trim
        See `AnswerHead.at`.
    """
    import torch

    index, rows = np.unique(
        np.array([read[2] for read in reads], dtype=np.int64), return_inverse=True
    )
    device = loaded.device
    with torch.inference_mode():
        logits = loaded.head.at(
            torch.from_numpy(index).to(device), lambda: loaded.model(**kwargs), trim=trim
        )
        tokens = torch.tensor([read[3] for read in reads], device=logits.device)
        found = (
            logprobs_of(logits, torch.from_numpy(rows).to(logits.device), tokens)
            .double()
            .cpu()
            .numpy()
        )
    sums = [np.zeros(count) for count in counts]
    for (prompt, choice, _, _), value in zip(reads, found, strict=True):
        sums[prompt][choice] += value
    return [list(map(float, row)) for row in sums]
