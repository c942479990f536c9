"""Every decoder type that the library has, tiny and random: how it is scored,
and whether that is right.

A type is built from its own configuration class with small sizes, saved, and evaluated by the
backend ``hf`` as a user would: choices behind shared prefixes and greedy texts. Both are compared
with the library alone, one unpadded row at a time. A type that cannot be made small by this script
is listed as such and says nothing about evalkit.

    python benchmarks/architectures.py [TYPE ...] --out architectures.csv

Each type runs in a process of its own, with bounds on time and memory; about 8 CPU seconds a type.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SECONDS = 120
MEMORY = 6 * 2**30
MOST_PARAMETERS = 100_000_000
WIDTH, HEADS, INSIDE = 48, 4, 12
START = 3  # of a decoder
SIZES: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "word_embed_proj_dim"), WIDTH),
    **dict.fromkeys(("lru_width", "attention_hidden_size", "embedding_size", "emb_dim"), WIDTH),
    **dict.fromkeys(("embed_dim", "embedding_dim", "projection_dim", "out_hidden_size"), WIDTH),
    **dict.fromkeys(("encoder_hidden_size", "backbone_hidden_size", "hidden_size_global"), WIDTH),
    **dict.fromkeys(
        ("text_hidden_size", "output_dim", "vision_output_dim", "ple_embed_dim"), WIDTH
    ),
    **dict.fromkeys(("projector_input_dim", "projector_output_dim", "input_embedding_size"), WIDTH),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", "d_ff"), 96),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim", "dim_ff", "dff", "d_inner"), 96),
    **dict.fromkeys(("block_ff_dim", "shared_expert_intermediate_size", "mlp_dim"), 96),
    **dict.fromkeys(("shared_intermediate_size", "intermediate_size_mlp", "feed_forward_size"), 96),
    **dict.fromkeys(("dense_intermediate_size", "moe_shared_expert_intermediate_size"), 96),
    **dict.fromkeys(("shared_experts_intermediate_size", "prefix_dense_intermediate_size"), 96),
    **{"mamba_d_ssm": 96, "encoder_hash_byte_group_vocab": 500, "ngram_vocab_size_base": 500},
    **dict.fromkeys(("num_hidden_layers", "num_layers", "n_layer", "n_layers", "layers"), 3),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "num_decoder_layers", "depth"), 3),
    **dict.fromkeys(("num_encoder_layers", "num_blocks"), 3),
    **dict.fromkeys(("n_input_layers", "n_recurrent_layers", "n_output_layers"), 1),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), HEADS),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), HEADS),
    **dict.fromkeys(("attention_heads", "swa_num_attention_heads", "linear_num_heads"), HEADS),
    **dict.fromkeys(("num_encoder_attention_heads", "num_decoder_attention_heads"), HEADS),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads", "swa_num_key_value_heads"), 2),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "seq_length"), 512),
    **dict.fromkeys(("max_seq_len", "max_sequence_length", "max_target_positions"), 512),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("moe_num_experts", "num_experts_per_layer"), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_k", "moe_topk", "top_k_experts"), 2),
    **dict.fromkeys(("moe_intermediate_size", "moe_ffn_hidden_size", "expert_ffn_size"), 32),
    **dict.fromkeys(("expert_ffn_hidden_size", "moe_hidden_size", "zero_expert_num"), 32),
    **dict.fromkeys(("n_group", "topk_group", "n_groups", "mamba_n_groups"), 1),
    **{"n_shared_experts": 1},
    **dict.fromkeys(("q_lora_rank", "kv_lora_rank", "o_lora_rank", "adapter_rank"), 16),
    **{"qk_rope_head_dim": 4, "qk_nope_head_dim": 8, "v_head_dim": INSIDE},
    **dict.fromkeys(("head_dim", "rotary_dim", "query_pre_attn_scalar", "swa_head_dim"), INSIDE),
    **dict.fromkeys(("d_kv", "d_head", "dim_head", "kv_channels", "linear_head_dim"), INSIDE),
    **{
        "sliding_window": 16,
        "attention_window": 16,
        "first_k_dense_replace": 1,
        "qk_head_dim": INSIDE,
    },
    **{"mamba_n_heads": 4, "mamba_d_head": 24, "mamba_d_state": 8, "mamba_expand": 2},
    **{"mamba_num_heads": 4, "mamba_head_dim": 24, "ssm_state_size": 8, "state_size": 8},
    **{"mamba_dt_rank": 3, "time_step_rank": 3, "mamba_headdim": 24, "n_mamba_heads": 4},
    **{"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2},
    **{"linear_num_key_heads": 2, "linear_num_value_heads": 4},
    **{"linear_key_head_dim": 12, "linear_value_head_dim": 12},
    **{"altup_num_inputs": 2, "laurel_rank": 8, "num_kv_shared_layers": 0},
    **{"hidden_size_per_layer_input": 16, "conv_L_cache": 3, "attention_window_size": 16},
    **{"index_topk": 64, "index_n_heads": 2, "index_head_dim": 12},
    **{"image_size": 28, "patch_size": 14, "mm_tokens_per_image": 4},
    **{"initializer_range": 0.15, "init_std": 0.15, "initializer_factor": 1.0},
}
"""Names of sizes in configurations -> small values."""
_ROTARY = {"rope_theta": 10000.0, "rope_type": "default"}
_IMAGES = {"vocabulary_map": {"<image>": 20, "<|extra_200|>": 21}}
_INDEXED = {
    **{"indexer_n_heads": 2, "indexer_kv_heads": 1, "indexer_head_dim": 12},
    **{"indexer_budget": 64, "indexer_compress_ratio": 4},
}
OWN: dict[str, dict[str, Any]] = {
    "gpt_neo": {"num_layers": 4, "attention_types": [[["global", "local"], 2]], "window_size": 16},
    "encoder-decoder": {"decoder": {"is_decoder": True, "add_cross_attention": True}},
    "granitemoehybrid": {
        "num_hidden_layers": 3,
        "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    },
    "lfm2_moe": {"num_hidden_layers": 3, "layer_types": ["conv", "full_attention", "conv"]},
    "dbrx": {"attn_config": {"kv_n_heads": 2, "clip_qkv": 8, "rope_theta": 10000.0}},
    "mamba2": {"num_heads": 4, "head_dim": 24},
    "zaya": {"num_experts_per_tok": 1},
    "zamba": {
        "num_hidden_layers": 4,
        "layer_types": ["linear_attention", "hybrid", "linear_attention", "hybrid"],
    },
    "qwen4_exp_text": _INDEXED,
    "qwen4_exp": {"text_config": _INDEXED},
    "reformer": {
        **{"is_decoder": True, "axial_pos_embds": False, "attn_layers": ["local", "lsh", "local"]},
        **{"num_buckets": 4, "lsh_attn_chunk_length": 64, "attention_head_size": 12},
    },
    "cohere_compass_text": {"rope_parameters": {"full_attention": _ROTARY}},
    "cohere_compass": {"text_config": {"rope_parameters": {"full_attention": _ROTARY}}},
    "emu3": {**_IMAGES, "vq_config": {"base_channels": 32}},
    "chameleon": _IMAGES,
    "ernie4_5_vl_moe": {
        "text_config": {"rope_parameters": {**_ROTARY, "mrope_section": [2, 2, 2]}}
    },
    "cosmos3_edge": {"text_config": {"rope_parameters": {**_ROTARY, "mrope_section": [2, 2, 2]}}},
    "hy_v4_vl": {"text_config": {"rope_parameters": {**_ROTARY, "mrope_section": [1, 1, 0]}}},
    "deepseek_ocr2": {"text_config": {"mlp_layer_types": ["dense", "sparse", "sparse"]}},
    "molmo2": {"adapter_config": {"vision_feature_layer": [1, 2]}},
    "nemotron_h_omni": {"vision_config": {"video_temporal_patch_size": 2}},
}
"""What a type needs beside small sizes."""


def small(base: Any, words: int, own: dict[str, Any], *, filled: bool = False) -> dict[str, Any]:
    """Return what to change of a configuration so that its model is small; parts of it likewise.

    `own` is what counts whatever its name says; `filled` gives sizes, too, that the configuration
    leaves open.
    """
    changes: dict[str, Any] = {}
    for name, value in SIZES.items():
        now = _value(base, name)
        open_one = filled and now is None and name in vars(base)
        if open_one or (isinstance(now, int | float) and not isinstance(now, bool)):
            changes[name] = value
    if "qk_rope_head_dim" in changes:
        changes.pop("head_dim", None)
        changes["num_key_value_heads"] = HEADS
    for name, value in {"num_experts_per_tok": 2, "attn_layer_indices": [1]}.items():
        if hasattr(base, name) and name not in changes:
            changes[name] = value
    changes |= _per_layer(base, changes)
    if hasattr(base, "vocab_size"):
        changes |= {"vocab_size": words, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 3}
    if getattr(base, "is_encoder_decoder", False):
        changes["decoder_start_token_id"] = START
    for name in ("vocab_size_per_layer_input", "unpadded_vocab_size", "decoder_vocab_size"):
        if _value(base, name):
            changes[name] = words
    parts = {name: getattr(base, name, None) for name in getattr(base, "sub_configs", {})}
    for name, part in parts.items():
        if part is not None:
            inner = small(part, words, own.get(name, {}), filled=filled)
            changes[name] = type(part)(**inner).to_dict()
    return {**_settable(type(base), changes), **{n: v for n, v in own.items() if n not in parts}}


def _per_layer(base: Any, changes: dict[str, Any]) -> dict[str, Any]:
    """Lists that hold something for every layer, as long as there are layers; every kind of layer
    has its turn.
    """
    name = next((n for n in ("num_hidden_layers", "num_layers") if n in changes), None)
    if name is None:
        return {}
    lists = {
        key: value
        for key, value in vars(base).items()
        if isinstance(value, list | tuple) and len(value) == _value(base, name) > 3
    }
    if getattr(base, "layer_types", None):
        lists["layer_types"] = base.layer_types
    kinds = list(dict.fromkeys(lists.get("layer_types", ())))
    layers = max(3, len(kinds))
    found = {key: list(value[:layers]) for key, value in lists.items()}
    if kinds:
        found["layer_types"] = [kinds[i % len(kinds)] for i in range(layers)]
    return {**found, name: layers}


def _value(base: Any, name: str) -> Any:
    """What a configuration holds by a name; None where it has no such value,
    or one for each layer.
    """
    try:
        return getattr(base, name, None)
    except Exception:  # noqa: BLE001 - the library's own kinds of refusing an attribute
        return None


def _settable(kind: type, changes: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a configuration computes by itself."""
    return {
        name: value
        for name, value in changes.items()
        if not isinstance(
            vars_of(kind).get(getattr(kind, "attribute_map", {}).get(name, name)), property
        )
    }


