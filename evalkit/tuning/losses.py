"""What a training makes small: one function per ``--objective``.

Each takes a model, the sampler, the recipe and the number of the step, and returns a loss in nats
per answer token. Everything random depends on the seed and that number alone.

References
----------
``masking``: Chen and others, "Masked Thought", arXiv 2403.02178: a share of the answer's tokens is
hidden where it is fed back. They put a mask token there, we draw from the vocabulary.
``mixup``: Xiao and others, "SFTMix", arXiv 2410.05248: states of a confident and an unconfident
example are interpolated before the head, with weights from Beta(0.5, 0.5), and the term is added
with weight 0.2; both are theirs, by a summary of the paper. Heads are affine maps, so we
interpolate logits. They take confidence from the course of a training, we take it from the model of
the step.
``all-tokens``: Shi and others, "Instruction Tuning With Loss Over Instructions", arXiv 2405.14394.
``coin``: Yan and others, arXiv 2402.11138, and their code (luka-group/CoIN): the sum of the losses
under both wordings, states of the last token of prompt and answer, every other row of a batch the
same wording about another instance.
``own-correct`` and ``pseudo-labels`` are ``response`` on other answers, see
`evalkit.runs.own_answers`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalkit.backends.mitigations.rows import padded
from evalkit.errors import UsageError
from evalkit.tuning.objectives import (
    alignment_terms,
    answer_states,
    capped,
    contrastive_terms,
    info_nce,
)
from evalkit.tuning.pairs import Pair, Sampler

if TYPE_CHECKING:
    import torch

    from evalkit.tuning.recipe import Recipe

__all__ = ["OBJECTIVES", "kl_share"]

MIXED_SHARE = 0.2
"""Weight of the interpolated term of ``mixup``."""
MIX_SHAPE = 0.5
"""Both parameters of its Beta distribution."""
Rows = Sequence[tuple[tuple[int, ...], tuple[int, ...]]]


def _drawing(recipe: Recipe, what: str, number: int) -> random.Random:
    return random.Random(f"{recipe.seed}/{what}/{number}")


def _told(pairs: Sequence[Pair]) -> Rows:
    return [(pair.paraphrase, pair.answer) for pair in pairs]


def _cross(model: Any, rows: Rows) -> torch.Tensor:
    import torch

    logits, target, _ = answer_states(model, rows)
    return torch.nn.functional.cross_entropy(logits, target)


def alignment(model: Any, sampler: Sampler, recipe: Recipe, number: int) -> torch.Tensor:
    """Return (1 - lambda) cross-entropy under paraphrases + lambda KL(reference || paraphrase)."""
    cross, difference = alignment_terms(
        model, sampler.batch(number, recipe.batch_size), with_kl=recipe.kl_weight > 0
    )
    return (1 - recipe.kl_weight) * cross + recipe.kl_weight * difference


def response(model: Any, sampler: Sampler, recipe: Recipe, number: int) -> torch.Tensor:
    """Return the cross-entropy of answers under paraphrases."""
    return _cross(model, _told(sampler.batch(number, recipe.batch_size)))


def augmentation(model: Any, sampler: Sampler, recipe: Recipe, number: int) -> torch.Tensor:
    """Return the cross-entropy of answers under references and paraphrases alike."""
    pairs = sampler.batch(number, recipe.batch_size)
    return _cross(model, [*((pair.reference, pair.answer) for pair in pairs), *_told(pairs)])


def all_tokens(model: Any, sampler: Sampler, recipe: Recipe, number: int) -> torch.Tensor:
    """Return the cross-entropy of prompt and answer tokens under paraphrases.

    Raises
    ------
    UsageError
        When the model predicts no prompt: an encoder reads it.
    """
    import torch

    if model.config.is_encoder_decoder:
        raise UsageError(
            "--objective all-tokens: an encoder-decoder model does not predict its prompt. "
            "Use --objective response."
        )
    rows = [
        (*prompt, *answer) for prompt, answer in _told(sampler.batch(number, recipe.batch_size))
    ]
    ids, mask = padded(rows, device=next(model.parameters()).device)
    logits = model(input_ids=ids, attention_mask=mask).logits[:, -ids.shape[1] :]
    known = mask[:, 1:].bool()
    return torch.nn.functional.cross_entropy(logits[:, :-1][known].float(), ids[:, 1:][known])


def contrastive(model: Any, sampler: Sampler, recipe: Recipe, number: int) -> torch.Tensor:
    """Return the generation loss under both wordings + InfoNCE between their states, no more
    than the first.
    """
    cross, contrast = contrastive_terms(
        model, sampler.kin(number, recipe.batch_size), temperature=recipe.temperature
    )
    return cross + capped(cross, contrast, recipe.contrast_weight)


def coin(model: Any, sampler: Sampler, recipe: Recipe, number: int) -> torch.Tensor:
    """Return the loss of CoIN: sum of both generation losses + capped InfoNCE of last-token states.

    Raises
    ------
    UsageError
        For an encoder-decoder model, for which it is not defined.
    """
    if model.config.is_encoder_decoder:
        raise UsageError(
            "--objective coin: is of decoder-only models. Use --objective contrastive."
        )
    pairs = sampler.alternating(number, recipe.batch_size)
    parts = [
        _with_last_state(model, rows)
        for rows in ([(pair.reference, pair.answer) for pair in pairs], _told(pairs))
    ]
    generation = parts[0][0] + parts[1][0]
    contrast = info_nce(parts[0][1], parts[1][1], recipe.temperature)
    return generation + capped(generation, contrast, recipe.contrast_weight)


def _with_last_state(model: Any, rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cross-entropy of the answers, and the states of the last tokens, shape (row,
    width).
    """
    import torch

    ids, mask = padded([(*p, *a) for p, a in rows], device=next(model.parameters()).device)
    output = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    logits = output.logits[:, -ids.shape[1] :].float()
    states = output.hidden_states[-1][:, -ids.shape[1] :]
    read = [logits[k, len(p) - 1 : len(p) + len(a) - 1] for k, (p, a) in enumerate(rows)]
    target = [ids[k, len(p) : len(p) + len(a)] for k, (p, a) in enumerate(rows)]
    last = torch.stack([states[k, len(p) + len(a) - 1] for k, (p, a) in enumerate(rows)])
    return torch.nn.functional.cross_entropy(torch.cat(read), torch.cat(target)), last.float()


