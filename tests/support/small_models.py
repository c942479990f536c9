"""Small random models, causal and encoder-decoder, saved as ordinary model directories."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TEXT = (
    "Say whether the statement is true. Give the one correct reply. Is it so? "
    "Which word stands first? Answer: True False yes no A B C. "
    "Evaluate the expression ( not True and False ) or True. "
    "Every count has a number: 1 2 3 4 5 6 7 8 9 0."
)


def _tokenizer() -> Any:
    import transformers as tf
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=["<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator([TEXT] * 4, trainer)
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", eos_token="</s>", model_max_length=256
    )


def build(directory: Path, kind: str, seed: int) -> Path:
    """Save a random model of a kind, causal or encoder-decoder, and return its directory."""
    import torch
    import transformers as tf
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = _tokenizer()
    torch.manual_seed(seed)
    shared: dict[str, Any] = {"vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 1}
    model: Any
    if kind == "causal":
        config = tf.LlamaConfig(
            **shared,
            bos_token_id=None,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=256,
            initializer_range=0.15,
            tie_word_embeddings=True,
        )
        model = tf.LlamaForCausalLM(config)
    else:
        settings = tf.T5Config(
            **shared,
            decoder_start_token_id=0,
            d_model=32,
            d_kv=8,
            d_ff=64,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=True,
        )
        model = tf.T5ForConditionalGeneration(settings)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that gives the directory of a small random model, made once per session."""
    made: dict[tuple[str, int], Path] = {}

    def get(kind: str = "causal", seed: int = 1) -> Path:
        if (kind, seed) not in made:
            made[kind, seed] = build(tmp_path_factory.mktemp(f"{kind}-{seed}"), kind, seed)
        return made[kind, seed]

    return get
