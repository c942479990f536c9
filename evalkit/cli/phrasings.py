"""``evalkit phrasings``: bring in, derive, label and lint phrasings."""

from __future__ import annotations

import click

from evalkit.cli import phrasings_import, phrasings_lint, phrasings_perturb, phrasings_seen

__all__ = ["command"]


@click.group(
    "phrasings", epilog="Example: evalkit phrasings seen --training sft.jsonl --out tuning.yaml"
)
def command() -> None:
    """Import, perturb, label and lint phrasings."""


for _module in (phrasings_import, phrasings_perturb, phrasings_seen, phrasings_lint):
    command.add_command(_module.command)
