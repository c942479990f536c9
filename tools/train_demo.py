r"""Train the demo model: a small Transformers checkpoint that knows the procedural benchmark.

Data are the ``train`` splits of all families in the words of the tuning half of the phrasings
(source ``evalkit-tuning``), rendered by `evalkit.phrasings.prompts` exactly as an evaluation renders them.
Nothing else is ever trained on: no held-out phrasing, no test instance, no held-out rule. Forty validation
instances per family, in the same words, are looked at every 500 steps for the progress lines; nothing depends on them.

    python tools/train_demo.py --out build/first --work build/first-work
    python tools/train_demo.py --out models/demo --work build/second-work --start build/first --steps 4500 --seed 2 \
        --learning-rate 2e-3 --focus boolean calendar counting navigation regex tracking
    python tools/train_demo.py --out build/bart-first --work build/bart-first-work --architecture bart --steps 6000 \
        --no-muon --no-bf16 --learning-rate 1e-3 --copies 0.8 --copies-until 0.4
    python tools/train_demo.py --out models/demo-bart --work build/bart-work --architecture bart --start build/bart-first --seed 2 --steps 3500 \
        --no-muon --no-bf16 --learning-rate 1e-3 --focus boolean calendar comparison counting navigation regex tracking

Every batch depends on the seed and its number only, so a run that was stopped goes on from the last
checkpoint in ``--work`` and ends with the same weights (up to the arithmetic of another number of threads).
"""  # noqa: E501

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from evalkit.catalog.phrasings import load_phrasings
from evalkit.catalog.procedural.draft import Draws
from evalkit.catalog.procedural.generate import FAMILIES, stream
from evalkit.catalog.tasks import load_task
from evalkit.phrasings.prompts import render_prompt
from evalkit.records import Instance, Phrasing, Task

TUNING = "evalkit-tuning"
END, PAD = "</s>", "<pad>"
SPLIT = r"[0-9]|[A-Z](?![a-z])| ?[A-Z]?[a-z]+| ?[^\sA-Za-z0-9]|\s"
"""Where words are cut before pairs are merged: digits, lone capitals and signs always stand alone,
so that copying a string is copying tokens."""
EASY: dict[str, dict[str, int]] = {
    "boolean": {"max_leaves": 2},
    "calendar": {"max_days": 3, "max_shifts": 1},
    "comparison": {"items": 2},
    "counting": {"max_count": 3, "min_length": 2},
    "markov": {"rules": 1, "min_length": 2, "max_length": 3},
    "navigation": {"max_legs": 1},
    "regex": {"max_parts": 2, "max_length": 4},
    "rewrite": {"letters": 4, "min_length": 2, "max_length": 4},
    "sorting": {"min_items": 2, "max_items": 3},
    "tracking": {"people": 2, "max_swaps": 1},
}
"""Knobs of the easier training instances that training begins with."""
TOKENIZER_PROMPTS = 20_000
"""Prompts the tokenizer is trained on."""
BATCHES_PER_SORT = 16
"""Batches whose prompts are sorted by length together."""


@dataclass(frozen=True)
class Pool:
    """Everything one family is trained on."""

    task: Task
    phrasings: list[Phrasing]
    instances: list[Instance]
    easy: list[Instance]
    validation: list[Instance]


def build_pools(most: int, seed: int) -> list[Pool]:
    """Return the training data of every family: at most `most` instances, tuning phrasings only."""
    pools = []
    for family in FAMILIES:
        task = load_task(f"procedural/{family}")
        phrasings = [
            item
            for item in load_phrasings(task)
            if item.source == TUNING and item.kind == "correct"
        ]
        instances = {
            split: list(islice(stream(family, split, seed=seed), n))
            for split, n in (("train", most), ("validation", 40))
        }
        easy = list(islice(stream(family, "train", seed=seed, knobs=EASY[family]), most))
        pools.append(Pool(task, phrasings, instances["train"], easy, instances["validation"]))
    return pools


def draw_pair(pools: list[Pool], draws: Draws, easy: float) -> tuple[str, str]:
    """Return one prompt and its answer, leading space included;
    an easier one with probability `easy`.

    A pool that is listed three times is drawn three times as often.
    """
    pool = draws.pick(pools)
    return render_pair(
        pool,
        draws.pick(pool.easy if draws.chance(easy) else pool.instances),
        draws.pick(pool.phrasings),
    )


