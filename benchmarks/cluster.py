"""What a large run costs on a cluster, and what saturates first: arithmetic,
and a simulation of the scheduler of `evalkit.backends.ray_pool`.

``python benchmarks/cluster.py`` works out a 70B model on MMLU x 100 phrasings over 64 GPUs. The
scheduler is simulated event by event with the executor's own numbers (`SHARD`, `AHEAD`,
`MAX_TRIES`); times of shards come from token counts and stated rates. Nothing here is a measurement
of a cluster; the inputs that were measured say so.
"""

from __future__ import annotations

import argparse
import heapq
import random
from dataclasses import dataclass

from evalkit.backends.ray_pool import AHEAD, SHARD


@dataclass(frozen=True)
class Inputs:
    """Assumptions; change them on the command line."""

    parameters: float = 70e9
    instances: int = 14_042
    phrasings: int = 100
    instance_tokens: float = 124.0
    """Mean tokens of an MMLU question with its four choices (Llama-2 tokenizer)."""
    instruction_tokens: float = 28.0
    gpus: int = 64
    gpus_per_replica: int = 4
    peak: float = 790e12
    """Measured bf16 matrix rate of one H200, FLOP/s."""
    utilisation: float = 0.5
    """Share of the peak that scoring reaches on one GPU;
    the goal for models of this size is 0.6.
    """
    tensor_parallel_efficiency: float = 0.85
    weights_bytes: float = 140e9
    load_rate: float = 2e9
    """Bytes per second at which one replica reads weights."""
    row_bytes: float = 260.0
    """Bytes of one stored response with key, checksum and page overhead (benchmarks/growth.py
    measures it).
    """
    writer_rate: float = 20_000.0
    """Responses per second one writer commits durably (benchmarks/growth.py measures it)."""
    render_seconds: float = 31e-6
    """Driver seconds to render and key one prompt, measured on one core."""
    tokenise_seconds: float = 4e-4
    """Worker seconds to tokenise one prompt, measured on one core."""
    prompt_bytes: float = 620.0


def arithmetic(given: Inputs) -> dict[str, float]:
    """Return the totals of the run and the time each part would take if it were alone."""
    cells = given.instances * given.phrasings
    tokens = cells * given.instance_tokens + given.phrasings * given.instruction_tokens
    replicas = given.gpus // given.gpus_per_replica
    rate = (
        given.peak
        * given.utilisation
        * given.tensor_parallel_efficiency
        * given.gpus_per_replica
        / (2 * given.parameters)
    )
    return {
        "cells": cells,
        "tokens": tokens,
        "tokens without shared instructions": cells
        * (given.instance_tokens + given.instruction_tokens),
        "replicas": replicas,
        "tokens/s per replica": rate,
        "seconds: model": tokens / rate / replicas,
        "seconds: loading weights": given.weights_bytes / given.load_rate,
        "seconds: rendering in the driver": cells * given.render_seconds,
        "seconds: writing": cells / given.writer_rate,
        "seconds: tokenising per worker (overlapped)": cells * given.tokenise_seconds / replicas,
        "bytes to the writer": cells * given.row_bytes,
        "bytes to the workers": cells * given.prompt_bytes,
    }


def simulate(
    given: Inputs, *, deaths_per_hour: float, straggler: float, seed: int = 0
) -> dict[str, float]:
    """Return what the scheduler makes of it: seconds until the last shard, share of time replicas
    worked, shards done twice.

    Parameters
    ----------
    given
        Assumptions.
    deaths_per_hour
        Deaths of a replica, each; the shards it held are done again and a new replica loads weights
        first.
    straggler
        Factor by which one replica is slower.
    seed
        Seed of deaths and of shard lengths.
    """
    rng = random.Random(seed)
    totals = arithmetic(given)
    replicas, rate = int(totals["replicas"]), totals["tokens/s per replica"]
    n_shards = -(-int(totals["cells"]) // SHARD)
    lengths = sorted((rng.gammavariate(2.2, 1 / 2.2) for _ in range(n_shards)), reverse=True)
    scale = totals["tokens"] / sum(lengths)
    waiting = [length * scale for length in reversed(lengths)]  # longest first, taken from the end
    ready = totals["seconds: loading weights"]
    free = [ready] * replicas  # when each replica has worked off what it holds
    held: list[list[tuple[float, float]]] = [[] for _ in range(replicas)]
    events: list[tuple[float, int]] = []
    busy = done_twice = writer_free = writer_wait = 0.0
    dies = [
        ready + rng.expovariate(deaths_per_hour / 3600) if deaths_per_hour else float("inf")
        for _ in range(replicas)
    ]

    def give(place: int, now: float) -> None:
        while waiting and len(held[place]) < AHEAD:
            tokens = waiting.pop()
            seconds = tokens / rate * (straggler if place == 0 else 1.0)
            begins = max(free[place], now)
            free[place] = begins + seconds
            held[place].append((free[place], tokens))
            heapq.heappush(events, (free[place], place))

    for place in range(replicas):
        give(place, 0.0)
    now = 0.0
    while events:
        now, place = heapq.heappop(events)
        if not held[place] or abs(held[place][0][0] - now) > 1e-9:
            continue  # a shard of a replica that died meanwhile
        if dies[place] < now:
            waiting.extend(tokens for _, tokens in held[place])
            done_twice += len(held[place])
            held[place].clear()
            free[place] = dies[place] + given.weights_bytes / given.load_rate
            dies[place] = free[place] + rng.expovariate(deaths_per_hour / 3600)
        else:
            _, tokens = held[place].pop(0)
            busy += tokens / rate
            writer_free = max(writer_free, now) + SHARD / given.writer_rate
            writer_wait = max(writer_wait, writer_free - now)
        for other in range(replicas):
            give(other, now)
    return {
        "seconds": now,
        "share of replica time at work": busy / ((now - ready) * replicas),
        "shards": n_shards,
        "shards done twice": done_twice,
        "longest wait for the writer, s": writer_wait,
    }


def main() -> None:
    """Print the arithmetic and the simulation."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, value in vars(Inputs()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    given = Inputs(**vars(parser.parse_args()))
    print("| what | value |\n|---|---|")
    for name, value in arithmetic(given).items():
        print(f"| {name} | {value:,.0f} |")
    print(
        "\n| simulated | seconds | replicas at work | shards | done twice | writer wait, "
        "s |\n|---|---|---|---|---|---|"
    )
    for label, deaths, slow in (
        ("nothing goes wrong", 0.0, 1.0),
        ("one replica three times slower", 0.0, 3.0),
        ("each replica dies twice an hour", 2.0, 1.0),
    ):
        found = simulate(given, deaths_per_hour=deaths, straggler=slow)
        print(
            "| "
            + " | ".join(
                [
                    label,
                    *(
                        f"{value:,.3g}" if value < 10 else f"{value:,.0f}"
                        for value in found.values()
                    ),
                ]
            )
            + " |"
        )


if __name__ == "__main__":
    main()
