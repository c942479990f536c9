"""``evalkit phrasings``: bring in, derive, label and lint phrasings."""

from __future__ import annotations

import click

from evalkit.cli import (
    phrasings_check,
    phrasings_diversity,
    phrasings_import,
    phrasings_lint,
    phrasings_new,
    phrasings_perturb,
    phrasings_seen,
    phrasings_suggest,
)
from evalkit.cli.options import CommandGroup

__all__ = ["command"]


@click.group(
    "phrasings",
    cls=CommandGroup,
    epilog="Example: evalkit phrasings seen --training sft.jsonl --out tuning.yaml",
)
def command() -> None:
    """Write, import, perturb, check, label, lint, compare and suggest phrasings."""


for _module in (
    phrasings_new,
    phrasings_import,
    phrasings_perturb,
    phrasings_check,
    phrasings_seen,
    phrasings_lint,
    phrasings_diversity,
    phrasings_suggest,
):
    command.add_command(_module.command)
