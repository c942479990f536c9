"""Log-probabilities at answer positions, and their sum over a choice's tokens.

Logits are turned into log-probabilities in float32 whatever the weights, and summed in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

    from evalkit.backends.hf.loading import Loaded

__all__ = ["logprobs_of", "summed"]

_CHUNK_ELEMENTS = 1 << 26


def logprobs_of(logits: torch.Tensor, rows: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Return the log-probability of `tokens` in the distributions `rows` of `logits`,
    in float32 whatever the weights.

    Parameters
    ----------
    logits
        Shape (positions, vocabulary).
    rows, tokens
        Shape (reads,): row of `logits` and token that is read there.

    Notes
    -----
    log p = logit - logsumexp(logits), computed in slices so that the float32 copy stays below 256
    MB.
    """
    import torch

    step = max(1, _CHUNK_ELEMENTS // logits.shape[-1])
    norm = torch.cat([torch.logsumexp(part.float(), dim=-1) for part in torch.split(logits, step)])
    return logits[rows, tokens].float() - norm[rows]


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
