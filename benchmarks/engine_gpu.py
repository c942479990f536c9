"""Share of the measured matrix rate that scoring reaches, for random models of known shapes,
and lm-eval beside it.

    python benchmarks/engine_gpu.py --sizes 0.5b,1.5b,8b
    python benchmarks/engine_gpu.py --device cpu --dtype float32 --sizes tiny --instances 20

The rate of a large square matrix product is measured first, on the same device in the same
precision. A model's share is 2 x parameters in its layers x computed tokens / seconds / that rate;
the vocabulary head is not counted, because it runs at answer positions only. Weights are random,
made from a configuration; the tokenizer is trained on the spot.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from engine import agreement, lm_eval_instances, warm
from engine_workloads import corpus, prompts, tokenizer

from evalkit.records import Ask, ModelSpec

SHAPES: dict[str, dict[str, int]] = {
    "tiny": {
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
    "0.5b": {
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
    },
    "1.5b": {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
    },
    "8b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
    },
}
GOALS = {"0.5b": 0.35, "1.5b": 0.45, "8b": 0.60}


def settle(device: str) -> None:
    """Wait until the device has done what was asked."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize()


def matrix_rate(device: str, dtype: Any, n: int) -> float:
    """Return operations per second of an n x n matrix product, best of five."""
    import torch

    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        settle(device)
        start = time.perf_counter()
        a @ b
        settle(device)
        best = min(best, time.perf_counter() - start)
    return 2 * n**3 / best


def make(directory: Path, size: str, dtype: Any, *, vocabulary: int) -> tuple[Path, int]:
    """Save a random model and return its directory and the parameters in its layers."""
    import torch
    import transformers as tf

    target = directory / size
    tokenizer(target, corpus(), pieces="bytes")
    config = tf.Qwen2Config(
        **SHAPES[size],
        vocab_size=vocabulary,
        max_position_embeddings=4096,
        tie_word_embeddings=size in ("0.5b", "1.5b"),
    )
    torch.manual_seed(0)
    model = tf.AutoModelForCausalLM.from_config(config, dtype=dtype)
    model.save_pretrained(target)
    return target, sum(p.numel() for p in model.model.layers.parameters())


def measure(
    model: Path, layers: int, args: argparse.Namespace, *, rate: float, letters: bool
) -> dict[str, Any]:
    """Score one workload with evalkit and, when asked for, with lm-eval."""
    from evalkit.backends.hf.backend import HFBackend

    size: dict[str, Any] = {
        "phrasings": 10,
        "instances": args.instances,
        "choices": 4,
        "instruction": 21,
        "first": "instruction",
    }
    requests = prompts(**size, body=80, letters=letters)
    backend = HFBackend(
        ModelSpec(backend="hf", name=str(model), device=args.device, dtype=args.dtype)
    )
    warm(backend, requests)
    before = backend.stats["computed"]
    settle(args.device)
    start = time.perf_counter()
    found = {r.key: r for batch in backend.run(list(map(Ask, requests))) for r in batch}
    settle(args.device)
    seconds = time.perf_counter() - start
    stats = backend.stats
    backend.close()
    computed = stats["computed"] - before
    row: dict[str, Any] = {
        "model": model.name,
        "choices": "letters" if letters else "long",
        "requests": len(requests),
        "seconds": seconds,
        "tokens": computed,
        "share": 2 * layers * computed / seconds / rate,
        "goal": GOALS.get(model.name),
        "path": stats["path"],
        "notice": stats["notice"],
    }
    if args.lm_eval:
        from lm_eval.models.huggingface import HFLM

        lm = HFLM(pretrained=str(model), device=args.device, dtype=args.dtype, batch_size=64)
        asked = lm_eval_instances(requests)
        start = time.perf_counter()
        scores = [score for score, _ in lm.loglikelihood(asked, disable_tqdm=True)]
        row["lm-eval"] = {
            "seconds": time.perf_counter() - start,
            **agreement(requests, [found[r.key] for r in requests], scores),
        }
    return row


def main() -> None:
    """Measure what was asked for and print JSON lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--sizes", default="0.5b,1.5b")
    parser.add_argument("--instances", type=int, default=400)
    parser.add_argument("--vocabulary", type=int, default=151_936)
    parser.add_argument("--lm-eval", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    import torch

    dtype = getattr(torch, args.dtype)
    rate = matrix_rate(args.device, dtype, 8192 if args.device.startswith("cuda") else 1024)
    name = torch.cuda.get_device_name(args.device) if args.device.startswith("cuda") else "cpu"
    print(
        json.dumps(
            {
                "device": name,
                "torch": torch.__version__,
                "dtype": args.dtype,
                "matrix rate, TFLOP/s": rate / 1e12,
            }
        ),
        flush=True,
    )
    with tempfile.TemporaryDirectory() as directory:
        for size in args.sizes.split(","):
            model, layers = make(Path(directory), size, dtype, vocabulary=args.vocabulary)
            for letters in (True, False):
                print(
                    json.dumps(measure(model, layers, args, rate=rate, letters=letters)), flush=True
                )


if __name__ == "__main__":
    main()
