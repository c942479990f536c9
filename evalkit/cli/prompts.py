"""``evalkit prompts``, and how a prompt is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.choosing import at_most_one_model, choosing_options, settings_from
from evalkit.cli.options import GroupedCommand, option, output_options, print_json
from evalkit.errors import UsageError
from evalkit.report.terminal import say, shown

if TYPE_CHECKING:
    from evalkit.runs.prompts import ShownPrompt

__all__ = ["command", "print_prompts", "prompts_json"]

USED = (
    *("model", "phrasing_file", "kinds", "perturb", "shots", "tuned_on", "mitigation", "seed"),
    *("revision", "chat_template", "chat_template_kwargs", "model_args", "data_dir"),
)
"""Options of ``run`` that decide what is sent."""
NO_MODEL = "scripted:noise"
"""Stands for a model where none is named: what it is asked is the bare prompt."""


@click.command(
    "prompts",
    cls=GroupedCommand,
    epilog="Example: evalkit prompts procedural/boolean --model demo -n 2",
)
@click.argument("task")
@option("--phrasing", metavar="ID", default=None, help="Only this phrasing.")
@option(
    "-n",
    "number",
    type=click.IntRange(min=1),
    default=3,
    metavar="N",
    help="How many prompts: phrasings in turn, then instances.",
)
@choosing_options(*USED)
@output_options
def command(
    task: str, phrasing: str | None, number: int, as_json: bool, quiet: bool, **given: Any
) -> None:
    """Show prompts of a task exactly as they are sent: chat template, special tokens and all.

    TASK is an id ('evalkit ls tasks') or a task file. Without --model the bare prompt is shown, as
    it is before any chat template. No weights are loaded.
    """
    from evalkit.runs.choose import choose
    from evalkit.runs.prompts import shown_prompts

    bare = given["model"] is None
    settings = settings_from({**given, "model": given["model"] or NO_MODEL, "tasks": task})
    jobs, _ = choose(settings)
    known = [one.id for job in jobs for one in job.phrasings]
    if phrasing is not None and phrasing not in known:
        raise UsageError(
            f"--phrasing {phrasing}: is not among the {len(known)} of {task}, such as {known[0]}. "
            f"Type 'evalkit ls phrasings --task {task}'."
        )
    found, notes = shown_prompts(jobs, settings, number=number, phrasing=phrasing)
    if as_json:
        print_json(prompts_json(found))
        return
    print_prompts(found)
    if bare and not quiet:
        notes.append("no --model is named: this is the text before any chat template")
    for note in notes:
        say(f"Note: {note}", err=True)


at_most_one_model(command)


def prompts_json(found: Sequence[ShownPrompt]) -> list[dict[str, Any]]:
    """Return prompts as plain values."""
    return [asdict(one) for one in found]


def print_prompts(found: Sequence[ShownPrompt]) -> None:
    """Print prompts one below the other, each between two rules."""
    for place, one in enumerate(found, start=1):
        head = (
            f"--- {place} of {len(found)}: {one.task}, phrasing {one.phrasing_id} ({one.seen}), "
            f"instance {one.instance_id}"
        )
        say(shown(head, lines=False), colour="cyan")
        if one.system and one.tokens is None:
            say(f"[system] {one.system}")
        say(one.text)
        say("--- " + shown("; ".join(_about(one)), lines=False))
        if one.pieces is not None:
            say(f"tokens: {_joined(one.pieces)}")
        say()


def _about(one: ShownPrompt) -> list[str]:
    """What is asked behind the prompt, and how long that is."""
    found = []
    if one.choices:
        found.append("choices " + " ".join(repr(choice) for choice in one.choices))
    else:
        found.append(f"up to {one.max_tokens} tokens are generated")
    if one.tokens is not None:
        found.append(f"{len(one.tokens)} tokens")
    if one.choice_tokens and any(len(ids) > 1 for ids in one.choice_tokens):
        found.append(f"choices of {', '.join(str(len(ids)) for ids in one.choice_tokens)} tokens")
    if one.truncated:
        found.append("the prompt is too long: the middle of the instance is left out")
    if one.error:
        found.append(f"cannot be asked: {one.error}")
    return found


def _joined(pieces: Sequence[str]) -> str:
    r"""Pieces on one line, borders and line ends visible.

    >>> _joined(["<s>", "Say", " yes", "\n"])
    '<s>|Say| yes|⏎'
    """
    return "|".join(piece.replace("\n", "⏎") for piece in pieces)
