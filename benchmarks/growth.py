"""How the store grows: insert rate, file size, time to find what is missing, time to read
everything back.

``python benchmarks/growth.py --cells 1000000`` (10,000,000 for the long form). Responses are
synthetic: four choices, as MMLU's.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from evalkit.records import Response, digest
from evalkit.store.responses import Store


def responses(start: int, stop: int) -> list[Response]:
    """Return synthetic responses with distinct keys."""
    rng = random.Random(start)
    made = []
    for index in range(start, stop):
        values = tuple(-20.0 * rng.random() for _ in range(4))
        made.append(
            Response(
                key=digest(index),
                logprobs=values,
                token_counts=(1, 1, 1, 1),
                prompt_tokens=rng.randrange(60, 400),
            )
        )
    return made


def batches(cells: int, size: int) -> Iterator[list[Response]]:
    """Yield batches of responses, made outside the timed part."""
    for start in range(0, cells, size):
        yield responses(start, min(cells, start + size))


def cut(keys: str, number: int) -> Iterator[list[str]]:
    """Yield the keys that stand side by side, some at a time."""
    for start in range(0, len(keys), 32 * number):
        yield [
            keys[place : place + 32]
            for place in range(start, min(len(keys), start + 32 * number), 32)
        ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "responses.sqlite"
        spent = waited = 0.0
        with Store(path) as store:
            for batch in batches(options.cells, options.batch):
                began, clock = time.process_time(), time.monotonic()
                store.put("fingerprint", batch)
                spent += time.process_time() - began
                waited += time.monotonic() - clock
        keys = "".join(digest(index) for index in range(options.cells))
        print("| measure | value |\n|---|---|")
        print(f"| responses, batch size | {options.cells:,}, {options.batch} |")
        print(f"| durable inserts per second, wall | {options.cells / waited:,.0f} |")
        print(f"| CPU microseconds per response | {spent / options.cells * 1e6:.1f} |")
        print(f"| bytes per response | {path.stat().st_size / options.cells:.0f} |")
        with Store(path, read_only=True) as store:
            began = time.process_time()
            missing, _ = store.missing_in("fingerprint", [keys, "f" * 32])
            print(
                f"| CPU seconds to find what is missing | {time.process_time() - began:.1f} "
                f"({len(missing)} missing) |"
            )
            began = time.process_time()
            read = sum(len(store.get("fingerprint", part)) for part in cut(keys, 10_000))
            print(
                f"| CPU seconds to read and verify all | {time.process_time() - began:.1f} "
                f"({read:,} read) |"
            )


if __name__ == "__main__":
    main()
