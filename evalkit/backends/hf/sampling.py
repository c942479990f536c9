"""The next token of every row: the likeliest, or one drawn as the row's request says.

A drawn row has a generator of its own, seeded with its request, so that an answer depends neither
on what else is in its batch nor on the order of batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from evalkit.records import Request, seed_of

if TYPE_CHECKING:
    import torch

__all__ = ["BROKEN", "Picker", "seed_of"]

BROKEN = -1
"""Stands for the token of a row whose logits are not finite."""


class Picker:
    """Picks tokens for the rows of one batch.

    Parameters
    ----------
    requests
        One per row.
    """

    def __init__(self, requests: Sequence[Request]) -> None:
        self._requests = requests
        self._draws = {
            row: np.random.default_rng(seed_of(request))
            for row, request in enumerate(requests)
            if request.temperature > 0
        }

    def pick(self, logits: torch.Tensor, rows: Sequence[int]) -> list[int]:
        """Return a token for each of `rows`, whose logits have shape (row, vocabulary);
        `BROKEN` where a row holds NaN or infinity at its top.
        """
        import torch

        best, ids = logits.float().max(dim=-1)
        found: list[int] = torch.where(
            torch.isfinite(best), ids, torch.full_like(ids, BROKEN)
        ).tolist()
        for place, row in enumerate(rows):
            if row in self._draws and found[place] != BROKEN:
                found[place] = self._drawn(logits[place], row)
        return found

    def _drawn(self, logits: torch.Tensor, row: int) -> int:
        """Draw one token: from the likeliest ones that hold a share `top_p` of the probability."""
        import torch

        request = self._requests[row]
        shares, ids = (
            (logits.double() / request.temperature).softmax(dim=-1).sort(dim=-1, descending=True)
        )
        sums = shares.cumsum(dim=-1)
        # the first token that reaches the share is still drawn from
        kept = int((sums < request.top_p).sum()) + 1
        sums = sums[:kept]
        at = torch.searchsorted(sums, float(self._draws[row].random()) * float(sums[-1]))
        return int(ids[min(int(at), len(sums) - 1)])
