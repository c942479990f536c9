"""From a prompt to a log-probability in the plainest code there can be:
what everything here must equal.

One prompt, one continuation, one row, logits everywhere, as the model's authors run it. Not handled
here: chat templates, over-long prompts, batches, shared work, generation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evalkit.backends.hf.layout import start_token

if TYPE_CHECKING:
    import torch

__all__ = ["behind", "ids_of", "log_probability"]


def ids_of(
    tokenizer: Any, prompt: str, continuation: str, *, encoder_decoder: bool
) -> tuple[list[int], list[int]]:
    """Return the ids of a prompt and those of a continuation behind it, by lm-eval's rule."""
    space = prompt[len(prompt.rstrip()) :]
    prompt, continuation = prompt.rstrip(), space + continuation
    context = tokenizer(prompt)["input_ids"]
    if encoder_decoder:
        return context, tokenizer(continuation, add_special_tokens=False)["input_ids"]
    return context, tokenizer(prompt + continuation)["input_ids"][len(context) :]


def behind(model: Any, context: Sequence[int], fed: Sequence[int]) -> torch.Tensor:
    """Return the log-probabilities behind the prompt and behind each of `fed`, shape (fed + 1,
    vocabulary).
    """
    import torch

    rows = {"input_ids": [*context, *fed]}
    if model.config.is_encoder_decoder:
        rows = {"input_ids": [*context], "decoder_input_ids": [start_token(model.config), *fed]}
    device = model.get_input_embeddings().weight.device
    with torch.inference_mode():
        inputs = {name: torch.tensor([ids], device=device) for name, ids in rows.items()}
        logits = model(**inputs, use_cache=False).logits[0]  # (length, vocabulary)
        return torch.log_softmax(logits.float(), dim=-1)[-1 - len(fed) :]  # (fed + 1, vocabulary)


def log_probability(model: Any, context: Sequence[int], tail: Sequence[int]) -> float:
    """Return the log-probability of the continuation `tail`, nats:
    its first token is read behind the prompt.
    """
    logprobs = behind(model, context, tail[:-1])
    return sum(float(logprobs[place, token]) for place, token in enumerate(tail))
