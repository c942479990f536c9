"""Trains the network of `evalkit.catalog.library.comparer` on labelled pairs.

``python benchmarks/meaning_comparer.py`` writes ``evalkit/catalog/library/comparer.safetensors``
from benchmarks/meaning_pairs/training, and prints how it tells the pairs of ``weighing`` after
every pass; about 80 CPU minutes. ``--passes``, ``--seed`` and ``--out`` are for trying.

Within a group all texts that ask the same are held against all others, in either order, since a
narrowed text is a widened one seen from the other side; so a text is far from what it is held
against as often as not, whatever its verdict.
Loss: two classes, kept and not, and the seven verdicts beside them. AdamW, learning rate up in a
twentieth of the steps and down to a hundredth.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from meaning_data import TRAINING, VERDICTS, WEIGHING, Group, read_groups
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from evalkit.catalog.library import comparer
from evalkit.phrasings.perturb.encoders import MINILM, encoder_parts

OUT = Path(comparer.__file__).parent / comparer.WEIGHTS
RANK, WIDTH, READ = 8, 128, 3 * 384
DROP, DROP_ENCODER = 0.2, 0.05
RATE, RATE_ENCODER = 1e-3, 5e-4
GROUPS, TEXTS, PAIRS = 3, 14, 24
"""Groups a step, texts of a group, and pairs of a group beside those of its original."""
OTHER_WAY = {"narrowed": "widened", "widened": "narrowed"}

Pair = tuple[int, int, str]


class Updated(nn.Module):
    """A linear map with a low-rank update that begins at 0."""

    def __init__(self, inner: nn.Linear) -> None:
        super().__init__()
        self.inner = inner
        self.down = nn.Parameter(torch.randn(RANK, inner.in_features) / inner.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(inner.out_features, RANK))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the map's rows and the update's."""
        update = (rows @ self.down.T) @ self.up.T
        return self.inner(rows) + comparer.RANK_SCALE * update


def new_weights() -> dict[str, nn.Parameter]:
    """Return the weights of the comparison before training."""
    shapes = {
        "values": (READ, WIDTH),
        "keys": (READ, WIDTH),
        "compare.in": (4 * WIDTH, WIDTH),
        "compare.out": (WIDTH, WIDTH),
        "mix.heads": (WIDTH, 3 * WIDTH),
        "mix.joined": (WIDTH, WIDTH),
        "mix.after.in": (WIDTH, 2 * WIDTH),
        "mix.after.out": (2 * WIDTH, WIDTH),
        "verdict.in": (4 * WIDTH, WIDTH),
        "verdict.out": (WIDTH, len(VERDICTS)),
    }
    found = {}
    for name, (width, out) in shapes.items():
        layer = nn.Linear(width, out)
        found |= {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}
    for name in ("mix.before", "mix.between"):
        found[f"{name}.weight"] = nn.Parameter(torch.ones(WIDTH))
        found[f"{name}.bias"] = nn.Parameter(torch.zeros(WIDTH))
    found["side"] = nn.Parameter(torch.zeros(2, WIDTH))
    found["sharpness"] = nn.Parameter(torch.tensor(8.0))
    return found