def copy_pair(pools: list[Pool], draws: Draws) -> tuple[str, str]:
    """Return a training question and the same question again: practice in copying,
    which most families need first.
    """
    question = draws.pick(draws.pick(pools).instances).fields["question"]
    return f"{question}\n", question


def render_pair(pool: Pool, instance: Instance, phrasing: Phrasing) -> tuple[str, str]:
    """Return the prompt and answer of one cell."""
    prompt = render_prompt(pool.task, phrasing, instance)
    if instance.target is None:
        return prompt.text, f" {instance.references[0]}"
    return prompt.text, prompt.continuations[instance.target]


def build_tokenizer(pools: list[Pool], vocabulary: int) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer trained on training prompts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    draws = Draws("evalkit/tokenizer")
    tokenizer.train_from_iterator(
        ("".join(draw_pair(pools, draws, 0.2)) for _ in range(TOKENIZER_PROMPTS)), trainer
    )
    return dressed(tokenizer)


def dressed(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """Return a tokenizer as Transformers uses it."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
    )


def build_model(arguments: argparse.Namespace, tokenizer: PreTrainedTokenizerFast) -> Any:
    """Return an untrained model of the asked architecture and size."""
    torch.manual_seed(arguments.seed)
    shared = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "tie_word_embeddings": True,
    }
    width, layers, heads = arguments.width, arguments.layers, arguments.heads
    if arguments.architecture == "causal":
        config = LlamaConfig(
            **shared,
            bos_token_id=None,
            hidden_size=width,
            intermediate_size=width * 8 // 3,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            max_position_embeddings=1024,
            initializer_range=width**-0.5 / 2,
        )
        return LlamaForCausalLM(config)
    if arguments.architecture == "bart":
        return BartForConditionalGeneration(
            BartConfig(
                **shared,
                bos_token_id=None,
                forced_eos_token_id=None,
                decoder_start_token_id=tokenizer.pad_token_id,
                d_model=width,
                encoder_layers=layers,
                decoder_layers=layers,
                encoder_attention_heads=heads,
                decoder_attention_heads=heads,
                encoder_ffn_dim=width * 4,
                decoder_ffn_dim=width * 4,
                dropout=0.0,
                max_position_embeddings=1024,
                init_std=width**-0.5 / 2,
            )
        )
    config = T5Config(
        **shared,
        decoder_start_token_id=tokenizer.pad_token_id,
        d_model=width,
        d_kv=width // heads,
        d_ff=width * 8 // 3,
        num_layers=layers,
        num_decoder_layers=layers,
        num_heads=heads,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
    )
    return T5ForConditionalGeneration(config)


Item = tuple[list[int], list[int]]
"""Tokens of a prompt, tokens of its answer with the end of text."""


def encode(pairs: list[tuple[str, str]], tokenizer: Any) -> list[Item]:
    """Return the tokens of prompts and answers."""
    prompts = tokenizer([prompt for prompt, _ in pairs], add_special_tokens=False)["input_ids"]
    answers = tokenizer([answer + END for _, answer in pairs], add_special_tokens=False)[
        "input_ids"
    ]
    return list(zip(prompts, answers, strict=True))


def batches(
    pools: list[Pool], tokenizer: Any, arguments: argparse.Namespace, first: int
) -> Iterator[list[Item]]:
    """Yield batches of (prompt tokens, answer tokens) from batch number `first` on, each of
    similar lengths.
    """
    pools = [pool for pool in pools for _ in range(3 if pool.task.name in arguments.focus else 1)]
    size, number = arguments.batch_size, first
    while True:
        block, skip = divmod(number, BATCHES_PER_SORT)
        draws = Draws(f"evalkit/batches/{arguments.seed}/{block}")
        done = block * BATCHES_PER_SORT / max(1, arguments.steps)
        easy = max(0.05, 0.8 * (1 - 2 * done))  # 80 % at first, 5 % in the second half
        copies = (
            0.0
            if arguments.start
            else max(0.0, arguments.copies * (1 - done / arguments.copies_until))
        )
        pairs = [
            copy_pair(pools, draws) if draws.chance(copies) else draw_pair(pools, draws, easy)
            for _ in range(size * BATCHES_PER_SORT)
        ]
        items = encode(pairs, tokenizer)
        items.sort(key=lambda item: len(item[0]) + len(item[1]))
        chunks = draws.shuffled([items[at : at + size] for at in range(0, len(items), size)])
        yield from chunks[skip:]
        number = (block + 1) * BATCHES_PER_SORT


def padded(rows: list[list[int]], value: int) -> torch.Tensor:
    """Return rows as one tensor, filled up on the right."""
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])


def answer_logits(model: Any, batch: list[Item]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return logits (answer token, vocabulary), targets (answer token,) and the item each token
    belongs to.
    """
    pad = model.config.pad_token_id
    if model.config.is_encoder_decoder:
        source = padded([prompt for prompt, _ in batch], pad)
        labels = padded([answer for _, answer in batch], -100)
        logits = model(
            input_ids=source, attention_mask=(source != pad).long(), labels=labels
        ).logits
        items, places = (labels != -100).nonzero(as_tuple=True)
        return logits[items, places].float(), labels[items, places], items
    tokens = padded([prompt + answer for prompt, answer in batch], pad)
    hidden = model.model(
        input_ids=tokens
    ).last_hidden_state  # (item, place, width); padding is on the right, so no mask is needed
    where = [
        (item, len(prompt) + k)
        for item, (prompt, answer) in enumerate(batch)
        for k in range(len(answer))
    ]
    items, places = torch.tensor(where).T
    return model.lm_head(hidden[items, places - 1]).float(), tokens[items, places], items


def exact_share(
    logits: torch.Tensor, targets: torch.Tensor, items: torch.Tensor, n_items: int
) -> float:
    """Return the share of items whose answer tokens are all the likeliest ones."""
    wrong = torch.zeros(n_items).index_add(0, items, (logits.argmax(-1) != targets).float())
    return (wrong == 0).float().mean().item()


@torch.no_grad()
def validate(model: Any, pools: list[Pool], tokenizer: Any) -> str:
    """Return the share of validation instances answered exactly, per family, each in one tuning
    phrasing.
    """
    shown = []
    for pool in pools:
        pairs = [
            render_pair(pool, instance, pool.phrasings[k % len(pool.phrasings)])
            for k, instance in enumerate(pool.validation)
        ]
        logits, targets, items = answer_logits(model, encode(pairs, tokenizer))
        shown.append(f"{pool.task.name} {exact_share(logits, targets, items, len(pairs)):.2f}")
    return ", ".join(shown)


def learning_rate(step: int, arguments: argparse.Namespace) -> float:
    """Return linear warm-up over 2 % of the steps, then half a cosine down to 2 % of the peak."""
    warm = max(1, arguments.steps // 50)
    if step < warm:
        return float(arguments.learning_rate * (step + 1) / warm)
    done = (step - warm) / max(1, arguments.steps - warm)
    return float(arguments.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))))