def vars_of(kind: type) -> dict[str, Any]:
    """Attributes of a class and of those it is made from."""
    return {name: value for one in reversed(kind.__mro__) for name, value in vars(one).items()}


def made(kind: str, directory: Path) -> int:
    """Save a small random model of a type with a tokenizer, and return its number of parameters."""
    import torch
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=_byte_level(), pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    config = _small_config(kind, CONFIG_MAPPING[kind], len(tokenizer))
    with torch.device("meta"):
        model = _auto(kind).from_config(config)
    number = sum(part.numel() for part in model.parameters())
    if number > MOST_PARAMETERS:
        raise ValueError(f"{number:,} parameters")
    torch.manual_seed(7)
    model = _auto(kind).from_config(config, dtype=torch.float32)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return number


def _small_config(kind: str, config_class: Any, words: int) -> Any:
    """A configuration of which the library makes a model; sizes that it leaves open are given where
    nothing can be made without them.
    """
    import torch

    first = None
    for filled in (False, True):
        try:
            own = OWN.get(kind, {})
            config = config_class(**small(config_class(), words, own, filled=filled))
            with torch.device("meta"):
                _auto(kind).from_config(config)
        except Exception as error:  # noqa: BLE001 - whatever the library does with a configuration
            first = first or error
        else:
            return config
    raise first or ValueError(kind)


