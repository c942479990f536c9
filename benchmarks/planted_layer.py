"""Copy a checkpoint and change one matrix along one direction:
a case for `weights` and `inside` whose answer is known.

Run: ``python benchmarks/planted_layer.py models/demo planted``; see ``docs/checkpoints.md``.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def main() -> None:
    """Add a matrix of rank 1 and of a share of the norm."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", type=Path, help="folder with one model.safetensors")
    parser.add_argument("out", type=Path)
    parser.add_argument("--tensor", default="model.layers.2.mlp.down_proj.weight")
    parser.add_argument("--share", type=float, default=0.5, help="norm of what is added")
    given = parser.parse_args()
    shutil.copytree(given.base, given.out)
    path = given.out / "model.safetensors"
    tensors = load_file(path)
    matrix = tensors[given.tensor]
    drawn = torch.Generator().manual_seed(0)
    left, right = (torch.randn(size, generator=drawn) for size in matrix.shape)
    planted = torch.outer(left / left.norm(), right / right.norm())
    tensors[given.tensor] = matrix + given.share * torch.linalg.norm(matrix) * planted
    save_file(tensors, path, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
