"""Losses of trained mitigations, over teacher-forced answers.

References
----------
Soft-prompt alignment: Sun, Shaib, Wallace, "Evaluating the Zero-shot Robustness of
Instruction-tuned Language Models", arXiv 2306.11270, section 5: loss (1 - lambda) CE + lambda KL
between what is predicted under a paraphrase and under the reference phrasing. We take KL(reference
|| paraphrase), averaged over answer tokens, with no gradient through the reference side (ours: the
paper does not say). Contrastive instruction tuning: Yan and others, "Contrastive Instruction
Tuning", arXiv 2402.11138: InfoNCE over last-token states of paraphrase pairs, temperature 0.05
(theirs), with the same wording about other instances as hard negatives. We make it symmetric, take
all negatives hard, and cap the weight so that the term never exceeds the generation loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evalkit.backends.hf.layout import start_token
from evalkit.backends.mitigations.rows import padded
from evalkit.tuning.pairs import Pair

if TYPE_CHECKING:
    import torch

__all__ = ["alignment_terms", "answer_states", "capped", "contrastive_terms", "info_nce"]

Ids = tuple[int, ...]


def answer_states(
    model: Any,
    rows: Sequence[tuple[Ids, Ids]],
    *,
    states: bool = False,
    fed: Sequence[Ids] | None = None,
) -> tuple[torch.Tensor, torch.Tensor, Any]:
    """Return logits (answer token, vocabulary) in float32, targets (answer token,),
    and with `states` the state of every prompt's last token (row, width).

    Parameters
    ----------
    model
        A Transformers or PEFT model, causal or encoder-decoder.
    rows
        Prompt and answer tokens.
    states
        Whether last-token states are wanted.
    fed
        Answer tokens that are fed back in place of the right ones; None for these.
    """
    import torch

    device = next(model.parameters()).device
    target = torch.tensor([token for _, answer in rows for token in answer], device=device)
    asked = {"output_hidden_states": True} if states else {}
    back = fed if fed is not None else [answer for _, answer in rows]
    if model.config.is_encoder_decoder:
        ids, mask = padded([context for context, _ in rows], device=device)
        begun, _ = padded(
            [(start_token(model.config), *answer[:-1]) for answer in back], device=device
        )
        output = model(input_ids=ids, attention_mask=mask, decoder_input_ids=begun, **asked)
        logits = torch.cat(
            [output.logits[row, : len(answer)] for row, (_, answer) in enumerate(rows)]
        )
        hidden = output.encoder_last_hidden_state if states else None
    else:
        ids, mask = padded(
            [(*context, *answer[:-1]) for (context, _), answer in zip(rows, back, strict=True)],
            device=device,
        )
        output = model(input_ids=ids, attention_mask=mask, **asked)
        found = output.logits[
            :, -ids.shape[1] :
        ]  # subtle: a PEFT soft prompt puts its own positions in front
        logits = torch.cat(
            [
                found[row, len(context) - 1 : len(context) - 1 + len(answer)]
                for row, (context, answer) in enumerate(rows)
            ]
        )
        hidden = output.hidden_states[-1][:, -ids.shape[1] :] if states else None
    if hidden is None:
        return logits.float(), target, None
    last = torch.stack([hidden[row, len(context) - 1] for row, (context, _) in enumerate(rows)])
    return logits.float(), target, last.float()


def alignment_terms(
    model: Any, pairs: Sequence[Pair], *, with_kl: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cross-entropy of the answers under the paraphrases and KL(reference || paraphrase),
    nats per answer token; KL is 0 without `with_kl`.
    """
    import torch

    logits, target, _ = answer_states(model, [(pair.paraphrase, pair.answer) for pair in pairs])
    cross = torch.nn.functional.cross_entropy(logits, target)
    if not with_kl:
        return cross, torch.zeros_like(cross)
    with torch.no_grad():
        wanted, _, _ = answer_states(model, [(pair.reference, pair.answer) for pair in pairs])
    difference = torch.nn.functional.kl_div(
        torch.log_softmax(logits, dim=-1),
        torch.log_softmax(wanted, dim=-1),
        log_target=True,
        reduction="batchmean",
    )
    return cross, difference


def info_nce(first: torch.Tensor, second: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the symmetric InfoNCE of matching rows, shape (row, width) each.

    The other rows are the negatives.

    Notes
    -----
    With s[i, j] = cos(first_i, second_j) / temperature: the mean of -log softmax_j(s)[i, i] and
    -log softmax_i(s)[i, i]. One row gives 0.
    """
    import torch

    scores = (
        torch.nn.functional.normalize(first, dim=-1)
        @ torch.nn.functional.normalize(second, dim=-1).T
        / temperature
    )
    target = torch.arange(len(scores), device=scores.device)
    return (
        torch.nn.functional.cross_entropy(scores, target)
        + torch.nn.functional.cross_entropy(scores.T, target)
    ) / 2


def capped(generation: torch.Tensor, contrast: torch.Tensor, weight: float) -> torch.Tensor:
    """Return the weighted contrastive term.

    Weight x contrast, or the generation loss where that is smaller (as a constant factor, so that
    gradients keep their direction).
    """
    factor = min(weight, float(generation.detach()) / max(float(contrast.detach()), 1e-12))
    # subtle: rounding of factor x contrast may end one bit above the generation loss
    while factor > 0 and float(factor * contrast.detach()) > float(generation.detach()):
        factor *= 1 - 1e-6
    return factor * contrast


def contrastive_terms(
    model: Any, pairs: Sequence[Pair], *, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cross-entropy over both wordings and the symmetric InfoNCE of their last-token
    states.
    """
    import torch

    rows = [(pair.reference, pair.answer) for pair in pairs] + [
        (pair.paraphrase, pair.answer) for pair in pairs
    ]
    logits, target, last = answer_states(model, rows, states=True)
    cross = torch.nn.functional.cross_entropy(logits, target)
    return cross, info_nce(last[: len(pairs)], last[len(pairs) :], temperature)
