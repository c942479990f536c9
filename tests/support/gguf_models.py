"""GGUF files made on the spot: heads without a model,
and a small Llama model written out of its directory.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

TEMPLATE = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}<assistant>"


def head(path: Path, architecture: str, *, kind: str = "model", raw: Any = None) -> Path:
    """Write a file that says what it is and holds one tensor, of the quantisation `raw` where
    given.
    """
    import gguf

    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(kind)
    if raw is None:
        writer.add_tensor("token_embd.weight", np.zeros((4, 32), dtype=np.float32))
    else:
        _, size = gguf.GGML_QUANT_SIZES[raw]
        writer.add_tensor("token_embd.weight", np.zeros((4, size), dtype=np.uint8), raw_dtype=raw)
    return _written(writer, path)


def _written(writer: Any, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def llama(directory: Path, path: Path, *, template: str = "") -> Path:
    """Write the Llama model of a Transformers directory, float32, byte-level vocabulary,
    as llama.cpp's converter does.
    """
    import gguf
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(directory)
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("model")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    _add_vocabulary(writer, directory, config.vocab_size)
    if template:
        writer.add_chat_template(template)
    for name, tensor in model.state_dict().items():
        values = tensor.numpy()
        for part, heads in (
            ("q_proj", config.num_attention_heads),
            ("k_proj", config.num_key_value_heads),
        ):
            if part in name:
                values = _interleaved(values, heads)
        writer.add_tensor(_named(name), np.ascontiguousarray(values))
    return _written(writer, path)


def _add_vocabulary(writer: Any, directory: Path, size: int) -> None:
    own = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))
    special = {token["content"] for token in own["added_tokens"]}
    tokens = sorted(own["model"]["vocab"], key=own["model"]["vocab"].get)
    tokens += [f"<unused{n}>" for n in range(size - len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in special else 1 for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in own["model"]["merges"]])
    writer.add_bos_token_id(3)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(2)
    writer.add_add_bos_token(False)


def _interleaved(values: Any, heads: int) -> Any:
    """Rows of queries and keys in llama.cpp's order: halves of a rotation side by side."""
    rows, width = values.shape
    return values.reshape(heads, 2, rows // heads // 2, width).swapaxes(1, 2).reshape(rows, width)


_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "model.layers": "blk",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def _named(name: str) -> str:
    for theirs, ours in _NAMES.items():
        name = name.replace(theirs, ours)
    return name