def drawn_pairs(group: Group, draw: random.Random) -> tuple[list[str], list[Pair]]:
    """Return texts of a group and which of them are held against which, with the verdict."""
    members = [(group.text, "kept"), *((one.text, one.verdict) for one in group.changed)]
    if len(members) > TEXTS:
        members = [members[0], *draw.sample(members[1:], TEXTS - 1)]
    texts, verdicts = zip(*members, strict=True)
    more: list[Pair] = []
    for one in (place for place, verdict in enumerate(verdicts) if verdict == "kept" and place):
        for two, verdict in enumerate(verdicts):
            if one == two:
                continue
            more.append((one, two, verdict))
            if verdict not in ("kept", "ungrammatical"):
                more.append((two, one, OTHER_WAY.get(verdict, verdict)))
    draw.shuffle(more)
    kept = [pair for pair in more if pair[2] == "kept"][: PAIRS // 2]
    bad = [pair for pair in more if pair[2] != "kept"][: PAIRS // 2]
    first = [(0, place, verdict) for place, verdict in enumerate(verdicts) if place]
    return list(texts), first + kept + bad


def batches(groups: Sequence[Group], draw: random.Random) -> list[list[Group]]:
    """Return the groups in batches of about the same length, in any order."""
    order = sorted(groups, key=lambda group: len(group.text) + 60 * draw.random())
    found = [order[start : start + GROUPS] for start in range(0, len(order), GROUPS)]
    draw.shuffle(found)
    return found


def loss_of(network: comparer.Comparer, batch: Sequence[Group], draw: random.Random) -> Any:
    """Return the loss of one batch."""
    texts: list[str] = []
    pairs: list[Pair] = []
    for group in batch:
        mine, theirs = drawn_pairs(group, draw)
        start = len(texts)
        texts += mine
        pairs += [(one + start, two + start, verdict) for one, two, verdict in theirs]
    with torch.autocast("cpu", torch.bfloat16):
        read = network.read(texts)
    logits = network.compare(
        tuple(part.float() if part.is_floating_point() else part for part in read),  # type: ignore[arg-type]
        [pair[:2] for pair in pairs],
    ).float()
    wanted = torch.tensor([VERDICTS.index(pair[2]) for pair in pairs])
    chances = logits.log_softmax(1)
    two = torch.where(wanted == 0, chances[:, 0], chances[:, 1:].logsumexp(1))
    return -two.mean() + 0.4 * functional.cross_entropy(logits, wanted)


def area(network: Callable[[str, list[str]], list[float]], groups: Sequence[Group]) -> float:
    """Return the area under the curve of good against bad texts."""
    found, kept = [], []
    for group in groups:
        found += network(group.text, [one.text for one in group.changed])
        kept += [one.verdict == "kept" for one in group.changed]
    scores, good = np.array(found), np.array(kept)
    return float((scores[good][:, None] > scores[~good]).mean())


def train(passes: int, seed: int, out: Path) -> None:
    """Train, print after every pass, and write the weights."""
    torch.manual_seed(seed)
    draw = random.Random(seed)
    groups, others = read_groups(TRAINING), read_groups(WEIGHING)
    tokenizer, model = encoder_parts(MINILM)
    model.requires_grad_(requires_grad=False)
    updates = {}
    for name, module in comparer.maps_of(model).items():
        parent, _, last = name.rpartition(".")
        updates[name] = Updated(module)
        setattr(model.get_submodule(parent), last, updates[name])
    weights = new_weights()
    encoder = [one for update in updates.values() for one in (update.down, update.up)]
    drops = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    for module in drops:
        module.p = DROP_ENCODER
    rates = [RATE_ENCODER, RATE]
    steps = torch.optim.AdamW(
        [
            {"params": encoder, "weight_decay": 0.01},
            {"params": list(weights.values()), "weight_decay": 0.05},
        ]
    )
    total, step = passes * math.ceil(len(groups) / GROUPS), 0
    drop = nn.Dropout(DROP)
    network = comparer.Comparer(model, tokenizer, weights, drop=drop)
    for number in range(passes):
        begun, losses = time.process_time(), []
        model.train()
        drop.train()
        for batch in batches(groups, draw):
            share = min((step + 1) / (0.05 * total), max(0.01, (total - step) / (0.95 * total)))
            for group, rate in zip(steps.param_groups, rates, strict=True):
                group["lr"] = rate * share
            loss = loss_of(network, batch, draw)
            steps.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_([*encoder, *weights.values()], 1.0)
            steps.step()
            losses.append(loss.item())
            step += 1
        model.eval()
        drop.eval()
        seconds = time.process_time() - begun
        print(
            f"pass {number + 1}: loss {np.mean(losses):.3f}, area {area(network, others):.3f}, "
            f"{seconds:.0f} CPU s",
            flush=True,
        )
        save_file(stored(updates, weights), out)


def stored(updates: dict[str, Updated], weights: dict[str, nn.Parameter]) -> dict[str, Any]:
    """Return all weights as they are shipped, 16 bits each."""
    found = {name: values.detach() for name, values in weights.items()}
    for name, update in updates.items():
        found |= {f"{name}.down": update.down.detach(), f"{name}.up": update.up.detach()}
    return {name: values.half().contiguous() for name, values in found.items()}


def main() -> None:
    """Train by the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passes", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    train(given.passes, given.seed, given.out)


if __name__ == "__main__":
    main()