def _auto(kind: str) -> Any:
    """Class that loads a type; those of text and pictures are asked in text."""
    import transformers
    from transformers.models.auto import modeling_auto

    if kind in both(modeling_auto):
        return transformers.AutoModelForSeq2SeqLM
    if kind in modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return transformers.AutoModelForImageTextToText
    return transformers.AutoModelForCausalLM


def both(auto: Any) -> list[str]:
    """Types that the library lists as sequence to sequence: encoder-decoder ones, and decoders of
    sound.
    """
    return list(auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES)


def _byte_level() -> Any:
    """Byte-level BPE as GPT-2 has it, over a few words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<pad>", "</s>", "<unk>", "<s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(_texts())] * 4, trainer)
    return tokenizer


def _texts() -> list[str]:
    """Prompts with a shared beginning, and others with a shared end."""
    tasks = (
        "Pick the letter of the one correct reply.",
        "Read the sentence and say which of them it is, no more:",
    )
    items = (
        "Which planet is the largest of all?",
        "Two dogs follow the red fox home over the hill. Which one of them is the largest?",
        "A boat floats because water pushes it up. Yes or no?",
    )
    both = [(task, item) for task in tasks for item in items]
    return [f"{a}\n\n{b}\nAnswer:" for a, b in both] + [f"{b}\n\n{a}\nAnswer:" for a, b in both]


CHOICES = ((" A", " B", " C"), (" Jupiter", " the Moon", " none of them all"))


def judged(kind: str, directory: Path) -> dict[str, Any]:
    """Return how a type is scored and how far it is from the library."""
    import torch
    import transformers

    from evalkit.backends.hf.backend import HFBackend
    from evalkit.errors import EvalkitError
    from evalkit.records import Ask, ModelSpec, Request

    found: dict[str, Any] = {"type": kind}
    try:
        found["parameters"] = made(kind, directory)
        model = _auto(kind).from_pretrained(directory, dtype=torch.float32)
        tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
        model.eval()
        choices = [
            Request(kind="choice", text=text, continuations=CHOICES[i % 2])
            for i, text in enumerate(_texts())
        ]
        expected = [_scores(model, tokenizer, request) for request in choices]
        texts = [
            Request(kind="generate", text=text, max_tokens=4 + 2 * i)
            for i, text in enumerate(_texts()[:4])
        ]
        written = [_written(model, tokenizer, request) for request in texts]
    except Exception as error:  # noqa: BLE001 - whatever the library does with a tiny model of a type
        return {**found, "not made": f"{type(error).__name__}: {error}"[:120]}
    del model
    try:
        backend = HFBackend(ModelSpec(backend="hf", name=str(directory), dtype="float32"))
        asked = [Ask(request) for request in (*choices, *texts)]
        answers = {one.key: one for batch in backend.run(asked) for one in batch}
    except EvalkitError as error:
        return {**found, "refused": str(error).replace(str(directory), kind)[:200]}
    differences = [
        abs(a - b)
        for request, row in zip(choices, expected, strict=True)
        for a, b in zip(answers[request.key].logprobs or (float("nan"),) * 3, row, strict=True)
    ]
    equal = [answers[one.key].text == text for one, text in zip(texts, written, strict=True)]
    return {
        **found,
        "path": backend.stats["path"],
        "error": max(differences),
        "equal texts": f"{sum(equal)} of {len(equal)}",
        "why": str(backend.stats["notice"]).rpartition("because ")[2][:120],
    }


def _scores(model: Any, tokenizer: Any, request: Any) -> list[float]:
    """Log-probabilities by the model's forward, one unpadded row a continuation; from the library's
    own loss where an encoder reads the prompt.
    """
    import torch

    found = []
    for choice in request.continuations:
        if model.config.is_encoder_decoder:
            prompt = tokenizer(request.text, return_tensors="pt").input_ids
            labels = tokenizer(choice, add_special_tokens=False, return_tensors="pt").input_ids
            fed = torch.cat([labels.new_tensor([[START]]), labels[:, :-1]], dim=1)
            with torch.no_grad():
                loss = model(input_ids=prompt, decoder_input_ids=fed, labels=labels).loss
            found.append(-float(loss) * labels.shape[1])
            continue
        n = len(tokenizer(request.text).input_ids)
        whole = tokenizer(request.text + choice, return_tensors="pt").input_ids
        with torch.no_grad():
            logits = model(whole).logits[0, n - 1 : -1]
        row = torch.log_softmax(logits, -1).gather(1, whole[0, n:, None])
        found.append(float(row.sum()))
    return found


def _written(model: Any, tokenizer: Any, request: Any) -> str:
    """Greedy text by the library's `generate`."""
    import torch

    ids = tokenizer(request.text, return_tensors="pt").input_ids
    with torch.no_grad():
        all_ids = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=request.max_tokens,
            do_sample=False,
            num_beams=1,
        )
    new = all_ids[0] if model.config.is_encoder_decoder else all_ids[0, ids.shape[1] :]
    return str(tokenizer.decode(new, skip_special_tokens=True))


