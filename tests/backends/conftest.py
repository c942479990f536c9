"""Small random models with tokenizers made on the spot, saved as ordinary model directories;
fixtures of the misbehaving server.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from misbehaving_server import open_backend, server

__all__ = ["open_backend", "server"]

WORDS = (
    "Pick the letter of the one correct reply. Which planet is the largest of all? "
    "Read the sentence and say whether it is true. A boat floats because water pushes it up. "
    "The red fox runs over the hill, and two dogs follow it home.\n\nAnswer: (A) Jupiter (B) "
    "Saturn (C) the Moon (D) none of them. Yes or no? 12 34 567 eight nine ten.\nQuestion: "
)
SPECIAL = ["<pad>", "</s>", "<unk>", "<s>"]


def _byte_level() -> Any:
    """Byte-level BPE without special tokens around a text, as GPT-2 has it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        [WORDS] * 4,
        trainers.BpeTrainer(
            vocab_size=420, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
        ),
    )
    return tokenizer


def _sentencepiece_like(*, end: bool) -> Any:
    """Unigram pieces with a dummy space in front; a start token before a text,
    or an end token behind it.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always", split=True)
    letters = sorted(set(WORDS))
    trainer = trainers.UnigramTrainer(
        vocab_size=220,
        special_tokens=SPECIAL,
        unk_token="<unk>",
        initial_alphabet=letters,
        show_progress=False,
    )
    tokenizer.train_from_iterator([WORDS] * 4, trainer)
    single = "$A </s>" if end else "<s> $A"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single,
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")],
    )
    return tokenizer


def _settings(kind: str, vocabulary: int) -> Any:
    """Configuration of a small model of one family."""
    import transformers as tf

    common = {"vocab_size": vocabulary, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 3}
    rope = {
        **common,
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
    }
    wide = {"initializer_range": 0.15}
    seq2seq = {
        "vocab_size": vocabulary,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": 0,
        "d_model": 48,
        "d_kv": 12,
        "d_ff": 96,
        "num_layers": 2,
        "num_heads": 4,
        "tie_word_embeddings": False,
        "n_positions": 512,
    }
    made = {
        "llama": lambda: tf.LlamaConfig(**rope, **wide),
        "qwen2": lambda: tf.Qwen2Config(**rope, **wide),
        "qwen3": lambda: tf.Qwen3Config(**rope, **wide, head_dim=12),
        "mistral": lambda: tf.MistralConfig(**rope, **wide, sliding_window=16),
        "gemma2": lambda: tf.Gemma2Config(
            **rope, **wide, head_dim=12, sliding_window=16, query_pre_attn_scalar=12
        ),
        "gemma3": lambda: tf.Gemma3TextConfig(
            **rope,
            **wide,
            head_dim=12,
            sliding_window=16,
            query_pre_attn_scalar=12,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        ),
        "gemma": lambda: tf.GemmaConfig(**rope, **wide, head_dim=12),
        "granite": lambda: tf.GraniteConfig(**rope, **wide),
        "olmo2": lambda: tf.Olmo2Config(**rope, **wide),
        "phi": lambda: tf.PhiConfig(**{**rope, "num_key_value_heads": 4}, **wide),
        "phi3": lambda: tf.Phi3Config(
            **rope, **wide, sliding_window=16, original_max_position_embeddings=512
        ),
        "stablelm": lambda: tf.StableLmConfig(**rope, **wide, partial_rotary_factor=0.5),
        "cohere": lambda: tf.CohereConfig(**rope, **wide),
        "gpt2": lambda: tf.GPT2Config(
            **common, **wide, n_embd=48, n_layer=3, n_head=4, n_positions=512
        ),
        "gpt_neox": lambda: tf.GPTNeoXConfig(
            **common,
            **wide,
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=512,
        ),
        "opt": lambda: tf.OPTConfig(
            **common,
            hidden_size=48,
            ffn_dim=96,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=512,
            word_embed_proj_dim=48,
            init_std=0.15,
        ),
        "bert": lambda: tf.BertConfig(
            **common,
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=512,
            initializer_range=0.15,
        ),
        "qwen3_moe": lambda: tf.Qwen3MoeConfig(
            **rope,
            **wide,
            head_dim=12,
            num_experts=4,
            num_experts_per_tok=2,
            moe_intermediate_size=32,
        ),
        "gemma4": lambda: tf.Gemma4TextConfig(
            **rope,
            **wide,
            head_dim=12,
            global_head_dim=24,
            sliding_window=16,
            vocab_size_per_layer_input=vocabulary,
            hidden_size_per_layer_input=8,
            num_kv_shared_layers=0,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        ),
        "llava": lambda: tf.LlavaConfig(
            text_config=tf.LlamaConfig(**rope, **wide),
            vision_config=tf.CLIPVisionConfig(
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=2,
                image_size=28,
                patch_size=14,
            ),
        ),
        "bloom": lambda: tf.BloomConfig(**common, **wide, hidden_size=48, n_layer=3, n_head=4),
        "mamba": lambda: tf.MambaConfig(
            **common, hidden_size=48, num_hidden_layers=2, state_size=8, initializer_range=0.15
        ),
        "t5": lambda: tf.T5Config(**seq2seq, feed_forward_proj="gated-gelu"),
        "t5_large_logits": lambda: tf.T5Config(
            **seq2seq, feed_forward_proj="gated-gelu", initializer_factor=1.2
        ),
        "mt5": lambda: tf.MT5Config(**seq2seq),
        "umt5": lambda: tf.UMT5Config(**seq2seq),
        "bart": lambda: tf.BartConfig(
            **common,
            d_model=48,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=96,
            decoder_ffn_dim=96,
            max_position_embeddings=512,
            decoder_start_token_id=1,
            forced_eos_token_id=None,
            init_std=0.15,
        ),
    }
    return made[kind]()


def build(directory: Path, kind: str, pieces: str) -> Path:
    """Save a random model of family `kind` with a tokenizer of type `pieces` and return its
    directory.
    """
    import torch
    import transformers as tf
    from transformers.utils import logging

    logging.disable_progress_bar()
    raw = _byte_level() if pieces == "bytes" else _sentencepiece_like(end=pieces == "end")
    tokenizer = tf.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        bos_token="<s>" if pieces == "start" else None,
    )
    config = _settings(kind, raw.get_vocab_size())
    torch.manual_seed(7)
    auto = tf.AutoModelForSeq2SeqLM if config.is_encoder_decoder else tf.AutoModelForCausalLM
    model = (tf.AutoModelForImageTextToText if kind == "llava" else auto).from_config(config)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that gives the directory of a small model, made once per session."""
    made: dict[tuple[str, str], Path] = {}

    def get(kind: str, pieces: str = "bytes") -> Path:
        if (kind, pieces) not in made:
            made[kind, pieces] = build(tmp_path_factory.mktemp(f"{kind}-{pieces}"), kind, pieces)
        return made[kind, pieces]

    return get
