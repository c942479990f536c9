"""Workloads for `engine.py`: random models, tokenizer and prompts made on the spot, the same for
every contender.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.records import Request

VOCABULARY = 32_000
SPECIAL = ["<pad>", "</s>", "<unk>"]
SYLLABLES = (
    "ba",
    "co",
    "di",
    "fe",
    "gu",
    "ha",
    "ki",
    "lo",
    "mu",
    "ne",
    "po",
    "ra",
    "si",
    "ta",
    "vu",
    "we",
    "xo",
    "za",
    "tri",
    "plen",
    "stor",
    "mag",
)


@dataclass(frozen=True)
class Workload:
    """Requests of one kind for one kind of model."""

    name: str
    model: str
    requests: tuple[Request, ...]


def vocabulary(rng: random.Random, size: int = 6000) -> list[str]:
    """Return invented words."""
    return sorted(
        {"".join(rng.choices(SYLLABLES, k=rng.choice((1, 2, 2, 3)))) for _ in range(size * 3)}
    )[:size]


def sentence(rng: random.Random, words: Sequence[str], n: int) -> str:
    """Return `n` words with punctuation, frequent words more often."""
    chosen = [words[min(int(rng.paretovariate(0.6)) - 1, len(words) - 1)] for _ in range(n)]
    return (
        " ".join(word + ("." if i % 11 == 10 else "") for i, word in enumerate(chosen)).capitalize()
        + "."
    )


def tokenizer(directory: Path, texts: Sequence[str], *, pieces: str, size: int = 8000) -> Any:
    """Train and save a byte-level BPE (``bytes``) or Unigram (``unigram``) tokenizer."""
    import transformers as tf
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    if pieces == "bytes":
        raw = Tokenizer(models.BPE())
        raw.pre_tokenizer, raw.decoder = (
            pre_tokenizers.ByteLevel(add_prefix_space=False),
            decoders.ByteLevel(),
        )
        trainer: Any = trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=SPECIAL,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    else:
        raw = Tokenizer(models.Unigram())
        raw.pre_tokenizer, raw.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=size,
            special_tokens=SPECIAL,
            unk_token="<unk>",
            initial_alphabet=sorted(set("".join(texts))),
            show_progress=False,
        )
    raw.train_from_iterator(texts, trainer)
    if pieces != "bytes":
        raw.post_processor = processors.TemplateProcessing(
            single="$A </s>", special_tokens=[("</s>", raw.token_to_id("</s>"))]
        )
    made = tf.PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    made.save_pretrained(directory)
    return made


def config(kind: str, vocabulary_size: int) -> Any:
    """Return the configuration of a random model of about 20 million parameters."""
    import transformers as tf

    if kind == "causal":
        return tf.LlamaConfig(
            vocab_size=max(vocabulary_size, VOCABULARY),
            hidden_size=384,
            intermediate_size=1024,
            num_hidden_layers=8,
            num_attention_heads=6,
            num_key_value_heads=6,
            max_position_embeddings=2048,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=None,
            initializer_range=0.06,
        )
    return tf.T5Config(
        vocab_size=max(vocabulary_size, VOCABULARY),
        d_model=384,
        d_kv=64,
        d_ff=1024,
        num_layers=6,
        num_decoder_layers=6,
        num_heads=6,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        n_positions=2048,
        initializer_factor=0.3,  # logits of the size trained models have; at 1.0 sums reach -400 nat and float32 shows  # noqa: E501
    )


def make_model(directory: Path, kind: str, texts: Sequence[str]) -> Path:
    """Save a random model with its tokenizer."""
    import torch
    import transformers as tf

    target = directory / kind
    made = tokenizer(target, texts, pieces="bytes" if kind == "causal" else "unigram")
    torch.manual_seed(5)
    auto = tf.AutoModelForCausalLM if kind == "causal" else tf.AutoModelForSeq2SeqLM
    auto.from_config(config(kind, len(made))).save_pretrained(target)
    return target


def corpus(seed: int = 1) -> list[str]:
    """Return texts to train tokenizers on."""
    rng = random.Random(seed)
    words = vocabulary(rng)
    return [sentence(rng, words, 40) for _ in range(3000)] + [
        "A",
        "B",
        "C",
        "D",
        "Question:",
        "Answer:",
    ] * 50


def prompts(
    *,
    phrasings: int,
    instances: int,
    instruction: int,
    body: int,
    choices: int,
    letters: bool,
    first: str,
) -> list[Request]:
    """Return choice requests of phrasings x instances.

    Parameters
    ----------
    phrasings, instances, choices
        How many of each.
    instruction, body
        Mean length in words; bodies vary log-normally around theirs.
    letters
        Whether choices are listed and answered by letter, or are texts of about seven tokens.
    first
        What stands first in a prompt: ``instruction`` or ``instance``.
    """
    rng = random.Random(2)
    words = vocabulary(random.Random(1))
    asked = [
        sentence(rng, words, max(4, round(instruction * rng.uniform(0.6, 1.5))))
        for _ in range(phrasings)
    ]
    found = []
    for _ in range(instances):
        text = sentence(rng, words, max(8, round(body * rng.lognormvariate(-0.08, 0.4))))
        texts = [sentence(rng, words, rng.choice((3, 4, 4, 5))) for _ in range(choices)]
        labels = [chr(65 + i) for i in range(choices)]
        if letters:
            text += "\n" + "\n".join(
                f"{label}. {choice}" for label, choice in zip(labels, texts, strict=True)
            )
        continuations = tuple(f" {answer}" for answer in (labels if letters else texts))
        for instruction_text in asked:
            parts = (instruction_text, text) if first == "instruction" else (text, instruction_text)
            whole = f"{parts[0]}\n\n{parts[1]}\nAnswer:"
            found.append(Request(kind="choice", text=whole, continuations=continuations))
    return found


def generation(
    requests: Sequence[Request], *, stop: Sequence[str], max_tokens: int
) -> list[Request]:
    """Return the same prompts answered by generation."""
    return [
        Request(kind="generate", text=request.text, stop=tuple(stop), max_tokens=max_tokens)
        for request in requests
    ]