def in_a_process(kind: str) -> dict[str, Any]:
    """Judge a type in a child with bounds, whatever it does."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.alarm(SECONDS)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        directory = Path(tempfile.mkdtemp())
        try:
            found = judged(kind, directory)
        except BaseException as error:  # noqa: BLE001 - told, and the next type goes on
            found = {"type": kind, "fault": repr(error)[:200]}
        shutil.rmtree(directory, ignore_errors=True)
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return json.loads(text) if text else {"type": kind, "not made": f"ended by status {status}"}


COLUMNS = (
    *("type", "parameters", "path", "error", "equal texts", "why", "refused", "not made", "fault"),
)


def rows(kinds: list[str], out: Path) -> Iterator[dict[str, Any]]:
    """Yield the row of every type, written as it comes;
    those in the file already are not made again.
    """
    done = {}
    if out.is_file():
        with out.open(encoding="utf-8", newline="") as file:
            done = {row["type"]: row for row in csv.DictReader(file)}
    with out.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not done:
            writer.writeheader()
        for kind in kinds:
            if kind in done:
                continue
            row = in_a_process(kind)
            writer.writerow(row)
            file.flush()
            yield row


def all_types(auto: Any) -> list[str]:
    """Types that write text: decoders, those of text and pictures, then `both`."""
    text = list(auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    pictures = sorted(auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)
    return list(dict.fromkeys([*text, *pictures, *both(auto)]))


def main() -> None:
    """Judge types and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("types", nargs="*")
    parser.add_argument("--out", type=Path, default=Path("architectures.csv"))
    given = parser.parse_args()
    import torch
    import transformers
    from transformers.models.auto import modeling_auto
    from transformers.utils import logging

    import evalkit.backends.hf.backend  # noqa: F401 - once, before the children

    transformers.logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    for row in rows(given.types or all_types(modeling_auto), given.out):
        print({name: value for name, value in row.items() if value}, file=sys.stderr)


if __name__ == "__main__":
    main()
