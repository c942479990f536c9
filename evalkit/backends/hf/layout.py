"""Where every token of a batch stands and what it may see: rows, positions, masks.

A row is a prompt with its choices as branches behind it. Traps handled here: a 4-D mask replaces
the model's own sliding window, so the window is applied by position inside it; masks are additive
floats, because boolean ones are wrong under eager attention; rows are padded on the right, padding
sees itself. Not handled here: ALiBi and other positions that are not given per token, left padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.backends.hf.tree import branches

if TYPE_CHECKING:
    import torch

__all__ = [
    "MaskForm",
    "Work",
    "additive",
    "batches",
    "encoder_batch",
    "grid",
    "mask_forms",
    "padded",
    "start_token",
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

    def masks(
        self,
        allowed: NDArray[np.bool_],
        query: NDArray[np.int64],
        key: NDArray[np.int64],
        *,
        dtype: torch.dtype,
        device: torch.device,
    ) -> Any:
        """Return additive masks in the form the model takes.

        Parameters
        ----------
        allowed
            Shape (row, query, key): what full attention may see.
        query, key
            Shape (row, query) and (row, key): positions.
        dtype, device
            Of the model.
        """
        found: dict[str, torch.Tensor] = {}
        for kind, window in self.windows:
            seen = allowed
            if window is not None and int(query.max()) >= window:
                near = query[:, :, None] - key[:, None, :] < window  # (row, query, key)
                seen = allowed & near
            found[kind] = additive(seen, dtype=dtype, device=device)
        return found.get("", found)


def batches(
    lengths: Sequence[int], *, budget: int, rows: int | None = None, launch: int = 32
) -> list[list[int]]:
    """Return batches of indices, longest first, none padded beyond `budget` tokens unless it is a
    single row.

    Parameters
    ----------
    lengths
        Length of every row.
    budget
        Most tokens of a batch, padding included.
    rows
        Most rows of a batch; None for no limit.
    launch
        What one more batch costs, in tokens.

    Notes
    -----
    Of all ways of cutting the rows, sorted by length, into batches, the one that costs least:
    tokens with padding, and `launch` for every batch; by dynamic programming from the shortest row.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    n = len(order)
    costs, taken, counts = np.zeros(n + 1), [1] * n, np.arange(1, n + 1)
    for first in reversed(range(n)):
        width = max(1, lengths[order[first]])
        most = max(1, min(n - first, budget // width, rows or n))
        trials = costs[first + 1 : first + 1 + most] + width * counts[:most]
        best = int(trials.argmin())
        costs[first], taken[first] = trials[best] + launch, best + 1
    found, first = [], 0
    while first < n:
        found.append(order[first : first + taken[first]])
        first += taken[first]
    return found


def padded(rows: Sequence[Ids], *, fill: int = 0) -> NDArray[np.int64]:
    """Return rows of ids as one array, padded on the right, shape (row, length)."""
    ids = np.full((len(rows), max(map(len, rows))), fill, dtype=np.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = row
    return ids


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
    works: Sequence[Work], positions: NDArray[np.int64], prefixes: NDArray[np.int64] | None
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return what each position may see, shape (row, query, key),
    and the positions of the keys, shape (row, key).

    Parameters
    ----------
    works
        The prompts of one batch.
    positions
        Shape (row, query): see `grid`.
    prefixes
        Lengths of the stored prefixes, by slot; None without.
    """
    rows, width = positions.shape
    slots = [work.slot for work in works]
    stored = int(prefixes[slots].max()) if prefixes is not None else 0
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


def additive(seen: NDArray[np.bool_], *, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return a mask that is added to attention scores: 0 where `seen`, the lowest number elsewhere.

    Parameters
    ----------
    seen
        Shape (row, query, key).
    dtype, device
        Of the model.
    """
    import torch

    hidden = torch.from_numpy(~seen).to(device)
    mask = torch.zeros(hidden.shape, dtype=dtype, device=device)
    return mask.masked_fill_(hidden, torch.finfo(dtype).min)[:, None]  # (row, 1, query, key)


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

    ids = padded([work.context for work in works])
    mask = padded([(1,) * len(work.context) for work in works])
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)
