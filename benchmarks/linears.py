"""Rates of a model's linear layers by torch's BLAS, by oneDNN, and by it over arranged weights;
and the memory it keeps.

    OMP_NUM_THREADS=1 python benchmarks/linears.py [--width 576 --inner 1536 --keys 192]

The widths are those of SmolLM2-135M. Rates are in 10^9 operations (two per weight and row) per CPU
second, the whole of a layer's seven products.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit.backends.hf.linears import arrange, rounded, use_onednn

SECONDS = 1.0
ROWS = (4, 8, 16, 32, 64, 128, 256, 512, 1024)


def main() -> None:
    """Print a line per number of rows, and the memory kept for all numbers up to 1,024."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("width", 576), ("inner", 1536), ("keys", 192)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    torch.set_num_threads(1)
    width, inner, keys = given.width, given.inner, given.keys
    shapes = [(width, width), (width, keys), (width, keys), (width, width)]
    shapes += [(width, inner), (width, inner), (inner, width)]
    layer = made(shapes)
    with torch.inference_mode():
        for rows in ROWS:
            print(f"{rows} rows: {compared(layer, rows)}")
        before, numbers = resident(), sorted({rounded(n) for n in range(64, 1025)})
        for rows in numbers:
            run(layer[1], inputs(layer[1], rows))
        print(f"kept for {len(numbers)} numbers of rows: {resident() - before:.0f} MB")


def made(shapes: Sequence[tuple[int, int]]) -> tuple[Any, ...]:
    """Return linear layers of these shapes three times:
    by torch's BLAS, by oneDNN, by it over arranged weights.
    """
    import torch

    made = [
        torch.nn.ModuleList(torch.nn.Linear(a, b, bias=False) for a, b in shapes) for _ in range(3)
    ]
    use_onednn(made[1])
    use_onednn(made[2])
    arrange(made[2])
    return tuple(made)


def inputs(layers: Any, rows: int) -> list[Any]:
    """Return an input for every layer."""
    import torch

    return [torch.randn(rows, layer.in_features) for layer in layers]


def run(layers: Any, given: Sequence[Any]) -> None:
    """Compute every product once."""
    for layer, hidden in zip(layers, given, strict=True):
        layer(hidden)


def compared(layers: tuple[Any, ...], rows: int) -> str:
    """Say at what rates both compute: the best of many tries in turn, since others use the
    machine's caches too.
    """
    work = 2 * rows * sum(layer.weight.numel() for layer in layers[0]) / 1e9
    given = inputs(layers[0], rows)
    best = [float("inf")] * len(layers)
    start = time.process_time()
    while time.process_time() - start < SECONDS:
        for place, one in enumerate(layers):
            begun = time.process_time()
            run(one, given)
            best[place] = min(best[place], time.process_time() - begun)
    blas, onednn, arranged = (work / seconds for seconds in best)
    return (
        f"BLAS {blas:.1f}, oneDNN {onednn:.1f}, arranged {arranged:.1f}, "
        f"{arranged / blas:.2f} times"
    )


def resident() -> float:
    """Memory of the process, MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


if __name__ == "__main__":
    main()
