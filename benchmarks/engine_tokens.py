"""What sharing can save at most, counted in tokens and weights:
real prompts as evalkit and as lm-eval's `hf` feed them.

    python benchmarks/engine_tokens.py --model FILE.gguf --data DIR [--phrasings 10 --instances 50]

No weights are loaded. lm-eval feeds a prompt once where all choices are single tokens, else once
for every different beginning of a choice, and runs the vocabulary head everywhere; evalkit feeds
what its plan holds, and runs the head and the last layer's row-wise parts where an answer is read.
*trie* is the fewest tokens with which every different beginning of a prompt is computed once.
Ratios are of multiplications by weights; attention is left out (1 to 2 % here).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit import catalog
from evalkit.backends.hf.encoded import Encoded
from evalkit.backends.hf.files import locate
from evalkit.backends.hf.reader import reader_of
from evalkit.backends.hf.tree import Costs, branches, common_prefix, prefix_groups
from evalkit.phrasings.prompts import render_prompt, request_of
from evalkit.records import ModelSpec, Request

ASKED = (
    ("mmlu/moral_disputes", "letters", 0),
    ("mmlu/abstract_algebra", "letters", 0),
    ("mmlu/moral_disputes", "letters", 5),
    ("mmlu/moral_disputes", "text", 0),
    ("bbh/date_understanding", "letters", 0),
    ("bbh/logical_deduction_five_objects", "letters", 0),
)
"""Task, label space, worked instances in every prompt."""


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--phrasings", type=int, default=10)
    parser.add_argument("--instances", type=int, default=50)
    args = parser.parse_args()
    from transformers import AutoConfig

    spec = ModelSpec(backend="hf", name=str(args.model), device="cpu", chat_template="none")
    files = locate(spec)
    encoder = reader_of(spec, files=files)
    named = {"gguf_file": files.weights[0].name} if files.gguf else {}
    size = weights(AutoConfig.from_pretrained(files.root, **named).to_dict())
    print(
        "| task | choices | shots | prompts | mean prompt | lm-eval | evalkit | trie | ratio | "
        "with the trie |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for task, space, shots in ASKED:
        found = encoder.encode(list(requests(task, space, shots, args)))
        print(row(task, space, shots, [one for one in found if not one.error], size), flush=True)


def weights(config: Mapping[str, Any]) -> dict[str, int]:
    """Weights of a Llama-like model that multiply every token, that multiply answer positions
    only, and of the head.
    """
    width, inner, layers = (
        int(config[name]) for name in ("hidden_size", "intermediate_size", "num_hidden_layers")
    )
    heads, keys = int(config["num_attention_heads"]), int(config["num_key_value_heads"])
    shared = 2 * width * width * keys // heads
    rest = 2 * width * width + 3 * width * inner
    return {
        "all": layers * shared + (layers - 1) * rest,
        "last": rest,
        "head": int(config["vocab_size"]) * width,
    }


def requests(name: str, space: str, shots: int, args: argparse.Namespace) -> Iterator[Request]:
    """Yield a task's requests; the last instances of the file stand for worked ones."""
    task = catalog.load_task(name)
    found = [one for one in catalog.load_phrasings(task) if one.label_space == space]
    items = catalog.load_instances(task, args.data)
    worked = tuple(items[-shots:]) if shots else ()
    for phrasing in sorted(found, key=lambda one: one.id)[: args.phrasings]:
        for item in items[: args.instances]:
            yield request_of(render_prompt(task, phrasing, item, shots=worked))


def row(
    task: str, space: str, shots: int, items: Sequence[Encoded], size: Mapping[str, int]
) -> str:
    """One line of the table."""
    contexts = [item.context for item in items]
    behind = sum(len(branches(item.tails).tokens) for item in items)
    reads = sum(1 + len(branches(item.tails).tokens) for item in items)
    once = sum(map(len, contexts))
    other = sum(
        len(item.context) + len(chain) for item in items for chain in {t[:-1] for t in item.tails}
    )
    groups = prefix_groups(contexts, Costs())
    plan = once + behind - sum((len(one.members) - 1) * one.length for one in groups)
    fewest = trie(contexts) + behind
    theirs = other * sum(size.values())
    ratios = [
        theirs / (fed * size["all"] + reads * (size["last"] + size["head"]))
        for fed in (plan, fewest)
    ]
    parts = [f"`{task}`", space, shots, len(items), f"{once / len(items):.0f}"]
    parts += [f"{other:,}", f"{plan:,}", f"{fewest:,}", *(f"{one:.2f}" for one in ratios)]
    return "| " + " | ".join(map(str, parts)) + " |"


def trie(contexts: Sequence[tuple[int, ...]]) -> int:
    """Fewest tokens for these prompts, the last token of each apart."""
    total = 0
    before: tuple[int, ...] = ()
    for context in sorted(contexts):
        shared = min(common_prefix(before, context), len(context) - 1, max(0, len(before) - 1))
        total, before = total + len(context) - shared, context
    return total


if __name__ == "__main__":
    main()