def build_optimizers(model: Any, arguments: argparse.Namespace) -> list[torch.optim.Optimizer]:
    """Return Muon (K. Jordan and others, 2024) for the matrices inside the layers and AdamW for
    all other weights.
    """
    inside = (
        [
            weight
            for name, weight in model.named_parameters()
            if weight.dim() == 2 and "layer" in name
        ]
        if arguments.muon
        else []
    )
    known = {id(weight) for weight in inside}
    others = [weight for weight in model.parameters() if id(weight) not in known]
    adam = torch.optim.AdamW(
        others, lr=arguments.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    if not inside:
        return [adam]
    return [
        adam,
        torch.optim.Muon(
            inside, lr=arguments.learning_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
        ),
    ]


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that an interruption leaves the old one."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def train(
    model: Any, pools: list[Pool], tokenizer: Any, arguments: argparse.Namespace
) -> dict[str, float]:
    """Train in place, resuming from the work folder, and return steps, tokens and seconds."""
    checkpoint, optimizers = arguments.work / "checkpoint.pt", build_optimizers(model, arguments)
    recipe = {
        name: str(value)
        for name, value in vars(arguments).items()
        if name not in {"out", "work", "threads", "log_every"}
    }
    totals: dict[str, float] = {"steps": 0, "tokens": 0, "seconds": 0.0}
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        if state["recipe"] != recipe:
            raise SystemExit(
                f"{checkpoint}: was made by another recipe, {state['recipe']}. "
                "Name another --work or delete it."
            )
        model.load_state_dict(state["model"])
        for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        totals = state["totals"]
        print(f"resumed at step {totals['steps']}", flush=True)
    started, before = time.perf_counter(), totals["seconds"]
    window: list[tuple[float, float]] = []
    model.train()
    for batch in batches(pools, tokenizer, arguments, int(totals["steps"])):
        step = int(totals["steps"])
        if step >= arguments.steps:
            break
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = learning_rate(step, arguments)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=arguments.bf16):
            logits, targets, items = answer_logits(model, batch)
        loss = torch.nn.functional.cross_entropy(logits, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        model.zero_grad(set_to_none=True)
        window.append((loss.item(), exact_share(logits, targets, items, len(batch))))
        totals["steps"] = step + 1
        totals["tokens"] += sum(len(prompt) + len(answer) for prompt, answer in batch)
        totals["seconds"] = before + time.perf_counter() - started
        if (step + 1) % arguments.log_every == 0 or step + 1 == arguments.steps:
            loss_mean, exact = (sum(values) / len(window) for values in zip(*window, strict=True))
            rate = totals["tokens"] / totals["seconds"]
            print(
                f"step {step + 1} loss {loss_mean:.3f} exact {exact:.3f} tokens/s {rate:.0f} "
                f"seconds {totals['seconds']:.0f}",
                flush=True,
            )
            window.clear()
            if (step + 1) % 500 == 0:
                print(f"  validation: {validate(model, pools, tokenizer)}", flush=True)
            states = [optimizer.state_dict() for optimizer in optimizers]
            save_checkpoint(
                checkpoint,
                {
                    "model": model.state_dict(),
                    "optimizers": states,
                    "totals": totals,
                    "recipe": recipe,
                },
            )
    return totals


def read_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder that takes the finished checkpoint"
    )
    parser.add_argument(
        "--work", type=Path, required=True, help="folder of the resumable training state"
    )
    parser.add_argument("--architecture", choices=("causal", "bart", "t5"), default="causal")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--start",
        type=Path,
        help=(
            "folder of a checkpoint of the same shape whose weights and tokenizer training starts "
            "from"
        ),
    )
    parser.add_argument(
        "--focus",
        nargs="*",
        default=[],
        choices=tuple(FAMILIES),
        help="families drawn three times as often",
    )
    parser.add_argument("--steps", type=int, default=7000)
    parser.add_argument(
        "--copies",
        type=float,
        default=0.5,
        help="share of items that are copied questions, at first",
    )
    parser.add_argument(
        "--copies-until",
        type=float,
        default=0.2,
        help="share of the steps after which no questions are copied",
    )
    parser.add_argument("--batch-size", type=int, default=40)
    parser.add_argument(
        "--instances", type=int, default=12_000, help="most training instances of a family"
    )
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--vocabulary", type=int, default=1536)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument(
        "--muon",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="Muon for matrices; AdamW alone without",
    )
    parser.add_argument(
        "--bf16",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="multiply matrices in bfloat16",
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log-every", type=int, default=100)
    return parser.parse_args()


def main() -> None:
    """Train, save in Transformers' format and write what happened to ``training.json`` in the
    work folder.
    """
    arguments = read_arguments()
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    pools = build_pools(arguments.instances, arguments.seed)
    for pool in pools:
        print(
            f"{pool.task.id}: {len(pool.instances)} instances, {len(pool.phrasings)} phrasings",
            flush=True,
        )
    if arguments.start:
        tokenizer = dressed(Tokenizer.from_file(str(arguments.start / "tokenizer.json")))
    else:
        tokenizer = build_tokenizer(pools, arguments.vocabulary)
    model = build_model(arguments, tokenizer)
    if arguments.start:
        model.load_state_dict(type(model).from_pretrained(arguments.start).state_dict())
    n_parameters = sum(weight.numel() for weight in model.parameters())
    print(f"{n_parameters} parameters, {len(tokenizer)} tokens", flush=True)
    totals = train(model, pools, tokenizer, arguments)
    model.eval().save_pretrained(arguments.out)
    tokenizer.save_pretrained(arguments.out)
    (arguments.out / "model.safetensors").chmod(0o644)
    weights = hashlib.sha256((arguments.out / "model.safetensors").read_bytes()).hexdigest()
    recipe = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(arguments).items()
    }
    report = {"recipe": recipe, "parameters": n_parameters, "sha256": weights, **totals}
    (arguments.work / "training.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
