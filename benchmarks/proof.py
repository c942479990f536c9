"""What the start-up proof decides: models of 2 to 40 layers, random and trained,
in float32 and bfloat16.

    OMP_NUM_THREADS=1 python benchmarks/proof.py [--model FILE.gguf]

Prints a table: the way taken, the errors of both ways against float64, and what was allowed.
Random models are Llamas of width 64 whose weights spread as at the beginning of a training (0.02)
and ten times as wide, which makes rounding as large as in trained models.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from itertools import chain
from typing import Any

from evalkit import catalog
from evalkit.backends.hf.files import locate
from evalkit.backends.hf.layout import Work
from evalkit.backends.hf.loading import Loaded, load
from evalkit.backends.hf.proof import choose

DTYPES = ("float32", "bfloat16")
VOCABULARY = 211


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", default=[], help="a trained model of yours")
    trained = ["models/demo", "models/demo-bart", *parser.parse_args().model]
    print("| model | dtype | way | error of one row per choice | of the way taken | allowed |")
    print("|---|---|---|---|---|---|")
    for name, loaded in chain(_random(), _trained(trained)):
        vocabulary = min(loaded.model.config.get_text_config().vocab_size, 1000)
        path = choose(loaded, works(vocabulary))
        proof = path.proof
        errors = " | ".join(
            f"{value:.1e}" for value in (proof.plain_error, proof.error, proof.allowed)
        )
        print(f"| {name} | {loaded.dtype_name} | {path.name} | {errors} |", flush=True)


def works(vocabulary: int) -> list[Work]:
    """Prompts of 10 to 120 random tokens with continuations of one, three and six."""
    rng = random.Random(5)

    def some(n: int) -> tuple[int, ...]:
        return tuple(rng.choices(range(4, vocabulary), k=n))

    return [Work(some(rng.randint(10, 120)), (some(1), some(3), some(6))) for _ in range(24)]


def _random() -> Iterator[tuple[str, Loaded]]:
    """Llamas with random weights."""
    import torch
    import transformers as tf

    for layers in (2, 12, 30, 40):
        for spread in (0.02, 0.2):
            config = tf.LlamaConfig(
                vocab_size=VOCABULARY,
                initializer_range=spread,
                hidden_size=64,
                intermediate_size=160,
                num_hidden_layers=layers,
                num_attention_heads=4,
                num_key_value_heads=2,
            )
            for dtype in DTYPES:
                torch.manual_seed(layers)
                model: Any = tf.AutoModelForCausalLM.from_config(config)
                model = model.to(getattr(torch, dtype)).eval()
                loaded = Loaded(model, None, encoder_decoder=False, longest=256)
                yield f"random, {layers} layers, spread {spread}", loaded


def _trained(names: list[str]) -> Iterator[tuple[str, Loaded]]:
    """Models from files; bfloat16 whether the processor has units for it or not."""
    for name in names:
        for dtype in DTYPES:
            spec = catalog.load_model(name, dtype=dtype, options={"emulate": True})
            loaded = load(spec, locate(spec))
            config = loaded.model.config.get_text_config()
            layers = getattr(config, "num_hidden_layers", "?")
            yield f"`{name.rpartition('/')[2]}`, trained, {layers} layers", loaded


if __name__ == "__main__":
    main()
