"""Rules that make one distribution of the next token out of those of several models,
or bend that of one.

References
----------
Mask: Li and others, "Contrastive Decoding", arXiv 2210.15097: tokens that the first model gives
less than a share of its best one's probability are out. Router: after Jin and others,
"Collaborative decoding of critical tokens", arXiv 2402.17982; they train a classifier, we take the
model that is surer, which trains nothing. Rules: Hewitt and others, "Instruction Following without
Instruction Tuning", arXiv 2409.14254, a product of a base model with three rules; shifts, ramp and
penalty are those of their code (john-hewitt/implicit-ins, ``open_instruct/combined_model.py`` at
bc261e5). Theirs also counts the tokens of the request as said already, stops the ramp at its end,
and begins every answer with one word; ours does none of these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from evalkit.backends.hf.backend import HFBackend

__all__ = ["Rule", "expert", "masked", "routed"]

Rule = Callable[["list[torch.Tensor]", Sequence[Sequence[int]]], "torch.Tensor"]
"""Logits of every branch, shape (row, vocabulary),
and the answer tokens before each row -> logits.
"""
FAR = 1e4
"""Taken from the logits of a token that is out: no chance beside one that is in,
and still a number.
"""
SHIFTS = {
    **{"<": -4.0, " <": -4.0, "|": -4.0, "I": -5.0, " I": -5.0, "We": -3.0, "What": -5.0},
    **{
        " should": -6.0,
        " -": 1.0,
        " *": 1.0,
        "  ": 1.0,
        " #": 1.0,
        " ##": 1.0,
        "\n": 1.0,
        "!": 1.0,
    },
}
"""Text of a token -> what is added to its logit; fifteen of them."""
RAMP, LENGTH = 15.0, 250
"""Added to the end token after that many tokens, linearly from 0 on."""
REPEATED = -1.5
"""Added to every token that the answer holds already."""


def masked(weight: float, share: float) -> Rule:
    """Return the rule (1 + weight) log p - weight log p of the other, among tokens of at least a
    share of the first's best.

    Tokens that are out keep their order among themselves, far below the others.
    """

    def rule(parts: list[torch.Tensor], _before: Sequence[Sequence[int]]) -> torch.Tensor:
        import math

        import torch

        own, other = (torch.log_softmax(part, -1) for part in parts)
        mixed = (1 + weight) * own - weight * other.to(own.device)
        out = own < own.max(-1, keepdim=True).values + math.log(share)
        return torch.where(out, own - FAR, mixed)

    return rule


def routed(parts: list[torch.Tensor], _before: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return for every row the logits of the model whose likeliest token is more probable;
    of the first where both are alike.
    """
    import torch

    logs = [torch.log_softmax(part.to(parts[0].device), -1) for part in parts]
    surer = logs[1].max(-1, keepdim=True).values > logs[0].max(-1, keepdim=True).values
    return torch.where(surer, logs[1], logs[0])


def expert(engine: HFBackend, scale: float) -> Rule:
    """Return the rule log p + scale (end ramp + penalty of repetition + shifts of fifteen
    words).
    """
    shifts = _shifts(engine.loaded.tokenizer)
    end = engine.loaded.tokenizer.eos_token_id

    def rule(parts: list[torch.Tensor], before: Sequence[Sequence[int]]) -> torch.Tensor:
        import torch

        added = torch.zeros_like(parts[0])
        for token, value in shifts.items():
            added[:, token] = value
        for row, said in enumerate(before):
            for token in set(said):
                added[row, token] += REPEATED
            if end is not None:
                added[row, end] += RAMP * min(len(said) / LENGTH, 1.0)
        return torch.log_softmax(parts[0], -1) + scale * added

    return rule


def _shifts(tokenizer: Any) -> dict[int, float]:
    """Return what is added per token, for texts that are one token of this tokenizer."""
    found = {}
    for text, value in SHIFTS.items():
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(ids) == 1:
            found[int(ids[0])] = value
    return found
