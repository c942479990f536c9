"""Representations: the hidden state from which a model's first answer token is predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.backends.hf.layout import Work, batches, encoder_batch, start_token
from evalkit.backends.hf.loading import Loaded
from evalkit.errors import BackendError

if TYPE_CHECKING:
    import torch

__all__ = ["last_states"]

TOKENS = 4096
"""Tokens of a batch, padding included; a longer prompt goes alone."""


def last_states(loaded: Loaded, contexts: Sequence[tuple[int, ...]]) -> NDArray[np.float32]:
    """Return what enters the vocabulary head behind each prompt, shape (prompt, width).

    Parameters
    ----------
    loaded
        The model.
    contexts
        Ids of every prompt, at least one each.

    Notes
    -----
    A causal model: the last prompt token. An encoder-decoder: the decoder's start token. Prompts
    are padded on the right, where no earlier token looks.

    Raises
    ------
    BackendError
        When the model has no vocabulary head.
    """
    module = loaded.model.get_output_embeddings()
    if module is None:
        raise BackendError(
            "--representations: the model has no vocabulary head, so its last hidden states "
            "cannot be told. Leave it out."
        )
    rows: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * len(contexts)
    caught: list[torch.Tensor] = []
    hook = module.register_forward_pre_hook(lambda _, args: caught.append(args[0]))
    try:
        for batch in batches([len(ids) for ids in contexts], budget=TOKENS):
            caught.clear()
            _forward(loaded, [contexts[place] for place in batch])
            states = caught[0][0].float().cpu().numpy()
            for place, state in zip(batch, states, strict=True):
                rows[place] = state
    finally:
        hook.remove()
    return np.stack(rows)


def _forward(loaded: Loaded, contexts: Sequence[tuple[int, ...]]) -> None:
    """Run one batch, the vocabulary head at one position per prompt only."""
    import torch

    ids, mask = encoder_batch([Work(context, ()) for context in contexts], loaded.device)
    kwargs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "use_cache": False}
    if loaded.encoder_decoder:
        kwargs["decoder_input_ids"] = torch.full(
            (len(contexts), 1), start_token(loaded.model.config), device=loaded.device
        )
        index = torch.arange(len(contexts))
    else:
        index = torch.tensor(
            [row * ids.shape[1] + len(context) - 1 for row, context in enumerate(contexts)]
        )
    with torch.inference_mode():
        loaded.head.at(index.to(loaded.device), lambda: loaded.model(**kwargs))
