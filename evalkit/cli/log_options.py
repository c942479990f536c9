"""Options of commands that take tables and logs made elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from evalkit.cli.options import option, together
from evalkit.errors import UsageError

if TYPE_CHECKING:
    from evalkit.catalog.score_tables import Told

__all__ = ["LOGS", "log_options", "told_of"]

LOGS = ("lm-eval", "inspect", "helm", "eee", "promptfoo")
"""Formats of other harnesses' logs."""
F = TypeVar("F", bound=Callable[..., Any])


def log_options(*, named: bool = True) -> Callable[[F], F]:
    """Return the options of commands that take logs of other harnesses and tables with other
    columns.

    Parameters
    ----------
    named
        Whether ``--format`` is among them.
    """
    under = partial(option, group="Tables and logs made elsewhere")
    added = [
        under(
            "--phrasing",
            metavar="FIELD",
            help="Field of a log that is the phrasing, such as metadata.prompt; 'task': "
            "the task's name is.",
        ),
        under(
            "--metric",
            metavar="NAME",
            help="Score of a log that is read; default: the first one known.",
        ),
        under(
            "--map",
            "mapped",
            multiple=True,
            metavar="OURS=THEIRS",
            help="Column of a table under another name, or 'a value' for all rows. Repeatable.",
        ),
    ]
    form = under(
        "--format",
        "form",
        type=click.Choice(LOGS),
        help="Harness that wrote a log; default: told from its content.",
    )
    return together(form, *added) if named else together(*added)


def told_of(given: dict[str, Any]) -> Told:
    """Return what `log_options` say, taken out of the options of a command.

    Raises
    ------
    UsageError
        When ``--map`` is no pair.
    """
    from evalkit.catalog.score_tables import Told

    pairs = [text.partition("=") for text in given.pop("mapped")]
    if odd := next((ours for ours, equals, theirs in pairs if not (ours and theirs)), None):
        raise UsageError(
            f"--map {odd}: is no pair; OURS=THEIRS is accepted, such as --map score=is_correct."
        )
    return Told(
        form=given.pop("form", None),
        phrasing=given.pop("phrasing"),
        metric=given.pop("metric"),
        renamed={ours.strip(): theirs.strip() for ours, _, theirs in pairs},
    )