def masking(model: Any, sampler: Sampler, recipe: Recipe, number: int) -> torch.Tensor:
    """Return the cross-entropy of answers of which a share of the tokens is hidden where it is
    fed back.
    """
    import torch

    rows = _told(sampler.batch(number, recipe.batch_size))
    drawn = _drawing(recipe, "mask", number)
    size = model.get_input_embeddings().weight.shape[0]
    fed = [
        tuple(
            drawn.randrange(size) if drawn.random() < recipe.mask_share else token
            for token in answer
        )
        for _, answer in rows
    ]
    logits, target, _ = answer_states(model, rows, fed=fed)
    return torch.nn.functional.cross_entropy(logits, target)


def mixup(model: Any, sampler: Sampler, recipe: Recipe, number: int) -> torch.Tensor:
    """Return the cross-entropy of answers + that of blends of a confident and an unconfident
    one.
    """
    import torch

    rows = _told(sampler.batch(number, recipe.batch_size))
    logits, target, _ = answer_states(model, rows)
    cross = torch.nn.functional.cross_entropy(logits, target)
    lengths = [len(answer) for _, answer in rows]
    parts = list(zip(torch.split(logits, lengths), torch.split(target, lengths), strict=True))
    parts.sort(key=lambda part: -float(_cross_of(part).detach()))
    drawn = _drawing(recipe, "mix", number)
    blends = []
    for unsure, sure in zip(parts[: len(parts) // 2], reversed(parts), strict=False):
        share = drawn.betavariate(MIX_SHAPE, MIX_SHAPE)
        size = min(len(sure[1]), len(unsure[1]))
        blend = share * sure[0][:size] + (1 - share) * unsure[0][:size]
        blends.append(
            share * _cross_of((blend, sure[1][:size]))
            + (1 - share) * _cross_of((blend, unsure[1][:size]))
        )
    return cross + MIXED_SHARE * torch.stack(blends).mean() if blends else cross


def _cross_of(part: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    import torch

    return torch.nn.functional.cross_entropy(*part)


OBJECTIVES: Mapping[str, Callable[[Any, Sampler, Recipe, int], Any]] = {
    "alignment": alignment,
    "response": response,
    "augmentation": augmentation,
    "all-tokens": all_tokens,
    "contrastive": contrastive,
    "coin": coin,
    "masking": masking,
    "mixup": mixup,
    "own-correct": response,
    "pseudo-labels": response,
}
"""What ``--objective`` takes."""


def kl_share(recipe: Recipe) -> float:
    """Return the weight of KL in the loss by which the weights that are kept are chosen.

    That of ``alignment`` is its own, contrastive objectives weigh both halves alike, all others
    look at the answers alone.
    """
    if recipe.objective in ("contrastive", "coin"):
        return 0.5
    return recipe.kl_weight if recipe.objective == "alignment" else 0.0
