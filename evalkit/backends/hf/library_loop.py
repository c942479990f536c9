"""Greedy decoding by the library's own loop, for models that need more than the likeliest token.

Prompts of equal length go together, so that nothing is padded. Not handled here: stored prefixes,
rows that leave the batch early.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from evalkit.backends.hf.layout import Work
from evalkit.backends.hf.loading import Loaded, quiet
from evalkit.backends.hf.packed import Bank
from evalkit.backends.hf.stops import Stops
from evalkit.records import Request

__all__ = ["LibraryGreedy", "plain_settings"]


def plain_settings(config: Any) -> bool:
    """Whether a generation configuration leaves greedy decoding at the likeliest token."""
    neutral = {
        "repetition_penalty": (None, 1.0),
        "encoder_repetition_penalty": (None, 1.0),
        "no_repeat_ngram_size": (None, 0),
        "encoder_no_repeat_ngram_size": (None, 0),
        "min_length": (None, 0),
        "min_new_tokens": (None, 0),
        "guidance_scale": (None, 1.0),
    }
    lists = (
        "bad_words_ids",
        "suppress_tokens",
        "begin_suppress_tokens",
        "sequence_bias",
        "forced_bos_token_id",
        "forced_eos_token_id",
    )
    return all(getattr(config, k, None) in v for k, v in neutral.items()) and not any(
        getattr(config, k, None) not in (None, []) for k in lists
    )


class LibraryGreedy:
    """Greedy decoding by the library's own loop, over prompts of equal length so that nothing is padded.

    Parameters
    ----------
    loaded
        The model.
    stops
        When rows end.
    """

    def __init__(self, loaded: Loaded, stops: Stops) -> None:
        self._loaded = loaded
        self._stops = stops

    def run(
        self, works: Sequence[Work], requests: Sequence[Request], bank: Bank | None = None
    ) -> list[list[int] | None]:
        """Return the generated ids of every prompt; `bank` must be None."""
        if bank is not None:
            raise ValueError("the library's own loop takes no stored prefixes")
        found: dict[int, list[int] | None] = {}
        order = sorted(range(len(works)), key=lambda i: (len(works[i].context), i))
        for _, group in groupby(order, key=lambda i: len(works[i].context)):
            rows = list(group)
            found.update(
                zip(
                    rows,
                    self._equal([works[i] for i in rows], [requests[i] for i in rows]),
                    strict=True,
                )
            )
        return [found[i] for i in range(len(works))]

    def _equal(self, works: Sequence[Work], requests: Sequence[Request]) -> list[list[int] | None]:
        """Generated ids of prompts of one length."""
        import torch

        stops, encoder_decoder = self._stops, self._loaded.encoder_decoder
        prompts = torch.tensor([work.context for work in works], device=self._loaded.device)
        skip = 1 if encoder_decoder else prompts.shape[1]
        broken: set[int] = set()

        def done(ids: Any, scores: Any, **kwargs: Any) -> Any:
            del kwargs
            if scores is not None:
                bad = ~torch.isfinite(scores[-1].float().max(dim=-1).values)
                broken.update(torch.nonzero(bad).flatten().tolist())
            flags = [
                row in broken or stops.done(new, requests[row])
                for row, new in enumerate(ids[:, skip:].tolist())
            ]
            return torch.tensor(flags, device=ids.device)

        with torch.inference_mode(), quiet():
            ids = self._loaded.model.generate(
                prompts,
                attention_mask=torch.ones_like(prompts),
                max_new_tokens=max(request.max_tokens for request in requests),
                do_sample=False,
                num_beams=1,
                stopping_criteria=[done],
                output_scores=True,
                return_dict_in_generate=True,
            ).sequences
        return [
            None if row in broken else self._until(new, requests[row])
            for row, new in enumerate(ids[:, skip:].tolist())
        ]

    def _until(self, ids: list[int], request: Request) -> list[int]:
        """Ids up to the one that ended the row; what follows is padding."""
        for n in range(1, len(ids) + 1):
            if self._stops.done(ids[:n], request):
                return ids[:n]
        return ids
